//! Splats of the world on the screen.

use monotile::tape::{Gradient, Saved};
use monotile::{Error, Result, Tensor};
use monotile_kernels::buffer::Block;
use monotile_kernels::splat::{
    self as kernels, CameraRows, ProjectRule, ScreenSplats, ScreenSplatsMut, SplatShapes, SplatShapesMut, stated,
};

use crate::camera::{MatrixCamera, camera_rows};
use crate::kernel::{SplatNumber, by_place, cotangent, once, prepared_anywhere};
use crate::splats::Splats;

/// From where a splat is seen, for the colours that depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SightDirections {
    /// From the camera's place to each splat's mean.
    #[default]
    FromEye,
    /// Along the line of sight of a parallel camera, the same for all splats.
    AlongAxis,
}

/// Within which part of the picture's plane a splat changes its shape with its place. Beyond, the derivative of a perspective says nothing of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShapeLimits {
    /// As far as 0.3 of its half width beyond each edge of the picture.
    #[default]
    Picture,
    /// 1.3 half widths around the line of sight, wherever it meets the picture: the same for a lens whose axis is at the picture's centre.
    Axis,
    /// Anywhere.
    Unlimited,
}

/// How splats are projected.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectOptions {
    /// Splats are drawn beyond this distance from the plane of the eye; 0 or more.
    pub near: f64,
    /// Square pixels that are added to the variances of each splat on the screen; above 0.
    pub blur: f64,
    /// Whether what the blur adds to a splat's size is taken from its opacity: small splats far away do not grow.
    pub antialiased: bool,
    /// From where colours are seen.
    pub directions: SightDirections,
    /// Where shapes depend on places.
    pub limits: ShapeLimits,
}

impl Default for ProjectOptions {
    fn default() -> Self {
        let (near, blur) = (stated::NEAR, stated::BLUR);
        Self { near, blur, antialiased: false, directions: SightDirections::default(), limits: ShapeLimits::default() }
    }
}

impl ProjectOptions {
    /// Antialiased with a blur of 0.1 square pixels: sharper pictures than by the default, whose blur is wider than a pixel's own.
    ///
    /// # Source
    /// Yu, Chen, Huang, Sattler and Geiger (2024), Mip-Splatting: the filter of the screen.
    pub fn mip() -> Self {
        Self { antialiased: true, blur: 0.1, ..Self::default() }
    }
}

/// Splats on the screen: N rows each.
///
/// A splat that is not drawn, behind the camera or not finite, has rows of 0. Colours may be replaced by other numbers, `(N, C)`.
#[derive(Debug, Clone)]
pub struct ProjectedSplats {
    /// `(N, 2)`: x and y in pixels from the upper left corner.
    pub positions: Tensor,
    /// `(N, 3)`: a, b, c of the inverse covariance ((a, b), (b, c)).
    pub conics: Tensor,
    /// `(N)`: distances from the plane of the eye.
    pub depths: Tensor,
    /// `(N)`
    pub opacities: Tensor,
    /// `(N, 3)`
    pub colors: Tensor,
    /// How many splats before the camera are left out, because a number of them is not finite. On a GPU it is 0: it would wait to count them.
    pub skipped: usize,
}

