//! An index over several axes at once: a view where numbers and ranges stand, elements by their indices where tensors do.

use std::sync::Arc;

use crate::check;
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::ops::index::select;
use crate::ops::slice::inside;
use crate::tape::{Gradient, Saved};
use crate::tensor::layout::Layout;
use crate::tensor::{DType, Dims, IndexItem, ItemKind, Strides, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Index and slice: several axes at once
///
/// What NumPy writes in one pair of brackets: a view where only numbers and ranges stand, else a copy.
impl Tensor {
    /// The part of this tensor that a list of items names, an item an axis: `x[1:, 0]` is `x.index(s![1.., 0])?`.
    ///
    /// [`s!`](crate::s) makes the list, and its page has all kinds of items. Axes without an item stay whole. Numbers, ranges, `NewAxis` and
    /// `Ellipsis` make a view. A range must not leave its axis, where NumPy shortens it. A range with a negative step goes backwards from its last
    /// element: `..; -1` reverses an axis.
    ///
    /// Tensors of i64 broadcast with each other: element k of the result is at the k-th index of each. Negative ones count from the end. A tensor of
    /// booleans stands for the indices where it is true. The dimensions of the indices stand where the first of them stood if all are neighbours,
    /// else in front. Beside a tensor a number counts as an index too. These are NumPy's rules.
    ///
    /// # Gradient
    /// The cotangent at the elements that were taken, added up where indices repeat, and 0 elsewhere.
    ///
    /// # Errors
    /// If there are more items than axes, two `Ellipsis`, an index or a range outside its axis, a step of 0, or a step after anything but a range.
    /// If tensors hold neither i64 nor booleans, do not broadcast, or a mask has not the sizes of its axes.
    ///
    /// # Cost
    /// A view costs nothing. With tensors the elements of the result are copied, and those of this tensor where it is no contiguous one.
    ///
    /// # Example
    /// ```
    /// use monotile::{Ellipsis, NewAxis, Tensor, s};
    /// let a = Tensor::arange(24)?.reshape(&[2, 3, 4])?;
    /// assert_eq!(a.index(s![.., 0, 1..-1])?.to_vec::<i64>()?, [1, 2, 13, 14]);
    /// assert_eq!(a.index(s![0, .., 0..; 2])?.shape(), [3, 2]);
    /// assert_eq!(a.index(s![Ellipsis, -1])?.shape(), [2, 3]);
    /// assert_eq!(a.index(s![NewAxis, 1])?.shape(), [1, 3, 4]);
    /// let (i, j) = (Tensor::from(vec![0_i64, 1]), Tensor::from(vec![2_i64, -1]));
    /// assert_eq!(a.index(s![&i, &j, 0])?.to_vec::<i64>()?, [8, 20]);
    /// assert_eq!(a.index(s![&a.gt(21)?])?.to_vec::<i64>()?, [22, 23]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "getitem")]
    #[doc(alias = "slice")]
    #[doc(alias = "ix_")]
    #[track_caller]
    pub fn index(&self, items: impl AsRef<[IndexItem]>) -> Result<Tensor> {
        IndexPlan::new("index", items.as_ref(), self.shape())?.of(self)
    }
}

/// What an index does to a shape: first a view, then elements of it by their indices.
pub(super) struct IndexPlan {
    steps: Arc<[ViewStep]>,
    /// Axes of the view and the indices along them, contiguous, in range and from 0, which broadcast with each other.
    indices: Vec<(usize, Tensor)>,
    /// Whether the tensors are neighbours among the items.
    together: bool,
}

/// What becomes of an axis, or a new one.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ViewStep {
    Pick(usize),
    Range { first: usize, count: usize, step: isize },
    New,
}

