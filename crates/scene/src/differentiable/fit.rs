//! The camera and the colours of a picture, by gradient descent.

use std::f64::consts::PI;

use glam::DMat3;
use monotile::optim::{AdamW, AdamWOptions};
use monotile::transform::{se3_exp, translation};
use monotile::{DType, Error, Result, Tensor};
use monotile_radiance::MatrixCamera;

use super::ColoredMesh;
use crate::mipmaps::halved;
use crate::{Camera, Picture, srgb};

/// Cells a side, at least, of what is compared.
const COARSEST: usize = 3;

/// A number of steps at one size of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct FitStage {
    /// The picture is this many times smaller.
    pub downsampling: usize,
    /// How many steps are taken.
    pub steps: usize,
    /// The first steps' length: radians, and parts of the model's size. The last ones are twenty times shorter.
    pub learning_rate: f64,
    /// The same of the colours, which go from 0 to 1; 0 leaves them as they are and compares outlines alone.
    pub color_learning_rate: f64,
}

/// How a picture is fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// One after another, from small pictures to the whole one.
    pub stages: Vec<FitStage>,
}

impl Default for FitOptions {
    fn default() -> Self {
        let stage = |shrink, steps, learning_rate, color_learning_rate| FitStage {
            downsampling: shrink,
            steps,
            learning_rate,
            color_learning_rate,
        };
        Self {
            stages: vec![stage(8, 80, 0.03, 0.0), stage(4, 60, 0.02, 0.03), stage(2, 60, 0.008, 0.03), stage(1, 40, 0.003, 0.01)],
        }
    }
}

/// What has been found so far.
#[derive(Debug, Clone)]
pub struct FitState {
    /// From where the picture was taken.
    pub camera: Camera,
    /// (V, 3): linear RGB; of vertices that the picture does not show, what they began with.
    pub colors: Tensor,
    /// The mean square of the difference before each step, over red, green, blue and coverage.
    pub losses: Vec<f64>,
}

impl ColoredMesh {
    /// Finds from where a picture of this model was taken, and the colours of its vertices: from a camera some tens of degrees away and the colours that
    /// the model has, by Adam on the square of the difference between the picture and what would be seen, both as they are and averaged over ever larger squares.
    /// `progress` is called before every step.
    ///
    /// The picture's alpha says where the model is. The camera takes steps in the tangent space of poses: with the model's middle c and size s,
    /// V ← V T(c) exp(s ρ, φ) T(−c), at (ρ, φ) = 0. So it turns about the model, and not the model out of its sight. Its lens is kept.
    ///
    /// # Errors
    /// A picture of another size than the camera's, a stage whose picture would be empty, and lengths that are not above 0.
    ///
    /// The search goes downhill only, and may end at another camera from which the model looks much the same: of five starts 34° away from the
    /// built-in figure's camera two ended 38° off. Then [`FitState::losses`] end higher, and another start ([`ColoredMesh::orbited`]) can find the true one.
    ///
    /// # Cost
    /// A step draws the picture twice: a few milliseconds for 100 x 100 pixels and a thousand vertices.
    ///
    /// # Source
    /// Kingma and Ba (2015) for the steps; the gradient is that of [`Surface::rasterize`](monotile_radiance::Surface::rasterize).
    pub fn fit(
        &self,
        picture: &Picture,
        from: &Camera,
        options: &FitOptions,
        progress: &mut dyn FnMut(&FitState),
    ) -> Result<FitState> {
        let goal = TargetPyramid::new(picture, from, options)?;
        let about = ModelFrame::new(self)?;
        let mut best = from.to_tensors()?;
        let mut found = FitState { camera: from.clone(), colors: self.colors.detach(), losses: vec![] };
        for stage in &options.stages {
            let seen = goal.at(stage.downsampling)?;
            let [mut turns, mut paints] =
                [(); 2].map(|()| AdamW::new(AdamWOptions { weight_decay: 0.0, ..AdamWOptions::default() }));
            for step in 0..stage.steps {
                progress(&found);
                let left = 0.525 + 0.475 * (PI * step as f64 / stage.steps as f64).cos();
                let mut twist = [Tensor::zeros(&[6], DType::F64)?.requires_grad()];
                let mut colors = [found.colors.requires_grad()];
                let moved = |twist: &Tensor| best.view_from_world.matmul(&about.motion(twist)?);
                let [height, width] = [seen.dim(0), seen.dim(1)];
                let camera = MatrixCamera { view_from_world: moved(&twist[0])?, width, height, ..best.clone() };
                let apart = self.draw(&camera, &colors[0])?.sub(&seen)?;
                let loss = apart.square()?.mean(&[], false)?;
                let judged = if stage.color_learning_rate > 0.0 { apart } else { apart.slice(-1, 3..)? };
                let judged = at_all_sizes(&judged)?;
                let mut gradients = judged.backward()?;
                if let Some(gradient) = gradients.take(&twist[0]) {
                    turns.options.lr = left * stage.learning_rate;
                    turns.step(&mut twist, &[gradient])?;
                }
                if let Some(gradient) = gradients.take(&colors[0]).filter(|_| stage.color_learning_rate > 0.0) {
                    paints.options.lr = left * stage.color_learning_rate;
                    paints.step(&mut colors, &[gradient])?;
                }
                let view = moved(&twist[0].detach())?;
                found.losses.push(loss.item()?);
                best.view_from_world = view;
                found.camera = Camera::from_tensors(&best)?;
                found.colors = colors[0].detach();
            }
        }
        progress(&found);
        Ok(found)
    }

