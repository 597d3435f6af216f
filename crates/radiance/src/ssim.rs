//! The structural similarity of pictures, as an operation.

use monotile::tape::{Gradient, Saved};
use monotile::{Error, Result, Tensor};
use monotile_kernels::buffer::Block;
use monotile_kernels::ssim::{self as kernels, SsimRule, WINDOW};

use crate::kernel::{SplatNumber, by_place, once, prepared_anywhere};

/// Which windows are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SsimWindows {
    /// One around each pixel; beyond the edges are zeros.
    #[default]
    Padded,
    /// Those within the picture.
    Within,
}

/// The structural similarity of two pictures, from below 0 to 1 where they are equal: the mean over windows of 11 x 11 pixels and over channels.
///
/// ```text
/// SSIM = (2 μx μy + C₁)(2 σxy + C₂) / ((μx² + μy² + C₁)(σx² + σy² + C₂))        C₁ = 0.01², C₂ = 0.03²
/// ```
///
/// Means and variances are weighted by a Gaussian of standard deviation 1.5 that sums to 1. Shapes: both are `(height, width, channels)`, with values from 0 to 1; the result is a scalar.
///
/// # Gradient
/// By both pictures, of order one.
///
/// # Errors
/// If shapes differ, a picture is empty, or none of the windows lies within it where only those count.
///
/// # Example
/// ```
/// use monotile::{DType, Tensor};
/// use monotile_radiance::{SsimWindows, ssim};
/// let gray = Tensor::filled(&[16, 16, 1], 0.5, DType::F64)?;
/// let white = Tensor::ones(&[16, 16, 1], DType::F64)?;
/// assert_eq!(ssim(&gray, &gray, SsimWindows::Within)?.item::<f64>()?, 1.0);
/// // Nothing varies: 2 · 0.5 · 1 of 0.5² + 1² is left.
/// let expected = (1.0 + 1e-4) / (1.25 + 1e-4);
/// assert!((ssim(&gray, &white, SsimWindows::Within)?.item::<f64>()? - expected).abs() < 1e-12);
/// # Ok::<(), monotile::Error>(())
/// ```
///
/// # Source
/// Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment: from error visibility to structural similarity.
#[doc(alias = "structural_similarity")]
#[track_caller]
pub fn ssim(x: &Tensor, y: &Tensor, windows: SsimWindows) -> Result<Tensor> {
    if x.rank() != 3 || x.shape() != y.shape() || x.is_empty() {
        let (x, y) = (x.shape(), y.shape());
        return Err(Error::shape(format!("ssim: takes two pictures [height, width, channels] of one shape, got {x:?} and {y:?}")));
    }
    let rule = SsimRule { height: x.dim(0), width: x.dim(1), channels: x.dim(2), within: windows == SsimWindows::Within };
    if rule.windows() == 0 {
        let (width, height) = (rule.width, rule.height);
        return Err(Error::shape(format!(
            "ssim: no window of {WINDOW} x {WINDOW} pixels lies within a picture of {width} x {height}"
        )));
    }
    let inputs = prepared_anywhere("ssim", [x, y])?;
    let inputs = inputs.each_ref();
    let value = by_place!("ssim", inputs, similarity(rule, inputs))?;
    Ok(Tensor::record(value, &inputs, Ssim(rule)))
}

fn similarity<T: SplatNumber>(rule: SsimRule, [x, y]: [&Tensor; 2]) -> Result<Tensor> {
    let mean = kernels::ssim(rule, [T::elements(x)?, T::elements(y)?])?;
    Tensor::from_slice(&[T::from_f64(mean)], &[])
}

struct Ssim(SsimRule);

impl Gradient for Ssim {
    fn name(&self) -> &'static str {
        "ssim"
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        once("ssim", saved.is_recorded())?;
        let Some(bar) = &cotangents[0] else { return Ok(vec![None; 2]) };
        let inputs = [&saved.input(0), &saved.input(1)];
        let gradients = by_place!("ssim", inputs, similarity_slopes(self.0, inputs))?;
        let answer = |(i, g): (usize, Tensor)| saved.needs(i).then(|| g.mul(bar)).transpose();
        gradients.into_iter().enumerate().map(answer).collect()
    }
}

fn similarity_slopes<T: SplatNumber>(rule: SsimRule, [x, y]: [&Tensor; 2]) -> Result<[Tensor; 2]> {
    let (mut of_x, mut of_y) = (Block::<T>::new(x.len())?, Block::<T>::new(y.len())?);
    kernels::ssim_gradient(rule, [T::elements(x)?, T::elements(y)?], [&mut of_x, &mut of_y])?;
    Ok([T::tensor(of_x, x.shape())?, T::tensor(of_y, y.shape())?])
}