impl IndexPlan {
    #[track_caller]
    pub(super) fn new(op: &str, items: &[IndexItem], shape: &[usize]) -> Result<Self> {
        let items = complete(op, items, shape)?;
        let with_tensors = items.iter().any(|(_, item)| matches!(item.kind, ItemKind::Tensor(_)));
        let (mut steps, mut indices) = (Vec::new(), Vec::new());
        // The axis that is next, and the place of the last tensor among all items.
        let (mut d, mut last, mut together) = (0, None, true);
        for (place, (number, item)) in items.iter().enumerate() {
            let at = ItemPlace { op, number: *number, axis: d };
            let axes = item.axes();
            let advanced = match &item.kind {
                ItemKind::NewAxis => {
                    steps.push(ViewStep::New);
                    false
                }
                ItemKind::Ellipsis => false,
                ItemKind::Index(i) if with_tensors => {
                    let i = at.position(*i, shape[d])?;
                    indices.push((d, Tensor::scalar(i as i64)));
                    true
                }
                ItemKind::Index(i) => {
                    steps.push(ViewStep::Pick(at.position(*i, shape[d])?));
                    false
                }
                ItemKind::Range(..) => {
                    steps.push(at.range(item, shape[d])?);
                    false
                }
                ItemKind::Tensor(t) => {
                    let found = at.tensor(t, &shape[d..d + axes])?;
                    indices.extend(found.into_iter().enumerate().map(|(k, index)| (d + k, index)));
                    true
                }
            };
            if advanced {
                steps.extend((d..d + axes).map(|d| ViewStep::Range { first: 0, count: shape[d], step: 1 }));
                together &= last.is_none_or(|last| last + 1 == place);
                last = Some(place);
            }
            d += axes;
        }
        let mut plan = Self { steps: steps.into(), indices, together };
        plan.count_axes_of_the_view();
        check_broadcast(op, &plan.indices)?;
        Ok(plan)
    }

    /// Axes of the tensor become those of the view, among which are new ones. Beside tensors no axis disappears.
    fn count_axes_of_the_view(&mut self) {
        let kept: Vec<usize> = (0..self.steps.len()).filter(|&k| self.steps[k] != ViewStep::New).collect();
        self.indices.iter_mut().for_each(|(d, _)| *d = kept[*d]);
    }

    /// The part of a tensor of the shape that the plan was made for.
    #[track_caller]
    pub(super) fn of(&self, x: &Tensor) -> Result<Tensor> {
        let x = if self.is_whole(x.shape()) { x.clone() } else { viewed(x, &self.steps) };
        if self.indices.is_empty() { Ok(x) } else { self.picked(&x) }
    }

    /// The places of the part's elements among those of a row-major tensor of this shape.
    #[track_caller]
    pub(super) fn places(&self, op: &str, shape: &[usize]) -> Result<Tensor> {
        if !self.indices.is_empty() && self.indices.len() == shape.len() && self.is_whole(shape) {
            return self.linear(shape);
        }
        let layout = view_layout(&Layout::contiguous(check::shape(op, shape)?), &self.steps);
        let mut index = Dims::from_elem(0, layout.shape.rank());
        let mut at = layout.offset as isize;
        let places = Tensor::from_fn_i64(op, &layout.shape, |_| {
            let place = at;
            for d in (0..index.len()).rev() {
                (index[d], at) = (index[d] + 1, at + layout.strides[d]);
                if index[d] < layout.shape[d] {
                    break;
                }
                at -= layout.strides[d] * layout.shape[d] as isize;
                index[d] = 0;
            }
            place as i64
        })?;
        if self.indices.is_empty() { Ok(places) } else { self.picked(&places) }
    }

    /// The axis along which this is a choice of whole slices, and their indices.
    pub(super) fn slices(&self, shape: &[usize]) -> Option<(usize, &Tensor)> {
        let [(axis, index)] = &self.indices[..] else { return None };
        self.is_whole(shape).then_some((*axis, index))
    }

    fn is_whole(&self, shape: &[usize]) -> bool {
        let whole = |(k, step): (usize, &ViewStep)| *step == ViewStep::Range { first: 0, count: shape[k], step: 1 };
        self.steps.len() == shape.len() && self.steps.iter().enumerate().all(whole)
    }

    /// The indices as numbers of elements, in row-major order, of a tensor whose first axes have these sizes.
    #[track_caller]
    fn linear(&self, sizes: &[usize]) -> Result<Tensor> {
        let mut linear = self.indices[0].1.clone();
        for ((_, index), &size) in self.indices.iter().zip(sizes).skip(1) {
            linear = linear.mul(Tensor::scalar(size as i64))?.add(index)?;
        }
        Ok(linear)
    }

