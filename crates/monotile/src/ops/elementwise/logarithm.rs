//! Logarithms and powers to other bases, and what cancels near 0.

use std::f64::consts::LN_2;

use monotile_kernels::number::Number;

use super::{Binary, Reads, Unary, binary, unary};
#[cfg(test)]
use super::{each, unary_spec};
use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;
use crate::tensor::operand::TensorOrNumber;
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

/// log₂ x
#[derive(Clone, Copy)]
struct Log2;

impl Unary for Log2 {
    const NAME: &'static str = "log2";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.log2()
    }
}

/// log₁₀ x
#[derive(Clone, Copy)]
struct Log10;

impl Unary for Log10 {
    const NAME: &'static str = "log10";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.log10()
    }
}

/// ln(1 + x)
#[derive(Clone, Copy)]
struct Log1p;

impl Unary for Log1p {
    const NAME: &'static str = "log1p";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.log1p()
    }
}

/// eˣ - 1
#[derive(Clone, Copy)]
struct Expm1;

impl Unary for Expm1 {
    const NAME: &'static str = "expm1";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.expm1()
    }
}

/// 2ˣ
#[derive(Clone, Copy)]
struct Exp2;

impl Unary for Exp2 {
    const NAME: &'static str = "exp2";
    const READS: Reads = Reads::Output;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.exp2()
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        T::from_f64(LN_2) * y
    }
}

/// ln(eᵃ + eᵇ)
#[derive(Clone, Copy)]
struct LogAddExp;

impl Binary for LogAddExp {
    const NAME: &'static str = "logaddexp";
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        // Of equal infinities the difference would be NaN.
        let apart = T::select(a.equal(b), T::ZERO, (a - b).abs());
        a.maximum(b) + (-apart).exp().log1p()
    }
    // ā = ȳ σ(a - b),  b̄ = ȳ σ(b - a)
    fn rule(self, saved: &Saved, g: &Tensor, operand: usize) -> Result<Tensor> {
        let apart = saved.input(operand).sub(saved.input(1 - operand))?;
        g.mul(&apart.sigmoid()?)
    }
    fn keeps(self, _: usize, _: &[bool]) -> bool {
        true
    }
}

/// # Functions: exponentials and logarithms of other bases and near 0
///
/// Those near 0 keep the digits that `exp` and `ln` would lose.
impl Tensor {
    /// log₂ x, elementwise; exact for powers of two, -∞ at 0, NaN below.
    ///
    /// # Gradient
    /// x̄ = ȳ / (x ln 2)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(8.0_f32).log2()?.item::<f32>()?, 3.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn log2(&self) -> Result<Tensor> {
        unary(self, Log2)
    }

    /// log₁₀ x, elementwise; exact for powers of ten, -∞ at 0, NaN below.
    ///
    /// # Gradient
    /// x̄ = ȳ / (x ln 10)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1000.0_f32).log10()?.item::<f32>()?, 3.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn log10(&self) -> Result<Tensor> {
        unary(self, Log10)
    }

    /// ln(1 + x), elementwise, with all digits also where x is small; -∞ at -1, NaN below.
    ///
    /// # Gradient
    /// x̄ = ȳ / (1 + x)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1e-20_f64).log1p()?.item::<f64>()?, 1e-20);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "ln_1p")]
    #[track_caller]
    pub fn log1p(&self) -> Result<Tensor> {
        unary(self, Log1p)
    }

    /// eˣ - 1, elementwise, with all digits also where x is small.
    ///
    /// # Gradient
    /// x̄ = ȳ eˣ
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Source
    /// Kahan's formula, in Higham (2002), Accuracy and Stability of Numerical Algorithms, section 1.14.1.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1e-20_f64).expm1()?.item::<f64>()?, 1e-20);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "exp_m1")]
    #[track_caller]
    pub fn expm1(&self) -> Result<Tensor> {
        unary(self, Expm1)
    }

    /// 2ˣ, elementwise; exact for integers.
    ///
    /// # Gradient
    /// x̄ = ȳ y ln 2
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(-3.0_f32).exp2()?.item::<f32>()?, 0.125);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn exp2(&self) -> Result<Tensor> {
        unary(self, Exp2)
    }

    /// ln(eᵃ + eᵇ), elementwise over shapes that broadcast, where neither exponential overflows.
    ///
    /// # Gradient
    /// ā = ȳ σ(a - b), b̄ = ȳ σ(b - a)
    ///
    /// # Errors
    /// If the shapes do not broadcast, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let y = Tensor::scalar(1000.0_f64).logaddexp(1000)?.item::<f64>()?;
    /// assert_eq!(y, 1000.0 + 2.0_f64.ln());
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn logaddexp(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        binary(self, &*other.value().beside("logaddexp", self.dtype())?, LogAddExp)
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::{binary_formulas, unary_formulas};
    [
        unary_formulas(Log2),
        unary_formulas(Log10),
        unary_formulas(Log1p),
        unary_formulas(Expm1),
        unary_formulas(Exp2),
        binary_formulas(LogAddExp),
    ]
    .concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        unary_spec("log2", |x| x.log2(), positive).reference(each(f64::log2)),
        unary_spec("log10", |x| x.log10(), positive).reference(each(f64::log10)),
        unary_spec("log1p", |x| x.log1p(), positive).reference(each(f64::ln_1p)),
        unary_spec("expm1", |x| x.expm1(), normal).reference(each(f64::exp_m1)),
        unary_spec("exp2", |x| x.exp2(), normal).reference(each(f64::exp2)),
        Spec::new("logaddexp", |x| Ok(vec![x[0].logaddexp(&x[1])?]))
            .sample("row and column", vec![normal(&[3, 1]), normal(&[4])])
            .sample("equal numbers", vec![normal(&[3]), normal(&[3])])
            .sample("empty", vec![normal(&[0, 1]), normal(&[2])])
            .shaped_reference(|x, shapes| match shapes[0].len() {
                2 => vec![x[0].iter().flat_map(|a| x[1].iter().map(|b| (a.exp() + b.exp()).ln())).collect()],
                _ => vec![x[0].iter().zip(&x[1]).map(|(a, b)| (a.exp() + b.exp()).ln()).collect()],
            })
            .orders(2)
            .refuses(
                vec![normal(&[2]), normal(&[3])],
                "logaddexp: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: log2, log10, log1p, expm1, exp2, logaddexp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_infinite_exponentials_are_pytorchs() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        // torch.logaddexp(a, b)
        let a = Tensor::from_slice(&[-inf, inf, -inf, -inf, nan, 1e300], &[6]).unwrap();
        let b = Tensor::from_slice(&[-inf, inf, inf, 2.0, 1.0, -1e300], &[6]).unwrap();
        let y = a.logaddexp(&b).unwrap().to_vec::<f64>().unwrap();
        assert!(y[..4] == [-inf, inf, inf, 2.0] && y[4].is_nan() && y[5] == 1e300, "{y:?}");
    }
}
