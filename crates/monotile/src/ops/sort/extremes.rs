//! The largest and smallest elements along an axis, the one of a rank, and the most frequent one.

use super::{exchanged, not_empty, picked, rows};
use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Sort and search: largest, least and most frequent
///
/// Along an axis, without sorting all of it.
impl Tensor {
    /// The `k` largest elements along `axis`, or the smallest, in decreasing or increasing order, and their indices as i64. Of equal ones those that come first.
    ///
    /// NaN is greater than every number.
    ///
    /// # Gradient
    /// The cotangent of an element where it came from.
    ///
    /// # Errors
    /// If the axis does not exist, or has fewer elements.
    ///
    /// # Cost
    /// The axis is looked through once, beside a list of at most 2 `k` candidates. Where `k` is over an eighth of the axis, it is partitioned.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1_i64, 7, 3, 7, 5], &[5])?;
    /// let (values, index) = x.topk(3, 0, true)?;
    /// assert_eq!(values.to_vec::<i64>()?, [7, 7, 5]);
    /// assert_eq!(index.to_vec::<i64>()?, [1, 3, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "argpartition")]
    #[doc(alias = "top_k")]
    #[track_caller]
    pub fn topk(&self, k: usize, axis: isize, largest: bool) -> Result<(Tensor, Tensor)> {
        let axis = check::axis("topk", axis, self.rank())?;
        let n = self.shape()[axis];
        if k > n {
            return Err(Error::value(format!("topk: k is {k}, and axis {axis} of shape {:?} has {n} elements", self.shape())));
        }
        let index = exchanged(&door::sort::smallest("topk", &rows("topk", self, axis)?, k, largest)?, axis)?;
        Ok((self.gather(axis as isize, &index)?, index))
    }

    /// The `k`-th smallest element along `axis`, counted from 1, and its index as i64. The axis disappears, or stays with size 1 where `keepdim` is set.
    ///
    /// The lower of two middle elements, which PyTorch's `median` returns, is that of (n + 1) / 2.
    ///
    /// # Gradient
    /// Of the element that the index names.
    ///
    /// # Errors
    /// If the axis does not exist, or `k` is not in 1 … n for its size n.
    ///
    /// # Cost
    /// Linear on average: a selection, not a sort.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[4.0_f64, 1.0, 3.0], &[3])?;
    /// let (value, index) = x.kthvalue(2, 0, false)?;
    /// assert_eq!((value.item::<f64>()?, index.item::<i64>()?), (3.0, 2));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "partition")]
    #[track_caller]
    pub fn kthvalue(&self, k: usize, axis: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axis = check::axis("kthvalue", axis, self.rank())?;
        let n = self.shape()[axis];
        if k == 0 || k > n {
            return Err(Error::value(format!(
                "kthvalue: k is {k}; it must be from 1 to {n}, the size of axis {axis} of shape {:?}",
                self.shape()
            )));
        }
        let places = exchanged(&door::sort::of_ranks("kthvalue", &rows("kthvalue", self, axis)?, &[k - 1], false)?, axis)?;
        picked(self, axis, &places, keepdim)
    }

