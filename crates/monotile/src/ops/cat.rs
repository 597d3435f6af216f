//! Joining and cutting: `cat`, `stack`, `split` and `pad`.

use std::borrow::Borrow;

use crate::check;
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

/// # Reshape and join: several tensors
///
/// Tensors put together along an axis, or taken apart.
impl Tensor {
    /// Tensors joined along an axis; their other sizes must be equal. The list holds tensors or references to them.
    ///
    /// # Errors
    /// If there is no tensor or no such axis, or the shapes or dtypes do not fit.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let (a, b) = (Tensor::arange(2)?, Tensor::arange(3)?);
    /// assert_eq!(Tensor::cat([&a, &b], 0)?.to_vec::<i64>()?, [0, 1, 0, 1, 2]);
    /// assert_eq!(Tensor::cat([a, b], 0)?.len(), 5);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "concat")]
    #[doc(alias = "hstack")]
    #[doc(alias = "vstack")]
    #[doc(alias = "concatenate")]
    #[track_caller]
    pub fn cat<T: Borrow<Tensor>>(tensors: impl AsRef<[T]>, axis: isize) -> Result<Tensor> {
        cat(&borrowed(tensors.as_ref()), axis)
    }

    /// Tensors of one shape put side by side along a new axis.
    ///
    /// # Errors
    /// As [`cat`](Tensor::cat).
    #[track_caller]
    pub fn stack<T: Borrow<Tensor>>(tensors: impl AsRef<[T]>, axis: isize) -> Result<Tensor> {
        stack(&borrowed(tensors.as_ref()), axis)
    }

    /// Cut along an axis into parts of these sizes: views.
    ///
    /// # Errors
    /// If there is no such axis, or the sizes do not add up to its own.
    #[doc(alias = "split_with_sizes")]
    #[track_caller]
    pub fn split(&self, sizes: impl AsRef<[usize]>, axis: isize) -> Result<Vec<Tensor>> {
        split(self, sizes.as_ref(), axis)
    }

    /// `value` put `before` and `after` the elements along an axis. [`pad_axes`](Tensor::pad_axes) takes several axes, and mirrors.
    ///
    /// # Errors
    /// If there is no such axis.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_slice(&[1.0_f32, 2.0], &[2])?;
    /// assert_eq!(a.pad(0, 1, 2, 9.0)?.to_vec::<f32>()?, [9.0, 1.0, 2.0, 9.0, 9.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "constant_pad")]
    #[track_caller]
    pub fn pad(&self, axis: isize, before: usize, after: usize, value: f64) -> Result<Tensor> {
        let d = check::axis("pad", axis, self.rank())?;
        let with_size = |size: usize| -> Dims {
            let mut shape: Dims = self.shape().into();
            shape[d] = size;
            shape
        };
        check::shape("pad", &with_size(self.shape()[d].saturating_add(before).saturating_add(after)))?;
        let block = |size: usize| Tensor::filled_by("pad", &with_size(size), value, self.dtype());
        Tensor::cat(&[&block(before).placed()?, self, &block(after).placed()?], axis)
    }
}

/// The tensors of a list, borrowed.
pub(crate) fn borrowed<T: Borrow<Tensor>>(tensors: &[T]) -> Vec<&Tensor> {
    tensors.iter().map(Borrow::borrow).collect()
}

#[track_caller]
fn cat(tensors: &[&Tensor], axis: isize) -> Result<Tensor> {
    let Some(first) = tensors.first() else {
        return Err(Error::value("cat: there is no tensor to join"));
    };
    let d = check::axis("cat", axis, first.rank())?;
    for (i, t) in tensors.iter().enumerate() {
        let other_sizes = |x: &Tensor| -> Dims { (0..x.rank()).filter(|&k| k != d).map(|k| x.shape()[k]).collect() };
        if t.rank() != first.rank() || other_sizes(t) != other_sizes(first) {
            let (a, b) = (first.shape(), t.shape());
            return Err(Error::shape(format!(
                "cat: tensor 0 of shape {a:?} and tensor {i} of shape {b:?} differ outside axis {axis}"
            )));
        }
        if t.dtype() != first.dtype() {
            let (a, b) = (first.dtype(), t.dtype());
            return Err(Error::dtype(format!("cat: tensor 0 is {a} and tensor {i} is {b}; cast with to_dtype")));
        }
    }
    let sizes: Dims = tensors.iter().map(|t| t.shape()[d]).collect();
    let mut shape: Dims = first.shape().into();
    shape[d] = sizes.iter().fold(0, |sum: usize, &size| sum.saturating_add(size));
    let shape = check::shape("cat", &shape)?;
    // A GPU reads operands where they lie.
    let here = tensors.iter().all(|t| t.device().is_cpu());
    let source = |t: &&Tensor| if here { t.contiguous_detached("cat") } else { Ok(t.detach()) };
    let sources = tensors.iter().map(source).collect::<Result<Vec<Tensor>>>().placed()?;
    let out = door::copy::cat("cat", &sources, &shape, d)?;
    Ok(Tensor::record(out, tensors, Cat { axis: d, sizes }))
}

