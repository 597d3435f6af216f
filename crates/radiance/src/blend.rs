//! Splats of the screen as a picture.

use monotile::tape::{Gradient, Saved};
use monotile::{Error, Result, Tensor};
use monotile_kernels::buffer::Block;
use monotile_kernels::shape::count;
use monotile_kernels::splat::{self as kernels, BlendRule, ScreenSplatsMut, SplatBins, stated};

use crate::camera::MatrixCamera;
use crate::kernel::{SplatNumber, by_place, once, prepared_anywhere};
use crate::project::{ProjectedSplats, screen};

/// Where blending begins and ends.
#[derive(Debug, Clone, PartialEq)]
pub struct BlendOptions {
    /// The least opacity of a splat at a pixel that is blended; 0 blends every splat at every pixel.
    pub least_alpha: f64,
    /// The largest opacity of a splat at a pixel, up to 1.
    pub most_alpha: f64,
    /// A pixel is finished before what is behind would be seen by no more than this.
    pub least_transmittance: f64,
}

impl Default for BlendOptions {
    fn default() -> Self {
        let (least_alpha, most_alpha, least_transmittance) = (stated::LEAST_ALPHA, stated::MOST_ALPHA, stated::LEAST_TRANSMITTANCE);
        Self { least_alpha, most_alpha, least_transmittance }
    }
}

/// The picture of splats on the screen, blended from the nearest to the farthest; of two at the same depth the first row's is nearer.
///
/// ```text
/// αᵢ = min(most, oᵢ exp(−½ dᵀ Qᵢ d))        wᵢ = αᵢ Πⱼ (1 − αⱼ) over the nearer j        Σᵢ wᵢ cᵢ,  Σᵢ wᵢ,  Σᵢ wᵢ depthᵢ
/// ```
///
/// with d from a splat's position to the centre of the pixel. Shapes: colours are `(N, C)` with any C of 1 or more; the result is `(height, width, C + 2)`: the colours, which
/// have their coverage in them, the coverage, and the sum of depths. `result[…, :C] + (1 − coverage) · background` is the picture before a background.
///
/// # Gradient
/// By positions, conics, opacities, depths (through their sum) and colours; of order one. The order, and where blending begins and ends, have none.
///
/// # Errors
/// If shapes do not fit, the picture is empty or has a side of more than 16384, or an option is out of its range.
///
/// # Cost
/// A pass over the pixels of each block of 4 x 4 that a splat reaches, for each four of the C + 1 channels. Blocks that are finished are passed over. On a GPU
/// how many pairs of a splat and a tile there are is read back, so that a call waits for it.
///
/// # Example
/// Two opaque splats, the second row's in front: half of its opacity is seen, and half of what the other one shows through it.
/// ```
/// use monotile::Tensor;
/// use monotile_radiance::{BlendOptions, ProjectedSplats, blend};
/// let splats = ProjectedSplats {
///     positions: Tensor::from([[0.5_f64, 0.5], [0.5, 0.5]]),
///     conics: Tensor::from([[1.0_f64, 0.0, 1.0], [1.0, 0.0, 1.0]]),
///     depths: Tensor::from([2.0_f64, 1.0]),
///     opacities: Tensor::from([0.5_f64, 0.5]),
///     colors: Tensor::from([[1.0_f64], [3.0]]),
///     skipped: 0,
/// };
/// let picture = blend(&splats, [1, 1], &BlendOptions::default())?;
/// assert_eq!(picture.to_vec::<f64>()?, [0.5 * 3.0 + 0.25 * 1.0, 0.75, 0.5 * 1.0 + 0.25 * 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
///
/// # Source
/// Kerbl, Kopanas, Leimkühler and Drettakis (2023), 3D Gaussian splatting for real-time radiance field rendering.
#[track_caller]
pub fn blend(splats: &ProjectedSplats, [width, height]: [usize; 2], options: &BlendOptions) -> Result<Tensor> {
    let ProjectedSplats { positions, conics, depths, opacities, colors, .. } = splats;
    let n = opacities.len();
    let fit = positions.shape() == [n, 2] && conics.shape() == [n, 3] && depths.shape() == [n] && opacities.shape() == [n];
    if !fit || colors.rank() != 2 || colors.dim(0) != n || colors.dim(1) == 0 {
        let shapes = [positions, conics, depths, opacities, colors].map(Tensor::shape);
        return Err(Error::shape(format!(
            "blend: takes positions [N, 2], conics [N, 3], depths [N], opacities [N] and colors [N, C], got {shapes:?}"
        )));
    }
    let most = MatrixCamera::MOST_SIDE;
    if width == 0 || height == 0 || width > most || height > most {
        return Err(Error::value(format!("blend: a picture has 1 to {most} pixels a side, not {width} x {height}")));
    }
    let BlendOptions { least_alpha: least, most_alpha, least_transmittance: stop } = *options;
    if !((0.0..1.0).contains(&least) && most_alpha > least && most_alpha <= 1.0 && (0.0..1.0).contains(&stop)) {
        return Err(Error::value(format!(
            "blend: takes 0 <= least_alpha < most_alpha <= 1 and 0 <= least_transmittance < 1, got {least}, {most_alpha} and {stop}"
        )));
    }
    let inputs = prepared_anywhere("blend", [positions, conics, depths, opacities, colors])?;
    let rule = BlendRule { width, height, channels: colors.dim(1), least, most: most_alpha, stop };
    let inputs = inputs.each_ref();
    by_place!("blend", inputs, blended(rule, inputs))
}

