//! Picking and adding by indices along an axis: `index_select`, `gather`, `scatter_add`.

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Index and slice: by tensors of indices
///
/// Copies of the elements that i64 tensors name, and sums into such places.
impl Tensor {
    /// The slices along an axis that `indices` name, in their order: `out[…, j, …] = x[…, indices[j], …]`
    ///
    /// `indices` is a vector of integers from 0; an index may repeat. [`index`](Tensor::index) also takes negative ones and matrices of them.
    ///
    /// # Gradient
    /// The cotangent's slices, added up where indices repeat, in their order.
    ///
    /// # Errors
    /// If there is no such axis, the indices are no vector of integers, or one is outside the axis.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
    /// let ends = Tensor::from_slice(&[2_i64, 0], &[2])?;
    /// assert_eq!(a.index_select(1, &ends)?.to_vec::<f32>()?, [3.0, 1.0, 6.0, 4.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn index_select(&self, axis: isize, indices: &Tensor) -> Result<Tensor> {
        let d = check::axis("index_select", axis, self.rank())?;
        let indices = check::indices("index_select", indices)?;
        if indices.rank() != 1 {
            return Err(Error::shape(format!("index_select: indices must be a vector, got shape {:?}", indices.shape())));
        }
        let indices = indices.contiguous_detached()?;
        check_range("index_select", &indices, d, self.shape()[d])?;
        select(self, d, indices)
    }

    /// An element along an axis for each index: out[…, j, …] = x[…, index[…, j, …], …]
    ///
    /// `index` has the shape of the result, which is that of this tensor but for the size of the axis. Indices count from 0;
    /// [`take_along_dim`](Tensor::take_along_dim) also takes negative ones, and broadcasts.
    ///
    /// # Gradient
    /// [`scatter_add`](Tensor::scatter_add) of the cotangent to zeros.
    ///
    /// # Errors
    /// If there is no such axis, the shapes differ outside it, the indices are no integers, or one is outside the axis.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
    /// let index = Tensor::from_rows(&[[2_i64], [0]])?;
    /// assert_eq!(a.gather(1, &index)?.to_vec::<f32>()?, [3.0, 4.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn gather(&self, axis: isize, index: &Tensor) -> Result<Tensor> {
        let (d, index) = check_index("gather", self, axis, index)?;
        let x = self.contiguous()?;
        let out = door::gather::gather("gather", &x, d, &index)?;
        Ok(Tensor::record(out, &[&x], Gather { axis: d, index }))
    }

    /// This tensor with elements of `source` added along an axis where `index` says:
    /// out[…, index[…, j, …], …] += source[…, j, …]
    ///
    /// `index` and `source` have one shape, which is that of this tensor but for the size of the axis. Where indices repeat, all
    /// is added, in the order of j: the same bits for every number of threads.
    ///
    /// # Gradient
    /// Of this tensor the cotangent; of `source` its [`gather`](Tensor::gather).
    ///
    /// # Errors
    /// As [`gather`](Tensor::gather), and if `index` and `source` differ in shape; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let index = Tensor::from_slice(&[2_i64, 0, 2], &[3])?;
    /// let source = Tensor::from_slice(&[1.0_f64, 10.0, 100.0], &[3])?;
    /// assert_eq!(Tensor::zeros(&[3], DType::F64)?.scatter_add(0, &index, &source)?.to_vec::<f64>()?, [10.0, 0.0, 101.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "add_at")]
    #[track_caller]
    pub fn scatter_add(&self, axis: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let (d, index) = check_index("scatter_add", self, axis, index)?;
        if index.shape() != source.shape() {
            let (a, b) = (index.shape(), source.shape());
            return Err(Error::shape(format!(
                "scatter_add: indices of shape {a:?} for a source of shape {b:?}; they must be equal"
            )));
        }
        let dtype = check::common_float("scatter_add", self, source)?;
        let (x, source) = (self.to_dtype(dtype)?, source.to_dtype(dtype)?.beside(&index)?.contiguous()?);
        let out = door::gather::scatter_add("scatter_add", &x.beside(&index)?.contiguous_detached()?, d, &index, &source)?;
        Ok(Tensor::record(out, &[&x, &source], ScatterAdd { axis: d, index }))
    }
}

/// The axis, and indices of one shape with x outside it and in its range: contiguous and i64.
#[track_caller]
pub(crate) fn check_index(op: &str, x: &Tensor, axis: isize, index: &Tensor) -> Result<(usize, Tensor)> {
    let d = check::axis(op, axis, x.rank())?;
    let index = check::indices(op, index)?.contiguous_detached()?;
    if index.rank() != x.rank() || (0..x.rank()).any(|k| k != d && x.shape()[k] != index.shape()[k]) {
        let (a, b) = (x.shape(), index.shape());
        return Err(Error::shape(format!("{op}: a tensor of shape {a:?} and indices of shape {b:?} differ outside axis {axis}")));
    }
    check_range(op, &index, d, x.shape()[d])?;
    Ok((d, index))
}

#[track_caller]
pub(crate) fn check_range(op: &str, indices: &Tensor, axis: usize, size: usize) -> Result<()> {
    match door::gather::outside(indices, size) {
        Some(index) => Err(Error::value(format!("{op}: index {index} is outside axis {axis} of size {size}"))),
        None => Ok(()),
    }
}

