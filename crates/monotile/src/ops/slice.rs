//! Parts of a tensor: ranges with steps, and diagonals. Views that copy nothing.

use std::ops::Bound;

use crate::check;
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::position::{AxisIndex, AxisList, AxisRange};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Index and slice: ranges
///
/// Views that copy nothing. A range is one of Rust, and negative positions count from the end.
impl Tensor {
    /// The elements at `range` along `axis`: a view. Negative bounds count from the end.
    ///
    /// # Errors
    /// If there is no such axis, or the range leaves it.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(10)?;
    /// assert_eq!(a.slice(0, 7..)?.to_vec::<i64>()?, [7, 8, 9]);
    /// assert_eq!(a.slice(0, -2..)?.to_vec::<i64>()?, [8, 9]);
    /// assert_eq!(a.slice_step(0, 1..8, 3)?.to_vec::<i64>()?, [1, 4, 7]);
    /// assert_eq!(a.slice_step(0, 2..5, -1)?.to_vec::<i64>()?, [4, 3, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "narrow")]
    #[track_caller]
    pub fn slice(&self, axis: isize, range: impl AxisRange) -> Result<Tensor> {
        sliced("slice", self, axis, range.bounds(), 1)
    }

    /// Every `step`-th element of `range` along `axis`, from its start; from its last backwards when `step` is negative.
    ///
    /// # Errors
    /// If there is no such axis, the range leaves it, or `step` is 0.
    #[track_caller]
    pub fn slice_step(&self, axis: isize, range: impl AxisRange, step: isize) -> Result<Tensor> {
        sliced("slice_step", self, axis, range.bounds(), step)
    }

    /// The element at `index` along `axis`, which disappears. A negative index counts from the end.
    ///
    /// # Errors
    /// If there is no such axis or element.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::arange(5)?.select(0, -1)?.item::<i64>()?, 4);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn select(&self, axis: isize, index: impl AxisIndex) -> Result<Tensor> {
        selected(self, axis, index.position())
    }

    /// The elements in reverse order along one axis or several: a view.
    ///
    /// # Errors
    /// If there is no such axis, or one is named twice.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(6)?.reshape(&[2, 3])?;
    /// assert_eq!(a.flip(0)?.to_vec::<i64>()?, [3, 4, 5, 0, 1, 2]);
    /// assert_eq!(a.flip(&[0, 1])?.to_vec::<i64>()?, [5, 4, 3, 2, 1, 0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "fliplr")]
    #[doc(alias = "flipud")]
    #[track_caller]
    pub fn flip(&self, axes: impl AxisList) -> Result<Tensor> {
        flipped(self, &axes.list(self.rank()))
    }

    /// The elements whose indices along axes `i` and `j` are equal, in a new last dimension: a view.
    ///
    /// # Errors
    /// If the axes are the same, do not exist or differ in size.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(9)?.reshape(&[3, 3])?;
    /// assert_eq!(a.diagonal(0, 1)?.to_vec::<i64>()?, [0, 4, 8]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn diagonal(&self, i: isize, j: isize) -> Result<Tensor> {
        let (i, j) = (check::axis("diagonal", i, self.rank())?, check::axis("diagonal", j, self.rank())?);
        let s = self.shape();
        if i == j || s[i] != s[j] {
            return Err(Error::shape(format!("diagonal: axes {i} and {j} of shape {s:?} must be two of equal size")));
        }
        let order: Dims = (0..s.len()).filter(|&d| d != i && d != j).chain([i]).collect();
        let mut layout = self.layout().permute(&order);
        // Of a single element there is no step, and none whose sum must fit.
        if s[i] > 1 {
            layout.strides[order.len() - 1] += self.layout().strides[j];
        }
        Ok(Tensor::record(self.with_layout(layout), &[self], Diagonal { i, j }))
    }

    /// A tensor of zeros of `shape` with these elements where `place` takes its view; the rule pulls back through `place`.
    #[track_caller]
    pub(crate) fn embedded(
        &self,
        shape: &[usize],
        place: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
    ) -> Result<Tensor> {
        let out = door::copy::scatter("slice", &self.contiguous_detached("slice")?, shape, &place)?;
        Ok(Tensor::record(out, &[self], Embedded(place)))
    }
}

