//! The largest and smallest elements over axes, and where they are.

use super::ones_at;
use crate::check;
use crate::door::reduce::{Reduction, index_of_extremum, reduce};
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The axes, refused where there is nothing to choose from.
#[track_caller]
fn chosen_axes(op: &str, x: &Tensor, axes: &[isize]) -> Result<Dims> {
    let axes = check::axes(op, axes, x.rank())?;
    match axes.iter().find(|&&d| x.shape()[d] == 0) {
        Some(d) => Err(Error::shape(format!("{op}: axis {d} of shape {:?} has no elements to choose from", x.shape()))),
        None => Ok(axes),
    }
}

#[track_caller]
fn extremum(op: &'static str, x: &Tensor, axes: &[isize], reduction: Reduction, keepdim: bool) -> Result<Tensor> {
    let x = x.to_compute_dtype(op)?;
    let axes = chosen_axes(op, &x, axes)?;
    let y = reduce(op, &x, &axes, reduction)?;
    Tensor::record(y, &[&x], Extremum { op, axes: axes.clone() }).with_axes_kept(x.shape(), &axes, keepdim)
}

#[track_caller]
fn arg_extremum(op: &str, x: &Tensor, axes: &[isize], largest: bool, keepdim: bool) -> Result<Tensor> {
    let x = x.to_compute_dtype(op)?;
    let axes = chosen_axes(op, &x, axes)?;
    index_of_extremum(op, &x, &axes, largest)?.with_axes_kept(x.shape(), &axes, keepdim)
}

impl Tensor {
    /// The largest element over `axes`, or over all of them where none are named: NaN if there is one. The axes disappear, or stay with
    /// size 1 where `keepdim` is set.
    ///
    /// # Gradient
    /// Shared equally by the elements that are the largest.
    ///
    /// # Errors
    /// If an axis does not exist, is named twice or has no elements; for integers and booleans.
    #[track_caller]
    pub fn max(&self, axes: &[isize], keepdim: bool) -> Result<Tensor> {
        extremum("max", self, axes, Reduction::Max, keepdim)
    }

    /// The smallest element over `axes`, or over all of them where none are named: NaN if there is one. The axes disappear, or stay with
    /// size 1 where `keepdim` is set.
    ///
    /// # Gradient
    /// Shared equally by the elements that are the smallest.
    ///
    /// # Errors
    /// As [`max`](Tensor::max).
    #[track_caller]
    pub fn min(&self, axes: &[isize], keepdim: bool) -> Result<Tensor> {
        extremum("min", self, axes, Reduction::Min, keepdim)
    }

    /// The position of the first largest element (of the first NaN, if there is one) over `axes`, as i64: along a single
    /// axis its index, along several the number in row-major order over them. `keepdim` is as in [`max`](Tensor::max).
    ///
    /// # Errors
    /// As [`max`](Tensor::max).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1.0_f64, 5.0, 2.0], [7.0, 3.0, 7.0]])?;
    /// assert_eq!(a.argmax(&[1], false)?.to_vec::<i64>()?, [1, 0]);
    /// assert_eq!(a.argmax(&[], false)?.item::<i64>()?, 3);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax(&self, axes: &[isize], keepdim: bool) -> Result<Tensor> {
        arg_extremum("argmax", self, axes, true, keepdim)
    }

    /// The position of the first smallest element over `axes`, as in [`argmax`](Tensor::argmax).
    ///
    /// # Errors
    /// As [`max`](Tensor::max).
    #[track_caller]
    pub fn argmin(&self, axes: &[isize], keepdim: bool) -> Result<Tensor> {
        arg_extremum("argmin", self, axes, false, keepdim)
    }
}

struct Extremum {
    op: &'static str,
    axes: Dims,
}

impl Gradient for Extremum {
    fn name(&self) -> &'static str {
        self.op
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // x̄ = ȳ [x = y] / Σ [x = y]
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let (x, shape) = (saved.input(0).detach(), ones_at(saved.input_shape(0), &self.axes));
        let y = saved.output(0).detach().reshape(&shape)?;
        let axes: Vec<isize> = self.axes.iter().map(|&d| d as isize).collect();
        let mask = x.eq(&y)?.to_dtype(x.dtype())?;
        let share = mask.div(&mask.sum(&axes, true)?)?;
        Ok(vec![Some(g.reshape(&shape)?.mul(&share)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Normal numbers are not tied, nor within a difference quotient's step of it.
    let mut all =
        super::reduction_spec("max", |x, axes| x.max(axes, false), |g| g.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    all.extend(super::reduction_spec("min", |x, axes| x.min(axes, false), |g| g.iter().copied().fold(f64::INFINITY, f64::min)));
    let refused = Spec::new("max", |x| Ok(vec![x[0].max(&[1], false)?]))
        .refuses(vec![normal(&[3, 0])], "max: axis 1 of shape [3, 0] has no elements to choose from");
    all.push(refused);
    all
}

#[cfg(test)]
crate::testing::records!(specs);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tied_elements_share_the_gradient() {
        let x = Tensor::from_slice(&[1.0, 3.0, 3.0], &[3]).unwrap().requires_grad();
        assert_eq!(x.max(&[], false).unwrap().backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap(), [0.0, 0.5, 0.5]);
    }

    #[test]
    fn positions_are_the_first_and_find_nan() {
        let x = Tensor::from_rows(&[[2.0, 5.0, 5.0], [1.0, f64::NAN, 0.0]]).unwrap();
        assert_eq!(x.argmax(&[1], false).unwrap().to_vec::<i64>().unwrap(), [1, 1]);
        assert_eq!(x.argmin(&[1], false).unwrap().to_vec::<i64>().unwrap(), [0, 1]);
        assert_eq!(x.mt().argmin(&[0], false).unwrap().to_vec::<i64>().unwrap(), [0, 1]);
    }
}
