//! Division with a remainder, as Python and PyTorch define it: the quotient is rounded down, the remainder has the divisor's sign.

use super::broadcast_to;
use crate::check;
use crate::door::map;
use crate::error::{Error, Result};
use crate::ops::reduce::sum_to;
use crate::tape::{Gradient, Saved};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

/// The operations, as functions of two numbers.
#[derive(Clone, Copy)]
struct Division {
    name: &'static str,
    floats: fn(f64, f64) -> f64,
    integers: fn(i64, i64) -> Option<i64>,
}

const REMAINDER: Division = Division {
    name: "remainder",
    floats: float_remainder,
    // The lowest integer by -1 leaves 0.
    integers: |a, b| (b != 0).then(|| integer_remainder(a, b)),
};

const FMOD: Division = Division { name: "fmod", floats: |a, b| a % b, integers: |a, b| (b != 0).then(|| a.wrapping_rem(b)) };

const FLOOR_DIVIDE: Division = Division {
    name: "floor_divide",
    floats: float_floor_divide,
    integers: |a, b| (b != 0).then(|| a.wrapping_div(b) - i64::from(a.wrapping_rem(b) != 0 && (a < 0) != (b < 0))),
};

fn integer_remainder(a: i64, b: i64) -> i64 {
    let r = a.wrapping_rem(b);
    if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
}

fn float_remainder(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
}

