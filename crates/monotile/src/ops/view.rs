//! Views: the same elements under another shape, order or repetition. They copy nothing (`reshape` only where it must).

use std::panic::Location;

use monotile_kernels::shape::count;
use smallvec::SmallVec;

use crate::check;
use crate::error::{Error, Placed, Result};
use crate::ops::reduce::sum_to;
use crate::tape::{Gradient, Saved};
use crate::tensor::position::{AxisIndex, AxisList};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reshape and join: another shape
///
/// Views of the same elements, but for a reshape that no strides can tell.
impl Tensor {
    /// The dimensions in another order: dimension `d` of the result is dimension `order[d]` of this tensor.
    ///
    /// # Errors
    /// If `order` does not name every axis once.
    #[doc(alias = "transpose")]
    #[track_caller]
    pub fn permute(&self, order: impl AsRef<[isize]>) -> Result<Tensor> {
        permuted(self, order.as_ref())
    }

    /// Axes `i` and `j` swapped.
    ///
    /// # Errors
    /// If there is no such axis.
    #[doc(alias = "swapdims")]
    #[track_caller]
    pub fn transpose(&self, i: isize, j: isize) -> Result<Tensor> {
        swapped("transpose", self, i, j)
    }

    /// [`transpose`](Tensor::transpose) by NumPy's name.
    ///
    /// # Errors
    /// As [`transpose`](Tensor::transpose).
    #[track_caller]
    pub fn swapaxes(&self, i: isize, j: isize) -> Result<Tensor> {
        swapped("swapaxes", self, i, j)
    }

    /// The transposed matrices: the last two axes swapped.
    ///
    /// # Panics
    /// For tensors of rank below 2.
    #[doc(alias = "mT")]
    #[doc(alias = "matrix_transpose")]
    #[track_caller]
    #[must_use]
    pub fn mt(&self) -> Tensor {
        match self.transpose(-2, -1) {
            Ok(t) => t,
            Err(_) => panic!("mt: needs a matrix, got shape {:?}", self.shape()),
        }
    }

    /// The transpose: a matrix with its axes swapped; vectors and scalars as they are.
    ///
    /// # Panics
    /// For tensors of rank above 2, as [`mt`](Tensor::mt) swaps the last two axes of.
    #[doc(alias = "T")]
    #[track_caller]
    #[must_use]
    pub fn t(&self) -> Tensor {
        assert!(self.rank() <= 2, "t: takes a matrix, got shape {:?}; mt transposes the last two axes", self.shape());
        if self.rank() == 2 { self.mt() } else { self.clone() }
    }

    /// The same elements in row-major order under another shape; a view where strides allow, else a copy.
    ///
    /// One size may be -1: it is what the others leave.
    ///
    /// # Errors
    /// If the shape does not hold exactly as many elements, or -1 can stand for no size or for several.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(6)?;
    /// assert_eq!(a.reshape([-1, 2])?.shape(), [3, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "view")]
    #[track_caller]
    pub fn reshape<S: AxisIndex>(&self, shape: impl AsRef<[S]>) -> Result<Tensor> {
        self.reshaped(&inferred(&positions(shape.as_ref()), self)?)
    }

