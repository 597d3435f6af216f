//! Samples along rays as pixels.

use monotile::tape::{Gradient, Saved};
use monotile::{Error, Result, Tensor};
use monotile_kernels::buffer::Block;
use monotile_kernels::field::{self as kernels, CompositeRule, RaySamples, RaySamplesMut};
use monotile_kernels::shape::count;

use crate::kernel::{SplatNumber, by_dtype, cotangent, once, prepared};

/// How samples are composited.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompositeOptions {
    /// A ray is finished where less than this share of the light passes: what is behind has no weight. 0 takes every sample.
    pub least_transmittance: f64,
}

/// What is seen along R rays of S samples.
#[derive(Debug, Clone)]
pub struct CompositedRays {
    /// `(R, C)`: colours before a background.
    pub colors: Tensor,
    /// `(R, 1)`: how much of a background is hidden.
    pub opacities: Tensor,
    /// `(R, 1)`: the sum of distances, each times its weight.
    pub depths: Tensor,
    /// `(R, 1)`: how much of a background is seen. That is 1 − opacity, to the last digit where it is small too.
    pub transmittances: Tensor,
    /// `(S)`: how much each sample counts.
    pub weights: Tensor,
}

/// The light along rays through a medium that glows and absorbs.
///
/// ```text
/// αᵢ = 1 − exp(−σᵢ (eᵢ − sᵢ))        wᵢ = αᵢ Πⱼ (1 − αⱼ) over the nearer j of the ray        Σᵢ wᵢ cᵢ,  Σᵢ wᵢ,  Σᵢ wᵢ (sᵢ + eᵢ)/2,  Πᵢ (1 − αᵢ)
/// ```
///
/// Shapes: densities σ, starts s and ends e are `(S)`, colours c are `(S, C)` with any C of 1 or more. Offsets are R + 1 numbers: ray r owns the samples from
/// `offsets[r]` to `offsets[r + 1]`, in order of distance. A ray without samples is black. `colors + transmittances · background` is the picture.
///
/// # Gradient
/// By densities, colours, starts and ends, of order one, for cotangents of all results. It replays each ray. Where a ray is finished has none.
///
/// # Errors
/// If shapes do not fit, offsets do not go from 0 up to S, or `least_transmittance` is not from 0 to 1.
///
/// # Cost
/// Two exponentials a sample, and one more for its gradient.
///
/// # Example
/// A ray through two samples that hide half of what is behind each, and one through none:
/// ```
/// use monotile::Tensor;
/// use monotile_radiance::{CompositeOptions, composite};
/// let half = 2.0_f64.ln();
/// let colors = Tensor::from_rows(&[[1.0_f64], [3.0]])?;
/// let (starts, ends) = (Tensor::from([4.0_f64, 5.0]), Tensor::from([5.0_f64, 6.0]));
/// let seen = composite(&Tensor::from([half, half]), &colors, [&starts, &ends], &[0, 2, 2], &CompositeOptions::default())?;
/// assert!((seen.colors.to_vec::<f64>()?[0] - (0.5 * 1.0 + 0.25 * 3.0)).abs() < 1e-15);
/// assert_eq!(seen.opacities.to_vec::<f64>()?[1], 0.0);
/// # Ok::<(), monotile::Error>(())
/// ```
///
/// # Source
/// Max (1995), Optical models for direct volume rendering; Mildenhall and others (2020), NeRF, equation 3.
#[doc(alias = "rendering")]
#[doc(alias = "render_weight_from_density")]
#[track_caller]
pub fn composite(
    densities: &Tensor,
    colors: &Tensor,
    [starts, ends]: [&Tensor; 2],
    offsets: &[i64],
    options: &CompositeOptions,
) -> Result<CompositedRays> {
    let n = densities.len();
    let fit = densities.shape() == [n] && starts.shape() == [n] && ends.shape() == [n];
    if !fit || colors.rank() != 2 || colors.dim(0) != n || colors.dim(1) == 0 {
        let shapes = [densities, colors, starts, ends].map(Tensor::shape);
        return Err(Error::shape(format!(
            "composite: takes densities [S], colors [S, C], starts [S] and ends [S], got {shapes:?}"
        )));
    }
    if offsets.first() != Some(&0) || offsets.last() != Some(&(n as i64)) || !offsets.is_sorted() {
        return Err(Error::value(format!("composite: offsets must go from 0 up to the number of samples, {n}")));
    }
    let stop = options.least_transmittance;
    if !(0.0..=1.0).contains(&stop) {
        return Err(Error::value(format!("composite: least_transmittance is from 0 to 1, not {stop}")));
    }
    let inputs = prepared("composite", [densities, colors, starts, ends])?;
    let rule = CompositeRule { channels: colors.dim(1), stop };
    let outputs = by_dtype!(inputs[0].dtype(), composited(rule, inputs.each_ref(), offsets))?;
    let rule = Composite { rule, offsets: offsets.to_vec() };
    let all = Tensor::record_all(outputs, &inputs.each_ref(), rule);
    let c = colors.dim(1);
    Ok(CompositedRays {
        colors: all[0].slice(1, ..c)?,
        opacities: all[0].slice(1, c..c + 1)?,
        depths: all[0].slice(1, c + 1..c + 2)?,
        transmittances: all[0].slice(1, c + 2..)?,
        weights: all[1].clone(),
    })
}

