//! Picking and adding by indices along an axis: `index_select`, `gather`, `scatter_add`.

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::ops::indexing::{ScatterReduction, of_integers};
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
        select("index_select", self, d, indices.contiguous_detached("index_select")?)
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
        match gather_inside(self, d, &index)? {
            Some(out) => Ok(out),
            None => Err(outside("gather", &index, d, self.shape()[d])),
        }
    }

    /// This tensor with elements of `source` added along an axis where `index` says:
    /// out[…, index[…, j, …], …] += source[…, j, …]
    ///
    /// `index` and `source` have one shape, which is that of this tensor but for the size of the axis. Where indices repeat, all
    /// is added, in the order of j: the same bits for every number of threads. Integers are added exactly, as i64.
    ///
    /// # Gradient
    /// Of this tensor the cotangent; of `source` its [`gather`](Tensor::gather).
    ///
    /// # Errors
    /// As [`gather`](Tensor::gather), and if `index` and `source` differ in shape; for booleans, and for integers whose sum does not fit i64.
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
        if self.dtype().is_integer() && source.dtype().is_integer() {
            return of_integers("scatter_add", self, d, &index, source, ScatterReduction::Sum);
        }
        let dtype = check::common_float("scatter_add", self, source)?;
        let (x, source) = (self.to_dtype(dtype)?, source.to_dtype(dtype)?.beside(&index)?.contiguous_for("scatter_add")?);
        let x_there = x.beside(&index)?.contiguous_detached("scatter_add")?;
        let out = door::gather::scatter_add("scatter_add", &x_there, d, &index, &source)?;
        Ok(Tensor::record(out, &[&x, &source], ScatterAdd { axis: d, index }))
    }
}

/// What was gathered from x along an axis, with its gradient.
pub(crate) fn recorded(out: Tensor, x: &Tensor, axis: usize, index: Tensor) -> Tensor {
    Tensor::record(out, &[x], Gather { axis, index })
}

/// The axis, and indices of one shape with x outside it: contiguous and i64. The door refuses those out of range.
#[track_caller]
pub(crate) fn check_index(op: &str, x: &Tensor, axis: isize, index: &Tensor) -> Result<(usize, Tensor)> {
    let d = check::axis(op, axis, x.rank())?;
    let index = check::indices(op, index)?.contiguous_detached(op)?;
    if index.rank() != x.rank() || (0..x.rank()).any(|k| k != d && x.shape()[k] != index.shape()[k]) {
        let (a, b) = (x.shape(), index.shape());
        return Err(Error::shape(format!("{op}: a tensor of shape {a:?} and indices of shape {b:?} differ outside axis {axis}")));
    }
    Ok((d, index))
}

/// [`Tensor::gather`] by indices that [`check_index`] gave; `None` where one is outside.
#[track_caller]
pub(crate) fn gather_inside(x: &Tensor, axis: usize, index: &Tensor) -> Result<Option<Tensor>> {
    let x = x.contiguous_for("gather")?;
    let out = door::gather::gather_inside("gather", &x, axis, index)?;
    Ok(out.map(|out| recorded(out, &x, axis, index.clone())))
}

/// [`Tensor::index_select`] of a contiguous vector.
#[track_caller]
pub(crate) fn select(op: &str, x: &Tensor, axis: usize, indices: Tensor) -> Result<Tensor> {
    match select_inside(op, x, axis, &indices)? {
        Some(out) => Ok(out),
        None => Err(outside(op, &indices, axis, x.shape()[axis])),
    }
}

/// [`select`]; `None` where an index is outside.
#[track_caller]
pub(crate) fn select_inside(op: &str, x: &Tensor, axis: usize, indices: &Tensor) -> Result<Option<Tensor>> {
    let x = x.contiguous_for(op)?;
    let out = door::gather::select_inside(op, &x, axis, indices)?;
    let rule = || Select { axis, size: x.shape()[axis], indices: indices.clone() };
    Ok(out.map(|out| Tensor::record(out, &[&x], rule())))
}