    #[track_caller]
    fn reshaped(&self, shape: &[usize]) -> Result<Tensor> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        let shape = check::shape("reshape", shape)?;
        if shape.elements() != self.len() {
            return Err(Error::shape(format!(
                "reshape: shape {:?} of {} elements cannot become {shape:?} of {}",
                self.shape(),
                self.len(),
                shape.elements()
            )));
        }
        let view = match self.layout().reshape(&shape) {
            Some(layout) => self.with_layout(layout),
            None => {
                let copy = self.copied_contiguous("reshape")?;
                let layout = copy.layout().reshape(&shape).expect("a row-major tensor takes every shape of its length");
                copy.with_layout(layout)
            }
        };
        Ok(Tensor::record(view, &[self], Reshape))
    }

    /// Axes `first..=last` merged into one.
    ///
    /// # Errors
    /// If there is no such axis, or `last` comes before `first`.
    #[doc(alias = "ravel")]
    #[track_caller]
    pub fn flatten(&self, first: isize, last: isize) -> Result<Tensor> {
        let (i, j) = (check::axis("flatten", first, self.rank())?, check::axis("flatten", last, self.rank())?);
        if j < i {
            return Err(Error::shape(format!("flatten: axis {last} comes before axis {first}")));
        }
        let s = self.shape();
        let shape: Dims = s[..i].iter().copied().chain([count(&s[i..=j])]).chain(s[j + 1..].iter().copied()).collect();
        self.reshaped(&shape)
    }

    /// An axis taken apart into several; one of the sizes may be -1. It undoes [`flatten`](Tensor::flatten).
    ///
    /// # Errors
    /// If there is no such axis, or the sizes do not make its size.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let a = Tensor::zeros([2, 12], DType::F32)?;
    /// assert_eq!(a.unflatten(1, [3, -1])?.shape(), [2, 3, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn unflatten<S: AxisIndex>(&self, axis: isize, sizes: impl AsRef<[S]>) -> Result<Tensor> {
        unflattened(self, axis, &positions(sizes.as_ref()))
    }

    /// Repeated to a larger shape without copying: sizes of 1 repeat, new dimensions appear in front. A size of -1 stays as it is.
    ///
    /// # Errors
    /// If the shape does not fit.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let column = Tensor::from_rows(&[[1_i64], [2]])?;
    /// assert_eq!(column.expand([-1, 2])?.to_vec::<i64>()?, [1, 1, 2, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn expand<S: AxisIndex>(&self, shape: impl AsRef<[S]>) -> Result<Tensor> {
        expanded("expand", self, &positions(shape.as_ref()))
    }

    /// [`expand`](Tensor::expand) by NumPy's name.
    ///
    /// # Errors
    /// As [`expand`](Tensor::expand).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::from([1_i64, 2]).broadcast_to([2, 2])?.to_vec::<i64>()?, [1, 2, 1, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn broadcast_to<S: AxisIndex>(&self, shape: impl AsRef<[S]>) -> Result<Tensor> {
        expanded("broadcast_to", self, &positions(shape.as_ref()))
    }

    /// A dimension of size 1 put in before `axis` (or last, for `axis` equal to the rank or -1).
    ///
    /// # Errors
    /// If `axis` is not an axis of the result.
    #[doc(alias = "expand_dims")]
    #[doc(alias = "newaxis")]
    #[track_caller]
    pub fn unsqueeze(&self, axis: isize) -> Result<Tensor> {
        let at = check::axis("unsqueeze", axis, self.rank() + 1)?;
        let mut shape: Dims = self.shape().into();
        shape.insert(at, 1);
        self.reshaped(&shape)
    }

    /// Without the dimensions that `axes` name, whose sizes must be 1. [`squeeze_all`](Tensor::squeeze_all) drops all that are.
    ///
    /// # Errors
    /// If there is no such axis, or its size is not 1.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let a = Tensor::zeros([1, 3, 1], DType::F32)?;
    /// assert_eq!(a.squeeze(0)?.shape(), [3, 1]);
    /// assert_eq!(a.squeeze([0, -1])?.shape(), [3]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn squeeze(&self, axes: impl AxisList) -> Result<Tensor> {
        squeezed(self, &axes.list(self.rank()))
    }
}

#[track_caller]
fn permuted(x: &Tensor, order: &[isize]) -> Result<Tensor> {
    let named: Dims = order.iter().map(|&a| check::axis("permute", a, x.rank())).collect::<Result<_>>().placed()?;
    let mut sorted = named.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..x.rank()) {
        return Err(Error::shape(format!("permute: {order:?} does not name each of {} axes once", x.rank())));
    }
    let view = x.with_layout(x.layout().permute(&named));
    Ok(Tensor::record(view, &[x], Permute { order: named }))
}

#[track_caller]
fn swapped(op: &str, x: &Tensor, i: isize, j: isize) -> Result<Tensor> {
    let (i, j) = (check::axis(op, i, x.rank())?, check::axis(op, j, x.rank())?);
    let mut order: SmallVec<[isize; 6]> = (0..x.rank() as isize).collect();
    order.swap(i, j);
    permuted(x, &order)
}

