//! Slices along an axis replaced or added to by index: `index_copy`, `index_fill`, `index_add`.

use super::scatter::{ScatterReduction, of_integers};
use crate::check;
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::ops::index::add_slices;
use crate::tape::{Gradient, Saved};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Index and slice: slices replaced
///
/// An index names a slice along an axis.
impl Tensor {
    /// This tensor with slices along an axis replaced: `out[…, indices[j], …] = source[…, j, …]`
    ///
    /// `indices` is a vector of integers from 0. `source` has this tensor's shape, but as many slices as there are indices; it is cast to this tensor's
    /// type. Where indices repeat, the last one's slice stays, whatever the number of threads.
    ///
    /// # Gradient
    /// Of this tensor the cotangent, 0 where a slice was replaced; of `source` the cotangent where its slice stayed.
    ///
    /// # Errors
    /// If there is no such axis, the indices are no vector of i64, one is outside the axis, the shapes do not fit, or integers or booleans
    /// meet another type.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_slice(&[1.0_f32, 2.0, 3.0], &[3])?;
    /// let source = Tensor::from_slice(&[7.0_f32, 8.0], &[2])?;
    /// assert_eq!(a.index_copy(0, &Tensor::from(vec![2_i64, 0]), &source)?.to_vec::<f32>()?, [8.0, 2.0, 7.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn index_copy(&self, axis: isize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
        let (d, indices) = vector("index_copy", self, axis, indices)?;
        check_source("index_copy", self, d, &indices, source)?;
        put("index_copy", self, d, indices, &cast("index_copy", self, OperandValue::Tensor(source))?)
    }

    /// This tensor with one value in the slices along an axis that `indices` name: a number, or a tensor of one element.
    ///
    /// # Gradient
    /// Of this tensor the cotangent, 0 where it was replaced; of the value the sum of the cotangent there.
    ///
    /// # Errors
    /// As [`index_copy`](Tensor::index_copy), and if the value has dimensions.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1_i64, 2], [3, 4]])?;
    /// assert_eq!(a.index_fill(1, &Tensor::from(vec![0_i64]), 9)?.to_vec::<i64>()?, [9, 2, 9, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn index_fill(&self, axis: isize, indices: &Tensor, value: impl TensorOrNumber) -> Result<Tensor> {
        let (d, indices) = vector("index_fill", self, axis, indices)?;
        let value = cast("index_fill", self, value.value())?;
        if value.rank() > 0 {
            return Err(Error::shape(format!("index_fill: takes one value, got a tensor of shape {:?}", value.shape())));
        }
        let source = value.expand(&with_size(self.shape(), d, indices.len()))?;
        put("index_fill", self, d, indices, &source)
    }

    /// This tensor with slices added along an axis: `out[…, indices[j], …] += source[…, j, …]`
    ///
    /// Shapes are those of [`index_copy`](Tensor::index_copy). Where indices repeat, all is added, in their order. Integers stay integers.
    ///
    /// # Gradient
    /// Of this tensor the cotangent; of `source` its [`index_select`](Tensor::index_select).
    ///
    /// # Errors
    /// As [`index_copy`](Tensor::index_copy), and for booleans, and integers whose sum does not fit i64.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let source = Tensor::from_slice(&[1.0_f64, 10.0, 100.0], &[3])?;
    /// let sums = Tensor::zeros(&[2], DType::F64)?.index_add(0, &Tensor::from(vec![1_i64, 0, 1]), &source)?;
    /// assert_eq!(sums.to_vec::<f64>()?, [10.0, 101.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "segment_sum")]
    #[track_caller]
    pub fn index_add(&self, axis: isize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
        let (d, indices) = vector("index_add", self, axis, indices)?;
        check_source("index_add", self, d, &indices, source)?;
        if self.dtype().is_integer() && source.dtype().is_integer() {
            let mut row = Dims::from_elem(1, self.rank());
            row[d] = indices.len();
            let index = indices.reshape(&row)?.expand(source.shape())?.contiguous_detached("index_add")?;
            return of_integers("index_add", self, d, &index, source, ScatterReduction::Sum);
        }
        let dtype = check::common_float("index_add", self, source)?;
        door::gather::check_range("index_add", &indices, d, self.shape()[d])?;
        let sums = add_slices(&source.to_dtype(dtype)?, d, &indices, self.shape()[d])?;
        self.to_dtype(dtype)?.add(&sums)
    }
}

/// The axis that is named, and a vector of indices.
#[track_caller]
fn vector(op: &str, x: &Tensor, axis: isize, indices: &Tensor) -> Result<(usize, Tensor)> {
    let d = check::axis(op, axis, x.rank())?;
    let indices = check::indices(op, indices)?;
    if indices.rank() != 1 {
        return Err(Error::shape(format!("{op}: indices must be a vector, got shape {:?}", indices.shape())));
    }
    Ok((d, indices.contiguous_detached(op)?))
}