fn float_floor_divide(a: f64, b: f64) -> f64 {
    if b == 0.0 {
        return a / b;
    }
    // a − r is a multiple of b, but for rounding: the quotient is near an integer.
    let r = a % b;
    let quotient = (a - r) / b - if r != 0.0 && (r < 0.0) != (b < 0.0) { 1.0 } else { 0.0 };
    if quotient == 0.0 {
        return 0.0_f64.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

/// The result, unrecorded, and the operands in its type.
#[track_caller]
fn divide(a: &Tensor, b: &Tensor, f: Division) -> Result<(Tensor, Tensor, Tensor)> {
    let shape = check::broadcast(f.name, a.shape(), b.shape())?;
    if a.dtype().is_integer() && b.dtype().is_integer() {
        let (a, b) = (a.widened(f.name)?, b.widened(f.name)?);
        return match map::partial_integers(f.name, &broadcast_to(&a, &shape), &broadcast_to(&b, &shape), f.integers)? {
            Some(out) => Ok((out, a, b)),
            None => Err(Error::value(format!("{}: an integer is divided by 0", f.name))),
        };
    }
    let dtype = check::common_float(f.name, a, b)?;
    let (a, b) = (a.to_dtype(dtype)?, b.to_dtype(dtype)?);
    let out = map::binary_f64(f.name, &broadcast_to(&a, &shape), &broadcast_to(&b, &shape), f.floats)?;
    Ok((out, a, b))
}

#[track_caller]
fn of_tensors(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (out, wide_a, wide_b) = divide(a, b, REMAINDER)?;
    Ok(Tensor::record(out, &[&wide_a, &wide_b], Remainder { towards_zero: false }))
}

#[track_caller]
pub(super) fn remainder(a: &Tensor, b: OperandValue<'_>) -> Result<Tensor> {
    of_tensors(a, &*b.beside("remainder", a.dtype())?)
}

#[track_caller]
pub(super) fn remainder_into(a: Tensor, b: OperandValue<'_>) -> Result<Tensor> {
    remainder(&a, b)
}

#[track_caller]
pub(super) fn remainder_from(a: OperandValue<'_>, b: &Tensor) -> Result<Tensor> {
    of_tensors(&*a.beside("remainder", b.dtype())?, b)
}

#[track_caller]
pub(super) fn remainder_assign(a: &mut Tensor, b: OperandValue<'_>) -> Result<()> {
    let out = remainder(a, b)?;
    super::check_assigned("remainder", "%", a, out.shape())?;
    *a = out;
    Ok(())
}

#[track_caller]
fn fmod(a: &Tensor, b: OperandValue<'_>) -> Result<Tensor> {
    let (out, a, b) = divide(a, &*b.beside("fmod", a.dtype())?, FMOD)?;
    Ok(Tensor::record(out, &[&a, &b], Remainder { towards_zero: true }))
}

#[track_caller]
fn floor_divide(a: &Tensor, b: OperandValue<'_>) -> Result<Tensor> {
    let (out, a, b) = divide(a, &*b.beside("floor_divide", a.dtype())?, FLOOR_DIVIDE)?;
    Ok(Tensor::record(out, &[&a, &b], FloorDivide))
}

/// # Arithmetic: remainders
///
/// Division that rounds down, of integers exactly.
impl Tensor {
    /// a - b ⌊a / b⌋, elementwise over shapes that broadcast: the remainder with the sign of b, as in Python; also `&a % &b`.
    ///
    /// Integers stay integers. A remainder by a floating-point 0 is NaN. (Rust's own `%` of numbers has the sign of a.)
    ///
    /// # Gradient
    /// ā = ȳ, b̄ = -ȳ ⌊a / b⌋: that of a - b q with q fixed.
    ///
    /// # Errors
    /// If the shapes do not broadcast, integers meet floating-point numbers, or an integer is divided by 0.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let n = Tensor::from_slice(&[7_i64, -7], &[2])?;
    /// assert_eq!(n.remainder(3)?.to_vec::<i64>()?, [1, 2]);
    /// assert_eq!(n.floor_divide(3)?.to_vec::<i64>()?, [2, -3]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "mod")]
    #[doc(alias = "modulo")]
    #[track_caller]
    pub fn remainder(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        remainder(self, other.value())
    }

    /// a - b trunc(a / b), elementwise over shapes that broadcast: the remainder with the sign of a, as in C and in Rust's own `%` of numbers.
    ///
    /// Integers stay integers. A remainder by a floating-point 0 is NaN.
    ///
    /// # Gradient
    /// ā = ȳ, b̄ = -ȳ trunc(a / b)
    ///
    /// # Errors
    /// As [`remainder`](Tensor::remainder).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let n = Tensor::from_slice(&[7_i64, -7], &[2])?;
    /// assert_eq!(n.fmod(3)?.to_vec::<i64>()?, [1, -1]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn fmod(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        fmod(self, other.value())
    }

    /// ⌊a / b⌋, elementwise over shapes that broadcast; integers stay integers. Floats by 0 give ±∞ or NaN.
    ///
    /// # Gradient
    /// 0.
    ///
    /// # Errors
    /// As [`remainder`](Tensor::remainder).
    #[doc(alias = "//")]
    #[track_caller]
    pub fn floor_divide(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        floor_divide(self, other.value())
    }
}

struct Remainder {
    towards_zero: bool,
}

impl Gradient for Remainder {
    fn name(&self) -> &'static str {
        if self.towards_zero { FMOD.name } else { REMAINDER.name }
    }
    fn keeps_input(&self, _: usize, needs: &[bool]) -> bool {
        needs[1]
    }
    // ā = ȳ,  b̄ = -ȳ q, where q is a/b rounded down, or towards 0: then it is that of the sizes, with the sign of a/b.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let part = |i: usize| match (saved.needs(i), i) {
            (false, _) => Ok(None),
            (true, 0) => sum_to(g, saved.input_shape(0)).map(Some),
            (true, _) => {
                let (a, b) = (saved.input(0).detach(), saved.input(1).detach());
                let quotient = match self.towards_zero {
                    true => a.abs()?.floor_divide(b.abs()?)?.mul(a.sign()?.mul(b.sign()?)?)?,
                    false => a.floor_divide(b)?,
                };
                sum_to(&g.mul(&quotient)?.neg()?, saved.input_shape(1)).map(Some)
            }
        };
        Ok(vec![part(0)?, part(1)?])
    }
}

struct FloorDivide;