    /// Elements of the view by their indices: along one axis, into which those that are indexed are merged.
    #[track_caller]
    fn picked(&self, x: &Tensor) -> Result<Tensor> {
        let axes: Dims = self.indices.iter().map(|(d, _)| *d).collect();
        let (x, first) = match self.together {
            true => (x.clone(), axes[0]),
            false => {
                let others = (0..x.rank()).filter(|d| !axes.contains(d));
                let order: Vec<isize> = axes.iter().copied().chain(others).map(|d| d as isize).collect();
                (x.permute(&order)?, 0)
            }
        };
        let last = first + axes.len() - 1;
        let (before, after) = (x.shape()[..first].to_vec(), x.shape()[last + 1..].to_vec());
        let linear = self.linear(&x.shape()[first..])?;
        let flat = x.flatten(first as isize, last as isize)?;
        let chosen = select("index", &flat, first, linear.reshape(&[linear.len()])?.contiguous_detached("index")?)?;
        chosen.reshape(&[&before[..], linear.shape(), &after].concat())
    }
}

/// Where an item stands, for messages.
struct ItemPlace<'a> {
    op: &'a str,
    number: usize,
    axis: usize,
}

impl ItemPlace<'_> {
    #[track_caller]
    fn refuse<T>(&self, item: &dyn std::fmt::Display, size: usize) -> Result<T> {
        let Self { op, number, axis } = self;
        Err(Error::value(format!("{op}: item {number} is {item}, of axis {axis}, which has size {size}")))
    }

    #[track_caller]
    fn position(&self, index: i128, size: usize) -> Result<usize> {
        let place = if index < 0 { index + size as i128 } else { index };
        if (0..size as i128).contains(&place) { Ok(place as usize) } else { self.refuse(&index, size) }
    }

    #[track_caller]
    fn range(&self, item: &IndexItem, size: usize) -> Result<ViewStep> {
        let ItemKind::Range(start, end) = item.kind else { unreachable!("a range was matched") };
        let Some((start, end)) = inside(start, end, size) else { return self.refuse(item, size) };
        let step = item.step.unwrap_or(1);
        if step == 0 {
            return Err(Error::value(format!("{}: item {} is {item}; a step must not be 0", self.op, self.number)));
        }
        let count = (end - start).div_ceil(step.unsigned_abs());
        Ok(ViewStep::Range { first: if step > 0 || count == 0 { start } else { end - 1 }, count, step })
    }

    /// The indices that a tensor stands for along each of its axes.
    #[track_caller]
    fn tensor(&self, t: &Tensor, sizes: &[usize]) -> Result<Vec<Tensor>> {
        let Self { op, number, axis } = self;
        match t.dtype() {
            dtype if dtype.is_integer() => Ok(vec![from_zero(op, &t.to_dtype(DType::I64)?, sizes[0], |index| {
                format!("{op}: item {number} holds {index}, of axis {axis}")
            })?]),
            DType::Bool if sizes.is_empty() => Err(Error::shape(format!(
                "{op}: item {number} is a mask of shape []; a mask needs an axis, and where_ takes a single boolean"
            ))),
            DType::Bool if t.shape() != sizes => Err(Error::shape(format!(
                "{op}: item {number} is a mask of shape {:?}, and its axes, from {axis} on, have sizes {sizes:?}",
                t.shape()
            ))),
            DType::Bool => {
                let all = t.nonzero()?;
                (0..t.rank()).map(|k| all.select(1, k)?.contiguous_detached(op)).collect::<Result<_>>().placed()
            }
            other => Err(Error::dtype(format!("{op}: item {number} is a tensor of {other}; indices are integers, and masks bool"))),
        }
    }
}

/// Indices along an axis of this size, counted from its start: contiguous, unrecorded. `words` begins the refusal of one that is outside.
#[track_caller]
pub(super) fn from_zero(op: &str, indices: &Tensor, size: usize, words: impl Fn(i64) -> String) -> Result<Tensor> {
    let indices = indices.contiguous_detached(op)?;
    if door::gather::outside(&indices, size).is_none() {
        return Ok(indices);
    }
    let counted = indices.lt(0)?.where_(&indices.add(Tensor::scalar(size as i64))?, &indices)?;
    match door::gather::outside(&counted, size) {
        None => Ok(counted),
        Some(index) => {
            let given = if index < 0 { index - size as i64 } else { index };
            Err(Error::value(format!("{}, which has size {size}", words(given))))
        }
    }
}

