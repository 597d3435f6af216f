//! Elements in order along an axis, and the order itself.

use super::{exchanged, rows};
use crate::check;
use crate::door;
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Sort and search: sort
///
/// Along an axis, stably, with NaN last.
impl Tensor {
    /// The elements in increasing or decreasing order along `axis`, and their indices along it as i64: yⱼ = x\[indexⱼ\].
    ///
    /// NaN is greater than every number: last in increasing order, first in decreasing. -0 equals 0. Equal elements keep their order both ways, as
    /// under PyTorch's `stable=True`. Integers and booleans are sorted too.
    ///
    /// # Gradient
    /// The cotangent of an element where it came from: x̄\[indexⱼ\] = ȳⱼ.
    ///
    /// # Errors
    /// If the axis does not exist.
    ///
    /// # Cost
    /// Linear in the number of elements: digits of eleven bits, over threads. Beside the results, 16 bytes for each element of a row, or 32 for types of 64 bits.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[2.0_f32, f32::NAN, -1.0, 2.0], &[4])?;
    /// let (sorted, index) = x.sort(0, false)?;
    /// assert_eq!(sorted.slice(0, ..3)?.to_vec::<f32>()?, [-1.0, 2.0, 2.0]);
    /// assert_eq!(index.to_vec::<i64>()?, [2, 0, 3, 1]);
    /// assert_eq!(x.argsort(0, true)?.to_vec::<i64>()?, [1, 0, 3, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "msort")]
    #[track_caller]
    pub fn sort(&self, axis: isize, descending: bool) -> Result<(Tensor, Tensor)> {
        let axis = check::axis("sort", axis, self.rank())?;
        let (values, index) = door::sort::sort("sort", &rows("sort", self, axis)?, descending)?;
        let (values, index) = (exchanged(&values, axis)?, exchanged(&index, axis)?);
        if values.dtype().is_float() {
            return Ok((Tensor::record(values, &[self], Sort { axis: axis as isize, index: index.clone() }), index));
        }
        Ok((values, index))
    }

    /// The indices along `axis` that [`sort`](Tensor::sort) returns, alone.
    ///
    /// # Errors
    /// If the axis does not exist.
    #[doc(alias = "lexsort")]
    #[track_caller]
    pub fn argsort(&self, axis: isize, descending: bool) -> Result<Tensor> {
        let axis = check::axis("argsort", axis, self.rank())?;
        exchanged(&door::sort::argsort("argsort", &rows("argsort", self, axis)?, descending)?, axis)
    }
}

struct Sort {
    axis: isize,
    index: Tensor,
}

impl Gradient for Sort {
    fn name(&self) -> &'static str {
        "sort"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // x̄[indexⱼ] = ȳⱼ
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let zeros = g.zeros_beside(saved.input_shape(0), saved.input_dtype(0).compute())?;
        Ok(vec![Some(zeros.scatter_add(self.axis, &self.index, g)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Normal numbers do not lie within a difference quotient's step of each other.
    let record = |axis: isize, descending: bool| {
        Spec::new("sort", move |x| {
            let (values, index) = x[0].sort(axis, descending)?;
            Ok(vec![values, index, x[0].argsort(axis, descending)?])
        })
        .sample("matrix", vec![normal(&[3, 4])])
        .sample("empty", vec![normal(&[0, 4])])
        .reference(move |x| {
            let rows = x[0].len() / 4;
            let (mut values, mut index) = (x[0].clone(), vec![0.0; x[0].len()]);
            let (lines, n) = if axis == 0 { (4, rows) } else { (rows, 4) };
            for line in 0..lines {
                let at = |j: usize| if axis == 0 { j * 4 + line } else { line * 4 + j };
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(
                    |&a, &b| if descending { x[0][at(b)].total_cmp(&x[0][at(a)]) } else { x[0][at(a)].total_cmp(&x[0][at(b)]) },
                );
                for (j, &from) in order.iter().enumerate() {
                    (values[at(j)], index[at(j)]) = (x[0][at(from)], from as f64);
                }
            }
            vec![values, index.clone(), index]
        })
        .orders(2)
    };
    vec![
        record(0, false),
        record(-1, true),
        Spec::new("sort", |x| Ok(vec![x[0].sort(1, false)?.0]))
            .refuses(vec![normal(&[3])], "sort: axis 1 is not an axis of a tensor of rank 1"),
        Spec::new("argsort", |x| Ok(vec![x[0].argsort(0, false)?]))
            .refuses(vec![normal(&[])], "argsort: axis 0 is not an axis of a tensor of rank 0"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: sort, argsort);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    #[test]
    fn equal_elements_zeros_and_nan_lie_as_in_pytorch() {
        // torch.sort(tensor([0., nan, -0., 2., -inf, nan, 0.]), stable=True), and with descending=True
        let x = Tensor::from_slice(&[0.0_f64, f64::NAN, -0.0, 2.0, f64::NEG_INFINITY, f64::NAN, 0.0], &[7]).unwrap();
        let (values, index) = x.sort(0, false).unwrap();
        assert_eq!(index.to_vec::<i64>().unwrap(), [4, 0, 2, 6, 3, 1, 5]);
        let values = values.to_vec::<f64>().unwrap();
        assert!(values[..5] == [f64::NEG_INFINITY, 0.0, 0.0, 0.0, 2.0] && values[5].is_nan() && values[6].is_nan());
        assert_eq!(values[1..4].iter().map(|x| x.is_sign_negative()).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(x.argsort(-1, true).unwrap().to_vec::<i64>().unwrap(), [1, 5, 3, 0, 2, 6, 4]);
    }

    #[test]
    fn integers_booleans_and_halves_are_sorted_too() {
        let odd = (1_i64 << 53) + 1;
        let x = Tensor::from_slice(&[odd, odd - 1, i64::MIN, -1, i64::MAX, 0], &[2, 3]).unwrap();
        let (values, index) = x.sort(1, false).unwrap();
        assert_eq!(values.to_vec::<i64>().unwrap(), [i64::MIN, odd - 1, odd, -1, 0, i64::MAX]);
        assert_eq!(index.to_vec::<i64>().unwrap(), [2, 1, 0, 0, 2, 1]);
        let mask = Tensor::from_slice(&[true, false, true], &[3]).unwrap();
        assert_eq!(mask.sort(0, true).unwrap().0.to_vec::<bool>().unwrap(), [true, true, false]);
        let half = Tensor::from_slice(&[2.0_f32, -1.0, 1.5], &[3]).unwrap().to_dtype(DType::BF16).unwrap();
        assert_eq!(half.sort(0, false).unwrap().0.to_f64_vec().unwrap(), [-1.0, 1.5, 2.0]);
    }

    #[test]
    fn repeated_and_empty_axes_are_sorted() {
        let x = Tensor::from_slice(&[3_i64, 1], &[2, 1]).unwrap().expand(&[2, 3]).unwrap();
        assert_eq!(x.sort(0, false).unwrap().0.to_vec::<i64>().unwrap(), [1, 1, 1, 3, 3, 3]);
        assert_eq!(x.argsort(1, true).unwrap().to_vec::<i64>().unwrap(), [0, 1, 2, 0, 1, 2]);
        assert_eq!(normal(&[2, 0]).sort(1, false).unwrap().0.shape(), [2, 0]);
    }
}
