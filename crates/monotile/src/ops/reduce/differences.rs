//! Differences along an axis, and integrals by the trapezoidal rule.

use crate::check;
use crate::error::{Error, Result};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reduce: differences and integrals
///
/// Of values along an axis, at points that are given or apart by a step.
impl Tensor {
    /// The n-th differences along an axis: xᵢ₊₁ - xᵢ, n times over. The axis is n shorter, or empty.
    ///
    /// # Errors
    /// If there is no such axis; for booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from(vec![1_i64, 4, 9, 16]);
    /// assert_eq!(x.diff(1, -1)?.to_vec::<i64>()?, [3, 5, 7]);
    /// assert_eq!(x.diff(2, -1)?.to_vec::<i64>()?, [2, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "ediff1d")]
    #[track_caller]
    pub fn diff(&self, n: usize, axis: isize) -> Result<Tensor> {
        let axis = check::axis("diff", axis, self.rank())? as isize;
        if self.dtype() == DType::Bool {
            return Err(Error::dtype("diff: takes numbers, got bool; cast with to_dtype"));
        }
        let mut x = self.clone();
        for _ in 0..n.min(self.dim(axis)) {
            let size = x.dim(axis);
            x = x.slice(axis, 1.min(size)..)?.sub(x.slice(axis, ..size.saturating_sub(1))?)?;
        }
        Ok(x)
    }

    /// The integral along an axis by the trapezoidal rule: Σ (pᵢ₊₁ - pᵢ) (yᵢ + yᵢ₊₁) / 2.
    ///
    /// The points p are a tensor: a vector of as many as there are values along the axis, or one that broadcasts to the values. A number is the step
    /// between points. Fewer than two values have the integral 0.
    ///
    /// # Gradient
    /// By the values, and by the points if they are a tensor.
    ///
    /// # Errors
    /// If there is no such axis, or points and values do not fit each other; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let y = Tensor::from([1.0, 2.0, 4.0]);
    /// assert_eq!(y.trapezoid(0.5, -1)?.item::<f64>()?, 2.25);
    /// assert_eq!(y.trapezoid(&Tensor::from([0.0, 1.0, 3.0]), -1)?.item::<f64>()?, 7.5);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "trapz")]
    #[doc(alias = "integrate")]
    #[track_caller]
    pub fn trapezoid(&self, points: impl TensorOrNumber, axis: isize) -> Result<Tensor> {
        areas("trapezoid", self, points.value(), axis)?.sum(axis, false)
    }

    /// The integrals up to each point but the first, by the rule of [`trapezoid`](Tensor::trapezoid): the axis is one shorter.
    ///
    /// # Errors
    /// As [`trapezoid`](Tensor::trapezoid).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::from([1.0, 2.0, 4.0]).cumulative_trapezoid(1, -1)?.to_vec::<f64>()?, [1.5, 4.5]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "cumtrapz")]
    #[track_caller]
    pub fn cumulative_trapezoid(&self, points: impl TensorOrNumber, axis: isize) -> Result<Tensor> {
        areas("cumulative_trapezoid", self, points.value(), axis)?.cumsum(axis)
    }
}