#[track_caller]
fn squeezed(x: &Tensor, axes: &[isize]) -> Result<Tensor> {
    let mut dropped = axes.iter().map(|&axis| check::axis("squeeze", axis, x.rank())).collect::<Result<Dims>>().placed()?;
    if let Some((axis, d)) = axes.iter().zip(&dropped).find(|(_, d)| x.shape()[**d] != 1) {
        let shape = x.shape();
        return Err(Error::shape(format!("squeeze: axis {axis} of shape {shape:?} has size {}, not 1", shape[*d])));
    }
    dropped.sort_unstable();
    dropped.dedup();
    let kept: Dims = (0..x.rank()).filter(|d| !dropped.contains(d)).map(|d| x.shape()[d]).collect();
    x.reshaped(&kept)
}

#[track_caller]
fn unflattened(x: &Tensor, axis: isize, sizes: &[i128]) -> Result<Tensor> {
    let d = check::axis("unflatten", axis, x.rank())?;
    let size = x.shape()[d];
    let known = sizes.iter().filter(|&&n| n != -1).try_fold(1, |product: usize, &n| product.checked_mul(usize::try_from(n).ok()?));
    let open = sizes.iter().filter(|&&n| n == -1).count();
    let rest = match (known, open) {
        (Some(known), 0) if known == size => 1,
        (Some(known), 1) if known > 0 && size.is_multiple_of(known) => size / known,
        _ => {
            let shape = x.shape();
            return Err(Error::shape(format!(
                "unflatten: axis {axis} of shape {shape:?} with size {size} cannot become {sizes:?}"
            )));
        }
    };
    let within = sizes.iter().map(|&n| usize::try_from(n).unwrap_or(rest));
    let shape: Dims = x.shape()[..d].iter().copied().chain(within).chain(x.shape()[d + 1..].iter().copied()).collect();
    x.reshaped(&shape)
}

fn positions<S: AxisIndex>(sizes: &[S]) -> SmallVec<[i128; 6]> {
    sizes.iter().map(|size| size.position()).collect()
}

#[track_caller]
fn expanded(op: &str, x: &Tensor, sizes: &[i128]) -> Result<Tensor> {
    let new = sizes.len().saturating_sub(x.rank());
    let size = |(d, &size): (usize, &i128)| match size {
        -1 if d >= new => Some(x.shape()[d - new]),
        size => usize::try_from(size).ok(),
    };
    let Some(shape) = sizes.iter().enumerate().map(size).collect::<Option<Dims>>() else {
        let words = "sizes are counts, or -1 where a dimension stays";
        return Err(Error::shape(format!("{op}: shape {:?} cannot become {sizes:?}: {words}", x.shape())));
    };
    if x.shape() == &shape[..] {
        return Ok(x.clone());
    }
    let shape = check::shape(op, &shape)?;
    let Some(layout) = x.layout().broadcast(&shape) else {
        return Err(Error::shape(format!("{op}: shape {:?} does not broadcast to {shape:?}", x.shape())));
    };
    Ok(Tensor::record(x.with_layout(layout), &[x], Expand))
}

/// The sizes that `shape` says, -1 replaced by what the elements of `x` leave.
#[track_caller]
fn inferred(shape: &[i128], x: &Tensor) -> Result<Dims> {
    let refuse = |why: &str| Error::shape(format!("reshape: shape {:?} cannot become {shape:?}: {why}", x.shape()));
    let size = |s: i128| usize::try_from(s).ok();
    if let Some(sizes) = shape.iter().map(|&s| size(s)).collect::<Option<Dims>>() {
        return Ok(sizes);
    }
    let place = Location::caller();
    let open = match shape.iter().position(|&s| s == -1) {
        Some(open) if shape.iter().filter(|&&s| size(s).is_none()).count() == 1 => open,
        _ => return Err(refuse("sizes are counts, and one of them may be -1").with_place(place)),
    };
    let others: Option<usize> = shape.iter().filter(|&&s| s >= 0).try_fold(1, |product: usize, &s| product.checked_mul(size(s)?));
    match others {
        Some(others) if others > 0 && x.len().is_multiple_of(others) => {
            Ok(shape.iter().enumerate().map(|(d, &s)| if d == open { x.len() / others } else { s as usize }).collect())
        }
        _ => Err(refuse(&format!("the other sizes do not divide {} elements", x.len())).with_place(place)),
    }
}