    /// A camera that is moved about the model: turned by a rotation vector about its middle, and shifted by parts of its size, along the world's axes.
    ///
    /// # Errors
    /// Memory that cannot be had.
    pub fn orbited(&self, camera: &Camera, shift: [f64; 3], turn: [f64; 3]) -> Result<Camera> {
        let motion = ModelFrame::new(self)?.motion(&Tensor::from_slice(&[shift, turn].concat(), &[6])?)?;
        let camera = camera.to_tensors()?;
        Camera::from_tensors(&MatrixCamera { view_from_world: camera.view_from_world.matmul(&motion)?, ..camera })
    }
}

/// The mean square of a difference, and that of its means over 2 x 2, 4 x 4, … pixels, times 2, 4, …: what lies apart in the picture is together in a smaller
/// one, so that an arm is drawn towards where it belongs from far away.
fn at_all_sizes(apart: &Tensor) -> Result<Tensor> {
    let [height, width, channels] = [apart.dim(0), apart.dim(1), apart.dim(2)];
    let mut sum = apart.square()?.mean(&[], false)?;
    let mut cell = 2;
    while cell * COARSEST <= height.min(width) {
        let [h, w] = [height / cell, width / cell];
        let cells = apart.slice(0, ..h * cell)?.slice(1, ..w * cell)?.reshape(&[h, cell, w, cell, channels])?;
        sum = sum.add(&cells.mean(&[1, 3], false)?.square()?.mean(&[], false)?.mul_scalar(cell as f64)?)?;
        cell *= 2;
    }
    Ok(sum)
}

/// The tangent space of poses about the middle of a model.
struct ModelFrame {
    /// T(c) and T(−c).
    there: Tensor,
    back: Tensor,
    /// What each number of a twist counts.
    unit: Tensor,
}

impl ModelFrame {
    /// About the middle of the box around all vertices, in parts of half of its diagonal.
    fn new(model: &ColoredMesh) -> Result<Self> {
        let points = model.vertices.slice(1, ..3)?;
        let [least, most] = [points.min(&[0], false)?, points.max(&[0], false)?];
        let half = most.sub(&least)?.mul_scalar(0.5)?;
        let (middle, size) = (least.add(&half)?, half.square()?.sum(&[], false)?.item::<f64>()?.sqrt());
        let unit = Tensor::from_slice(&[size, size, size, 1.0, 1.0, 1.0], &[6])?;
        Ok(Self { there: translation(&middle)?, back: translation(&middle.neg()?)?, unit })
    }

    /// T(c) exp(s ρ, φ) T(−c).
    fn motion(&self, twist: &Tensor) -> Result<Tensor> {
        self.there.matmul(&se3_exp(&twist.mul(&self.unit)?)?)?.matmul(&self.back)
    }
}

/// The picture that is to be met, as numbers that can be averaged.
struct TargetPyramid {
    /// Linear RGB times alpha, and alpha.
    pixels: Vec<f32>,
    size: [usize; 2],
}

impl TargetPyramid {
    fn new(picture: &Picture, camera: &Camera, options: &FitOptions) -> Result<Self> {
        let size = [picture.width, picture.height];
        if size != [camera.width, camera.height] {
            let [w, h] = size;
            return Err(Error::value(format!("fit: a picture of {w} x {h} from a camera of {} x {}", camera.width, camera.height)));
        }
        for (i, FitStage { downsampling: shrink, learning_rate, color_learning_rate, .. }) in options.stages.iter().enumerate() {
            if *shrink == 0 || size.iter().any(|n| n / shrink == 0) || !(*learning_rate > 0.0 && *color_learning_rate >= 0.0) {
                let [w, h] = size;
                return Err(Error::value(format!(
                    "fit: stage {i} makes {w} x {h} pixels {shrink} times smaller at a learning rate of {learning_rate} and {color_learning_rate}; it takes 1 to {} times, and a learning rate above 0",
                    w.min(h)
                )));
            }
        }
        let linear = |p: &[u8]| {
            let alpha = f32::from(p[3]) / 255.0;
            let color = |i: usize| alpha * srgb::decode(f32::from(p[i]) / 255.0);
            [color(0), color(1), color(2), alpha]
        };
        Ok(Self { pixels: picture.rgba.chunks_exact(4).flat_map(linear).collect(), size })
    }

    /// The picture this many times smaller, each pixel the mean of those it covers.
    fn at(&self, shrink: usize) -> Result<Tensor> {
        let [width, height] = self.size;
        let [w, h] = [width / shrink, height / shrink];
        let narrow = halved(&self.pixels, [height, width, 4], w);
        let small = halved(&narrow, [1, height, w * 4], h);
        Tensor::from_vec(small, &[h, w, 4])?.to_dtype(DType::F64)
    }
}

