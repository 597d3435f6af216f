//! The largest and smallest elements over axes, and where they are.

use super::ones_at;
use crate::check;
use crate::door::reduce::{Reduction, index_of_extremum, logical, reduce, reduce_integers};
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::position::AxisList;
use crate::tensor::{DType, Dims, Tensor};
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
    if !x.dtype().is_float() {
        let axes = chosen_axes(op, x, axes)?;
        let y = match x.dtype() {
            DType::Bool => logical(op, x, &axes, matches!(reduction, Reduction::Min))?,
            _ => reduce_integers(op, &x.widened(op)?, &axes, reduction)?,
        };
        return y.with_axes_kept(x.shape(), &axes, keepdim);
    }
    let x = x.to_compute_dtype(op)?;
    let axes = chosen_axes(op, &x, axes)?;
    let y = reduce(op, &x, &axes, reduction)?;
    Tensor::record(y, &[&x], Extremum { op, axes: axes.clone() }).with_axes_kept(x.shape(), &axes, keepdim)
}

#[track_caller]
fn arg_extremum(op: &str, x: &Tensor, axes: &[isize], largest: bool, keepdim: bool) -> Result<Tensor> {
    let x = match x.dtype() {
        dtype if dtype.is_float() => x.to_compute_dtype(op)?,
        _ => x.to_dtype(DType::I64)?,
    };
    let axes = chosen_axes(op, &x, axes)?;
    index_of_extremum(op, &x, &axes, largest)?.with_axes_kept(x.shape(), &axes, keepdim)
}

/// The extremum along one axis, picked by its index, and the index.
#[track_caller]
fn with_index(op: &str, x: &Tensor, axis: isize, largest: bool, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let axis = check::axis(op, axis, x.rank())? as isize;
    let index = arg_extremum(op, x, &[axis], largest, true)?;
    let value = x.gather(axis, &index)?;
    Ok(if keepdim { (value, index) } else { (value.squeeze(axis)?, index.squeeze(axis)?) })
}

/// # Reduce: extremes
///
/// The largest and the least, and where they are.
impl Tensor {
    /// The largest element over `axes`, or over all of them where none are named: NaN if there is one. The axes disappear, or stay with
    /// size 1 where `keepdim` is set.
    ///
    /// # Gradient
    /// Shared equally by the elements that are the largest.
    ///
    /// # Errors
    /// If an axis does not exist, is named twice or has no elements; for integers and booleans.
    #[doc(alias = "amax")]
    #[track_caller]
    pub fn max(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        extremum("max", self, &axes.list(self.rank()), Reduction::Max, keepdim)
    }

    /// The smallest element over `axes`, or over all of them where none are named: NaN if there is one. The axes disappear, or stay with
    /// size 1 where `keepdim` is set.
    ///
    /// # Gradient
    /// Shared equally by the elements that are the smallest.
    ///
    /// # Errors
    /// As [`max`](Tensor::max).
    #[doc(alias = "amin")]
    #[track_caller]
    pub fn min(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        extremum("min", self, &axes.list(self.rank()), Reduction::Min, keepdim)
    }