/// The rule of a copy.
pub(crate) struct IdentityGradient;

impl Gradient for IdentityGradient {
    fn name(&self) -> &'static str {
        "contiguous"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].clone()])
    }
}

struct Permute {
    order: Dims,
}

impl Gradient for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let mut inverse = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(d, &from)| inverse[from] = d as isize);
        Ok(vec![cotangents[0].as_ref().map(|g| g.permute(&inverse)).transpose()?])
    }
}

struct Reshape;

impl Gradient for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].as_ref().map(|g| g.reshape(saved.input_shape(0))).transpose()?])
    }
}

struct Expand;

impl Gradient for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].as_ref().map(|g| sum_to(g, saved.input_shape(0))).transpose()?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let words = "reshape: shape [2, 2] of 4 elements cannot become [6] of 6";
    vec![
        Spec::new("permute", |x| Ok(vec![x[0].permute(&[1, 2, 0])?])).sample("cube", vec![normal(&[2, 3, 4])]).orders(2),
        Spec::new("reshape", |x| Ok(vec![x[0].reshape(&[6])?]))
            .sample("matrix", vec![normal(&[2, 3])])
            .reference(|x| vec![x[0].clone()])
            .orders(2)
            .refuses(vec![normal(&[2, 2])], words),
        Spec::new("unflatten", |x| Ok(vec![x[0].unflatten(0, [2, -1])?]))
            .sample("matrix", vec![normal(&[4, 3])])
            .reference(|x| vec![x[0].clone()])
            .orders(2)
            .refuses(vec![normal(&[3])], "unflatten: axis 0 of shape [3] with size 3 cannot become [2, -1]"),
        Spec::new("expand", |x| Ok(vec![x[0].expand(&[2, 3, 4])?]))
            .sample("column", vec![normal(&[3, 1])])
            .reference(|x| vec![(0..24).map(|i| x[0][i / 4 % 3]).collect()])
            .orders(2),
        Spec::new("contiguous", |x| Ok(vec![x[0].mt().contiguous()?])).sample("matrix", vec![normal(&[2, 3])]).orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: permute, reshape, unflatten, expand, contiguous);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{CheckGradientOptions, check_gradient};
    use crate::{DType, Rng};

    #[test]
    fn a_size_of_minus_one_is_what_the_others_leave() {
        let a = Tensor::arange(12).unwrap();
        assert_eq!(a.reshape(&[3, -1, 2]).unwrap().shape(), [3, 2, 2]);
        assert_eq!(a.reshape(&[-1_isize]).unwrap().shape(), [12]);
        let words = |shape: &[i64]| a.reshape(shape).err().unwrap().to_string();
        assert_eq!(words(&[-1, 5]), "reshape: shape [12] cannot become [-1, 5]: the other sizes do not divide 12 elements");
        assert_eq!(words(&[-1, 0]), "reshape: shape [12] cannot become [-1, 0]: the other sizes do not divide 12 elements");
        let counts = "sizes are counts, and one of them may be -1";
        assert_eq!(words(&[-1, -1]), format!("reshape: shape [12] cannot become [-1, -1]: {counts}"));
        assert_eq!(words(&[-2, 6]), format!("reshape: shape [12] cannot become [-2, 6]: {counts}"));
        assert_eq!(words(&[-1, i64::MAX, i64::MAX]).split(": ").last(), Some("the other sizes do not divide 12 elements"));
    }

    #[test]
    fn an_axis_is_taken_apart_into_sizes_that_make_its_own() {
        let a = Tensor::zeros([2, 12], DType::F32).unwrap();
        assert_eq!(a.unflatten(-1, [2, -1, 3]).unwrap().shape(), [2, 2, 2, 3]);
        assert_eq!(a.unflatten(0, [2_usize]).unwrap().flatten(0, 0).unwrap().shape(), [2, 12]);
        for sizes in [&[5, -1][..], &[-1, -1], &[4], &[-2, 6]] {
            let words = format!("unflatten: axis 1 of shape [2, 12] with size 12 cannot become {sizes:?}");
            assert_eq!(a.unflatten(1, sizes).err().unwrap().to_string(), words);
        }
    }

    #[test]
    fn lists_of_sizes_and_axes_are_taken_by_value_as_well() {
        let a = Tensor::arange(24).unwrap().reshape([2, 3, -1]).unwrap();
        assert_eq!(a.reshape(vec![4_usize, 6]).unwrap().shape(), [4, 6]);
        assert_eq!(a.permute([2, 0, 1]).unwrap().shape(), [4, 2, 3]);
        assert_eq!(a.swapaxes(0, -1).unwrap().shape(), [4, 3, 2]);
        assert_eq!(a.broadcast_to([5, -1, -1, -1]).unwrap().shape(), [5, 2, 3, 4]);
        assert_eq!(a.reshape([1, 24, 1]).unwrap().squeeze([0, -1]).unwrap().shape(), [24]);
        assert_eq!(a.sum(1.., false).unwrap().to_vec::<i64>().unwrap(), [66, 210]);
        assert_eq!(a.sum(-2.., true).unwrap().shape(), [2, 1, 1]);
        let words = |r: Result<Tensor>| r.err().unwrap().to_string();
        assert_eq!(words(a.sum(3.., false)), "sum: axis 3 is not an axis of a tensor of rank 3");
        assert_eq!(words(a.broadcast_to([2, 2])), "broadcast_to: shape [2, 3, 4] does not broadcast to [2, 2]");
        assert_eq!(words(a.swapaxes(0, 3)), "swapaxes: axis 3 is not an axis of a tensor of rank 3");
    }

    #[test]
    fn the_transpose_leaves_vectors_alone() {
        let a = Tensor::arange(6).unwrap();
        assert_eq!((a.t().shape(), a.reshape(&[2, 3]).unwrap().t().shape()), (&[6][..], &[3, 2][..]));
    }

    #[test]
    fn views_share_memory_and_reshape_copies_only_where_it_must() {
        let a = Tensor::arange(24).unwrap().reshape(&[2, 3, 4]).unwrap();
        let t = a.permute(&[2, 0, 1]).unwrap();
        assert_eq!((t.shape(), t.strides()), (&[4, 2, 3][..], &[1, 12, 4][..]));
        assert_eq!(t.flatten(1, 2).unwrap().strides(), [1, 4]);
        assert_eq!(t.flatten(0, 2).unwrap().to_vec::<i64>().unwrap()[..4], [0, 4, 8, 12]);
        assert_eq!(a.expand(&[5, 2, 3, 4]).unwrap().strides(), [0, 12, 4, 1]);
    }

    #[test]
    fn gradients_flow_back_through_views() {
        let a = Rng::new(1).normal(&[2, 1, 3], DType::F64).unwrap();
        let f = |x: &[Tensor]| {
            Ok(vec![x[0].expand(&[4, 2, 5, 3])?.permute(&[3, 0, 2, 1])?.reshape(&[12, 10])?.mul(&x[0].sum(&[], false)?)?])
        };
        check_gradient(f, &[a], &CheckGradientOptions { order: 2, ..Default::default() }).unwrap();
    }

    #[test]
    fn wrong_shapes_are_refused_with_words() {
        let a = Tensor::ones(&[2, 3], DType::F32).unwrap();
        let words = |r: Result<Tensor>| r.err().unwrap().to_string();
        assert_eq!(words(a.reshape(&[4])), "reshape: shape [2, 3] of 6 elements cannot become [4] of 4");
        assert_eq!(words(a.permute(&[0, 0])), "permute: [0, 0] does not name each of 2 axes once");
        assert_eq!(words(a.expand(&[2, 4])), "expand: shape [2, 3] does not broadcast to [2, 4]");
        let words_of_sizes = "expand: shape [2, 3] cannot become [-1, 2, 3]: sizes are counts, or -1 where a dimension stays";
        assert_eq!(words(a.expand(&[-1, 2, 3])), words_of_sizes);
        assert_eq!(a.expand(&[4, -1, -1]).unwrap().shape(), [4, 2, 3]);
        assert_eq!(words(a.squeeze(0)), "squeeze: axis 0 of shape [2, 3] has size 2, not 1");
        assert_eq!(words(a.transpose(0, 2)), "transpose: axis 2 is not an axis of a tensor of rank 2");
    }
}
