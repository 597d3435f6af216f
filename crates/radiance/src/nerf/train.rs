//! Learning a field from pictures with known cameras.

use monotile::ops::{LossReduction, huber_loss, mse_loss};
use monotile::optim::{Adam, AdamOptions};
use monotile::tape::grad;
use monotile::{DType, Error, ErrorKind, Result, Rng, Tensor};

use super::composite::{CompositeOptions, composite};
use super::cube::{CubeRays, SceneCube};
use super::field::{FieldOptions, RadianceField};
use super::occupancy::{OccupancyGrid, RayMarch};
use super::poses::{FieldPoses, ViewPoses};
use super::scene::{FieldScene, LEAST_TRANSMITTANCE, MOST_OCCUPANCY, MOST_SAMPLES};
use super::views::FieldView;
use crate::camera::MatrixCamera;

/// What a step makes smaller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FieldObjective {
    /// The mean square of the difference of colours: what PSNR measures.
    #[default]
    Mse,
    /// Huber's loss: large differences count less.
    Huber,
}

/// What is behind pictures that are not opaque, while they are learned.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum FieldBackground {
    /// A colour drawn at random for each ray: what is transparent has to be empty.
    #[default]
    Random,
    /// One colour.
    Color([f64; 3]),
}

/// How a field is learned.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldTrainOptions {
    /// Its sizes.
    pub field: FieldOptions,
    /// Where it is; by default the cube that the views look at.
    pub cube: Option<SceneCube>,
    /// Samples of a step, about which as many rays are drawn as have them.
    pub samples: usize,
    /// Samples a side of the cube.
    pub across: usize,
    /// Cells a side of the grid that says where the field is empty.
    pub occupancy: usize,
    /// Adam's learning rate at the first step,
    pub learning_rate: f64,
    /// and what it is multiplied with until the last one.
    pub decay: f64,
    /// What a step makes smaller.
    pub objective: FieldObjective,
    /// What is behind transparent pictures.
    pub background: FieldBackground,
    /// Whether poses are learned.
    pub poses: FieldPoses,
    /// Of everything random.
    pub seed: u64,
}

impl Default for FieldTrainOptions {
    fn default() -> Self {
        Self {
            field: FieldOptions::default(),
            cube: None,
            samples: 1 << 16,
            across: 192,
            occupancy: 64,
            learning_rate: 1e-2,
            decay: 0.03,
            objective: FieldObjective::default(),
            background: FieldBackground::default(),
            poses: FieldPoses::default(),
            seed: 0,
        }
    }
}