    /// The smallest and the largest element over `axes`: [`min`](Tensor::min) and [`max`](Tensor::max), by two passes.
    ///
    /// # Gradient
    /// As those of [`min`](Tensor::min) and [`max`](Tensor::max).
    ///
    /// # Errors
    /// As [`max`](Tensor::max).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let (least, largest) = Tensor::from([[1_i64, 5], [7, 3]]).aminmax(1, false)?;
    /// assert_eq!((least.to_vec::<i64>()?, largest.to_vec::<i64>()?), (vec![1, 3], vec![5, 7]));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn aminmax(&self, axes: impl AxisList, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axes = axes.list(self.rank());
        let least = extremum("aminmax", self, &axes, Reduction::Min, keepdim)?;
        Ok((least, extremum("aminmax", self, &axes, Reduction::Max, keepdim)?))
    }

    /// The largest element along `axis`, and its index as i64: that of the first of equal ones, and of the first NaN if there is one.
    /// The axis disappears from both, or stays with size 1 where `keepdim` is set.
    ///
    /// # Gradient
    /// Of the element that the index names alone, where [`max`](Tensor::max) shares it between equal ones.
    ///
    /// # Errors
    /// If the axis does not exist or has no elements.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1.0_f64, 5.0, 2.0], [7.0, 3.0, 7.0]])?;
    /// let (largest, index) = a.max_with_indices(1, false)?;
    /// assert_eq!(largest.to_vec::<f64>()?, [5.0, 7.0]);
    /// assert_eq!(index.to_vec::<i64>()?, [1, 0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "max")]
    #[track_caller]
    pub fn max_with_indices(&self, axis: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        with_index("max_with_indices", self, axis, true, keepdim)
    }

    /// The smallest element along `axis`, and its index, as in [`max_with_indices`](Tensor::max_with_indices).
    ///
    /// # Errors
    /// As [`max_with_indices`](Tensor::max_with_indices).
    #[doc(alias = "min")]
    #[track_caller]
    pub fn min_with_indices(&self, axis: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        with_index("min_with_indices", self, axis, false, keepdim)
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
    /// assert_eq!(a.argmax(1, false)?.to_vec::<i64>()?, [1, 0]);
    /// assert_eq!(a.argmax(.., false)?.item::<i64>()?, 3);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        arg_extremum("argmax", self, &axes.list(self.rank()), true, keepdim)
    }

    /// The position of the first smallest element over `axes`, as in [`argmax`](Tensor::argmax).
    ///
    /// # Errors
    /// As [`max`](Tensor::max).
    #[track_caller]
    pub fn argmin(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        arg_extremum("argmin", self, &axes.list(self.rank()), false, keepdim)
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
    let pair = |(value, index): (Tensor, Tensor)| Ok(vec![value, index]);
    all.push(
        Spec::new("aminmax", move |x| pair(x[0].aminmax(0, false)?))
            .sample("matrix", vec![normal(&[3, 4])])
            .reference(|x| {
                let column = |f: fn(f64, f64) -> f64| (0..4).map(|j| (0..3).map(|i| x[0][4 * i + j]).reduce(f).unwrap()).collect();
                vec![column(f64::min), column(f64::max)]
            })
            .orders(2)
            .refuses(vec![normal(&[0, 3])], "aminmax: axis 0 of shape [0, 3] has no elements to choose from"),
    );
    all.push(
        Spec::new("max_with_indices", move |x| pair(x[0].max_with_indices(1, false)?))
            .sample("matrix", vec![normal(&[3, 4])])
            .reference(|x| {
                let rows: Vec<&[f64]> = x[0].chunks(4).collect();
                let at = |row: &[f64]| (0..4).fold(0, |at, j| if row[j] > row[at] { j } else { at });
                vec![rows.iter().map(|r| r[at(r)]).collect(), rows.iter().map(|r| at(r) as f64).collect()]
            })
            .orders(2)
            .refuses(vec![normal(&[3, 0])], "max_with_indices: axis 1 of shape [3, 0] has no elements to choose from"),
    );
    all.push(
        Spec::new("min_with_indices", move |x| pair(x[0].min_with_indices(0, true)?))
            .sample("matrix", vec![normal(&[3, 4])])
            .reference(|x| {
                let at = |i: usize| (0..3).fold(0, |at, j| if x[0][j * 4 + i] < x[0][at * 4 + i] { j } else { at });
                vec![(0..4).map(|i| x[0][at(i) * 4 + i]).collect(), (0..4).map(|i| at(i) as f64).collect()]
            })
            .orders(2),
    );
    all
}

#[cfg(test)]
crate::testing::spec_tests!(specs: max, min, aminmax, max_with_indices, min_with_indices);

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

    #[test]
    fn extrema_of_integers_are_exact_and_booleans_are_ordered() {
        let odd = (1_i64 << 53) + 1;
        let x = Tensor::from_slice(&[odd - 1, odd, -odd, 1 - odd], &[2, 2]).unwrap();
        assert_eq!(x.max(&[1], false).unwrap().to_vec::<i64>().unwrap(), [odd, 1 - odd]);
        assert_eq!(x.min(&[], true).unwrap().to_vec::<i64>().unwrap(), [-odd]);
        assert_eq!(x.argmax(&[], false).unwrap().item::<i64>().unwrap(), 1);
        assert_eq!(x.mt().argmin(&[0], false).unwrap().to_vec::<i64>().unwrap(), [0, 0]);
        assert_eq!(x.max_with_indices(0, false).unwrap().0.to_vec::<i64>().unwrap(), [odd - 1, odd]);
        let mask = Tensor::from_slice(&[false, true, true, false, false, false], &[2, 3]).unwrap();
        assert_eq!(mask.max(&[1], false).unwrap().to_vec::<bool>().unwrap(), [true, false]);
        assert_eq!(mask.min(&[1], false).unwrap().to_vec::<bool>().unwrap(), [false, false]);
        assert_eq!(mask.argmax(&[1], false).unwrap().to_vec::<i64>().unwrap(), [1, 0]);
    }
}