    /// The most frequent element along `axis`, the smallest of several such, and the index of its last occurrence as i64. The axis
    /// disappears, or stays with size 1 where `keepdim` is set.
    ///
    /// # Gradient
    /// Of the element that the index names.
    ///
    /// # Errors
    /// If the axis does not exist or has no elements.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[2_i64, 1, 1, 2, 3], &[5])?;
    /// let (value, index) = x.mode(0, false)?;
    /// assert_eq!((value.item::<i64>()?, index.item::<i64>()?), (1, 2));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn mode(&self, axis: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axis = check::axis("mode", axis, self.rank())?;
        not_empty("mode", self, axis)?;
        let places = exchanged(&door::sort::mode("mode", &rows("mode", self, axis)?)?, axis)?;
        picked(self, axis, &places, keepdim)
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    /// The columns of a matrix of four, or its rows, in increasing order, by their places.
    fn orders(x: &[f64], axis: isize) -> Vec<Vec<usize>> {
        let lines = if axis == 0 { 4 } else { x.len() / 4 };
        let line = |line: usize| {
            let mut places: Vec<usize> =
                if axis == 0 { (line..x.len()).step_by(4).collect() } else { (line * 4..line * 4 + 4).collect() };
            places.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
            places
        };
        (0..lines).map(line).collect()
    }
    // Normal numbers do not lie within a difference quotient's step of each other.
    vec![
        Spec::new("topk", |x| {
            let (values, index) = x[0].topk(2, -1, true)?;
            Ok(vec![values, index])
        })
        .sample("matrix", vec![normal(&[3, 4])])
        .sample("empty", vec![normal(&[0, 4])])
        .reference(|x| {
            let places: Vec<usize> = orders(&x[0], 1).iter().flat_map(|order| [order[3], order[2]]).collect();
            vec![places.iter().map(|&p| x[0][p]).collect(), places.iter().map(|p| (p % 4) as f64).collect()]
        })
        .orders(2),
        Spec::new("topk of columns", |x| Ok(vec![x[0].topk(2, 0, false)?.0]))
            .sample("matrix", vec![normal(&[5, 4])])
            .reference(|x| {
                let orders = orders(&x[0], 0);
                vec![(0..8).map(|i| x[0][orders[i % 4][i / 4]]).collect()]
            })
            .orders(2)
            .refuses(vec![normal(&[1, 4])], "topk: k is 2, and axis 0 of shape [1, 4] has 1 elements"),
        Spec::new("kthvalue", |x| {
            let (value, index) = x[0].kthvalue(2, 1, false)?;
            Ok(vec![value, index])
        })
        .sample("matrix", vec![normal(&[3, 4])])
        .sample("empty", vec![normal(&[0, 4])])
        .reference(|x| {
            let places: Vec<usize> = orders(&x[0], 1).iter().map(|order| order[1]).collect();
            vec![places.iter().map(|&p| x[0][p]).collect(), places.iter().map(|p| (p % 4) as f64).collect()]
        })
        .orders(2)
        .refuses(vec![normal(&[3, 1])], "kthvalue: k is 2; it must be from 1 to 1, the size of axis 1 of shape [3, 1]"),
        // All differ, so that the smallest is the most frequent.
        Spec::new("mode", |x| Ok(vec![x[0].mode(0, true)?.0]))
            .sample("matrix", vec![normal(&[3, 4])])
            .reference(|x| vec![orders(&x[0], 0).iter().map(|order| x[0][order[0]]).collect()])
            .orders(2)
            .refuses(vec![normal(&[0, 4])], "mode: axis 0 of shape [0, 4] has no elements to choose from"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: topk, topk_of_columns, kthvalue, mode);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_the_largest_as_in_pytorch() {
        // torch.topk(tensor([1., nan, 3., inf]), 2), with largest=False, and torch.kthvalue of the same for k = 4
        let x = Tensor::from_slice(&[1.0_f64, f64::NAN, 3.0, f64::INFINITY], &[4]).unwrap();
        assert_eq!(x.topk(2, 0, true).unwrap().1.to_vec::<i64>().unwrap(), [1, 3]);
        assert_eq!(x.topk(2, 0, false).unwrap().0.to_vec::<f64>().unwrap(), [1.0, 3.0]);
        assert_eq!(x.kthvalue(4, 0, false).unwrap().1.item::<i64>().unwrap(), 1);
    }

    #[test]
    fn no_elements_of_an_axis_are_chosen_where_none_are_asked_for() {
        assert_eq!(normal(&[3, 4]).topk(0, 1, true).unwrap().0.shape(), [3, 0]);
        assert_eq!(normal(&[0]).topk(0, 0, true).unwrap().1.shape(), [0]);
    }

    #[test]
    fn the_smallest_of_the_most_frequent_elements_is_the_mode_as_in_pytorch() {
        // torch.mode(tensor([[3, 1, 3, 1], [5, 5, 5, 0]]), 1), and the values of the same along axis 0
        let x = Tensor::from_slice(&[3_i64, 1, 3, 1, 5, 5, 5, 0], &[2, 4]).unwrap();
        let (value, index) = x.mode(1, false).unwrap();
        assert_eq!((value.to_vec::<i64>().unwrap(), index.to_vec::<i64>().unwrap()), (vec![1, 5], vec![3, 2]));
        assert_eq!(x.mode(0, false).unwrap().0.to_vec::<i64>().unwrap(), [3, 1, 3, 0]);
    }
}