impl Camera {
    /// How far this camera is turned from another one, in degrees: of the one rotation between them.
    ///
    /// With R and Q the two views' rotations: |R − Q| = 2√2 sin(θ / 2), which is exact at small angles too.
    pub fn degrees_from(&self, other: &Self) -> f64 {
        let [r, q] = [self, other].map(|camera| DMat3::from_mat4(camera.matrices().0));
        let apart = (r - q).to_cols_array().iter().map(|x| x * x).sum::<f64>().sqrt();
        2.0 * (apart / 8f64.sqrt()).min(1.0).asin().to_degrees()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::CpuRenderer;
    use crate::{Background, Framing, Orbit, Pose, Scene, Shot};
    use monotile::tape::{CheckGradientOptions, check_gradient};

    fn figure(size: [usize; 2]) -> (ColoredMesh, Camera) {
        let scene = Scene::figure();
        let mut pose = Pose::rest(&scene);
        scene.animations[1].sample(0.35, &mut pose);
        let orbit = Orbit { azimuth: 20.0, elevation: 8.0, distance: 1.2, ..Orbit::default() };
        let camera = Framing::new(&scene, [pose.clone()]).unwrap().camera(&orbit, size).unwrap();
        (ColoredMesh::new(&scene, &pose).unwrap(), camera)
    }

    /// What the steps follow, by the twist at 0 and by the colours. So few pixels have few outlines, and none of them comes to pass a centre within the differences.
    #[test]
    fn gradients_of_camera_and_colours_agree_with_differences() {
        let (figure, camera) = figure([12, 16]);
        let about = ModelFrame::new(&figure).unwrap();
        let start = figure.orbited(&camera, [0.05, -0.03, 0.1], [0.1, 0.3, -0.2]).unwrap();
        let [goal, start] = [camera, start].map(|camera| camera.to_tensors().unwrap());
        let goal = figure.draw(&goal, &figure.colors).unwrap();
        let loss = |x: &[Tensor]| {
            let camera = MatrixCamera { view_from_world: start.view_from_world.matmul(&about.motion(&x[0])?)?, ..start.clone() };
            Ok(vec![at_all_sizes(&figure.draw(&camera, &x[1])?.sub(&goal)?)?])
        };
        let grey = Tensor::filled(figure.colors.shape(), 0.4, DType::F64).unwrap();
        check_gradient(
            loss,
            &[Tensor::zeros(&[6], DType::F64).unwrap(), grey],
            &CheckGradientOptions { directions: 4, ..Default::default() },
        )
        .unwrap();
    }

    #[test]
    fn a_camera_is_found_from_tens_of_degrees_away_with_the_colours() {
        let (truth, camera) = figure([96, 128]);
        let plain = truth.scene(&truth.colors).unwrap();
        let shot = Shot { background: Background::Transparent, ..Shot::new(camera.clone()) };
        let picture = CpuRenderer::new(&plain).draw(&Pose::rest(&plain), &shot).unwrap();
        let grey = ColoredMesh { colors: Tensor::filled(truth.colors.shape(), 0.35, DType::F64).unwrap(), ..truth.clone() };
        let start = grey.orbited(&camera, [0.08, -0.05, 0.1], [0.2, -0.5, -0.2]).unwrap();
        let stage = |shrink, steps, learning_rate, color_learning_rate| FitStage {
            downsampling: shrink,
            steps,
            learning_rate,
            color_learning_rate,
        };
        let options = FitOptions { stages: vec![stage(4, 80, 0.03, 0.0), stage(2, 60, 0.02, 0.03), stage(1, 40, 0.01, 0.03)] };
        let found = grey.fit(&picture, &start, &options, &mut |_| {}).unwrap();
        assert!(start.degrees_from(&camera) > 30.0);
        let degrees = found.camera.degrees_from(&camera);
        let [before, after] = [&grey.colors, &found.colors].map(|colors| truth.color_error(&camera, colors).unwrap());
        assert!(degrees < 1.0 && after < 0.25 * before, "{degrees}, {before} to {after}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let (figure, camera) = figure([48, 64]);
        let picture = |width, height| Picture { width, height, rgba: vec![0; 4 * width * height] };
        let words = |picture: &Picture, stage| {
            figure.fit(picture, &camera, &FitOptions { stages: vec![stage] }, &mut |_| {}).unwrap_err().to_string()
        };
        let stage = FitStage { downsampling: 1, steps: 1, learning_rate: 0.1, color_learning_rate: 0.0 };
        assert_eq!(words(&picture(64, 48), stage.clone()), "fit: a picture of 64 x 48 from a camera of 48 x 64");
        assert_eq!(
            words(&picture(48, 64), FitStage { downsampling: 49, ..stage }),
            "fit: stage 0 makes 48 x 64 pixels 49 times smaller at a learning rate of 0.1 and 0; it takes 1 to 48 times, and a learning rate above 0"
        );
    }
}