#[track_caller]
fn blended<T: SplatNumber>(rule: BlendRule, inputs: [&Tensor; 5]) -> Result<Tensor> {
    let [positions, conics, depths, opacities, colors] = inputs;
    let on_screen = screen::<T>([positions, conics, depths, opacities])?;
    let colors = T::elements(colors)?;
    let bins = SplatBins::new(&rule, on_screen, colors)?;
    let mut picture = Block::new(rule.width * rule.height * rule.wide())?;
    kernels::blend(&bins, &mut picture);
    let picture = T::tensor(picture, &[rule.height, rule.width, rule.wide()])?;
    Ok(Tensor::record(picture, &inputs, Blend(bins)))
}

/// What a picture was blended from, where that was.
pub(crate) trait BlendedFrom: Send + Sync + 'static {
    /// The gradients of positions, conics, depths, opacities and colours, from a picture and its cotangent.
    fn gradients(&self, saved: &Saved, picture: &Tensor, bar: &Tensor) -> Result<Vec<Tensor>>;
}

pub(crate) struct Blend<B: BlendedFrom>(pub B);

impl<B: BlendedFrom> Gradient for Blend<B> {
    fn name(&self) -> &'static str {
        "blend"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        once("blend", saved.is_recorded())?;
        let Some(bar) = &cotangents[0] else { return Ok(vec![None; 5]) };
        let gradients = self.0.gradients(saved, &saved.output(0), bar)?;
        Ok(gradients.into_iter().enumerate().map(|(i, x)| saved.needs(i).then_some(x)).collect())
    }
}

impl<T: SplatNumber> BlendedFrom for SplatBins<T> {
    fn gradients(&self, saved: &Saved, picture: &Tensor, bar: &Tensor) -> Result<Vec<Tensor>> {
        let bar = bar.to_dtype(T::DTYPE)?.contiguous()?;
        let mut gradients = Vec::new();
        for i in 0..5 {
            gradients.push(Block::<T>::new(count(saved.input_shape(i)))?);
        }
        if let [positions, conics, depths, opacities, colors] = &mut gradients[..] {
            let out = ScreenSplatsMut { positions, conics, depths, opacities };
            kernels::blend_gradient(self, [T::elements(picture)?, T::elements(&bar)?], out, colors)?;
        }
        gradients.into_iter().enumerate().map(|(i, block)| T::tensor(block, saved.input_shape(i))).collect()
    }
}
