//! Elements repeated: whole tensors (`tile`, `repeat`), each element (`repeat_interleave`), and matrices along a diagonal (`block_diag`).

use std::borrow::Borrow;

use super::cat::borrowed;
use crate::check;
use crate::error::{Error, Placed, Result};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{DType, Device, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reshape and join: repetition
///
/// Copies of a tensor beside each other, or of each of its slices.
impl Tensor {
    /// This tensor side by side with itself, `repeats[d]` times along dimension d: a copy. [`expand`](Tensor::expand) repeats sizes of 1 without one.
    ///
    /// New dimensions appear in front, of the result where there are more repeats than dimensions.
    ///
    /// # Gradient
    /// The sum of the cotangent over all copies.
    ///
    /// # Errors
    /// If there are fewer repeats than dimensions; [`tile`](Tensor::tile) takes those too.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(2)?;
    /// assert_eq!(a.repeat(&[2, 2])?.to_vec::<i64>()?, [0, 1, 0, 1, 0, 1, 0, 1]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn repeat(&self, repeats: impl AsRef<[usize]>) -> Result<Tensor> {
        let repeats = repeats.as_ref();
        if repeats.len() < self.rank() {
            return Err(Error::shape(format!(
                "repeat: {} repeats {repeats:?} for a tensor of shape {:?}; tile takes fewer than there are dimensions",
                repeats.len(),
                self.shape()
            )));
        }
        repeated("repeat", self, repeats)
    }

    /// [`repeat`](Tensor::repeat) as NumPy has it: where there are fewer repeats than dimensions, those count from the last.
    ///
    /// # Errors
    /// If a tensor cannot have so many elements.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1_i64], [2]])?;
    /// assert_eq!(a.tile(&[3])?.to_vec::<i64>()?, [1, 1, 1, 2, 2, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn tile(&self, repeats: impl AsRef<[usize]>) -> Result<Tensor> {
        repeated("tile", self, repeats.as_ref())
    }

    /// Each slice along an axis repeated: a number of times, or as often as a vector of i64 says for each.
    ///
    /// # Gradient
    /// The sum of the cotangent over the copies of a slice.
    ///
    /// # Errors
    /// If there is no such axis, a count is negative, or the counts are no vector of i64 with one for each slice.
    ///
    /// # Cost
    /// Linear. Counts of a tensor are read back, since the size of the result depends on them.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(3)?;
    /// assert_eq!(a.repeat_interleave(2, 0)?.to_vec::<i64>()?, [0, 0, 1, 1, 2, 2]);
    /// assert_eq!(a.repeat_interleave(&Tensor::from(vec![1_i64, 0, 3]), 0)?.to_vec::<i64>()?, [0, 2, 2, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "repeat")]
    #[track_caller]
    pub fn repeat_interleave(&self, repeats: impl TensorOrNumber, axis: isize) -> Result<Tensor> {
        interleaved(self, repeats.value(), axis)
    }

    /// Matrices along the diagonal of a larger one, and 0 elsewhere. Vectors are rows, and numbers matrices of one element.
    ///
    /// # Gradient
    /// The blocks of the cotangent.
    ///
    /// # Errors
    /// If there is no tensor, one has more than two dimensions, or their types differ.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let (a, b) = (Tensor::from_rows(&[[1.0_f64], [2.0]])?, Tensor::from_rows(&[[3.0_f64, 4.0]])?);
    /// assert_eq!(Tensor::block_diag(&[&a, &b])?.to_vec::<f64>()?, [1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 3.0, 4.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn block_diag<T: Borrow<Tensor>>(tensors: impl AsRef<[T]>) -> Result<Tensor> {
        block_diag(&borrowed(tensors.as_ref()))
    }
}

#[track_caller]
fn block_diag(tensors: &[&Tensor]) -> Result<Tensor> {
    let matrix = |t: &&Tensor| match t.rank() {
        0 => t.reshape(&[1, 1]),
        1 => t.unsqueeze(0),
        2 => Ok((*t).clone()),
        _ => Err(Error::shape(format!("block_diag: takes matrices, got a tensor of shape {:?}", t.shape()))),
    };
    let blocks = tensors.iter().map(matrix).collect::<Result<Vec<_>>>().placed()?;
    if blocks.is_empty() {
        return Err(Error::value("block_diag: there is no matrix"));
    }
    if let Some(block) = blocks.iter().find(|block| block.dtype() != blocks[0].dtype()) {
        let (a, b) = (blocks[0].dtype(), block.dtype());
        return Err(Error::dtype(format!("block_diag: takes matrices of one type, got {a} and {b}; cast with to_dtype")));
    }
    let columns = blocks.iter().fold(0, |sum: usize, block| sum.saturating_add(block.shape()[1]));
    let mut before = 0_usize;
    let row = |block: &Tensor| {
        let (left, width) = (before, block.shape()[1]);
        before = left.saturating_add(width);
        block.pad(1, left, columns.saturating_sub(before), 0.0)
    };
    let rows = blocks.iter().map(row).collect::<Result<Vec<_>>>().placed()?;
    Tensor::cat(&rows, 0)
}

#[track_caller]
fn repeated(op: &str, x: &Tensor, repeats: &[usize]) -> Result<Tensor> {
    let rank = x.rank().max(repeats.len());
    let size = |d: usize| (d + x.rank()).checked_sub(rank).map_or(1, |d| x.shape()[d]);
    let times = |d: usize| (d + repeats.len()).checked_sub(rank).map_or(1, |d| repeats[d]);
    let result: Dims = (0..rank).map(|d| size(d).saturating_mul(times(d))).collect();
    check::shape(op, &result)?;
    // A dimension of copies stands before each that is copied.
    let apart: Dims = (0..rank).flat_map(|d| [1, size(d)]).collect();
    let copied: Dims = (0..rank).flat_map(|d| [times(d), size(d)]).collect();
    x.reshape(&apart)?.expand(&copied)?.reshape(&result)
}

