//! Rounding to integers, and what is no finite number.

use monotile_kernels::number::Number;

use super::{Reads, Unary, unary};
use crate::door::map;
use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The nearest integer, of two as near the even one.
#[derive(Clone, Copy)]
struct Round;

impl Unary for Round {
    const NAME: &'static str = "round";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.round()
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        Ok(g.zeros_like())
    }
}

/// ⌊x⌋
#[derive(Clone, Copy)]
struct Floor;

impl Unary for Floor {
    const NAME: &'static str = "floor";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.floor()
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        Ok(g.zeros_like())
    }
}

/// ⌈x⌉
#[derive(Clone, Copy)]
struct Ceil;

impl Unary for Ceil {
    const NAME: &'static str = "ceil";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.ceil()
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        Ok(g.zeros_like())
    }
}

/// x without what is behind the point.
#[derive(Clone, Copy)]
struct Trunc;

impl Unary for Trunc {
    const NAME: &'static str = "trunc";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.trunc()
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        Ok(g.zeros_like())
    }
}

/// x - trunc x
#[derive(Clone, Copy)]
struct Frac;

impl Unary for Frac {
    const NAME: &'static str = "frac";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x - x.trunc()
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        Ok(g.clone())
    }
}

/// What [`nan_to_num`](Tensor::nan_to_num) puts in place of what is no finite number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NanToNumOptions {
    /// In place of NaN.
    pub nan: f64,
    /// In place of ∞; `None` is the largest number of the type.
    pub positive_infinity: Option<f64>,
    /// In place of -∞; `None` is the lowest number of the type.
    pub negative_infinity: Option<f64>,
}

/// Finite numbers as they are, and others replaced.
#[derive(Clone, Copy)]
struct NanToNum {
    nan: f64,
    high: f64,
    low: f64,
}

impl Unary for NanToNum {
    const NAME: &'static str = "nan_to_num";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        let y = T::select(x.equal(T::from_f64(f64::INFINITY)), T::from_f64(self.high), x);
        let y = T::select(x.equal(T::from_f64(f64::NEG_INFINITY)), T::from_f64(self.low), y);
        T::select(x.equal(x), y, T::from_f64(self.nan))
    }
}

/// The number itself where it is an integer already, else the function of floating-point numbers.
#[track_caller]
fn of_floats<U: Unary>(x: &Tensor, op: U) -> Result<Tensor> {
    if x.dtype().is_integer() { x.widened(U::NAME) } else { unary(x, op) }
}

/// # Functions: rounding, NaN and infinity
///
/// What lies between integers, and what is no number.
impl Tensor {
    /// The nearest integer, elementwise; of two as near, the even one. Integers stay as they are.
    ///
    /// # Gradient
    /// 0.
    ///
    /// # Errors
    /// For booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[-1.5_f32, 0.5, 2.5, 2.7], &[4])?;
    /// assert_eq!(x.round()?.to_vec::<f32>()?, [-2.0, 0.0, 2.0, 3.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "rint")]
    #[doc(alias = "around")]
    #[track_caller]
    pub fn round(&self) -> Result<Tensor> {
        of_floats(self, Round)
    }