#[track_caller]
fn stack(tensors: &[&Tensor], axis: isize) -> Result<Tensor> {
    if tensors.is_empty() {
        return Err(Error::value("stack: there is no tensor to join"));
    }
    if let Some((i, t)) = tensors.iter().enumerate().find(|(_, t)| t.shape() != tensors[0].shape()) {
        let (a, b) = (tensors[0].shape(), t.shape());
        return Err(Error::shape(format!("stack: tensor 0 of shape {a:?} and tensor {i} of shape {b:?} must have one shape")));
    }
    if let Some((i, t)) = tensors.iter().enumerate().find(|(_, t)| t.dtype() != tensors[0].dtype()) {
        let (a, b) = (tensors[0].dtype(), t.dtype());
        return Err(Error::dtype(format!("stack: tensor 0 is {a} and tensor {i} is {b}; cast with to_dtype")));
    }
    let rows = tensors.iter().map(|t| t.unsqueeze(axis)).collect::<Result<Vec<_>>>().placed()?;
    let axis = if axis < 0 { axis } else { check::axis("stack", axis, tensors.first().map_or(1, |t| t.rank() + 1))? as isize };
    Tensor::cat(&rows, axis).map_err(|error| error.with_context("stack")).placed()
}

#[track_caller]
fn split(x: &Tensor, sizes: &[usize], axis: isize) -> Result<Vec<Tensor>> {
    let d = check::axis("split", axis, x.rank())?;
    if sizes.iter().try_fold(0, |sum: usize, &size| sum.checked_add(size)) != Some(x.shape()[d]) {
        return Err(Error::shape(format!("split: sizes {sizes:?} do not add up to the {} of axis {axis}", x.shape()[d])));
    }
    let (whole, mut start) = (x.detach(), 0);
    let part = |&size: &usize| {
        start += size;
        whole.slice(axis, start - size..start)
    };
    let parts = sizes.iter().map(part).collect::<Result<Vec<_>>>().placed()?;
    Ok(Tensor::record_all(parts, &[x], Split { axis: d }))
}

struct Cat {
    axis: usize,
    sizes: Dims,
}

impl Gradient for Cat {
    fn name(&self) -> &'static str {
        "cat"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None; self.sizes.len()]) };
        let parts = g.split(&self.sizes, self.axis as isize)?;
        Ok(parts.into_iter().enumerate().map(|(i, part)| saved.needs(i).then_some(part)).collect())
    }
}

/// One node for all parts: the gradient is put together once, however many there are.
struct Split {
    axis: usize,
}

impl Gradient for Split {
    fn name(&self) -> &'static str {
        "split"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(dtype) = cotangents.iter().flatten().next().map(Tensor::dtype) else { return Ok(vec![None]) };
        let part = |(k, g): (usize, &Option<Tensor>)| g.clone().map_or_else(|| Tensor::zeros(saved.output_shape(k), dtype), Ok);
        let parts = cotangents.iter().enumerate().map(part).collect::<Result<Vec<Tensor>>>()?;
        Ok(vec![Some(Tensor::cat(&parts.iter().collect::<Vec<_>>(), self.axis as isize)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("cat", |x| Ok(vec![Tensor::cat(&[&x[0], &x[1], &x[0]], 1)?]))
            .sample("matrices", vec![normal(&[2, 3]), normal(&[2, 1])])
            .sample("an empty one", vec![normal(&[2, 3]), normal(&[2, 0])])
            .shaped_reference(|x, s| {
                let row = |d: usize, i: usize| x[d][i * s[d][1]..(i + 1) * s[d][1]].to_vec();
                vec![(0..2).flat_map(|i| [row(0, i), row(1, i), row(0, i)].concat()).collect()]
            })
            .orders(2)
            .may_drop_nan()
            .refuses(
                vec![normal(&[2, 3]), normal(&[3, 1])],
                "cat: tensor 0 of shape [2, 3] and tensor 1 of shape [3, 1] differ outside axis 1",
            ),
        Spec::new("stack", |x| Ok(vec![Tensor::stack(&[&x[0], &x[1]], -1)?]))
            .sample("vectors", vec![normal(&[3]), positive(&[3])])
            .reference(|x| vec![x[0].iter().zip(&x[1]).flat_map(|(a, b)| [*a, *b]).collect()])
            .orders(2)
            .refuses(
                vec![normal(&[3]), normal(&[2, 3])],
                "stack: tensor 0 of shape [3] and tensor 1 of shape [2, 3] must have one shape",
            ),
        Spec::new("split", |x| x[0].split(&[1, 0, 2], 0))
            .sample("matrix", vec![normal(&[3, 2])])
            .reference(|x| vec![x[0][..2].to_vec(), vec![], x[0][2..].to_vec()])
            .orders(2)
            .refuses(vec![normal(&[4])], "split: sizes [1, 0, 2] do not add up to the 4 of axis 0"),
        Spec::new("pad", |x| Ok(vec![x[0].pad(0, 1, 2, 0.5)?]))
            .sample("matrix", vec![normal(&[2, 2])])
            .reference(|x| vec![[&[0.5; 2][..], &x[0], &[0.5; 4]].concat()])
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: cat, stack, split, pad);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_joined_is_refused_in_the_name_and_at_the_line_of_the_call() {
        let words = |x: Result<Tensor>| x.err().unwrap().to_string();
        assert_eq!(words(Tensor::stack::<Tensor>([], 0)), "stack: there is no tensor to join");
        assert_eq!(words(Tensor::cat::<Tensor>([], 0)), "cat: there is no tensor to join");
        let x = Tensor::from([1.0]);
        for (before, after) in [(usize::MAX, 1), (1, usize::MAX), (usize::MAX / 2, usize::MAX / 2)] {
            let error = x.pad(0, before, after, 0.0).err().unwrap();
            let line = line!() - 1;
            assert_eq!((error.place().file(), error.place().line()), (file!(), line));
            assert_eq!(error.to_string(), "pad: shape [18446744073709551615] has more elements than memory has bytes");
        }
    }
}