#[track_caller]
fn sliced(op: &str, x: &Tensor, axis: isize, (start, end): (Bound<i128>, Bound<i128>), step: isize) -> Result<Tensor> {
    let d = check::axis(op, axis, x.rank())?;
    let size = x.shape()[d];
    let Some((start, end)) = inside(start, end, size) else {
        let range = range_text(start, end, size);
        return Err(Error::value(format!("{op}: range {range} of axis {axis}, which has size {size}")));
    };
    if step == 0 {
        return Err(Error::value(format!("{op}: the step must not be 0")));
    }
    let count = (end - start).div_ceil(step.unsigned_abs());
    let first = if step > 0 || count == 0 { start } else { end - 1 };
    let mut layout = x.layout().clone();
    // An empty slice may begin where the elements end.
    if count > 0 {
        layout.offset = layout.offset.wrapping_add_signed(first as isize * layout.strides[d]);
    }
    layout.shape = layout.shape.narrowed(d, count);
    // A step that is not taken may be any, also one whose product does not fit.
    if count > 1 {
        layout.strides[d] *= step;
    }
    let rule = Slice { axis: d, first, step };
    Ok(Tensor::record(x.with_layout(layout), &[x], rule))
}

/// The range of an axis of this size that bounds name, negative ones from its end; `None` where it leaves the axis.
pub(crate) fn inside(start: Bound<i128>, end: Bound<i128>, size: usize) -> Option<(usize, usize)> {
    let from_end = |i: i128| if i < 0 { i + size as i128 } else { i };
    let first = match start {
        Bound::Included(i) => from_end(i),
        Bound::Excluded(i) => from_end(i) + 1,
        Bound::Unbounded => 0,
    };
    let last = match end {
        Bound::Included(i) => from_end(i) + 1,
        Bound::Excluded(i) => from_end(i),
        Bound::Unbounded => size as i128,
    };
    (0 <= first && first <= last && last <= size as i128).then_some((first as usize, last as usize))
}

/// A range as it was asked for, open ends filled in.
fn range_text(start: Bound<i128>, end: Bound<i128>, size: usize) -> String {
    let start = match start {
        Bound::Included(i) => i,
        Bound::Excluded(i) => i + 1,
        Bound::Unbounded => 0,
    };
    match end {
        Bound::Included(i) if i < 0 => format!("{start}..={i}"),
        Bound::Included(i) => format!("{start}..{}", i + 1),
        Bound::Excluded(i) => format!("{start}..{i}"),
        Bound::Unbounded => format!("{start}..{size}"),
    }
}

#[track_caller]
fn flipped(x: &Tensor, axes: &[isize]) -> Result<Tensor> {
    if axes.is_empty() {
        return Ok(x.clone());
    }
    check::axes("flip", axes, x.rank())?.iter().try_fold(x.clone(), |x, &d| x.slice_step(d as isize, .., -1)).placed()
}

#[track_caller]
fn selected(x: &Tensor, axis: isize, index: i128) -> Result<Tensor> {
    let d = check::axis("select", axis, x.rank())?;
    let size = x.shape()[d];
    let place = if index < 0 { index + size as i128 } else { index };
    if !(0..size as i128).contains(&place) {
        return Err(Error::value(format!("select: index {index} of axis {axis}, which has size {size}")));
    }
    let place = place as usize;
    x.slice(axis, place..=place)?.squeeze(axis)
}

struct Slice {
    axis: usize,
    first: usize,
    step: isize,
}

impl Slice {
    /// The slice of `count` elements of another tensor.
    #[track_caller]
    fn again(x: &Tensor, axis: usize, first: usize, step: isize, count: usize) -> Result<Tensor> {
        if count == 0 {
            return x.slice(axis as isize, 0..0);
        }
        let last = first.wrapping_add_signed(step * (count as isize - 1));
        x.slice_step(axis as isize, first.min(last)..=first.max(last), step)
    }
}

impl Gradient for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let (axis, first, step, count) = (self.axis, self.first, self.step, g.shape()[self.axis]);
        let place = move |x: &Tensor| Slice::again(x, axis, first, step, count);
        Ok(vec![Some(g.embedded(saved.input_shape(0), place)?)])
    }
}

struct Diagonal {
    i: usize,
    j: usize,
}