#[track_caller]
fn check_source(op: &str, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<()> {
    let wanted = with_size(x.shape(), axis, indices.len());
    if source.shape() == &wanted[..] {
        return Ok(());
    }
    let (count, shape) = (indices.len(), source.shape());
    Err(Error::shape(format!("{op}: {count} indices need a source of shape {wanted:?}, got {shape:?}")))
}

/// 0, 1, … on the device of a tensor: as f32 on a GPU, whose kernels write those.
#[track_caller]
pub(super) fn numbers_beside(x: &Tensor, count: usize) -> Result<Tensor> {
    let numbers = Tensor::arange(count)?;
    if x.device().is_cpu() { Ok(numbers) } else { numbers.to_dtype(DType::F32)?.to(&x.device()) }
}

/// What is written beside the elements of x, in their type.
#[track_caller]
pub(super) fn cast(op: &str, x: &Tensor, value: OperandValue<'_>) -> Result<Tensor> {
    if let OperandValue::Integer(n) = value {
        let narrow = match x.dtype() {
            DType::U8 => u8::try_from(n).ok().map(Tensor::scalar),
            DType::I32 => i32::try_from(n).ok().map(Tensor::scalar),
            _ => return value.beside(op, x.dtype())?.to_dtype(x.dtype()),
        };
        return narrow.ok_or_else(|| Error::value(format!("{op}: {n} does not fit in a tensor of {}", x.dtype()))).placed();
    }
    let value = value.beside(op, x.dtype())?;
    if value.dtype() == x.dtype() || value.dtype().is_float() && x.dtype().is_float() {
        return value.to_dtype(x.dtype());
    }
    Err(Error::dtype(format!("{op}: {} is written into a tensor of {}; cast with to_dtype", value.dtype(), x.dtype())))
}

fn with_size(shape: &[usize], axis: usize, size: usize) -> Dims {
    shape.iter().enumerate().map(|(d, &n)| if d == axis { size } else { n }).collect()
}

/// [`Tensor::index_copy`] of what was checked.
#[track_caller]
pub(super) fn put(op: &'static str, x: &Tensor, axis: usize, indices: Tensor, source: &Tensor) -> Result<Tensor> {
    let (there, written) = (x.beside(&indices)?.contiguous_detached(op)?, source.beside(&indices)?.contiguous_detached(op)?);
    let out = door::gather::select_put(op, &there, axis, &indices, &written)?;
    if !out.dtype().is_float() {
        return Ok(out);
    }
    Ok(Tensor::record(out, &[x, source], Put { op, axis, indices }))
}

struct Put {
    op: &'static str,
    axis: usize,
    indices: Tensor,
}

impl Gradient for Put {
    fn name(&self) -> &'static str {
        self.op
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // x̄ = ȳ but for the slices that were written, s̄ⱼ = ȳ[indicesⱼ] where no later index is the same
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (size, count) = (saved.input_shape(0)[self.axis], self.indices.len());
        let along = |x: Tensor| -> Result<Tensor> {
            let mut shape = Dims::from_elem(1, g.rank());
            shape[self.axis] = x.len();
            x.reshape(&shape)
        };
        let kept = || -> Result<Tensor> {
            let (none, all) = (Tensor::zeros(&[size], DType::Bool)?, Tensor::ones(&[count], DType::Bool)?);
            let [none, all] = [none.beside(g)?.contiguous_for(self.op)?, all.beside(g)?.contiguous_for(self.op)?];
            let written = door::gather::select_put(self.op, &none, 0, &self.indices, &all)?;
            along(written)?.where_(0.0, g)
        };
        let stayed = || -> Result<Tensor> {
            let numbers = numbers_beside(g, count)?;
            let none = Tensor::zeros(&[size], numbers.dtype())?.beside(g)?.contiguous_for(self.op)?;
            let last = door::gather::select_put(self.op, &none, 0, &self.indices, &numbers)?;
            let is_last = last.index_select(0, &self.indices)?.eq(&numbers)?;
            along(is_last)?.where_(g.index_select(self.axis as isize, &self.indices)?, 0.0)
        };
        Ok(vec![saved.needs(0).then(kept).transpose()?, saved.needs(1).then(stayed).transpose()?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let indices = |index: &[i64]| Tensor::from_slice(index, &[index.len()]).expect("a vector");
    let number = || Tensor::scalar(0.5_f64);
    vec![
        Spec::new("index_copy", |x| Ok(vec![x[0].index_copy(1, &x[2], &x[1])?]))
            .sample("the last of equal indices stays", vec![normal(&[2, 3, 2]), normal(&[2, 3, 2]), indices(&[2, 0, 2])])
            .sample("no indices", vec![normal(&[2, 3, 2]), normal(&[2, 0, 2]), indices(&[])])
            .shaped_reference(|x, s| {
                let mut out = x[0].clone();
                for (at, v) in x[1].iter().enumerate() {
                    let (o, j, i) = (at / (2 * s[2][0]), at / 2 % s[2][0], at % 2);
                    out[(o * 3 + x[2][j] as usize) * 2 + i] = *v;
                }
                vec![out]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[2, 3]), normal(&[2, 2]), indices(&[0])],
                "index_copy: 1 indices need a source of shape [2, 1], got [2, 2]",
            )
            .refuses(vec![normal(&[2, 3]), normal(&[2, 1]), indices(&[-1])], "index_copy: index -1 is outside axis 1 of size 3")
            .refuses(
                vec![normal(&[2, 3]), Tensor::arange(2).unwrap().unsqueeze(1).unwrap(), indices(&[1])],
                "index_copy: i64 is written into a tensor of f64; cast with to_dtype",
            ),
        Spec::new("index_fill", |x| Ok(vec![x[0].index_fill(0, &x[2], &x[1])?]))
            .sample("rows", vec![normal(&[3, 2]), number(), indices(&[2, 0, 2])])
            .reference(|x| vec![[&[x[1][0]; 2][..], &x[0][2..4], &[x[1][0]; 2]].concat()])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[3, 2]), normal(&[2]), indices(&[0])], "index_fill: takes one value, got a tensor of shape [2]"),
        Spec::new("index_add", |x| Ok(vec![x[0].index_add(0, &x[2], &x[1])?]))
            .sample("equal indices", vec![normal(&[3, 2]), normal(&[2, 2]), indices(&[2, 2])])
            .reference(|x| {
                let mut out = x[0].clone();
                (0..4).for_each(|k| out[4 + k % 2] += x[1][k]);
                vec![out]
            })
            .orders(2)
            .refuses(vec![normal(&[3, 2]), normal(&[2, 2]), normal(&[2])], "index_add: indices must be integers, got f64")
            .refuses(
                vec![Tensor::from([true]), Tensor::from([true]), indices(&[0])],
                "index_add: takes floating-point numbers, got bool and bool; cast with to_dtype",
            ),
        Spec::new("index_add of integers", |x| Ok(vec![x[0].index_add(1, &x[2], &x[1])?]))
            .sample(
                "equal indices",
                vec![Tensor::from([[1_i64, 2, 3], [4, 5, 6]]), Tensor::from([[10_i64, 20], [30, 40]]), indices(&[2, 2])],
            )
            .reference(|x| {
                vec![(0..6).map(|k| x[0][k] + if k % 3 == 2 { x[1][k / 3 * 2] + x[1][k / 3 * 2 + 1] } else { 0.0 }).collect()]
            })
            .refuses(
                vec![Tensor::from([[i64::MAX]]), Tensor::from([[1_i64]]), indices(&[0])],
                "index_add: a sum of integers does not fit i64",
            )
            .refuses(
                vec![Tensor::from([[7_i64]]), Tensor::from([[1_i64]]), indices(&[1])],
                "index_add: index 1 is outside axis 1 of size 1",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: index_copy, index_fill, index_add, index_add_of_integers);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_the_tensor_is_kept() {
        let x = Tensor::zeros(&[2], DType::BF16).unwrap();
        let i = Tensor::from(vec![1_i64]);
        assert_eq!(x.index_copy(0, &i, &Tensor::from(vec![1.5_f64])).unwrap().dtype(), DType::BF16);
        assert_eq!(x.index_fill(0, &i, 2).unwrap().to_f64_vec().unwrap(), [0.0, 2.0]);
        let mask = Tensor::from(vec![false, false]);
        assert_eq!(mask.index_fill(0, &i, true).unwrap().to_vec::<bool>().unwrap(), [false, true]);
    }

    #[test]
    fn numbers_are_written_into_narrow_integers_where_they_fit() {
        let (x, i) = (Tensor::from(vec![1_u8, 2]), Tensor::from(vec![1_i64]));
        let mask = x.gt(1).unwrap();
        assert_eq!(x.index_fill(0, &i, 255).unwrap().to_vec::<u8>().unwrap(), [1, 255]);
        assert_eq!(x.masked_fill(&mask, 7).unwrap().to_vec::<u8>().unwrap(), [1, 7]);
        assert_eq!(x.slice_assign(crate::s![1], 8).unwrap().to_vec::<u8>().unwrap(), [1, 8]);
        assert_eq!(x.scatter(0, &i, 9).unwrap().to_vec::<u8>().unwrap(), [1, 9]);
        let y = Tensor::from(vec![1_i32, 2]);
        assert_eq!(y.index_fill(0, &i, i32::MIN).unwrap().to_vec::<i32>().unwrap(), [1, i32::MIN]);
        let words = |x: Result<Tensor>| x.err().unwrap().to_string();
        assert_eq!(words(x.masked_fill(&mask, 256)), "masked_fill: 256 does not fit in a tensor of u8");
        assert_eq!(words(x.index_fill(0, &i, -1)), "index_fill: -1 does not fit in a tensor of u8");
        assert_eq!(words(y.scatter(0, &i, 1_i64 << 31)), "scatter: 2147483648 does not fit in a tensor of i32");
        let fraction = "index_fill: 0.5 stands beside a tensor of u8; take an integer, or cast the tensor with to_dtype";
        assert_eq!(words(x.index_fill(0, &i, 0.5)), fraction);
    }
}