#[track_caller]
fn interleaved(x: &Tensor, repeats: OperandValue<'_>, axis: isize) -> Result<Tensor> {
    let d = check::axis("repeat_interleave", axis, x.rank())?;
    let size = x.shape()[d];
    let counts = match repeats {
        OperandValue::Tensor(counts) if counts.dtype().is_integer() && counts.shape() == [size] => {
            counts.to(&Device::cpu())?.to_dtype(DType::I64)?.to_vec::<i64>()?
        }
        OperandValue::Integer(n) if n >= 0 => {
            let times = usize::try_from(n).unwrap_or(usize::MAX);
            let mut shape: Dims = x.shape().into();
            shape[d] = size.saturating_mul(times);
            check::shape("repeat_interleave", &shape)?;
            let mut copied: Dims = x.shape().into();
            copied.insert(d + 1, times);
            return x.unsqueeze(d as isize + 1)?.expand(&copied)?.reshape(&shape);
        }
        OperandValue::Tensor(counts) => {
            let (dtype, shape) = (counts.dtype(), counts.shape());
            return Err(Error::shape(format!(
                "repeat_interleave: counts for axis {axis} must be integers of shape [{size}], got {dtype} of shape {shape:?}"
            )));
        }
        other => return Err(Error::value(format!("repeat_interleave: a slice cannot be repeated {other} times"))),
    };
    if let Some(count) = counts.iter().find(|&&count| count < 0) {
        return Err(Error::value(format!("repeat_interleave: a slice cannot be repeated {count} times")));
    }
    let total = counts.iter().fold(0, |sum: usize, &count| sum.saturating_add(count as usize));
    let mut shape: Dims = x.shape().into();
    shape[d] = total;
    check::shape("repeat_interleave", &shape)?;
    let mut numbers = counts.iter().enumerate().flat_map(|(k, &count)| std::iter::repeat_n(k as i64, count as usize));
    let indices = Tensor::from_fn_i64("repeat_interleave", &[total], |_| numbers.next().unwrap_or_default())?;
    x.index_select(d as isize, &indices.to(&x.device())?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let counts = |counts: &[i64]| Tensor::from_slice(counts, &[counts.len()]).expect("a vector");
    let times = |n: i64| Spec::new("repeat_interleave", move |x| Ok(vec![x[0].repeat_interleave(n, 1)?]));
    vec![
        Spec::new("repeat", |x| Ok(vec![x[0].repeat(&[2, 1, 3])?]))
            .sample("a new dimension", vec![normal(&[2, 2])])
            .reference(|x| vec![(0..24).map(|k| x[0][k / 6 % 2 * 2 + k % 2]).collect()])
            .orders(2)
            .refuses(
                vec![normal(&[1, 1, 1, 1])],
                "repeat: 3 repeats [2, 1, 3] for a tensor of shape [1, 1, 1, 1]; tile takes fewer than there are dimensions",
            ),
        Spec::new("tile", |x| Ok(vec![x[0].tile(&[2])?]))
            .sample("fewer repeats than dimensions", vec![normal(&[2, 3])])
            .sample("a number", vec![normal(&[])])
            .reference(|x| {
                let n = if x[0].len() == 1 { 1 } else { 3 };
                vec![x[0].chunks(n).flat_map(|row| [row, row].concat()).collect()]
            })
            .orders(2),
        times(2)
            .sample("a number of times", vec![normal(&[2, 3])])
            .reference(|x| vec![x[0].iter().flat_map(|&v| [v, v]).collect()])
            .orders(2),
        times(0).sample("never", vec![normal(&[2, 3])]).reference(|_| vec![vec![]]).may_drop_nan().orders(2),
        times(-1).refuses(vec![normal(&[2, 3])], "repeat_interleave: a slice cannot be repeated -1 times"),
        Spec::new("repeat_interleave", |x| Ok(vec![x[0].repeat_interleave(&x[1], 0)?]))
            .sample("as often as it says", vec![normal(&[3, 2]), counts(&[1, 0, 2])])
            .reference(|x| vec![[&x[0][..2], &x[0][4..], &x[0][4..]].concat()])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[2]), counts(&[1, -2])], "repeat_interleave: a slice cannot be repeated -2 times")
            .refuses(
                vec![normal(&[2]), counts(&[1])],
                "repeat_interleave: counts for axis 0 must be integers of shape [2], got i64 of shape [1]",
            ),
        Spec::new("block_diag", |x| Ok(vec![Tensor::block_diag(x)?]))
            .sample("a matrix, a row and a number", vec![normal(&[2, 1]), normal(&[2]), normal(&[])])
            .reference(|x| {
                let (a, b, c) = (&x[0], &x[1], x[2][0]);
                vec![vec![a[0], 0.0, 0.0, 0.0, a[1], 0.0, 0.0, 0.0, 0.0, b[0], b[1], 0.0, 0.0, 0.0, 0.0, c]]
            })
            .orders(2)
            .refuses(vec![], "block_diag: there is no matrix")
            .refuses(vec![normal(&[1, 1, 1])], "block_diag: takes matrices, got a tensor of shape [1, 1, 1]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: repeat_interleave, repeat, tile, block_diag);