/// The areas between neighbours along an axis.
#[track_caller]
fn areas(op: &str, y: &Tensor, points: OperandValue<'_>, axis: isize) -> Result<Tensor> {
    let y = y.to_compute_dtype(op)?;
    let d = check::axis(op, axis, y.rank())?;
    let (axis, size) = (d as isize, y.shape()[d]);
    let pairs = y.slice(axis, 1.min(size)..)?.add(y.slice(axis, ..size.saturating_sub(1))?)?;
    let OperandValue::Tensor(points) = points else {
        return pairs.mul(&*points.beside(op, y.dtype())?)?.mul_scalar(0.5);
    };
    // A vector lies along the axis.
    let points = points.to_compute_dtype(op)?;
    let points = if points.rank() == 1 { points.reshape(super::only_at(d, y.rank(), points.len()))? } else { points };
    let fits = check::broadcast(op, points.shape(), y.shape())?;
    let from_end = y.rank() - d;
    if fits[..] != *y.shape() || points.rank() < from_end || points.shape()[points.rank() - from_end] != size {
        let (p, y) = (points.shape(), y.shape());
        return Err(Error::shape(format!("{op}: points of shape {p:?} do not fit values of shape {y:?} along axis {axis}")));
    }
    points.diff(1, -(from_end as isize))?.mul(&pairs)?.mul_scalar(0.5)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let sums = |y: &[f64], p: &[f64]| -> Vec<f64> {
        let areas = y.windows(2).zip(p.windows(2)).map(|(y, p)| (p[1] - p[0]) * (y[0] + y[1]) / 2.0);
        areas.scan(0.0, |sum, area| Some(*sum + area).inspect(|&new| *sum = new)).collect()
    };
    vec![
        Spec::new("diff", |x| Ok(vec![x[0].diff(1, 0)?, x[0].diff(2, -1)?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("short", vec![normal(&[3, 1])])
            .sample("empty", vec![normal(&[0, 4])])
            .shaped_reference(|x, s| {
                let (m, n, x) = (s[0][0], s[0][1], &x[0]);
                let down = (0..m.saturating_sub(1) * n).map(|i| x[i + n] - x[i]).collect();
                let twice = |row: &[f64]| row.windows(3).map(|w| w[2] - 2.0 * w[1] + w[0]).collect::<Vec<_>>();
                vec![down, x.chunks(n.max(1)).flat_map(twice).collect()]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[])], "diff: axis 0 is not an axis of a tensor of rank 0")
            .refuses(vec![Tensor::from([true])], "diff: takes numbers, got bool; cast with to_dtype"),
        Spec::new("trapezoid", |x| Ok(vec![x[0].trapezoid(&x[1], -1)?]))
            .sample("rows and points", vec![normal(&[3, 4]), normal(&[4])])
            .sample("no rows", vec![normal(&[0, 4]), normal(&[4])])
            .reference(move |x| vec![x[0].chunks(4).map(|y| *sums(y, &x[1]).last().unwrap()).collect()])
            .orders(2)
            .refuses(
                vec![normal(&[3, 4]), normal(&[3])],
                "trapezoid: shapes [1, 3] and [3, 4] do not broadcast; sizes must be equal or 1, from the last",
            )
            .refuses(
                vec![normal(&[3, 4]), normal(&[1])],
                "trapezoid: points of shape [1, 1] do not fit values of shape [3, 4] along axis 1",
            )
            .refuses(vec![normal(&[4]), normal(&[])], "trapezoid: points of shape [] do not fit values of shape [4] along axis 0")
            .refuses(
                vec![Tensor::arange(3).unwrap(), normal(&[3])],
                "trapezoid: takes floating-point numbers, got i64; cast with to_dtype",
            ),
        Spec::new("cumulative trapezoid", |x| Ok(vec![x[0].cumulative_trapezoid(&x[1], 0)?, x[0].cumulative_trapezoid(0.5, 0)?]))
            .sample("vectors", vec![normal(&[5]), normal(&[5])])
            .reference(move |x| vec![sums(&x[0], &x[1]), sums(&x[0], &[0.0, 0.5, 1.0, 1.5, 2.0])])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[]), normal(&[])], "cumulative_trapezoid: axis 0 is not an axis of a tensor of rank 0"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: diff, trapezoid, cumulative_trapezoid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_may_differ_from_row_to_row() {
        let (y, p) = (normal(&[2, 3]), normal(&[2, 3]).exp().unwrap());
        let all = y.trapezoid(&p, 1).unwrap();
        for i in 0..2 {
            let row = y.select(0, i).unwrap().trapezoid(p.select(0, i).unwrap(), 0).unwrap();
            assert_eq!(all.select(0, i).unwrap().item::<f64>().unwrap(), row.item::<f64>().unwrap());
        }
        assert_eq!(Tensor::from([3.0]).trapezoid(1, 0).unwrap().item::<f64>().unwrap(), 0.0);
        assert_eq!(y.diff(9, 1).unwrap().shape(), [2, 0]);
        assert_eq!(y.trapezoid(Tensor::from([0.0, 2.0]), 0).unwrap().shape(), [3]);
    }
}
