//! The gamma function's logarithm and derivatives, the complement of the error function, and its inverse.

use std::f64::consts::FRAC_2_SQRT_PI;

use monotile_kernels::number::Number;

#[cfg(test)]
use super::unary_spec;
use super::{Reads, Unary, unary};
use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, positive, uniform};

/// ln|Γ(x)|
#[derive(Clone, Copy)]
struct Lgamma;

impl Unary for Lgamma {
    const NAME: &'static str = "lgamma";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.lgamma()
    }
    // x̄ = ȳ ψ(x)
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).digamma()?)
    }
}

/// ψ(x) = Γ′(x) / Γ(x)
#[derive(Clone, Copy)]
struct Digamma;

impl Unary for Digamma {
    const NAME: &'static str = "digamma";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.digamma()
    }
    // x̄ = ȳ ψ′(x)
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).trigamma()?)
    }
}

/// ψ′(x)
#[derive(Clone, Copy)]
struct Trigamma;

impl Unary for Trigamma {
    const NAME: &'static str = "trigamma";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.trigamma()
    }
}

/// 1 - erf x
#[derive(Clone, Copy)]
struct Erfc;

impl Unary for Erfc {
    const NAME: &'static str = "erfc";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.erfc()
    }
}

/// The y with erf y = x.
#[derive(Clone, Copy)]
struct Erfinv;

impl Unary for Erfinv {
    const NAME: &'static str = "erfinv";
    const READS: Reads = Reads::Output;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.erfinv()
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        T::from_f64(1.0 / FRAC_2_SQRT_PI) * (y * y).exp()
    }
}

/// # Functions: special
///
/// Gamma functions, and what goes with the error function.
impl Tensor {
    /// ln|Γ(x)|, elementwise; ∞ at 0, -1, -2, …
    ///
    /// f64 is within 1e-13 of the value, f32 within 4 units of the last place. Beside the zeros below 0 digits are lost.
    ///
    /// # Source
    /// Stirling's formula with its rest fitted, the recurrence and the reflection formula: DLMF, sections 5.5 and 5.11.
    ///
    /// # Gradient
    /// x̄ = ȳ ψ(x), [`digamma`](Tensor::digamma).
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert!((Tensor::scalar(5.0_f64).lgamma()?.item::<f64>()? - 24.0_f64.ln()).abs() < 1e-15 * 24.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "gammaln")]
    #[doc(alias = "log_gamma")]
    #[track_caller]
    pub fn lgamma(&self) -> Result<Tensor> {
        unary(self, Lgamma)
    }

    /// ψ(x) = Γ′(x) / Γ(x), elementwise; -∞ at 0, NaN at -1, -2, …
    ///
    /// As accurate as [`lgamma`](Tensor::lgamma).
    ///
    /// # Gradient
    /// x̄ = ȳ ψ′(x), [`trigamma`](Tensor::trigamma).
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert!((Tensor::scalar(1.0_f64).digamma()?.item::<f64>()? + 0.577_215_664_901_532_9).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "psi")]
    #[track_caller]
    pub fn digamma(&self) -> Result<Tensor> {
        unary(self, Digamma)
    }

    /// ψ′(x), the derivative of [`digamma`](Tensor::digamma), elementwise; ∞ at 0, -1, -2, …
    ///
    /// # Gradient
    /// x̄ = ȳ ψ″(x), by differentiation of the formula.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert!((Tensor::scalar(1.0_f64).trigamma()?.item::<f64>()? - std::f64::consts::PI.powi(2) / 6.0).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "polygamma")]
    #[track_caller]
    pub fn trigamma(&self) -> Result<Tensor> {
        unary(self, Trigamma)
    }

    /// erfc x = 1 - erf x, elementwise, with all digits also where it is small.
    ///
    /// # Gradient
    /// x̄ = -ȳ 2/√π e^(-x²)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let y = Tensor::scalar(10.0_f64).erfc()?.item::<f64>()?;
    /// assert!((y / 2.088_487_583_762_545e-45 - 1.0).abs() < 1e-14);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn erfc(&self) -> Result<Tensor> {
        unary(self, Erfc)
    }

    /// The y with erf y = x, elementwise; ±∞ at ±1, NaN beyond.
    ///
    /// # Source
    /// Giles (2012), Approximating the erfinv function: the variable of the start. A step of Halley's method follows.
    ///
    /// # Gradient
    /// x̄ = ȳ √π/2 e^(y²)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let y = Tensor::scalar(0.5_f64).erfinv()?;
    /// assert!((y.erf()?.item::<f64>()? - 0.5).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn erfinv(&self) -> Result<Tensor> {
        unary(self, Erfinv)
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    [unary_formulas(Lgamma), unary_formulas(Digamma), unary_formulas(Trigamma), unary_formulas(Erfc), unary_formulas(Erfinv)]
        .concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let largest = |x: Tensor| x.to_f64_vec().unwrap().iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    // Away from the poles at 0, -1 and -2.
    let apart = |shape: &[usize]| uniform(shape, -0.8, -0.2).add(positive(shape).floor().unwrap()).unwrap();
    vec![
        unary_spec("lgamma", |x| x.lgamma(), positive)
            .sample("below 0", vec![apart(&[7])])
            .property("ln Γ(x + 1) = ln Γ(x) + ln|x|", move |x, y| {
                Ok(largest(x[0].add(1)?.lgamma()?.sub(&y[0])?.sub(&x[0].abs()?.ln()?)?))
            }),
        unary_spec("digamma", |x| x.digamma(), positive)
            .sample("below 0", vec![apart(&[7])])
            .property("ψ(x + 1) = ψ(x) + 1 / x", move |x, y| {
                Ok(largest(x[0].add(1)?.digamma()?.sub(&y[0])?.sub(&x[0].recip()?)?))
            }),
        unary_spec("trigamma", |x| x.trigamma(), positive)
            .sample("below 0", vec![apart(&[7])])
            .property("ψ′(x + 1) = ψ′(x) - 1 / x²", move |x, y| {
                Ok(largest(x[0].add(1)?.trigamma()?.sub(&y[0])?.add(&x[0].square()?.recip()?)?))
            }),
        unary_spec("erfc", |x| x.erfc(), normal)
            .property("erfc x = 1 - erf x", move |x, y| Ok(largest(x[0].erf()?.add(&y[0])?.sub(1)?))),
        unary_spec("erfinv", |x| x.erfinv(), |shape| uniform(shape, -0.9, 0.9))
            .property("erf y = x", move |x, y| Ok(largest(y[0].erf()?.sub(&x[0])?))),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: lgamma, digamma, trigamma, erfc, erfinv);
