//! Parts by items of an index replaced or added to: `slice_assign`, `index_put`, `select_scatter`.

use std::borrow::{Borrow, Cow};

use super::items::IndexPlan;
use super::put::{cast, put};
use super::scatter::{ScatterReduction, of_integers};
use crate::check;
use crate::error::{Error, Placed, Result};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::position::AxisIndex;
use crate::tensor::{IndexItem, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Index and slice: parts replaced
///
/// Where PyTorch assigns to a part in place, these return a new tensor.
impl Tensor {
    /// This tensor with a part replaced: `x[1:, 0] = v` is `x.slice_assign(s![1.., 0], &v)?`, which returns the new tensor.
    ///
    /// Items are those of [`index`](Tensor::index). The value is a number or a tensor, broadcast to the shape of the part and cast to this tensor's
    /// type; dimensions of size 1 in front of it do not count. Where indices repeat, the last one's element stays.
    ///
    /// # Gradient
    /// Of this tensor the cotangent, 0 where it was replaced; of the value the cotangent there, where the element stayed.
    ///
    /// # Errors
    /// As [`index`](Tensor::index), if the value does not broadcast to the part, or integers or booleans meet another type.
    ///
    /// # Cost
    /// A copy of this tensor, and a number a written element.
    ///
    /// # Example
    /// ```
    /// use monotile::{Tensor, s};
    /// let a = Tensor::arange(6)?.reshape(&[2, 3])?;
    /// assert_eq!(a.slice_assign(s![.., 1..], 9)?.to_vec::<i64>()?, [0, 9, 9, 3, 9, 9]);
    /// let row = Tensor::from(vec![7_i64, 8, 9]);
    /// assert_eq!(a.slice_assign(s![-1], &row)?.to_vec::<i64>()?, [0, 1, 2, 7, 8, 9]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "setitem")]
    #[doc(alias = "slice_scatter")]
    #[doc(alias = "copy_")]
    #[track_caller]
    pub fn slice_assign(&self, items: impl AsRef<[IndexItem]>, value: impl TensorOrNumber) -> Result<Tensor> {
        assign("slice_assign", self, items.as_ref(), value.value())
    }

    /// This tensor with elements replaced, or added to, by indices along its first axes: `x[i, j] = v`, or with `accumulate` `x[i, j] += v` for each.
    ///
    /// The indices are tensors of i64 that broadcast, or of booleans; negative ones count from the end. The values broadcast to the shape
    /// of `x[i, j]`. Where indices repeat, all is added in their order, or the last one's element stays.
    ///
    /// # Gradient
    /// As of [`slice_assign`](Tensor::slice_assign); with `accumulate` the cotangent, and for the values its part by the same indices.
    ///
    /// # Errors
    /// As [`slice_assign`](Tensor::slice_assign); with `accumulate` for booleans, and for integers whose sum does not fit i64.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let (i, j) = (Tensor::from(vec![0_i64, 1, 1]), Tensor::from(vec![1_i64, 0, 0]));
    /// let (zeros, values) = (Tensor::zeros(&[2, 2], DType::F64)?, Tensor::from(vec![1.0, 2.0, 3.0]));
    /// assert_eq!(zeros.index_put(&[&i, &j], &values, false)?.to_vec::<f64>()?, [0.0, 1.0, 3.0, 0.0]);
    /// assert_eq!(zeros.index_put(&[&i, &j], &values, true)?.to_vec::<f64>()?, [0.0, 1.0, 5.0, 0.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "put")]
    #[track_caller]
    pub fn index_put<T: Borrow<Tensor>>(
        &self,
        indices: impl AsRef<[T]>,
        values: impl TensorOrNumber,
        accumulate: bool,
    ) -> Result<Tensor> {
        let items: Vec<IndexItem> = indices.as_ref().iter().map(|index| IndexItem::from(index.borrow())).collect();
        match accumulate {
            false => assign("index_put", self, &items, values.value()),
            true => accumulated(self, &items, values.value()),
        }
    }

    /// This tensor with the element at `index` along `axis` replaced by a tensor without that axis, or a number.
    ///
    /// # Gradient
    /// As of [`slice_assign`](Tensor::slice_assign).
    ///
    /// # Errors
    /// If there is no such axis or element, or as [`slice_assign`](Tensor::slice_assign).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(4)?.reshape(&[2, 2])?;
    /// assert_eq!(a.select_scatter(1, -1, 9)?.to_vec::<i64>()?, [0, 9, 2, 9]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn select_scatter(&self, axis: isize, index: impl AxisIndex, value: impl TensorOrNumber) -> Result<Tensor> {
        let d = check::axis("select_scatter", axis, self.rank())?;
        let mut items = vec![IndexItem::from(..); d];
        items.push(IndexItem::at(index));
        assign("select_scatter", self, &items, value.value())
    }
}