fn samples<'a, T: SplatNumber>(inputs: [&'a Tensor; 4], offsets: &'a [i64]) -> Result<RaySamples<'a, T>> {
    let [densities, colors, starts, ends] = inputs.map(T::elements);
    Ok(RaySamples { densities: densities?, colors: colors?, starts: starts?, ends: ends?, offsets })
}

fn composited<T: SplatNumber>(rule: CompositeRule, inputs: [&Tensor; 4], offsets: &[i64]) -> Result<Vec<Tensor>> {
    let (n, rays, wide) = (inputs[0].len(), offsets.len() - 1, rule.wide());
    let (mut pixels, mut weights) = (Block::<T>::new(count(&[rays, wide]))?, Block::<T>::new(n)?);
    kernels::composite(rule, samples(inputs, offsets)?, &mut pixels, &mut weights);
    Ok(vec![T::tensor(pixels, &[rays, wide])?, T::tensor(weights, &[n])?])
}

struct Composite {
    rule: CompositeRule,
    offsets: Vec<i64>,
}

impl Gradient for Composite {
    fn name(&self) -> &'static str {
        "composite"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        true
    }
    fn keeps_output(&self, k: usize) -> bool {
        k == 1
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        once("composite", saved.is_recorded())?;
        let dtype = saved.input_dtype(0);
        let inputs = [0, 1, 2, 3].map(|i| saved.input(i));
        let weights = saved.output(1);
        let pixels = cotangent(&cotangents[0], saved.output_shape(0), dtype)?;
        let of_weights = cotangents[1].as_ref().map(|bar| bar.to_dtype(dtype)?.contiguous()).transpose()?;
        let gradients = by_dtype!(dtype, from_pixels(self, inputs.each_ref(), &weights, [Some(&pixels), of_weights.as_ref()]))?;
        Ok(gradients.into_iter().enumerate().map(|(i, g)| saved.needs(i).then_some(g)).collect())
    }
}

fn from_pixels<T: SplatNumber>(
    of: &Composite,
    inputs: [&Tensor; 4],
    weights: &Tensor,
    bars: [Option<&Tensor>; 2],
) -> Result<Vec<Tensor>> {
    let n = weights.len();
    let mut blocks = [Block::<T>::new(n)?, Block::new(inputs[1].len())?, Block::new(n)?, Block::new(n)?];
    let [densities, colors, starts, ends] = &mut blocks;
    let [pixels, of_weights] = bars.map(|bar| bar.map(T::elements).transpose());
    let bars = (pixels?.unwrap_or_default(), of_weights?);
    let out = RaySamplesMut { densities, colors, starts, ends };
    kernels::composite_gradient(of.rule, samples(inputs, &of.offsets)?, T::elements(weights)?, bars, out);
    blocks.into_iter().zip(inputs).map(|(block, like)| T::tensor(block, like.shape())).collect()
}