/// The splats on a camera's screen.
///
/// ```text
/// x = (X + 1) W/2, y = (1 − Y) H/2 of X, Y, w = P V m        Σ = T R diag(s)² Rᵀ Tᵀ + blur I, T = ∂(x, y)/∂m        c = max(0, ½ + Σₖ Yₖ hₖ)
/// ```
///
/// Shapes: see [`Splats`] and [`ProjectedSplats`]; results are f64 where a tensor of the splats is, else f32. The camera is computed with in f64, and so is on
/// the processor, also where the splats are on a GPU.
///
/// # Gradient
/// By all five tensors and both matrices, of order one. That of V has three parts: through places, through the shapes' T, and through the directions of
/// sight. Whether a splat is drawn, and which side of a limit it is on, has none.
///
/// # Errors
/// If shapes do not fit, V has no inverse where the eye is asked for, or `near` or `blur` is out of its range.
///
/// # Cost
/// Some 300 operations a splat, and 6 a harmonic.
///
/// # Example
/// A splat at the centre of a picture of 32 x 32, at a distance of 4:
/// ```
/// use monotile::{DType, Tensor};
/// use monotile_radiance::{MatrixCamera, ProjectOptions, Splats, project};
/// let view = Tensor::from_rows(&[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -4.0], [0.0, 0.0, 0.0, 1.0]])?;
/// let lens = Tensor::from_rows(&[[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, -1.0, -0.1], [0.0, 0.0, -1.0, 0.0]])?;
/// let camera = MatrixCamera { view_from_world: view, clip_from_view: lens, width: 32, height: 32 };
/// let splats = Splats {
///     means: Tensor::zeros(&[1, 3], DType::F64)?,
///     rotations: Tensor::from_rows(&[[0.0, 0.0, 0.0, 1.0]])?,
///     log_scales: Tensor::filled(&[1, 3], 0.25_f64.ln(), DType::F64)?,
///     logits: Tensor::zeros(&[1], DType::F64)?,
///     harmonics: Tensor::zeros(&[1, 1, 3], DType::F64)?,
/// };
/// let seen = project(&splats, &camera, &ProjectOptions::default())?;
/// assert_eq!(seen.positions.to_vec::<f64>()?, [16.0, 16.0]);
/// assert_eq!((seen.depths.to_vec::<f64>()?, seen.opacities.to_vec::<f64>()?), (vec![4.0], vec![0.5]));
/// // A quarter of a unit is 2 pixels there: a variance of 4, and 0.3 of blur.
/// assert!((seen.conics.to_vec::<f64>()?[0] - 1.0 / 4.3).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
///
/// # Source
/// Zwicker, Pfister, van Baar and Gross (2001), EWA volume splatting; Yu, Chen, Huang, Sattler and Geiger (2024), Mip-Splatting.
#[track_caller]
pub fn project(splats: &Splats, camera: &MatrixCamera, options: &ProjectOptions) -> Result<ProjectedSplats> {
    splats.check("project")?;
    let ProjectOptions { near, blur, antialiased, directions, limits } = *options;
    if !(near >= 0.0 && near.is_finite()) {
        return Err(Error::value(format!("project: near is a distance of 0 or more, not {near}")));
    }
    if !(blur > 0.0 && blur.is_finite()) {
        return Err(Error::value(format!("project: blur is above 0 and finite, not {blur}")));
    }
    let rows = camera.rows("project", directions, limits)?;
    let numbers = camera_rows("project", &rows)?;
    let Splats { means, rotations, log_scales, logits, harmonics } = splats;
    let [means, rotations, log_scales, logits, harmonics] =
        prepared_anywhere("project", [means, rotations, log_scales, logits, harmonics])?;
    let rule = ProjectRule { width: camera.width, height: camera.height, blur, near, antialiased };
    let inputs = [&means, &rotations, &log_scales, &logits];
    let (outputs, skipped) = by_place!("project", inputs, on_screen(rule, &numbers, inputs))?;
    let depths = outputs[2].clone();
    let shapes = ProjectShapes { rule, camera: numbers };
    let all = Tensor::record_all(outputs, &[&means, &rotations, &log_scales, &logits, &rows], shapes);
    let seen = [&means, &harmonics, &depths];
    let (colors, unclear) = by_place!("project", seen, seen_colors(&numbers, seen))?;
    let colors = Tensor::record(colors, &[&means, &harmonics, &rows], ProjectColors { camera: numbers, depths });
    let [positions, conics, depths, opacities] = [0, 1, 2, 3].map(|k| all[k].clone());
    Ok(ProjectedSplats { positions, conics, depths, opacities, colors, skipped: skipped + unclear })
}

fn on_screen<T: SplatNumber>(rule: ProjectRule, camera: &CameraRows, inputs: [&Tensor; 4]) -> Result<(Vec<Tensor>, usize)> {
    let n = inputs[3].len();
    let mut positions = Block::<T>::new(2 * n)?;
    let (mut conics, mut depths, mut opacities) = (Block::<T>::new(3 * n)?, Block::<T>::new(n)?, Block::<T>::new(n)?);
    let out = ScreenSplatsMut { positions: &mut positions, conics: &mut conics, depths: &mut depths, opacities: &mut opacities };
    let skipped = kernels::project(rule, camera, shapes::<T>(inputs)?, out);
    let tensors =
        [T::tensor(positions, &[n, 2])?, T::tensor(conics, &[n, 3])?, T::tensor(depths, &[n])?, T::tensor(opacities, &[n])?];
    Ok((tensors.into(), skipped))
}

fn shapes<T: SplatNumber>([means, rotations, log_scales, logits]: [&Tensor; 4]) -> Result<SplatShapes<'_, T>> {
    Ok(SplatShapes {
        means: T::elements(means)?,
        rotations: T::elements(rotations)?,
        log_scales: T::elements(log_scales)?,
        logits: T::elements(logits)?,
    })
}

fn seen_colors<T: SplatNumber>(camera: &CameraRows, [means, harmonics, depths]: [&Tensor; 3]) -> Result<(Tensor, usize)> {
    let n = depths.len();
    let mut colors = Block::<T>::new(3 * n)?;
    let skipped = kernels::colors(camera, T::elements(means)?, T::elements(harmonics)?, T::elements(depths)?, &mut colors);
    Ok((T::tensor(colors, &[n, 3])?, skipped))
}