/// The places of the part in row-major order, and the value in the shape of the part, both as vectors.
#[track_caller]
fn places_and_value(op: &str, x: &Tensor, plan: &IndexPlan, value: &Tensor) -> Result<[Tensor; 2]> {
    let places = plan.places(op, x.shape())?.to(&x.device())?;
    let value = broadcast(op, value, places.shape())?;
    Ok([places.reshape(&[places.len()])?.contiguous_detached(op)?, value.reshape(&[places.len()])?])
}

#[track_caller]
fn broadcast(op: &str, value: &Tensor, part: &[usize]) -> Result<Tensor> {
    let a = value.shape();
    let refusal = |_| Error::shape(format!("{op}: a value of shape {a:?} does not broadcast to a part of shape {part:?}"));
    // As in NumPy a value may have more dimensions in front, of size 1.
    let ones = a.iter().take(a.len().saturating_sub(part.len())).take_while(|&&n| n == 1).count();
    let value = if ones == 0 { Cow::Borrowed(value) } else { Cow::Owned(value.reshape(&a[ones..])?) };
    value.expand(part).map_err(refusal).placed()
}

#[track_caller]
fn assign(op: &'static str, x: &Tensor, items: &[IndexItem], value: OperandValue<'_>) -> Result<Tensor> {
    let (plan, value) = (IndexPlan::new(op, items, x.shape())?, cast(op, x, value)?);
    if let Some((axis, index)) = plan.slices(x.shape()) {
        // Whole slices are written as such: nobody counts the places of their elements.
        let (before, after) = (&x.shape()[..axis], &x.shape()[axis + 1..]);
        let value = broadcast(op, &value, &[before, index.shape(), after].concat())?;
        let value = value.reshape(&[before, &[index.len()], after].concat())?;
        return put(op, x, axis, index.reshape(&[index.len()])?, &value);
    }
    let [places, value] = places_and_value(op, x, &plan, &value)?;
    put(op, &x.reshape(&[x.len()])?, 0, places, &value)?.reshape(x.shape())
}

