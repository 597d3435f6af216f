//! Choices by size or by mask: |x|, sign, clamp, minimum, maximum and where.

use monotile_kernels::number::Number;

use super::{Binary, Reads, Unary, binary, broadcast_to, unary};
use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::ops::reduce::sum_to;
use crate::tape::{Gradient, Saved};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// |x|
#[derive(Clone, Copy)]
struct Abs;

impl Unary for Abs {
    const NAME: &'static str = "abs";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.abs()
    }
    // x̄ = ȳ sign x
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).detach().sign()?)
    }
}

/// -1, 0 or 1
#[derive(Clone, Copy)]
struct Sign;

impl Unary for Sign {
    const NAME: &'static str = "sign";
    const READS: Reads = Reads::Nothing;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        T::select(x.greater(T::ZERO), T::ONE, T::select(x.less(T::ZERO), -T::ONE, x))
    }
    fn rule(self, _: &Saved, g: &Tensor) -> Result<Tensor> {
        Ok(g.zeros_like())
    }
}

/// min(max(x, low), high)
#[derive(Clone, Copy)]
struct Clamp {
    low: f64,
    high: f64,
}

impl Unary for Clamp {
    const NAME: &'static str = "clamp";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.maximum(T::from_f64(self.low)).minimum(T::from_f64(self.high))
    }
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        let outside = x.less(T::from_f64(self.low)) | x.greater(T::from_f64(self.high));
        T::select(outside, T::ZERO, T::ONE)
    }
    // x̄ = ȳ where low ≤ x ≤ high, else 0
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let x = saved.input(0).detach();
        let bound = |c| Tensor::scalar_as(c, x.dtype());
        let outside = x.lt(bound(self.low))?.or(&x.gt(bound(self.high))?)?;
        outside.where_(g.zeros_like(), g)
    }
}

/// The larger, NaN if either is.
#[derive(Clone, Copy)]
struct Maximum;

impl Binary for Maximum {
    const NAME: &'static str = "maximum";
    const INTEGERS: Option<fn(i64, i64) -> i64> = Some(i64::max);
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        a.maximum(b)
    }
    fn rule(self, saved: &Saved, g: &Tensor, operand: usize) -> Result<Tensor> {
        g.mul(&binary(&saved.input(operand).detach(), &saved.input(1 - operand).detach(), Share)?)
    }
    fn keeps(self, _: usize, _: &[bool]) -> bool {
        true
    }
}

/// The smaller, NaN if either is.
#[derive(Clone, Copy)]
struct Minimum;

impl Binary for Minimum {
    const NAME: &'static str = "minimum";
    const INTEGERS: Option<fn(i64, i64) -> i64> = Some(i64::min);
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        a.minimum(b)
    }
    fn rule(self, saved: &Saved, g: &Tensor, operand: usize) -> Result<Tensor> {
        g.mul(&binary(&saved.input(1 - operand).detach(), &saved.input(operand).detach(), Share)?)
    }
    fn keeps(self, _: usize, _: &[bool]) -> bool {
        true
    }
}

/// 1 where a > b, ½ where they are equal, else 0: how much of a maximum's cotangent goes to a.
#[derive(Clone, Copy)]
struct Share;

impl Binary for Share {
    const NAME: &'static str = "maximum";
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        let above = T::select(a.greater(b), T::ONE, T::ZERO);
        T::select(a.equal(b), T::from_f64(0.5), above)
    }
    fn rule(self, _: &Saved, _: &Tensor, _: usize) -> Result<Tensor> {
        unreachable!("its operands are never recorded")
    }
    fn keeps(self, _: usize, _: &[bool]) -> bool {
        false
    }
}