/// The gradient of a camera's rows, for who needs it.
pub(crate) type CameraBar = Box<dyn FnOnce() -> Result<CameraRows>>;

/// The answers of a rule for its splats' tensors and, last, the camera's rows.
fn answers(saved: &Saved, gradients: Vec<Tensor>, camera: CameraBar) -> Result<Vec<Option<Tensor>>> {
    let mut all: Vec<Option<Tensor>> = gradients.into_iter().enumerate().map(|(i, g)| saved.needs(i).then_some(g)).collect();
    let needed = saved.needs(all.len());
    all.push(needed.then(|| Tensor::from_slice(&camera()?, &[6, 4])).transpose()?);
    Ok(all)
}

pub(crate) struct ProjectShapes {
    pub rule: ProjectRule,
    pub camera: CameraRows,
}

impl Gradient for ProjectShapes {
    fn name(&self) -> &'static str {
        "project"
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        i < 4
    }
    fn keeps_output(&self, k: usize) -> bool {
        k == 2
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        once("project", saved.is_recorded())?;
        let dtype = saved.input_dtype(0);
        let inputs = [0, 1, 2, 3].map(|i| saved.input(i));
        let depths = saved.output(2);
        let mut bars = Vec::new();
        for (k, bar) in cotangents.iter().enumerate() {
            bars.push(cotangent(bar, saved.output_shape(k), dtype)?);
        }
        let inputs = inputs.each_ref();
        let (gradients, camera) = by_place!("project", inputs, from_screen(self, inputs, &depths, &bars))?;
        answers(saved, gradients, camera)
    }
}

fn from_screen<T: SplatNumber>(
    of: &ProjectShapes,
    inputs: [&Tensor; 4],
    depths: &Tensor,
    bars: &[Tensor],
) -> Result<(Vec<Tensor>, CameraBar)> {
    let n = depths.len();
    let (mut means, mut rotations) = (Block::<T>::new(3 * n)?, Block::<T>::new(4 * n)?);
    let (mut log_scales, mut logits) = (Block::<T>::new(3 * n)?, Block::<T>::new(n)?);
    let out = SplatShapesMut { means: &mut means, rotations: &mut rotations, log_scales: &mut log_scales, logits: &mut logits };
    let cotangents = screen::<T>([&bars[0], &bars[1], &bars[2], &bars[3]])?;
    let camera = kernels::project_gradient(of.rule, &of.camera, shapes::<T>(inputs)?, T::elements(depths)?, cotangents, out);
    let tensors =
        [T::tensor(means, &[n, 3])?, T::tensor(rotations, &[n, 4])?, T::tensor(log_scales, &[n, 3])?, T::tensor(logits, &[n])?];
    Ok((tensors.into(), Box::new(move || Ok(camera))))
}

/// Tensors of what is on the screen as kernels read them.
pub(crate) fn screen<T: SplatNumber>([positions, conics, depths, opacities]: [&Tensor; 4]) -> Result<ScreenSplats<'_, T>> {
    Ok(ScreenSplats {
        positions: T::elements(positions)?,
        conics: T::elements(conics)?,
        depths: T::elements(depths)?,
        opacities: T::elements(opacities)?,
    })
}

struct ProjectColors {
    camera: CameraRows,
    /// 0 where a splat is not drawn.
    depths: Tensor,
}

impl Gradient for ProjectColors {
    fn name(&self) -> &'static str {
        "project"
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        i < 2
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        once("project", saved.is_recorded())?;
        let Some(bar) = &cotangents[0] else { return Ok(vec![None; 3]) };
        let dtype = saved.input_dtype(0);
        let bar = bar.to_dtype(dtype)?.contiguous()?;
        let inputs = [&saved.input(0), &saved.input(1), &self.depths, &bar];
        let (gradients, camera) = by_place!("project", inputs, from_colors(&self.camera, inputs))?;
        answers(saved, gradients, camera)
    }
}

fn from_colors<T: SplatNumber>(
    camera: &CameraRows,
    [means, harmonics, depths, bar]: [&Tensor; 4],
) -> Result<(Vec<Tensor>, CameraBar)> {
    let (mut means_bar, mut harmonics_bar) = (Block::<T>::new(means.len())?, Block::<T>::new(harmonics.len())?);
    let [m, h, d, g] = [means, harmonics, depths, bar].map(T::elements);
    let eye = kernels::colors_gradient(camera, m?, h?, d?, g?, [&mut means_bar, &mut harmonics_bar]);
    let tensors = vec![T::tensor(means_bar, means.shape())?, T::tensor(harmonics_bar, harmonics.shape())?];
    Ok((tensors, Box::new(move || Ok(eye))))
}
