//! Points and directions as numbers that a network learns from more easily.

use std::f64::consts::PI;

use monotile::{Error, Result, Tensor};
use monotile_kernels::splat::stated::harmonics::{Y0, Y1, Y2, Y20, Y30, Y31, Y32, Y33};

/// How points become sines and cosines.
#[derive(Debug, Clone, PartialEq)]
pub struct FrequencyOptions {
    /// L frequencies, each twice the one before; up to 64.
    pub frequencies: usize,
    /// s, the first of them: π in the paper, 1 in its authors' program.
    pub factor: f64,
    /// Whether the point itself comes first.
    pub include_input: bool,
}

impl Default for FrequencyOptions {
    fn default() -> Self {
        Self { frequencies: 10, factor: PI, include_input: true }
    }
}

/// Sines and cosines of points: `[x,]` then for k = 0 … L − 1 all of sin(s 2ᵏ x), and all of cos(s 2ᵏ x).
///
/// Shapes: `(B, D)`; the result is `(B, [D +] 2 L D)`.
///
/// # Gradient
/// By the points; a composition, so that second derivatives are there too.
///
/// # Errors
/// If x is no matrix of floating-point numbers, there are more than 64 frequencies, or `factor` is not finite.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// use monotile_radiance::{FrequencyOptions, frequency_encoding};
/// let x = Tensor::from_rows(&[[0.5_f64]])?;
/// let y = frequency_encoding(&x, &FrequencyOptions { frequencies: 2, ..Default::default() })?;
/// // x, sin π/2, cos π/2, sin π, cos π
/// let expected = [0.5, 1.0, 0.0, 0.0, -1.0];
/// assert!(y.to_vec::<f64>()?.iter().zip(expected).all(|(y, e)| (y - e).abs() < 1e-15));
/// # Ok::<(), monotile::Error>(())
/// ```
///
/// # Source
/// Mildenhall and others (2020), NeRF, equation 4.
#[doc(alias = "positional_encoding")]
#[track_caller]
pub fn frequency_encoding(x: &Tensor, options: &FrequencyOptions) -> Result<Tensor> {
    let FrequencyOptions { frequencies, factor, include_input } = *options;
    if x.rank() != 2 || !x.dtype().is_float() {
        let (shape, dtype) = (x.shape(), x.dtype());
        return Err(Error::shape(format!("frequency_encoding: takes floating-point points [B, D], got {dtype} {shape:?}")));
    }
    if frequencies > 64 || !factor.is_finite() {
        return Err(Error::value(format!(
            "frequency_encoding: takes up to 64 frequencies and a finite factor, got {frequencies} and {factor}"
        )));
    }
    let (rows, wide) = (x.dim(0), 2 * frequencies * x.dim(1));
    let scales: Vec<f64> = (0..frequencies).map(|k| factor * (k as f64).exp2()).collect();
    let scales = Tensor::from_vec(scales, &[1, frequencies, 1])?.to_dtype(x.dtype())?;
    let angles = x.unsqueeze(1)?.mul(scales)?;
    let waves = Tensor::stack(&[&angles.sin()?, &angles.cos()?], 2)?.reshape(&[rows, wide])?;
    if include_input { Tensor::cat(&[x, &waves], 1) } else { Ok(waves) }
}

/// Harmonics of a degree below the number of degrees.
const MOST_DEGREES: usize = 4;

/// The real spherical harmonics of directions, of the degrees 0 to `degrees` − 1, at v/|v|.
///
/// Shapes: `(B, 3)`; the result is `(B, degrees²)`. Order and signs are those of the splats' colours: Y₁ = −c y, c z, −c x. `degrees` of 4 is what
/// tiny-cuda-nn calls degree 4.
///
/// # Gradient
/// By the directions; a composition, so that second derivatives are there too.
///
/// # Errors
/// If v is not `(B, 3)` of floating-point numbers, or `degrees` is not from 1 to 4. A direction of length 0 gives NaN.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// use monotile_radiance::direction_harmonics;
/// let up = Tensor::from_rows(&[[0.0_f64, 0.0, 2.0]])?;
/// let y = direction_harmonics(&up, 2)?.to_vec::<f64>()?;
/// assert!((y[2] - (3.0 / (4.0 * std::f64::consts::PI)).sqrt()).abs() < 1e-15 && y[1] == 0.0);
/// # Ok::<(), monotile::Error>(())
/// ```
///
/// # Source
/// Sloan (2013), Efficient spherical harmonic evaluation.
#[track_caller]
pub fn direction_harmonics(v: &Tensor, degrees: usize) -> Result<Tensor> {
    if v.rank() != 2 || v.dim(1) != 3 || !v.dtype().is_float() {
        let (shape, dtype) = (v.shape(), v.dtype());
        return Err(Error::shape(format!("direction_harmonics: takes floating-point directions [B, 3], got {dtype} {shape:?}")));
    }
    if !(1..=MOST_DEGREES).contains(&degrees) {
        return Err(Error::value(format!("direction_harmonics: takes 1 to {MOST_DEGREES} degrees, not {degrees}")));
    }
    let unit = v.div(v.square()?.sum(&[1], true)?.sqrt()?)?;
    let column = |k: usize| unit.slice(1, k..k + 1);
    let (x, y, z) = (column(0)?, column(1)?, column(2)?);
    let mut all = vec![x.zeros_like().add(Y0)?];
    if degrees > 1 {
        all.extend([y.mul(-Y1)?, z.mul(Y1)?, x.mul(-Y1)?]);
    }
    let (xx, yy, zz) = (x.square()?, y.square()?, z.square()?);
    let (xy, yz, xz) = (x.mul(&y)?, y.mul(&z)?, x.mul(&z)?);
    let difference = xx.sub(&yy)?;
    if degrees > 2 {
        let upright = zz.mul(2.0)?.sub(&xx)?.sub(&yy)?;
        all.extend([xy.mul(Y2)?, yz.mul(-Y2)?, upright.mul(Y20)?, xz.mul(-Y2)?, difference.mul(0.5 * Y2)?]);
    }
    if degrees > 3 {
        // 3 x² − y², x² − 3 y², 4 z² − x² − y² and 2 z² − 3 x² − 3 y²
        let (thrice_x, thrice_y) = (xx.mul(3.0)?.sub(&yy)?, xx.sub(yy.mul(3.0)?)?);
        let round = xx.add(&yy)?;
        let (four, two) = (zz.mul(4.0)?.sub(&round)?, zz.mul(2.0)?.sub(round.mul(3.0)?)?);
        all.extend([
            y.mul(thrice_x)?.mul(-Y33)?,
            xy.mul(&z)?.mul(Y32)?,
            y.mul(&four)?.mul(-Y31)?,
            z.mul(two)?.mul(Y30)?,
            x.mul(four)?.mul(-Y31)?,
            z.mul(difference)?.mul(0.5 * Y32)?,
            x.mul(thrice_y)?.mul(-Y33)?,
        ]);
    }
    Tensor::cat(&all, 1)
}
