//! Comparisons and logic: results are booleans and carry no gradient.

use super::broadcast_to;
use crate::check;
use crate::door::map::{self, Relation};
use crate::error::{Error, Result};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

#[track_caller]
fn compare(op: &str, a: &Tensor, b: OperandValue<'_>, relation: Relation) -> Result<Tensor> {
    let b = &*b.beside(op, a.dtype())?;
    let shape = check::broadcast(op, a.shape(), b.shape())?;
    let (a, b) = if a.dtype() == b.dtype() || (a.dtype().is_integer() && b.dtype().is_integer()) {
        (a.widened(op)?, b.widened(op)?)
    } else {
        let dtype = check::common_float(op, a, b)?;
        (a.to_dtype(dtype)?, b.to_dtype(dtype)?)
    };
    let (x, y) = (broadcast_to(&a, &shape), broadcast_to(&b, &shape));
    map::compare(op, &x, &y, relation)
}

#[track_caller]
fn logic(op: &str, a: &Tensor, b: &Tensor, f: impl Fn(bool, bool) -> bool + Sync + Copy) -> Result<Tensor> {
    let shape = check::broadcast(op, a.shape(), b.shape())?;
    let (x, y) = (broadcast_to(a, &shape), broadcast_to(b, &shape));
    if a.dtype() != DType::Bool || b.dtype() != DType::Bool {
        return Err(Error::dtype(format!("{op}: takes booleans, got {} and {}", a.dtype(), b.dtype())));
    }
    map::logic(op, &x, &y, f)
}

#[track_caller]
fn isclose(a: &Tensor, b: OperandValue<'_>, [rtol, atol]: [f64; 2]) -> Result<Tensor> {
    // Positive comparisons, so that a NaN is refused.
    if !(rtol >= 0.0 && atol >= 0.0) {
        return Err(Error::value(format!("isclose: tolerances must not be negative, got rtol {rtol} and atol {atol}")));
    }
    let b = b.beside("isclose", a.dtype())?;
    let dtype = check::common_float("isclose", a, &b)?;
    check::broadcast("isclose", a.shape(), b.shape())?;
    let (a, b) = (a.detach().to_dtype(dtype)?, b.detach().to_dtype(dtype)?);
    // The bound of an infinite b is infinite, and so is the distance.
    let distance = a.sub(&b)?.abs()?;
    let near = distance.le(b.abs()?.mul(rtol)?.add(atol)?)?.and(&distance.isfinite()?)?;
    near.or(&a.eq(&b)?)
}

/// # Compare and choose: comparisons and logic
///
/// The comparisons take a tensor or a [number](TensorOrNumber), broadcast, compare integers with integers and floating-point numbers with each other, and are false where
/// a number is NaN ([`ne`](Tensor::ne) is true). They fail where the shapes do not broadcast or integers meet floats.
impl Tensor {
    /// Whether a = b, elementwise.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or integers meet floating-point numbers.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f32, 0.0, 1.0], &[3])?;
    /// assert_eq!(x.eq(1)?.to_vec::<bool>()?, [true, false, true]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "equal")]
    #[track_caller]
    pub fn eq(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        compare("eq", self, other.value(), Relation::Eq)
    }

    /// Whether a and b differ by at most `atol` + `rtol` |b|, elementwise. Equal infinities do; NaN is near nothing.
    ///
    /// PyTorch takes `rtol` 1e-5 and `atol` 1e-8 where none are given. What it calls `allclose` is whether all of them are true.
    ///
    /// # Errors
    /// If the shapes do not broadcast, for integers and booleans, or where a tolerance is negative or NaN.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let (x, y) = (Tensor::from(vec![1.0, 100.0]), Tensor::from(vec![1.0 + 1e-6, 100.1]));
    /// assert_eq!(x.isclose(&y, 1e-5, 1e-8)?.to_vec::<bool>()?, [true, false]);
    /// assert!(x.isclose(&y, 0.0, 0.2)?.all(&[], false)?.item::<bool>()?);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "allclose")]
    #[doc(alias = "assert_close")]
    #[track_caller]
    pub fn isclose(&self, other: impl TensorOrNumber, rtol: f64, atol: f64) -> Result<Tensor> {
        isclose(self, other.value(), [rtol, atol])
    }