/// The refusal of indices one of which is outside an axis of this size.
#[track_caller]
fn outside(op: &str, indices: &Tensor, axis: usize, size: usize) -> Error {
    match door::gather::check_range(op, indices, axis, size) {
        Err(error) => error,
        Ok(()) => unreachable!("an index that is outside"),
    }
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
    let g = g.to_compute_dtype("index_select")?.contiguous_for("index_select")?;
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
        Ok(vec![cotangents[0].as_ref().map(|g| select("index_select", g, self.axis, self.indices.clone())).transpose()?])
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
    // x̄ = Σ ȳ[…, j, …] over the j whose index names the element
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let (g, index) = (g.to_compute_dtype("gather")?.contiguous()?, self.index.clone());
        let sums = door::gather::scatter_sum("gather", saved.input_shape(0), self.axis, &index, &g)?;
        Ok(vec![Some(Tensor::record(sums, &[&g], ScatterSum { axis: self.axis, index }))])
    }
}

struct ScatterSum {
    axis: usize,
    index: Tensor,
}

impl Gradient for ScatterSum {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].as_ref().map(|g| g.gather(self.axis as isize, &self.index)).transpose()?])
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::ops::{ScatterReduction, embedding};

    #[test]
    fn a_wrong_index_is_refused_by_name_wherever_it_is() {
        // Large enough to be cut over threads.
        let x = Tensor::zeros(&[40, 3000], DType::F32).unwrap();
        for wrong in [-1, 3000, i64::MIN, i64::MAX] {
            for at in [0, 59_999, 119_999] {
                let mut index: Vec<i64> = (0..120_000).map(|i| i * 7 % 3000).collect();
                index[at] = wrong;
                let row = Tensor::from(index.iter().skip(at / 2).take(60_001).copied().collect::<Vec<_>>());
                let index = Tensor::from_vec(index, &[40, 3000]).unwrap();
                let source = x.expand(&[40, 3000]).unwrap();
                let slices = Tensor::zeros(&[40, row.len()], DType::F32).unwrap();
                let words = |found: Result<Tensor>| found.err().map(|error| error.to_string());
                let refused = |op: &str| Some(format!("{op}: index {wrong} is outside axis 1 of size 3000"));
                assert_eq!(words(x.gather(1, &index)), refused("gather"));
                assert_eq!(words(x.scatter_add(1, &index, &source)), refused("scatter_add"));
                assert_eq!(words(x.scatter(1, &index, &source)), refused("scatter"));
                for reduction in [ScatterReduction::Sum, ScatterReduction::Mean, ScatterReduction::Max, ScatterReduction::Min] {
                    assert_eq!(words(x.scatter_reduce(1, &index, &source, reduction)), refused("scatter_reduce"));
                }
                assert_eq!(words(x.index_select(1, &row)), refused("index_select"));
                assert_eq!(words(x.index_copy(1, &row, &slices)), refused("index_copy"));
                assert_eq!(words(x.index_fill(1, &row, 1.0)), refused("index_fill"));
                assert_eq!(words(x.index_add(1, &row, &slices)), refused("index_add"));
                let table = format!("embedding: index {wrong} is outside the table of 3000 rows");
                assert_eq!(words(embedding(&x.mt(), &row)), Some(table));
            }
        }
    }

    #[test]
    fn the_sum_of_a_gather_over_threads_and_its_gradient_are_exact() {
        let x = Tensor::arange(5000).unwrap().to_dtype(DType::F64).unwrap().requires_grad();
        let index = Tensor::from((0..200_000_i64).map(|i| i * i % 5000).collect::<Vec<_>>());
        let y = x.gather(0, &index).unwrap().sum(&[], false).unwrap();
        let counts: Vec<f64> = index.bincount(None, 5000).unwrap().to_f64_vec().unwrap();
        assert_eq!(y.backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap(), counts);
    }
}