/// # Compare and choose: choices and bounds
///
/// Elements of one tensor or of another, and numbers kept within bounds.
impl Tensor {
    /// |x|, elementwise.
    ///
    /// # Gradient
    /// 0 at x = 0.
    ///
    /// # Errors
    /// For booleans.
    #[doc(alias = "absolute")]
    #[doc(alias = "fabs")]
    #[track_caller]
    pub fn abs(&self) -> Result<Tensor> {
        if self.dtype().is_integer() {
            let x = self.widened("abs")?;
            return door::map::integers("abs", &x, &x, |x, _| x.wrapping_abs());
        }
        unary(self, Abs)
    }

    /// -1, 0 or 1 by the sign of x, elementwise.
    ///
    /// # Gradient
    /// 0.
    ///
    /// # Errors
    /// For booleans.
    #[doc(alias = "sgn")]
    #[track_caller]
    pub fn sign(&self) -> Result<Tensor> {
        if self.dtype().is_integer() {
            let x = self.widened("sign")?;
            return door::map::integers("sign", &x, &x, |x, _| x.signum());
        }
        unary(self, Sign)
    }

    /// x limited to `low` … `high`, elementwise; a bound may be infinite, and a tensor that broadcasts.
    ///
    /// Integers take integers as bounds. Where the lower bound is above the upper one, in tensors, the upper one is the result.
    ///
    /// # Gradient
    /// 0 outside the bounds, 1 on them. Bounds that are tensors have the gradients of [`maximum`](Tensor::maximum), then
    /// [`minimum`](Tensor::minimum).
    ///
    /// # Errors
    /// If `low` is a number above the number `high`; as [`maximum`](Tensor::maximum), for booleans too.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let n = Tensor::arange(5)?;
    /// assert_eq!(n.clamp(1, 3)?.to_vec::<i64>()?, [1, 1, 2, 3, 3]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "clip")]
    #[track_caller]
    pub fn clamp(&self, low: impl TensorOrNumber, high: impl TensorOrNumber) -> Result<Tensor> {
        clamp(self, low.value(), high.value())
    }

    /// x, or `low` where x is less, elementwise: [`clamp`](Tensor::clamp) with one bound.
    ///
    /// # Gradient
    /// As [`clamp`](Tensor::clamp).
    ///
    /// # Errors
    /// As [`maximum`](Tensor::maximum).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([-1.0, 2.0]);
    /// assert_eq!(x.clamp_min(0)?.to_vec::<f64>()?, [0.0, 2.0]);
    /// assert_eq!(x.clamp_max(0.5)?.to_vec::<f64>()?, [-1.0, 0.5]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn clamp_min(&self, low: impl TensorOrNumber) -> Result<Tensor> {
        bounded("clamp_min", self, low.value(), true)
    }

    /// x, or `high` where x is greater, elementwise.
    ///
    /// # Gradient
    /// As [`clamp`](Tensor::clamp).
    ///
    /// # Errors
    /// As [`maximum`](Tensor::maximum).
    #[track_caller]
    pub fn clamp_max(&self, high: impl TensorOrNumber) -> Result<Tensor> {
        bounded("clamp_max", self, high.value(), false)
    }

    /// The larger of a and b, elementwise over shapes that broadcast; NaN if either is.
    ///
    /// # Gradient
    /// Goes to the larger, in halves where they are equal.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or integers meet floating-point numbers.
    #[track_caller]
    pub fn maximum(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        maximum(self, other.value())
    }

    /// The smaller of a and b, elementwise over shapes that broadcast; NaN if either is.
    ///
    /// # Gradient
    /// Goes to the smaller, in halves where they are equal.
    ///
    /// # Errors
    /// As [`maximum`](Tensor::maximum).
    #[track_caller]
    pub fn minimum(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        minimum(self, other.value())
    }

    /// a where this mask is true, b elsewhere; all three broadcast, and a and b may be [numbers](TensorOrNumber).
    ///
    /// A number takes the type of the other operand; two numbers make a tensor of the wider of their own types.
    ///
    /// # Gradient
    /// Each operand's where it was chosen: what is not chosen has gradient 0, also where it is NaN or infinite.
    ///
    /// # Errors
    /// If the mask is not boolean, the shapes do not broadcast, or integers meet floating-point numbers.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let mask = Tensor::from_slice(&[true, false, true], &[3])?;
    /// let x = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], &[3])?;
    /// assert_eq!(mask.where_(&x, 0.0)?.to_vec::<f32>()?, [1.0, 0.0, 3.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "where")]
    #[doc(alias = "masked_fill")]
    #[track_caller]
    pub fn where_(&self, a: impl TensorOrNumber, b: impl TensorOrNumber) -> Result<Tensor> {
        where_(self, a.value(), b.value())
    }
}