/// The items, numbered as they were given, with an ellipsis that stands for a range for each axis left over.
#[track_caller]
fn complete(op: &str, items: &[IndexItem], shape: &[usize]) -> Result<Vec<(usize, IndexItem)>> {
    let axes: usize = items.iter().map(IndexItem::axes).sum();
    if axes > shape.len() {
        return Err(Error::shape(format!("{op}: items {items:?} for {axes} axes of a tensor of shape {shape:?}")));
    }
    let is_ellipsis = |item: &IndexItem| matches!(item.kind, ItemKind::Ellipsis);
    if items.iter().filter(|item| is_ellipsis(item)).count() > 1 {
        return Err(Error::value(format!("{op}: items {items:?} have more than one Ellipsis")));
    }
    if let Some(item) = items.iter().find(|item| item.step.is_some() && !matches!(item.kind, ItemKind::Range(..))) {
        return Err(Error::value(format!("{op}: \"{item}\" has a step; only a range takes one")));
    }
    let whole = || std::iter::repeat_n(IndexItem::from(..), shape.len() - axes);
    let mut all = Vec::new();
    for (number, item) in items.iter().enumerate() {
        if is_ellipsis(item) {
            // It stays in the list, since it keeps tensors apart even where it stands for no axis.
            all.push((number, item.clone()));
            all.extend(whole().map(|item| (number, item)));
        } else {
            all.push((number, item.clone()));
        }
    }
    if !items.iter().any(is_ellipsis) {
        all.extend(whole().map(|item| (items.len(), item)));
    }
    Ok(all)
}

#[track_caller]
fn check_broadcast(op: &str, indices: &[(usize, Tensor)]) -> Result<()> {
    let mut shape = Dims::new();
    for (_, index) in indices {
        shape = Dims::from(&*check::broadcast(op, &shape, index.shape())?);
    }
    Ok(())
}

/// The layout of a view; each step takes an axis or makes one.
fn view_layout(layout: &Layout, steps: &[ViewStep]) -> Layout {
    let (mut shape, mut strides, mut offset, mut d) = (Dims::new(), Strides::new(), layout.offset, 0);
    for &step in steps {
        let place = match step {
            ViewStep::New => {
                shape.push(1);
                strides.push(0);
                continue;
            }
            ViewStep::Pick(place) => place,
            ViewStep::Range { first, count, step } => {
                shape.push(count);
                // A step that is not taken may be any, also one whose product does not fit.
                strides.push(if count > 1 { layout.strides[d] * step } else { layout.strides[d] });
                // An empty range may begin where the elements end.
                if count > 0 { first } else { 0 }
            }
        };
        offset = offset.wrapping_add_signed((place as isize).wrapping_mul(layout.strides[d]));
        d += 1;
    }
    let shape = monotile_kernels::shape::Shape::from_dims(shape).expect("no axis of a view is longer than it was");
    Layout { shape, strides, offset }
}

fn viewed(x: &Tensor, steps: &Arc<[ViewStep]>) -> Tensor {
    Tensor::record(x.with_layout(view_layout(x.layout(), steps)), &[x], IndexView(Arc::clone(steps)))
}

struct IndexView(Arc<[ViewStep]>);

