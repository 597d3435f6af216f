//! Linear recurrences along an axis: each element is a multiple of the one before, and something added.

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The linear recurrence yⱼ = aⱼ yⱼ₋₁ + bⱼ along `axis`, where y₀ = b₀.
///
/// Both have one shape, which is the result's; a₀ is not read. Discounted returns, moving averages and state-space models are such sums.
/// Elements are computed in f64 and in order.
///
/// # Gradient
/// λⱼ = ȳⱼ + aⱼ₊₁ λⱼ₊₁ from the last element back; b̄ⱼ = λⱼ and āⱼ = λⱼ yⱼ₋₁, with ā₀ = 0.
///
/// # Errors
/// If the shapes differ or the axis does not exist; for integers and booleans.
///
/// # Cost
/// Two operations an element. Series run on threads beside each other; a single one is not cut.
///
/// # Source
/// Blelloch (1990), Prefix sums and their applications.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::linear_recurrence};
/// let (half, one) = (Tensor::full(&[3], 0.5_f64)?, Tensor::full(&[3], 1.0_f64)?);
/// assert_eq!(linear_recurrence(&half, &one, 0)?.to_vec::<f64>()?, [1.0, 1.5, 1.75]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "associative_scan")]
#[doc(alias = "lfilter")]
#[track_caller]
pub fn linear_recurrence(a: &Tensor, b: &Tensor, axis: isize) -> Result<Tensor> {
    if a.shape() != b.shape() {
        let (a, b) = (a.shape(), b.shape());
        return Err(Error::shape(format!("linear_recurrence: factors of shape {a:?} need terms of that shape, got {b:?}")));
    }
    let axis = check::axis("linear_recurrence", axis, b.rank())?;
    let dtype = check::common_float("linear_recurrence", a, b)?;
    let (a, b) = (a.to_dtype(dtype)?, b.to_dtype(dtype)?);
    let y = door::reduce::recurrence(
        "linear_recurrence",
        &a.contiguous_detached("linear_recurrence")?,
        &b.contiguous_detached("linear_recurrence")?,
        axis,
    )?;
    Ok(Tensor::record(y, &[&a, &b], LinearRecurrence { axis: axis as isize }))
}

/// λⱼ = gⱼ + fⱼ λⱼ₊₁ along an axis, from the last element back. Of the factors there is one fewer than elements: the last has none.
#[track_caller]
pub(super) fn backwards(factors: &Tensor, g: &Tensor, axis: isize) -> Result<Tensor> {
    let factors = factors.pad(axis, 0, 1, 0.0)?.flip(axis)?;
    linear_recurrence(&factors, &g.flip(axis)?, axis)?.flip(axis)
}

/// The elements of an axis but the first.
#[track_caller]
pub(super) fn all_but_first(x: &Tensor, axis: isize) -> Result<Tensor> {
    x.slice(axis, 1..)
}

/// The elements of an axis moved on by one; `first` stands where none moves to.
#[track_caller]
pub(super) fn moved_on(x: &Tensor, axis: isize, first: f64) -> Result<Tensor> {
    x.slice(axis, ..x.dim(axis) - 1)?.pad(axis, 1, 0, first)
}

struct LinearRecurrence {
    axis: isize,
}

impl Gradient for LinearRecurrence {
    fn name(&self) -> &'static str {
        "linear_recurrence"
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        i == 0
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // λⱼ = ȳⱼ + aⱼ₊₁ λⱼ₊₁, b̄ⱼ = λⱼ, āⱼ = λⱼ yⱼ₋₁
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = cotangents[0].as_ref().filter(|g| !g.is_empty()) else { return Ok(vec![None, None]) };
        let lambda = backwards(&all_but_first(&saved.input(0), self.axis)?, g, self.axis)?;
        let factors = match saved.needs(0) {
            true => Some(lambda.mul(&moved_on(&saved.output(0), self.axis, 0.0)?)?),
            false => None,
        };
        Ok(vec![factors, saved.needs(1).then_some(lambda)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let record = |axis: isize| {
        Spec::new("linear_recurrence", move |x| Ok(vec![linear_recurrence(&x[0], &x[1], axis)?]))
            .sample("matrix", vec![normal(&[3, 4]), normal(&[3, 4])])
            .sample("empty", vec![normal(&[0, 4]), normal(&[0, 4])])
            .reference(move |x| {
                let mut y = x[1].clone();
                for i in 0..y.len() {
                    let before = if axis == 0 { i.checked_sub(4) } else { i.checked_sub(1).filter(|_| i % 4 > 0) };
                    y[i] += before.map_or(0.0, |before| x[0][i] * y[before]);
                }
                vec![y]
            })
            .orders(2)
            .refuses(
                vec![normal(&[3, 4]), normal(&[4])],
                "linear_recurrence: factors of shape [3, 4] need terms of that shape, got [4]",
            )
    };
    vec![record(0), record(1)]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: linear_recurrence);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_factor_is_not_read() {
        let a = Tensor::from_slice(&[f64::NAN, 2.0], &[2]).unwrap().requires_grad();
        let b = Tensor::from_slice(&[1.0, 3.0], &[2]).unwrap();
        let y = linear_recurrence(&a, &b, 0).unwrap();
        assert_eq!(y.to_vec::<f64>().unwrap(), [1.0, 5.0]);
        let gradients = y.sum(&[], false).unwrap().backward().unwrap();
        assert_eq!(gradients.get(&a).unwrap().to_f64_vec().unwrap(), [0.0, 1.0]);
    }
}