#[track_caller]
fn maximum(a: &Tensor, b: OperandValue<'_>) -> Result<Tensor> {
    binary(a, &*b.beside("maximum", a.dtype())?, Maximum)
}

#[track_caller]
fn minimum(a: &Tensor, b: OperandValue<'_>) -> Result<Tensor> {
    binary(a, &*b.beside("minimum", a.dtype())?, Minimum)
}

#[track_caller]
fn clamp(x: &Tensor, low: OperandValue<'_>, high: OperandValue<'_>) -> Result<Tensor> {
    // Positive comparisons, so that a NaN is refused.
    let is_order = match (low, high) {
        (OperandValue::Integer(l), OperandValue::Integer(h)) => l <= h,
        (OperandValue::Tensor(_), _) | (_, OperandValue::Tensor(_)) => true,
        (l, h) => matches!((l.beside_floats(x), h.beside_floats(x)), (Some(l), Some(h)) if l <= h) || !x.dtype().is_float(),
    };
    if !is_order {
        return Err(Error::value(format!("clamp: the lower bound {low} is above the upper bound {high}")));
    }
    if let (Some(low), Some(high)) = (low.beside_floats(x), high.beside_floats(x)) {
        return unary(x, Clamp { low, high });
    }
    bounded("clamp", &bounded("clamp", x, low, true)?, high, false)
}

#[track_caller]
fn bounded(op: &str, x: &Tensor, bound: OperandValue<'_>, lower: bool) -> Result<Tensor> {
    if let Some(bound) = bound.beside_floats(x) {
        let x = x.to_compute_dtype(op)?;
        return unary(
            &x,
            if lower { Clamp { low: bound, high: f64::INFINITY } } else { Clamp { low: f64::NEG_INFINITY, high: bound } },
        );
    }
    let bound = bound.beside(op, x.dtype())?;
    check::broadcast(op, x.shape(), bound.shape())?;
    if !(x.dtype().is_integer() && bound.dtype().is_integer()) {
        check::common_float(op, x, &bound)?;
    }
    if lower { binary(x, &bound, Maximum) } else { binary(x, &bound, Minimum) }
}

#[track_caller]
fn where_(mask: &Tensor, a: OperandValue<'_>, b: OperandValue<'_>) -> Result<Tensor> {
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(format!("where_: the mask must be bool, got {}", mask.dtype())));
    }
    let [a, b] = OperandValue::pair("where_", a, b)?;
    let shape = check::broadcast("where_", mask.shape(), &check::broadcast("where_", a.shape(), b.shape())?)?;
    let (a, b) = if a.dtype() == b.dtype() && !a.dtype().is_float() {
        (a.into_owned(), b.into_owned())
    } else if a.dtype().is_integer() && b.dtype().is_integer() {
        (a.widened("where_")?, b.widened("where_")?)
    } else {
        let dtype = check::common_float("where_", &a, &b)?;
        (a.to_dtype(dtype)?, b.to_dtype(dtype)?)
    };
    let mask = broadcast_to(mask, &shape);
    let (x, y) = (broadcast_to(&a, &shape), broadcast_to(&b, &shape));
    let out = door::map::where_("where_", &mask, &x, &y)?;
    if !out.dtype().is_float() {
        return Ok(out);
    }
    let shapes = [a.shape().into(), b.shape().into()];
    Ok(Tensor::record(out, &[&a, &b], Where { mask, shapes }))
}