impl Gradient for IndexView {
    fn name(&self) -> &'static str {
        "index"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let steps = Arc::clone(&self.0);
        Ok(vec![Some(g.embedded(saved.input_shape(0), move |x| Ok(viewed(x, &steps)))?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use crate::{Ellipsis, NewAxis, s};
    let indices = |index: &[i64], shape: &[usize]| Tensor::from_slice(index, shape).expect("as many as the shape holds");
    let refusing = |items: fn() -> Vec<IndexItem>, words: &'static str| {
        Spec::new("index", move |x| Ok(vec![x[0].index(items())?])).refuses(vec![normal(&[2, 3])], words)
    };
    vec![
        Spec::new("index", |x| Ok(vec![x[0].index(s![.., -1, 1..-1; 2, NewAxis])?]))
            .sample("a number, a step and a new axis", vec![normal(&[2, 3, 6])])
            .sample("an axis of size 0", vec![normal(&[0, 3, 6])])
            .reference(|x| {
                let row = |r: usize| [x[0][r * 18 + 13], x[0][r * 18 + 15]];
                vec![(0..x[0].len() / 18).flat_map(row).collect()]
            })
            .may_drop_nan()
            .orders(2),
        Spec::new("index", |x| Ok(vec![x[0].index(s![1.., Ellipsis, ..; -2])?]))
            .sample("backwards", vec![normal(&[2, 2, 4])])
            .reference(|x| vec![[11, 9, 15, 13].iter().map(|&i| x[0][i]).collect()])
            .orders(2),
        Spec::new("index", |x| Ok(vec![x[0].index(s![.., &x[1], &x[2]])?]))
            .sample("indices that broadcast", vec![normal(&[2, 3, 4]), indices(&[0, -1], &[2, 1]), indices(&[1, 1, -4], &[3])])
            .reference(|x| {
                let at = |r: usize, i: usize, j: usize| x[0][r * 12 + [0, 2][i] * 4 + [1, 1, 0][j]];
                vec![(0..12).map(|k| at(k / 6, k / 3 % 2, k % 3)).collect()]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[2, 3, 4]), indices(&[3], &[1]), indices(&[0], &[1])],
                "index: item 1 holds 3, of axis 1, which has size 3",
            )
            .refuses(
                vec![normal(&[2, 3, 4]), indices(&[0], &[1]), indices(&[0, -5], &[2])],
                "index: item 2 holds -5, of axis 2, which has size 4",
            )
            .refuses(
                vec![normal(&[2, 3, 4]), indices(&[0, 1], &[2]), indices(&[0, 1, 2], &[3])],
                "index: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            )
            .refuses(
                vec![normal(&[2, 3, 4]), normal(&[2]), indices(&[0], &[1])],
                "index: item 1 is a tensor of f64; indices are integers, and masks bool",
            ),
        Spec::new("index", |x| Ok(vec![x[0].index(s![&x[1], .., &x[2]])?]))
            .sample("indices apart", vec![normal(&[2, 3, 4]), indices(&[1, 0], &[2]), indices(&[1, 1], &[2])])
            .reference(|x| vec![(0..6).map(|k| x[0][[1, 0][k / 3] * 12 + k % 3 * 4 + 1]).collect()])
            .may_drop_nan()
            .orders(2),
        Spec::new("index", |x| Ok(vec![x[0].index(s![&x[1], 1..])?]))
            .sample("a mask", vec![normal(&[3, 2]), Tensor::from(vec![true, false, true])])
            .sample("a mask that is false", vec![normal(&[3, 2]), Tensor::from(vec![false; 3])])
            .reference(|x| vec![(0..3).filter(|&i| x[1][i] != 0.0).map(|i| x[0][i * 2 + 1]).collect()])
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[3, 2]), Tensor::from(vec![true])],
                "index: item 0 is a mask of shape [1], and its axes, from 0 on, have sizes [3]",
            ),
        refusing(|| s![.., 1..5].into(), "index: item 1 is 1..5, of axis 1, which has size 3"),
        refusing(|| s![-3].into(), "index: item 0 is -3, of axis 0, which has size 2"),
        refusing(|| s![0, 0, ..].into(), "index: items [0, 0, ..] for 3 axes of a tensor of shape [2, 3]"),
        refusing(|| s![Ellipsis, Ellipsis].into(), "index: items [Ellipsis, Ellipsis] have more than one Ellipsis"),
        refusing(|| s![0; 2].into(), "index: \"0; 2\" has a step; only a range takes one"),
        refusing(|| s![..=1; 0].into(), "index: item 0 is ..=1; 0; a step must not be 0"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: index);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Ellipsis, NewAxis, s};

    fn cube() -> Tensor {
        Tensor::arange(24).unwrap().reshape(&[2, 3, 4]).unwrap()
    }

    #[test]
    fn lists_of_indices_are_tensors_of_them() {
        let (a, vector) = (cube(), vec![2, -1]);
        let by_tensor = a.index(s![.., &Tensor::from(vec![2_i64, -1])]).unwrap();
        for found in [a.index(s![.., [2, -1]]), a.index(s![.., &vector]), a.index(s![.., &vector[..]]), a.index(s![.., vector])] {
            assert_eq!(found.unwrap().to_vec::<i64>().unwrap(), by_tensor.to_vec::<i64>().unwrap());
        }
        assert_eq!(a.index(s![&[0; 0]]).unwrap().shape(), [0, 3, 4]);
        let words = a.index(s![&Tensor::scalar(true)]).err().unwrap().to_string();
        assert_eq!(words, "index: item 0 is a mask of shape []; a mask needs an axis, and where_ takes a single boolean");
        let words = a.index(s![[0, 7]]).err().unwrap().to_string();
        assert_eq!(words, "index: item 0 holds 7, of axis 0, which has size 2");
    }

    #[test]
    fn numbers_and_ranges_copy_nothing() {
        let a = cube();
        let part = a.index(s![1, NewAxis, ..; -1, 1..3]).unwrap();
        assert_eq!((part.shape(), part.strides()), (&[1, 3, 2][..], &[0, -4, 1][..]));
        assert_eq!(a.index(s![]).unwrap().shape(), [2, 3, 4]);
        assert_eq!(a.index(&s![.., 3..]).unwrap().shape(), [2, 0, 4]);
        assert_eq!(a.index(s![Ellipsis, 0_usize, 0_i64]).unwrap().to_vec::<i64>().unwrap(), [0, 12]);
    }

    /// `a = np.arange(24).reshape(2, 3, 4); i = np.array([0, 1]); j = np.array([[2], [-1]])`
    #[test]
    fn the_dimensions_of_indices_stand_where_numpy_puts_them() {
        let a = cube();
        let (i, j) = (Tensor::from(vec![0_i64, 1]), Tensor::from_rows(&[[2_i64], [-1]]).unwrap());
        let shape = |items: &[IndexItem]| a.index(items).unwrap().shape().to_vec();
        // a[:, i].shape, a[:, i, j].shape, a[i, :, j].shape, a[:, j, 0].shape, a[0, :, i].shape, a[i, None, :, i].shape
        assert_eq!(shape(&s![.., &i]), [2, 2, 4]);
        assert_eq!(shape(&s![.., &i, &j]), [2, 2, 2]);
        assert_eq!(shape(&s![&i, .., &j]), [2, 2, 3]);
        assert_eq!(shape(&s![.., &j, 0]), [2, 2, 1]);
        assert_eq!(shape(&s![0, .., &i]), [2, 3]);
        assert_eq!(shape(&s![&i, NewAxis, .., &i]), [2, 1, 3]);
        // a[:, i, ..., i].shape: an ellipsis for no axis keeps them apart.
        assert_eq!(shape(&s![.., &i, Ellipsis, &i]), [2, 2]);
        // a[1:, None, i, 1:3][0, 0].tolist()
        let part = a.index(s![1.., NewAxis, &i, 1..3]).unwrap().index(s![0, 0]).unwrap();
        assert_eq!(part.to_vec::<i64>().unwrap(), [13, 14, 17, 18]);
        // a[i, :, j].ravel().tolist()
        let expected = [2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23];
        assert_eq!(a.index(s![&i, .., &j]).unwrap().to_vec::<i64>().unwrap(), expected);
        // a[:, a[0] % 5 == 0].tolist(), and a[a[:, 0, 0] > 0, i].tolist()
        let mask = a.select(0, 0).unwrap().remainder(5).unwrap().eq(0).unwrap();
        assert_eq!(a.index(s![.., &mask]).unwrap().to_vec::<i64>().unwrap(), [0, 5, 10, 12, 17, 22]);
        let first = a.index(s![.., 0, 0]).unwrap().gt(0).unwrap();
        assert_eq!(a.index(s![&first, &i]).unwrap().to_vec::<i64>().unwrap(), [12, 13, 14, 15, 16, 17, 18, 19]);
        // Indices of no dimensions are numbers.
        assert_eq!(a.index(s![.., Tensor::scalar(-1_i64), 1..]).unwrap().shape(), [2, 3]);
    }
}