impl Gradient for FloorDivide {
    fn name(&self) -> &'static str {
        "floor_divide"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let zeros = |i: usize| -> Result<Option<Tensor>> {
            let shape: Dims = saved.input_shape(i).into();
            if saved.needs(i) { Tensor::zeros(&shape, g.dtype()).map(Some) } else { Ok(None) }
        };
        Ok(vec![zeros(0)?, zeros(1)?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Quotients of these numbers are no integers.
    let pair = |spec: Spec, plain: fn(f64, f64) -> f64| {
        spec.sample("row and column", vec![normal(&[3, 1]).mul(4.0).unwrap(), positive(&[4])])
            .sample("empty", vec![normal(&[0, 1]), positive(&[4])])
            .reference(move |x| vec![x[0].iter().flat_map(|a| x[1].iter().map(|b| plain(*a, *b))).collect()])
            .orders(2)
    };
    vec![
        pair(Spec::new("remainder", |x| Ok(vec![x[0].remainder(&x[1])?])), |a, b| a.rem_euclid(b))
            .refuses(vec![Tensor::arange(2).unwrap(), Tensor::arange(2).unwrap()], "remainder: an integer is divided by 0"),
        pair(Spec::new("fmod", |x| Ok(vec![x[0].fmod(&x[1])?])), |a, b| a % b)
            .refuses(vec![Tensor::arange(2).unwrap(), Tensor::arange(2).unwrap()], "fmod: an integer is divided by 0"),
        pair(Spec::new("floor_divide", |x| Ok(vec![x[0].floor_divide(&x[1])?])), |a, b| a.div_euclid(b)).refuses(
            vec![Tensor::arange(2).unwrap(), normal(&[2])],
            "floor_divide: takes floating-point numbers, got i64 and f64; cast with to_dtype",
        ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: remainder, fmod, floor_divide);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_and_remainders_are_pytorchs() {
        let inf = f64::INFINITY;
        // a, b = torch.tensor([[7, -7, 7, -7, 1, -1, -0.0, 5, -5, 6, inf, 3], [3, 3, -3, -3, inf, inf, 2, 0, 0, 0.1, 2, 1.5]], dtype=torch.float64)
        // torch.remainder(a, b), torch.floor_divide(a, b)
        let a = Tensor::from_slice(&[7.0, -7.0, 7.0, -7.0, 1.0, -1.0, -0.0, 5.0, -5.0, 6.0, inf, 3.0], &[12]).unwrap();
        let b = Tensor::from_slice(&[3.0, 3.0, -3.0, -3.0, inf, inf, 2.0, 0.0, 0.0, 0.1, 2.0, 1.5], &[12]).unwrap();
        let nan = f64::NAN;
        let remainders = [1.0, 2.0, -2.0, -1.0, 1.0, inf, -0.0, nan, nan, 0.09999999999999967, nan, 0.0];
        let quotients = [2.0, -3.0, -3.0, 2.0, 0.0, -1.0, -0.0, inf, -inf, 59.0, nan, 2.0];
        for (found, expected) in [(a.remainder(&b), remainders), (a.floor_divide(&b), quotients)] {
            let bits = |x: &f64| if x.is_nan() { nan.to_bits() } else { x.to_bits() };
            let found = found.unwrap().to_vec::<f64>().unwrap();
            assert!(found.iter().map(bits).eq(expected.iter().map(bits)), "{found:?}");
        }
    }

    #[test]
    fn integers_divide_as_in_python() {
        let a = Tensor::from_slice(&[7_i64, -7, 7, -7, i64::MIN, 6], &[6]).unwrap();
        let b = Tensor::from_slice(&[3_i64, 3, -3, -3, -1, 3], &[6]).unwrap();
        assert_eq!(a.remainder(&b).unwrap().to_vec::<i64>().unwrap(), [1, 2, -2, -1, 0, 0]);
        assert_eq!(a.floor_divide(&b).unwrap().to_vec::<i64>().unwrap(), [2, -3, -3, 2, i64::MIN, 2]);
        assert_eq!(a.fmod(&b).unwrap().to_vec::<i64>().unwrap(), [1, -1, 1, -1, 0, 0]);
        assert_eq!(a.floor_divide(0).err().unwrap().to_string(), "floor_divide: an integer is divided by 0");
    }
}