struct Where {
    mask: Tensor,
    shapes: [Dims; 2],
}

impl Gradient for Where {
    fn name(&self) -> &'static str {
        "where_"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // ā = ȳ where the mask is true, else 0; b̄ the reverse
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let zero = Tensor::scalar_as(0.0, g.dtype());
        let answer = |i: usize| -> Result<Option<Tensor>> {
            if !saved.needs(i) {
                return Ok(None);
            }
            let part = if i == 0 { self.mask.where_(g, &zero)? } else { self.mask.where_(&zero, g)? };
            sum_to(&part, &self.shapes[i]).map(Some)
        };
        Ok(vec![answer(0)?, answer(1)?])
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::{binary_formulas, unary_formulas};
    [
        unary_formulas(Abs),
        unary_formulas(Sign),
        unary_formulas(Clamp { low: -0.5, high: 0.7 }),
        binary_formulas(Maximum),
        binary_formulas(Minimum),
        binary_formulas(Share),
    ]
    .concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Normal numbers do not lie within a difference quotient's step of a kink or of each other.
    let unary = |name, f: fn(&Tensor) -> Result<Tensor>, plain: fn(f64) -> f64| {
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("empty", vec![normal(&[0])])
            .reference(move |x| vec![x[0].iter().map(|&v| plain(v)).collect()])
            .orders(2)
    };
    let pair = |name, f: fn(&Tensor, &Tensor) -> Result<Tensor>, plain: fn(f64, f64) -> f64| {
        Spec::new(name, move |x| Ok(vec![f(&x[0], &x[1])?]))
            .sample("row and column", vec![normal(&[3, 1]), normal(&[4])])
            .reference(move |x| vec![x[0].iter().flat_map(|a| x[1].iter().map(|b| plain(*a, *b))).collect()])
            .orders(2)
    };
    let mask = || Tensor::from_slice(&[true, false, false, true], &[4]).expect("four elements");
    vec![
        unary("abs", Tensor::abs, f64::abs),
        unary("sign", Tensor::sign, f64::signum),
        unary("clamp", |x| x.clamp(-0.5, 0.7), |v| v.clamp(-0.5, 0.7)),
        Spec::new("clamp", |x| Ok(vec![x[0].clamp(1.0, 0.0)?]))
            .refuses(vec![normal(&[2])], "clamp: the lower bound 1.0 is above the upper bound 0.0"),
        Spec::new("clamp by tensors", |x| Ok(vec![x[0].clamp(&x[1], &x[2])?]))
            .sample("matrix, row and number", vec![normal(&[3, 4]), normal(&[4]).sub(1).unwrap(), normal(&[]).add(0.5).unwrap()])
            .shaped_reference(|x, _| vec![x[0].iter().enumerate().map(|(i, v)| v.max(x[1][i % 4]).min(x[2][0])).collect()])
            .orders(2),
        Spec::new("clamp_min", |x| Ok(vec![x[0].clamp_min(&x[1])?, x[0].clamp_min(0.25)?]))
            .sample("row and number", vec![normal(&[5]), normal(&[])])
            .sample("empty", vec![normal(&[0]), normal(&[])])
            .reference(|x| [x[1][0], 0.25].map(|low| x[0].iter().map(|v| v.max(low)).collect()).to_vec())
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[2]), normal(&[3])],
                "clamp_min: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            ),
        Spec::new("clamp_max", |x| Ok(vec![x[0].clamp_max(&x[1])?, x[0].clamp_max(0.25)?]))
            .sample("row and number", vec![normal(&[5]), normal(&[])])
            .reference(|x| [x[1][0], 0.25].map(|high| x[0].iter().map(|v| v.min(high)).collect()).to_vec())
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![Tensor::from([true]), normal(&[1])],
                "clamp_max: takes floating-point numbers, got bool and f64; cast with to_dtype",
            ),
        pair("maximum", |a, b| a.maximum(b), f64::max),
        pair("minimum", |a, b| a.minimum(b), f64::min),
        Spec::new("where_", |x| Ok(vec![x[0].where_(&x[1], &x[2])?]))
            .sample("row, matrix and column", vec![mask(), normal(&[3, 4]), normal(&[3, 1])])
            .reference(|x| vec![(0..12).map(|i| if x[0][i % 4] != 0.0 { x[1][i] } else { x[2][i / 4] }).collect()])
            .orders(2)
            .may_drop_nan()
            .refuses(vec![normal(&[2]), normal(&[2]), normal(&[2])], "where_: the mask must be bool, got f64"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: abs, sign, clamp, clamp_by_tensors, clamp_min, clamp_max, maximum, minimum, where_);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    #[test]
    fn equal_operands_share_the_gradient() {
        let (a, b) = (Tensor::scalar(2.0_f64).requires_grad(), Tensor::scalar(2.0_f64).requires_grad());
        for y in [a.maximum(&b).unwrap(), a.minimum(&b).unwrap()] {
            let g = grad(&y, &[&a, &b]).unwrap();
            assert_eq!((g[0].item::<f64>().unwrap(), g[1].item::<f64>().unwrap()), (0.5, 0.5));
        }
    }

    #[test]
    fn numbers_and_integers_are_chosen_as_tensors_are() {
        let n = Tensor::from_slice(&[-3_i64, 0, 9_007_199_254_740_993], &[3]).unwrap();
        let values = |x: Result<Tensor>| x.unwrap().to_vec::<i64>().unwrap();
        assert_eq!(values(n.abs()), [3, 0, 9_007_199_254_740_993]);
        assert_eq!(values(n.sign()), [-1, 0, 1]);
        assert_eq!(values(n.clamp(-1, 7)), [-1, 0, 7]);
        assert_eq!(values(n.maximum(1)), [1, 1, 9_007_199_254_740_993]);
        assert_eq!(values(n.gt(0).unwrap().where_(&n, -1)), [-1, -1, 9_007_199_254_740_993]);
        assert_eq!(
            n.clamp(0.5, 1).err().unwrap().to_string(),
            "clamp: 0.5 stands beside a tensor of i64; take an integer, or cast the tensor with to_dtype"
        );
        assert_eq!(n.clamp(2, 1).err().unwrap().to_string(), "clamp: the lower bound 2 is above the upper bound 1");
        let mask = Tensor::from_slice(&[true, false], &[2]).unwrap();
        assert_eq!(mask.where_(1.5_f32, 0).unwrap().to_vec::<f32>().unwrap(), [1.5, 0.0]);
        assert_eq!(mask.where_(1.5, 0_f32).unwrap().to_vec::<f64>().unwrap(), [1.5, 0.0]);
        assert_eq!(mask.where_(&mask, true).unwrap().to_vec::<bool>().unwrap(), [true, true]);
        let half = Tensor::ones(&[2], DType::BF16).unwrap();
        assert_eq!(mask.where_(&half, 0.0).unwrap().to_vec::<f32>().unwrap(), [1.0, 0.0]);
        assert!(Tensor::scalar(1.0).clamp(f64::NAN, 2.0).is_err());
    }

    #[test]
    fn what_is_not_chosen_has_gradient_zero_even_if_it_is_nan() {
        let a = Tensor::scalar(f64::NAN).requires_grad();
        let y = Tensor::scalar(false).where_(&a, Tensor::scalar(1.0_f64)).unwrap();
        assert_eq!(y.item::<f64>().unwrap(), 1.0);
        assert_eq!(grad(&y, &[&a]).unwrap()[0].item::<f64>().unwrap(), 0.0);
    }
}