/// [`Tensor::index_select`] of indices that were checked.
#[track_caller]
pub(crate) fn select(x: &Tensor, axis: usize, indices: Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    let out = door::gather::select("index_select", &x, axis, &indices)?;
    let size = x.shape()[axis];
    Ok(Tensor::record(out, &[&x], Select { axis, size, indices }))
}

struct Select {
    axis: usize,
    size: usize,
    indices: Tensor,
}

impl Gradient for Select {
    fn name(&self) -> &'static str {
        "index_select"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        Ok(vec![Some(add_slices(g, self.axis, &self.indices, self.size)?)])
    }
}

/// The slices of `g` along an axis, added to zeros where the indices say, which count in row-major order: what the gradient of a
/// selection is. Its own gradient is the selection again.
#[track_caller]
pub(crate) fn add_slices(g: &Tensor, axis: usize, indices: &Tensor, size: usize) -> Result<Tensor> {
    let g = g.to_compute_dtype("index_select")?.contiguous()?;
    let added = door::gather::select_add("index_select", &g, axis, indices, size)?;
    Ok(Tensor::record(added, &[&g], AddSlices { axis, indices: indices.reshape(&[indices.len()])? }))
}

struct AddSlices {
    axis: usize,
    indices: Tensor,
}

impl Gradient for AddSlices {
    fn name(&self) -> &'static str {
        "index_select"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].as_ref().map(|g| select(g, self.axis, self.indices.clone())).transpose()?])
    }
}

struct Gather {
    axis: usize,
    index: Tensor,
}

impl Gradient for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let zeros = g.zeros_beside(saved.input_shape(0), saved.input_dtype(0).compute())?;
        Ok(vec![Some(zeros.scatter_add(self.axis as isize, &self.index, g)?)])
    }
}

struct ScatterAdd {
    axis: usize,
    index: Tensor,
}

impl Gradient for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let source = saved.needs(1).then(|| g.gather(self.axis as isize, &self.index)).transpose()?;
        Ok(vec![saved.needs(0).then(|| g.clone()), source])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let index = |index: &[i64], shape: &[usize]| Tensor::from_slice(index, shape).expect("as many as the shape holds");
    // (outer, axis, inner) of the samples below, whose axis is the middle one.
    let place = |s: &[usize], at: usize, count: usize, j: f64| (at / (count * s[2]) * s[1] + j as usize) * s[2] + at % s[2];
    vec![
        Spec::new("index_select", |x| Ok(vec![x[0].index_select(1, &x[1])?]))
            .sample("repeated indices", vec![normal(&[2, 3, 4]), index(&[2, 0, 2, 2], &[4])])
            .sample("no indices", vec![normal(&[2, 3, 4]), index(&[], &[0])])
            .shaped_reference(move |x, s| {
                let count = x[1].len();
                let at = |at: usize| x[0][place(&s[0], at, count, x[1][at / 4 % count])];
                vec![(0..8 * count).map(at).collect()]
            })
            .orders(2)
            .may_drop_nan()
            .refuses(vec![normal(&[2, 3]), index(&[0, 3], &[2])], "index_select: index 3 is outside axis 1 of size 3")
            .refuses(vec![normal(&[2, 3]), index(&[0], &[1, 1])], "index_select: indices must be a vector, got shape [1, 1]"),
        Spec::new("gather", |x| Ok(vec![x[0].gather(1, &x[1])?]))
            .sample("repeated indices", vec![normal(&[2, 3, 2]), index(&[2, 0, 2, 2, 1, 1, 0, 0], &[2, 2, 2])])
            .sample("no indices", vec![normal(&[2, 3, 2]), index(&[], &[2, 0, 2])])
            .shaped_reference(move |x, s| {
                vec![x[1].iter().enumerate().map(|(at, &j)| x[0][place(&s[0], at, s[1][1], j)]).collect()]
            })
            .orders(2)
            .may_drop_nan()
            .refuses(vec![normal(&[2, 3]), index(&[0, -1], &[2, 1])], "gather: index -1 is outside axis 1 of size 3")
            .refuses(
                vec![normal(&[2, 3]), index(&[0], &[1, 1])],
                "gather: a tensor of shape [2, 3] and indices of shape [1, 1] differ outside axis 1",
            ),
        Spec::new("scatter_add", |x| Ok(vec![x[0].scatter_add(1, &x[2], &x[1])?]))
            .sample("repeated indices", vec![normal(&[2, 3, 2]), normal(&[2, 2, 2]), index(&[2, 0, 2, 2, 1, 1, 0, 0], &[2, 2, 2])])
            .shaped_reference(move |x, s| {
                let mut out = x[0].clone();
                x[1].iter().zip(&x[2]).enumerate().for_each(|(at, (v, &j))| out[place(&s[0], at, s[2][1], j)] += v);
                vec![out]
            })
            .orders(2)
            .refuses(
                vec![normal(&[2, 3]), normal(&[2, 2]), index(&[0, 0], &[2, 1])],
                "scatter_add: indices of shape [2, 1] for a source of shape [2, 2]; they must be equal",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: index_select, gather, scatter_add);