impl FieldTrainOptions {
    #[track_caller]
    fn check(&self) -> Result<()> {
        let Self { samples, across, occupancy, learning_rate, decay, .. } = *self;
        if !(64..=1 << 24).contains(&samples) {
            return Err(Error::value(format!("nerf: takes 64 to 2^24 samples a step, got {samples}")));
        }
        if !(1..=MOST_SAMPLES).contains(&across) || !(1..=MOST_OCCUPANCY).contains(&occupancy) {
            return Err(Error::value(format!(
                "nerf: takes 1 to {MOST_SAMPLES} samples a side and an occupancy from 1 to {MOST_OCCUPANCY}, got {across} and {occupancy}"
            )));
        }
        if !(learning_rate > 0.0 && learning_rate.is_finite() && decay > 0.0 && decay <= 1.0) {
            return Err(Error::value(format!(
                "nerf: takes a learning rate above 0 and a decay above 0 and up to 1, got {learning_rate} and {decay}"
            )));
        }
        Ok(())
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldStep {
    /// How many steps are done, this one included.
    pub number: usize,
    /// The loss before it.
    pub loss: f64,
    /// The peak signal-to-noise ratio of its rays.
    pub psnr: f64,
    /// How many rays it drew,
    pub rays: usize,
    /// and how many samples of them were seen.
    pub samples: usize,
}

/// Steps between updates of the occupancy grid, and how many of the first update all of it.
const UPDATE: usize = 16;
const WHOLE_UPDATES: usize = 256;
/// Rays of the first step, and the fewest and the most of any.
const FIRST_RAYS: usize = 512;
const FEWEST_RAYS: usize = 64;
const MOST_RAYS: usize = 1 << 16;
/// Draws of a pixel that is not masked.
const TRIES: usize = 64;
/// Where Huber's loss becomes straight.
const HUBER: f64 = 0.1;

/// A field in the making.
///
/// A step depends on options, views and state alone: one that is saved and resumed goes on with the same bits.
pub struct FieldTrainer {
    pub(super) scene: FieldScene,
    pub(super) options: FieldTrainOptions,
    pub(super) views: Vec<FieldView>,
    pub(super) optimizer: Adam,
    pub(super) poses: ViewPoses,
    pub(super) done: usize,
    /// Rays of the next step.
    pub(super) rays: usize,
    /// The pixels of the views before each, and of all.
    pixels: Vec<usize>,
}

/// The rays of a step and what they should show.
struct Drawn {
    rays: CubeRays,
    /// The view of each.
    views: Vec<i64>,
    jitter: Vec<f32>,
    background: Vec<f32>,
    target: Vec<f32>,
}

impl FieldTrainer {
    /// A run at its beginning.
    ///
    /// # Errors
    /// If an option is out of its range, there is no view, or there is no memory.
    #[track_caller]
    pub fn new(views: Vec<FieldView>, options: FieldTrainOptions) -> Result<Self> {
        options.check()?;
        let cube = match options.cube {
            Some(cube) => cube,
            None => SceneCube::seen_by(&views.iter().map(FieldView::sight).collect::<Vec<_>>())?,
        };
        if views.is_empty() {
            return Err(Error::value("nerf: there is no view to learn from"));
        }
        let field = RadianceField::random(options.field.clone(), cube, &mut Rng::new(options.seed).fork(u64::MAX))?;
        let occupancy = OccupancyGrid::new(options.occupancy);
        let mut pixels = vec![0];
        for view in &views {
            pixels.push(pixels[pixels.len() - 1] + view.len());
        }
        let optimizer = Adam::new(AdamOptions { lr: options.learning_rate, betas: (0.9, 0.99), eps: 1e-15, weight_decay: 0.0 });
        let scene = FieldScene { field, occupancy, samples: options.across };
        let poses = ViewPoses::new(views.len());
        Ok(Self { scene, options, views, optimizer, poses, done: 0, rays: FIRST_RAYS, pixels })
    }

    /// What is learned, as it is now.
    pub fn scene(&self) -> &FieldScene {
        &self.scene
    }

    /// The options.
    pub fn options(&self) -> &FieldTrainOptions {
        &self.options
    }

    /// The views that are learned from.
    pub fn views(&self) -> &[FieldView] {
        &self.views
    }

    /// How many steps are done.
    pub fn steps_done(&self) -> usize {
        self.done
    }

    /// The camera of a view that is learned from, as it is now.
    ///
    /// # Errors
    /// If there is no such view.
    #[track_caller]
    pub fn camera(&self, view: usize) -> Result<MatrixCamera> {
        let Some(of) = self.views.get(view) else {
            return Err(Error::value(format!("nerf: there are {} views to learn from, and no view {view}", self.views.len())));
        };
        let (rotation, place) = self.poses.of(view);
        // x moves to R (x − eye) + eye + t, so that V becomes V with the inverse of that.
        let side = 2.0 * self.scene.field.cube().half;
        let eye = Tensor::from(of.eye()).reshape(&[3, 1])?;
        let back = Tensor::from_rows(rotation)?.mt();
        let moved = eye.add(Tensor::from(place.map(|x| x * side)).reshape(&[3, 1])?)?;
        let v = of.camera().view_from_world.to_dtype(DType::F64)?;
        let (turn, shift) = (v.slice(0, ..3)?.slice(1, ..3)?, v.slice(0, ..3)?.slice(1, 3..)?);
        let turned = turn.matmul(&back)?;
        let shift = shift.add(turn.matmul(&eye)?)?.sub(turned.matmul(&moved)?)?;
        let top = Tensor::cat(&[turned, shift], 1)?;
        let view_from_world = Tensor::cat(&[top, v.slice(0, 3..)?], 0)?;
        Ok(MatrixCamera { view_from_world, ..of.camera().clone() })
    }

    /// Goes one step; `progress`, from 0 to 1, is how much of the run is done, which the learning rate follows.
    ///
    /// # Errors
    /// `NotConverged`, if the loss is not finite; what is learned then stays as it is.
    pub fn step(&mut self, progress: f64) -> Result<FieldStep> {
        let number = self.done;
        let rng = Rng::new(self.options.seed).fork(number as u64);
        let step = self.scene.step();
        if number > 0 && number.is_multiple_of(UPDATE) {
            let FieldScene { field, occupancy, .. } = &mut self.scene;
            occupancy.update(field, rng.fork(1), number < WHOLE_UPDATES, step)?;
        }
        let mut drawn = self.draw(rng.fork(0))?;
        let march = self.seen(&mut drawn)?;
        let (rays, samples) = (drawn.rays.origins.len(), march.starts.len());
        let mut leaves: Vec<Tensor> = self.scene.field.values().iter().map(Tensor::requires_grad).collect();
        let refine = self.options.poses == FieldPoses::Refine;
        if refine {
            leaves.push(self.poses.leaf()?);
        }
        let (loss, psnr) = self.loss(&leaves, &drawn, &march)?;
        let value = loss.item::<f32>()?;
        if !value.is_finite() {
            let words = format!("nerf: the loss of step {} is {value}; a lower learning rate may help", number + 1);
            return Err(Error::new(ErrorKind::NotConverged, words));
        }
        let mut gradients = grad(&loss, &leaves)?;
        drop((loss, leaves));
        let decay = self.options.decay.powf(progress.clamp(0.0, 1.0));
        self.optimizer.options.lr = self.options.learning_rate * decay;
        let of_poses = refine.then(|| gradients.pop()).flatten();
        // Out of the field, nobody else holds them, and the optimizer writes in place.
        let mut values = self.scene.field.replace(vec![Tensor::scalar(0.0_f32); gradients.len()]);
        let updated = self.optimizer.step(&mut values, &gradients);
        self.scene.field.replace(values.iter().map(Tensor::detach).collect());
        updated?;
        if let Some(gradient) = of_poses {
            self.poses.step(gradient, decay)?;
        }
        self.done += 1;
        let wanted = rays as f64 * self.options.samples as f64 / samples.max(1) as f64;
        self.rays = (wanted.min(2.0 * rays as f64) as usize).clamp(FEWEST_RAYS, MOST_RAYS);
        Ok(FieldStep { number: self.done, loss: f64::from(value), psnr, rays, samples })
    }

    /// Rays through pixels that are drawn from all views alike.
    fn draw(&self, mut rng: Rng) -> Result<Drawn> {
        let n = self.rays;
        let mut drawn = Drawn {
            rays: CubeRays::default(),
            views: Vec::with_capacity(n),
            jitter: Vec::with_capacity(n),
            background: Vec::with_capacity(3 * n),
            target: Vec::with_capacity(3 * n),
        };
        let (cube, all) = (self.scene.field.cube(), self.pixels[self.views.len()]);
        for _ in 0..n {
            let mut pixel = || {
                let chosen = rng.below(all);
                let view = self.pixels.partition_point(|&first| first <= chosen) - 1;
                (view, chosen - self.pixels[view])
            };
            let mut found = pixel();
            for _ in 0..TRIES {
                if self.views[found.0].shows(found.1) {
                    break;
                }
                found = pixel();
            }
            let (number, at) = found;
            let view = &self.views[number];
            let (origin, direction) = view.ray(at);
            cube.push(&mut drawn.rays, origin, direction);
            self.poses.push(&mut drawn.rays, number);
            drawn.views.push(number as i64);
            drawn.jitter.push(rng.next_f64() as f32);
            let background = match self.options.background {
                FieldBackground::Random => [rng.next_f64(), rng.next_f64(), rng.next_f64()],
                FieldBackground::Color(color) => color,
            };
            let [r, g, b, alpha] = view.pixel(at);
            for (color, behind) in [r, g, b].into_iter().zip(background) {
                drawn.background.push(behind as f32);
                drawn.target.push(color * alpha + (1.0 - alpha) * behind as f32);
            }
        }
        Ok(drawn)
    }

    /// The samples of rays that are seen through those before them; rays that would have too many are left out.
    fn seen(&self, drawn: &mut Drawn) -> Result<RayMarch> {
        let jitter = &drawn.jitter;
        let mut march = self.scene.occupancy.march(&drawn.rays, |ray| jitter[ray], self.scene.step())?;
        let rays = march.truncate(8 * self.options.samples);
        let field = &self.scene.field;
        let mut seen = march.seen(&march.densities(field, &field.values())?, LEAST_TRANSMITTANCE);
        let rays = seen.truncate(2 * self.options.samples).min(rays);
        drawn.rays.origins.truncate(rays);
        drawn.rays.directions.truncate(rays);
        drawn.views.truncate(rays);
        drawn.background.truncate(3 * rays);
        drawn.target.truncate(3 * rays);
        Ok(seen)
    }

    /// The loss of rays on the tape, and their PSNR.
    fn loss(&self, leaves: &[Tensor], drawn: &Drawn, march: &RayMarch) -> Result<(Tensor, f64)> {
        let (field, rays, samples) = (&self.scene.field, drawn.rays.origins.len(), march.starts.len());
        let (leaves, twists) = leaves.split_at(field.parameters().len());
        let [points, directions] = match twists.first() {
            Some(twists) => ViewPoses::on_tape(twists, &drawn.views, &drawn.rays, march)?,
            None => {
                let directions = drawn.rays.directions.as_flattened().to_vec();
                [march.points()?, Tensor::from_vec(directions, &[rays, 3])?]
            }
        };
        let (density, features) = field.densities(leaves, &points)?;
        let of = Tensor::from_slice(&march.of, &[samples])?;
        let colors = field.colors(leaves, &features, &field.directions(&directions)?.index_select(0, &of)?)?;
        let [starts, ends] = [&march.starts, &march.ends].map(|x| Tensor::from_slice(x, &[samples]));
        let seen = composite(&density, &colors, [&starts?, &ends?], &march.offsets, &CompositeOptions::default())?;
        let background = Tensor::from_slice(&drawn.background, &[rays, 3])?;
        let target = Tensor::from_slice(&drawn.target, &[rays, 3])?;
        let picture = seen.colors.add(seen.transmittances.mul(background)?)?;
        let mse = mse_loss(&picture, &target, LossReduction::Mean)?;
        let psnr = psnr(f64::from(mse.item::<f32>()?));
        let loss = match self.options.objective {
            FieldObjective::Mse => mse,
            FieldObjective::Huber => huber_loss(&picture, &target, HUBER, LossReduction::Mean)?,
        };
        Ok((loss, psnr))
    }
}

/// The peak signal-to-noise ratio of a mean square error, of colours from 0 to 1.
pub(super) fn psnr(mse: f64) -> f64 {
    -10.0 * mse.log10()
}