    /// Whether a ≠ b, elementwise.
    ///
    /// # Errors
    /// As [`eq`](Tensor::eq).
    #[doc(alias = "not_equal")]
    #[track_caller]
    pub fn ne(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        compare("ne", self, other.value(), Relation::Ne)
    }

    /// Whether a < b, elementwise.
    ///
    /// # Errors
    /// As [`eq`](Tensor::eq).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let (i, j) = (Tensor::arange(3)?.unsqueeze(1)?, Tensor::arange(3)?);
    /// assert_eq!(j.lt(&i)?.to_vec::<bool>()?, [false, false, false, true, false, false, true, true, false]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "less")]
    #[track_caller]
    pub fn lt(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        compare("lt", self, other.value(), Relation::Lt)
    }

    /// Whether a ≤ b, elementwise.
    ///
    /// # Errors
    /// As [`eq`](Tensor::eq).
    #[doc(alias = "less_equal")]
    #[track_caller]
    pub fn le(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        compare("le", self, other.value(), Relation::Le)
    }

    /// Whether a > b, elementwise.
    ///
    /// # Errors
    /// As [`eq`](Tensor::eq).
    #[doc(alias = "greater")]
    #[track_caller]
    pub fn gt(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        compare("gt", self, other.value(), Relation::Gt)
    }

    /// Whether a ≥ b, elementwise.
    ///
    /// # Errors
    /// As [`eq`](Tensor::eq).
    #[doc(alias = "greater_equal")]
    #[track_caller]
    pub fn ge(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        compare("ge", self, other.value(), Relation::Ge)
    }

    /// Whether both are true, elementwise.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or an operand is not boolean.
    #[doc(alias = "logical_and")]
    #[doc(alias = "bitwise_and")]
    #[track_caller]
    pub fn and(&self, other: &Tensor) -> Result<Tensor> {
        logic("and", self, other, |a, b| a & b)
    }

    /// Whether one or both are true, elementwise.
    ///
    /// # Errors
    /// As [`and`](Tensor::and).
    #[doc(alias = "logical_or")]
    #[doc(alias = "bitwise_or")]
    #[track_caller]
    pub fn or(&self, other: &Tensor) -> Result<Tensor> {
        logic("or", self, other, |a, b| a | b)
    }