    /// ⌊x⌋, elementwise: the largest integer that is not above x. Integers stay as they are.
    ///
    /// # Gradient
    /// 0.
    ///
    /// # Errors
    /// For booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(-1.5_f64).floor()?.item::<f64>()?, -2.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn floor(&self) -> Result<Tensor> {
        of_floats(self, Floor)
    }

    /// ⌈x⌉, elementwise: the lowest integer that is not below x. Integers stay as they are.
    ///
    /// # Gradient
    /// 0.
    ///
    /// # Errors
    /// For booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(-1.5_f64).ceil()?.item::<f64>()?, -1.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn ceil(&self) -> Result<Tensor> {
        of_floats(self, Ceil)
    }

    /// x without what is behind the point, elementwise: rounded towards 0. Integers stay as they are.
    ///
    /// # Gradient
    /// 0.
    ///
    /// # Errors
    /// For booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::from_slice(&[-1.5_f64, 1.5], &[2])?.trunc()?.to_vec::<f64>()?, [-1.0, 1.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "fix")]
    #[track_caller]
    pub fn trunc(&self) -> Result<Tensor> {
        of_floats(self, Trunc)
    }

    /// x - trunc x, elementwise: what is behind the point, with the sign of x.
    ///
    /// # Gradient
    /// x̄ = ȳ
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::from_slice(&[-1.5_f64, 1.25], &[2])?.frac()?.to_vec::<f64>()?, [-0.5, 0.25]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "fract")]
    #[doc(alias = "modf")]
    #[track_caller]
    pub fn frac(&self) -> Result<Tensor> {
        unary(self, Frac)
    }

    /// Whether x is NaN, elementwise; integers and booleans never are.
    ///
    /// # Errors
    /// If memory for the result cannot be had.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f32, f32::NAN, f32::INFINITY], &[3])?;
    /// assert_eq!(x.isnan()?.to_vec::<bool>()?, [false, true, false]);
    /// assert_eq!(x.isinf()?.to_vec::<bool>()?, [false, false, true]);
    /// assert_eq!(x.isfinite()?.to_vec::<bool>()?, [true, false, false]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "is_nan")]
    #[track_caller]
    pub fn isnan(&self) -> Result<Tensor> {
        map::classify("isnan", self, f64::is_nan)
    }

    /// Whether x is ∞ or -∞, elementwise.
    ///
    /// # Errors
    /// As [`isnan`](Tensor::isnan).
    #[doc(alias = "is_infinite")]
    #[track_caller]
    pub fn isinf(&self) -> Result<Tensor> {
        map::classify("isinf", self, f64::is_infinite)
    }

    /// Whether x is neither infinite nor NaN, elementwise.
    ///
    /// # Errors
    /// As [`isnan`](Tensor::isnan).
    #[doc(alias = "is_finite")]
    #[track_caller]
    pub fn isfinite(&self) -> Result<Tensor> {
        map::classify("isfinite", self, f64::is_finite)
    }

    /// NaN and infinities replaced, elementwise: NaN by 0 and ±∞ by the largest numbers of the type, unless the options say other numbers.
    ///
    /// # Gradient
    /// x̄ = ȳ where x is finite, else 0.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::{Tensor, ops::NanToNumOptions};
    /// let x = Tensor::from_slice(&[1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY], &[4])?;
    /// let options = NanToNumOptions { nan: -1.0, positive_infinity: Some(9.0), ..NanToNumOptions::default() };
    /// assert_eq!(x.nan_to_num(&options)?.to_vec::<f64>()?, [1.0, -1.0, 9.0, f64::MIN]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn nan_to_num(&self, options: &NanToNumOptions) -> Result<Tensor> {
        let x = self.to_compute_dtype("nan_to_num")?;
        let largest = if x.dtype() == DType::F64 { f64::MAX } else { f64::from(f32::MAX) };
        let high = options.positive_infinity.unwrap_or(largest);
        let low = options.negative_infinity.unwrap_or(-largest);
        unary(&x, NanToNum { nan: options.nan, high, low })
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    [
        unary_formulas(Round),
        unary_formulas(Floor),
        unary_formulas(Ceil),
        unary_formulas(Trunc),
        unary_formulas(Frac),
        unary_formulas(NanToNum { nan: 0.0, high: 1e30, low: -1e30 }),
    ]
    .concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Normal numbers times 3 do not lie within a difference quotient's step of a jump.
    let unary = |name, f: fn(&Tensor) -> Result<Tensor>, plain: fn(f64) -> f64| {
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("matrix", vec![normal(&[3, 4]).mul(3.0).unwrap()])
            .sample("number", vec![normal(&[])])
            .sample("empty", vec![normal(&[2, 0])])
            .reference(move |x| vec![x[0].iter().map(|&v| plain(v)).collect()])
            .orders(2)
    };
    let truth = |name, f: fn(&Tensor) -> Result<Tensor>, plain: fn(f64) -> bool| {
        let special = [1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324];
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("special numbers", vec![Tensor::from_slice(&special, &[3, 2]).unwrap()])
            .sample("empty", vec![normal(&[0])])
            .reference(move |x| vec![x[0].iter().map(|&v| f64::from(u8::from(plain(v)))).collect()])
            .may_drop_nan()
    };
    let flags = || vec![Tensor::from_slice(&[true], &[1]).unwrap()];
    vec![
        unary("round", |x| x.round(), f64::round_ties_even)
            .refuses(flags(), "round: takes floating-point numbers, got bool; cast with to_dtype"),
        unary("floor", |x| x.floor(), f64::floor),
        unary("ceil", |x| x.ceil(), f64::ceil),
        unary("trunc", |x| x.trunc(), f64::trunc),
        unary("frac", |x| x.frac(), f64::fract)
            .refuses(vec![Tensor::arange(2).unwrap()], "frac: takes floating-point numbers, got i64; cast with to_dtype"),
        unary("nan_to_num", |x| x.nan_to_num(&NanToNumOptions::default()), |v| v)
            .may_drop_nan()
            .refuses(vec![Tensor::arange(2).unwrap()], "nan_to_num: takes floating-point numbers, got i64; cast with to_dtype"),
        truth("isnan", |x| x.isnan(), f64::is_nan),
        truth("isinf", |x| x.isinf(), f64::is_infinite),
        truth("isfinite", |x| x.isfinite(), f64::is_finite),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: round, floor, ceil, trunc, frac, nan_to_num, isnan, isinf, isfinite);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_booleans_are_finite_and_integers_round_to_themselves() {
        let n = Tensor::from_slice(&[i64::MIN, 3], &[2]).unwrap();
        for f in [Tensor::round, Tensor::floor, Tensor::ceil, Tensor::trunc] {
            assert_eq!(f(&n).unwrap().to_vec::<i64>().unwrap(), [i64::MIN, 3]);
        }
        for x in [n, Tensor::from_slice(&[true, false], &[2]).unwrap()] {
            assert_eq!(x.isfinite().unwrap().to_vec::<bool>().unwrap(), [true, true]);
            assert_eq!(x.isnan().unwrap().to_vec::<bool>().unwrap(), [false, false]);
        }
        let x = Tensor::from_slice(&[f32::NAN, 1.0], &[2]).unwrap().to_dtype(DType::BF16).unwrap();
        assert_eq!(x.isnan().unwrap().to_vec::<bool>().unwrap(), [true, false]);
    }

    #[test]
    fn replaced_numbers_have_gradient_zero() {
        let x = Tensor::from_slice(&[f32::NAN, 2.0, f32::INFINITY, f32::NEG_INFINITY], &[4]).unwrap().requires_grad();
        let y = x.nan_to_num(&NanToNumOptions::default()).unwrap();
        // torch.nan_to_num(torch.tensor([math.nan, 2, math.inf, -math.inf]))
        assert_eq!(y.to_vec::<f32>().unwrap(), [0.0, 2.0, f32::MAX, f32::MIN]);
        let gradients = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>().unwrap(), [0.0, 1.0, 0.0, 0.0]);
    }
}