impl Gradient for Diagonal {
    fn name(&self) -> &'static str {
        "diagonal"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let (i, j) = (self.i as isize, self.j as isize);
        Ok(vec![Some(g.embedded(saved.input_shape(0), move |x| x.diagonal(i, j))?)])
    }
}

/// The rule of `embedded`: the elements that were written, read back.
struct Embedded<F>(F);

impl<F: Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static> Gradient for Embedded<F> {
    fn name(&self) -> &'static str {
        "embedded"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].as_ref().map(&self.0).transpose()?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("slice", |x| Ok(vec![x[0].slice_step(0, 1..4, -2)?]))
            .sample("matrix", vec![normal(&[5, 2])])
            .reference(|x| vec![[&x[0][6..8], &x[0][2..4]].concat()])
            .orders(2)
            .refuses(vec![normal(&[3])], "slice_step: range 1..4 of axis 0, which has size 3"),
        Spec::new("diagonal", |x| Ok(vec![x[0].diagonal(0, 1)?]))
            .sample("square", vec![normal(&[3, 3])])
            .reference(|x| vec![vec![x[0][0], x[0][4], x[0][8]]])
            .orders(2)
            .refuses(vec![normal(&[2, 3])], "diagonal: axes 0 and 1 of shape [2, 3] must be two of equal size"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: slice, diagonal);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{CheckGradientOptions, check_gradient};
    use crate::{DType, Rng};

    #[test]
    fn slices_and_diagonals_have_gradients_of_both_orders() {
        let a = Rng::new(1).normal(&[4, 5, 4], DType::F64).unwrap();
        let options = CheckGradientOptions { order: 2, ..Default::default() };
        let square = |x: Tensor| Ok(vec![&x * &x]);
        check_gradient(|x| square(x[0].slice_step(1, 1..5, 2)?), std::slice::from_ref(&a), &options).unwrap();
        check_gradient(|x| square(x[0].slice_step(1, 1..5, -3)?), std::slice::from_ref(&a), &options).unwrap();
        check_gradient(|x| square(x[0].slice(0, 2..2)?), std::slice::from_ref(&a), &options).unwrap();
        check_gradient(|x| square(x[0].diagonal(0, 2)?), std::slice::from_ref(&a), &options).unwrap();
        check_gradient(|x| square(x[0].flip(2)?.select(0, 3)?), &[a], &options).unwrap();
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges, reason = "negative bounds count from the end")]
    fn ranges_that_leave_the_axis_are_refused_with_words() {
        let a = Tensor::arange(3).unwrap();
        assert_eq!(a.slice_step(0, 1..4, 2).err().unwrap().to_string(), "slice_step: range 1..4 of axis 0, which has size 3");
        assert_eq!(a.slice_step(0, .., 0).err().unwrap().to_string(), "slice_step: the step must not be 0");
        assert_eq!(a.slice(0, 1..4).err().unwrap().to_string(), "slice: range 1..4 of axis 0, which has size 3");
        assert_eq!(a.select(0, 3).err().unwrap().to_string(), "select: index 3 of axis 0, which has size 3");
        assert_eq!(a.slice(0, 3..).unwrap().len(), 0);
        assert_eq!(a.select(0, -4).err().unwrap().to_string(), "select: index -4 of axis 0, which has size 3");
        assert_eq!(a.slice(0, -4..).err().unwrap().to_string(), "slice: range -4..3 of axis 0, which has size 3");
        assert_eq!(a.slice(0, 2..=-3).err().unwrap().to_string(), "slice: range 2..=-3 of axis 0, which has size 3");
        let words = a.slice(0, ..usize::MAX).err().unwrap().to_string();
        assert_eq!(words, "slice: range 0..18446744073709551615 of axis 0, which has size 3");
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges, reason = "negative bounds count from the end")]
    fn negative_bounds_count_from_the_end() {
        let a = Tensor::arange(5).unwrap();
        let values = |x: Result<Tensor>| x.unwrap().to_vec::<i64>().unwrap();
        assert_eq!(values(a.slice(0, -3..-1)), [2, 3]);
        assert_eq!(values(a.slice(0, 1..=-1)), [1, 2, 3, 4]);
        assert_eq!(values(a.slice(0, ..-4_isize)), [0]);
        assert_eq!(values(a.slice_step(0, -4.., -2)), [4, 2]);
        assert_eq!(values(a.slice(0, ..)), [0, 1, 2, 3, 4]);
    }
}