#[track_caller]
fn accumulated(x: &Tensor, items: &[IndexItem], value: OperandValue<'_>) -> Result<Tensor> {
    let op = "index_put";
    let value = value.beside(op, x.dtype())?;
    let plan = IndexPlan::new(op, items, x.shape())?;
    if x.dtype().is_integer() && value.dtype().is_integer() {
        let [places, value] = places_and_value(op, x, &plan, &value)?;
        return of_integers(op, &x.reshape([x.len()])?, 0, &places, &value, ScatterReduction::Sum)?.reshape(x.shape());
    }
    let dtype = check::common_float(op, x, &value)?;
    let [places, value] = places_and_value(op, x, &plan, &value.to_dtype(dtype)?)?;
    x.to_dtype(dtype)?.reshape([x.len()])?.scatter_add(0, &places, &value)?.reshape(x.shape())
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use crate::s;
    let indices = |index: &[i64]| Tensor::from_slice(index, &[index.len()]).expect("a vector");
    let repeated = || vec![normal(&[2, 3]), normal(&[3]), indices(&[0, -1, 1]), indices(&[1, 0, 0])];
    vec![
        Spec::new("slice_assign", |x| Ok(vec![x[0].slice_assign(s![1.., ..; -2], &x[1])?]))
            .sample("a row for all", vec![normal(&[3, 4]), normal(&[2])])
            .sample("a block", vec![normal(&[3, 4]), normal(&[2, 2])])
            .reference(|x| {
                let mut out = x[0].clone();
                (0..4).for_each(|k| out[(1 + k / 2) * 4 + 3 - k % 2 * 2] = x[1][k % x[1].len()]);
                vec![out]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[3, 4]), normal(&[3])],
                "slice_assign: a value of shape [3] does not broadcast to a part of shape [2, 2]",
            )
            .refuses(vec![normal(&[0, 4]), normal(&[1])], "slice_assign: item 0 is 1.., of axis 0, which has size 0"),
        Spec::new("slice_assign", |x| Ok(vec![x[0].slice_assign(s![.., &x[2]], &x[1])?]))
            .sample("the last of equal indices stays", vec![normal(&[2, 3]), normal(&[2, 3]), indices(&[1, 0, 1])])
            .reference(|x| {
                let row = |r: usize| [x[1][r * 3 + 1], x[1][r * 3 + 2], x[0][r * 3 + 2]];
                vec![[row(0), row(1)].concat()]
            })
            .may_drop_nan()
            .orders(2),
        Spec::new("index_put", |x| Ok(vec![x[0].index_put(&x[2..], &x[1], false)?]))
            .sample("repeated indices", repeated())
            .reference(|x| vec![vec![x[0][0], x[1][0], x[0][2], x[1][2], x[0][4], x[0][5]]])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[2, 3]), normal(&[1]), indices(&[2])], "index_put: item 0 holds 2, of axis 0, which has size 2"),
        Spec::new("index_put", |x| Ok(vec![x[0].index_put(&x[2..], &x[1], true)?]))
            .sample("repeated indices", repeated())
            .reference(|x| vec![vec![x[0][0], x[0][1] + x[1][0], x[0][2], x[0][3] + x[1][1] + x[1][2], x[0][4], x[0][5]]])
            .orders(2),
        Spec::new("select_scatter", |x| Ok(vec![x[0].select_scatter(-1, 1, &x[1])?]))
            .sample("a column", vec![normal(&[2, 3]), normal(&[2])])
            .reference(|x| vec![vec![x[0][0], x[1][0], x[0][2], x[0][3], x[1][1], x[0][5]]])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[2, 1]), normal(&[2])], "select_scatter: item 1 is 1, of axis 1, which has size 1"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: slice_assign, index_put, select_scatter);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s;

    /// `a = np.arange(12).reshape(3, 4); a[...] = ...; a.ravel().tolist()`
    #[test]
    fn parts_are_replaced_as_in_numpy() {
        let a = Tensor::arange(12).unwrap().reshape(&[3, 4]).unwrap();
        let values = |x: Result<Tensor>| x.unwrap().to_vec::<i64>().unwrap();
        // a[::-1, 0] = [7, 8, 9]
        let column = Tensor::from(vec![7_i64, 8, 9]);
        assert_eq!(values(a.slice_assign(s![..; -1, 0], &column)), [9, 1, 2, 3, 8, 5, 6, 7, 7, 9, 10, 11]);
        // a[[0, 2], 1:3] = [[1], [2]]
        let rows = Tensor::from(vec![0_i64, 2]);
        let block = Tensor::from_rows(&[[-1_i64], [-2]]).unwrap();
        assert_eq!(values(a.slice_assign(s![&rows, 1..3], &block)), [0, -1, -1, 3, 4, 5, 6, 7, 8, -2, -2, 11]);
        // a[a % 2 == 0] = 0
        let even = a.remainder(2).unwrap().eq(0).unwrap();
        assert_eq!(values(a.slice_assign(s![&even], 0)), [0, 1, 0, 3, 0, 5, 0, 7, 0, 9, 0, 11]);
        // a[[0, 2], ..., [1, 3]] = 0, and a[[[0], [2]], [1, 3]] = 0
        let columns = Tensor::from(vec![1_i64, 3]);
        let apart = a.slice_assign(s![&rows, crate::Ellipsis, &columns], 0);
        assert_eq!(values(apart), [0, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0]);
        let outer = a.slice_assign(s![rows.unsqueeze(1).unwrap(), &columns], 0);
        assert_eq!(values(outer), [0, 0, 2, 0, 4, 5, 6, 7, 8, 0, 10, 0]);
        // a[1] = [[4, 3, 2, 1]]
        let row = Tensor::from([[[4_i64, 3, 2, 1]]]);
        assert_eq!(values(a.slice_assign(s![1], &row)), [0, 1, 2, 3, 4, 3, 2, 1, 8, 9, 10, 11]);
        // np.add.at(a, ([0, 0, 2], [1, 1, 3]), 5)
        let (i, j) = (Tensor::from([0_i64, 0, 2]), Tensor::from([1_i64, 1, 3]));
        assert_eq!(values(a.index_put([&i, &j], 5, true)), [0, 11, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16]);
        let words = a.index_put([&i], i64::MAX, true).unwrap_err().to_string();
        assert_eq!(words, "index_put: a sum of integers does not fit i64");
        // An empty part, and everything.
        assert_eq!(values(a.slice_assign(s![1..1], 5)), values(Ok(a.clone())));
        assert_eq!(values(a.slice_assign(s![], 5)), [5; 12]);
    }
}