    /// Whether this is false, elementwise.
    ///
    /// # Errors
    /// If the elements are not boolean.
    #[doc(alias = "logical_not")]
    #[doc(alias = "bitwise_not")]
    #[doc(alias = "invert")]
    #[track_caller]
    pub fn not(&self) -> Result<Tensor> {
        if self.dtype() != DType::Bool {
            return Err(Error::dtype(format!("not: takes booleans, got {}", self.dtype())));
        }
        logic("not", self, self, |a, _| !a)
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let pair = |name, f: fn(&Tensor, &Tensor) -> Result<Tensor>, plain: fn(f64, f64) -> bool| {
        Spec::new(name, move |x| Ok(vec![f(&x[0], &x[1])?]))
            .sample("row and column", vec![normal(&[3, 1]), normal(&[4])])
            .sample("equal numbers", vec![normal(&[5, 1]), normal(&[5, 1]).reshape(&[1, 5]).expect("five elements")])
            .reference(move |x| vec![x[0].iter().flat_map(|a| x[1].iter().map(|b| f64::from(u8::from(plain(*a, *b))))).collect()])
            .may_drop_nan()
    };
    vec![
        pair("eq", |a, b| a.eq(b), |a, b| a == b),
        pair("ne", |a, b| a.ne(b), |a, b| a != b),
        pair("lt", |a, b| a.lt(b), |a, b| a < b).refuses(
            vec![Tensor::arange(2).unwrap(), normal(&[2])],
            "lt: takes floating-point numbers, got i64 and f64; cast with to_dtype",
        ),
        pair("le", |a, b| a.le(b), |a, b| a <= b),
        pair("gt", |a, b| a.gt(b), |a, b| a > b),
        pair("ge", |a, b| a.ge(b), |a, b| a >= b),
        pair("isclose", |a, b| a.isclose(b, 0.25, 0.5), |a, b| (a - b).abs() <= 0.5 + 0.25 * b.abs())
            .refuses(
                vec![normal(&[2]), normal(&[3])],
                "isclose: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            )
            .refuses(
                vec![Tensor::arange(2).unwrap(), Tensor::arange(2).unwrap()],
                "isclose: takes floating-point numbers, got i64 and i64; cast with to_dtype",
            ),
        Spec::new("isclose", |x| Ok(vec![x[0].isclose(1.0, -1.0, 0.0)?]))
            .refuses(vec![normal(&[2])], "isclose: tolerances must not be negative, got rtol -1 and atol 0"),
        Spec::new("and", |x| Ok(vec![x[0].and(&x[1])?]))
            .refuses(vec![normal(&[2]), normal(&[2])], "and: takes booleans, got f64 and f64"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: eq, ne, lt, le, gt, ge, isclose, and);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logic_has_its_truth_table() {
        let a = Tensor::from_slice(&[false, false, true, true], &[4]).unwrap();
        let b = Tensor::from_slice(&[false, true, false, true], &[4]).unwrap();
        assert_eq!(a.and(&b).unwrap().to_vec::<bool>().unwrap(), [false, false, false, true]);
        assert_eq!(a.or(&b).unwrap().to_vec::<bool>().unwrap(), [false, true, true, true]);
        assert_eq!(a.not().unwrap().to_vec::<bool>().unwrap(), [true, true, false, false]);
    }

    /// `torch.isclose` of the same numbers.
    #[test]
    fn infinities_are_near_their_like_alone() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let a = Tensor::from(vec![inf, inf, 1.0, -inf, nan, nan, 1.0]);
        let b = Tensor::from(vec![inf, -inf, inf, 1.0, nan, 1.0, 1.0 + 1e-9]);
        let near = [true, false, false, false, false, false, true];
        assert_eq!(a.isclose(&b, 1e-5, 1e-8).unwrap().to_vec::<bool>().unwrap(), near);
        assert_eq!(a.isclose(1.0, 0.0, inf).unwrap().to_vec::<bool>().unwrap(), [false, false, true, false, false, false, true]);
    }

    #[test]
    fn numbers_are_compared_in_the_type_of_the_tensor() {
        let x = Tensor::from_slice(&[0.1_f32, 0.2], &[2]).unwrap();
        assert_eq!(x.eq(0.1).unwrap().to_vec::<bool>().unwrap(), [true, false]);
        let n = Tensor::from_slice(&[9_007_199_254_740_993_i64, 3], &[2]).unwrap();
        assert_eq!(n.le(9_007_199_254_740_992_i64).unwrap().to_vec::<bool>().unwrap(), [false, true]);
        assert_eq!(Tensor::scalar(true).ne(false).unwrap().to_vec::<bool>().unwrap(), [true]);
        let words = n.lt(0.5).err().unwrap().to_string();
        assert_eq!(words, "lt: 0.5 stands beside a tensor of i64; take an integer, or cast the tensor with to_dtype");
        let words = x.ge(true).err().unwrap().to_string();
        assert_eq!(words, "ge: true stands beside a tensor of f32; take a number, or cast the tensor with to_dtype");
    }

    #[test]
    fn nan_is_unequal_to_itself() {
        let nan = Tensor::scalar(f32::NAN);
        assert!(!nan.eq(&nan).unwrap().item::<bool>().unwrap() && nan.ne(&nan).unwrap().item::<bool>().unwrap());
    }
}
