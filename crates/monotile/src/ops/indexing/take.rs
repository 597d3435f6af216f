//! Elements by their numbers in row-major order, and along an axis with indices that broadcast: `take`, `take_along_dim`.

use super::items::from_zero;
use crate::check;
use crate::error::{Error, Result};
use crate::ops::index::{gather_inside, select, select_inside};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Index and slice: elements by index
///
/// An index names an element, counted from the end where it is negative.
impl Tensor {
    /// The elements whose numbers in row-major order `indices` holds, in its shape. Negative ones count from the end.
    ///
    /// # Gradient
    /// The cotangent at these elements, added up where indices repeat.
    ///
    /// # Errors
    /// If the indices are not i64, or one is no element's.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1.0_f32, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(a.take(&Tensor::from(vec![2_i64, -1]))?.to_vec::<f32>()?, [3.0, 4.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn take(&self, indices: &Tensor) -> Result<Tensor> {
        let indices = &check::indices("take", indices)?;
        let words = |index| format!("take: index {index} names no element of a tensor of shape {:?}", self.shape());
        let (x, numbers) = (self.reshape(&[self.len()])?, indices.contiguous_detached("take")?.reshape(&[indices.len()])?);
        // Most indices count from the start: others are looked for where one is met.
        let found = match select_inside("take", &x, 0, &numbers)? {
            Some(found) => found,
            None => select("take", &x, 0, from_zero("take", &numbers, self.len(), words)?)?,
        };
        found.reshape(indices.shape())
    }

    /// An element along an axis for each index, as [`gather`](Tensor::gather); outside the axis the shapes broadcast, and negative indices
    /// count from the end.
    ///
    /// What [`argsort`](Tensor::argsort) or [`argmax`](Tensor::argmax) with `keepdim` found is taken by it.
    ///
    /// # Gradient
    /// As of [`gather`](Tensor::gather).
    ///
    /// # Errors
    /// If the indices are no integers or one is outside the axis, there is no such axis, or the shapes do not broadcast outside it.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[3.0_f32, 1.0, 2.0], [4.0, 6.0, 5.0]])?;
    /// let last = Tensor::from_rows(&[[-1_i64]])?;
    /// assert_eq!(a.take_along_dim(&last, 1)?.to_vec::<f32>()?, [2.0, 5.0]);
    /// assert_eq!(a.take_along_dim(&a.argsort(1, false)?, 1)?.to_vec::<f32>()?, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "take_along_axis")]
    #[track_caller]
    pub fn take_along_dim(&self, indices: &Tensor, axis: isize) -> Result<Tensor> {
        let d = check::axis("take_along_dim", axis, self.rank())?;
        let indices = &check::indices("take_along_dim", indices)?;
        if indices.rank() != self.rank() {
            let (a, b) = (self.shape(), indices.shape());
            return Err(Error::shape(format!("take_along_dim: a tensor of shape {a:?} and indices of shape {b:?} differ in rank")));
        }
        let with_size = |shape: &[usize], size: usize| -> Dims {
            shape.iter().enumerate().map(|(k, &n)| if k == d { size } else { n }).collect()
        };
        let outside = check::broadcast("take_along_dim", &with_size(self.shape(), 1), &with_size(indices.shape(), 1))?;
        let words = |index| format!("take_along_dim: index {index} is outside axis {axis}");
        let (size, count) = (self.shape()[d], indices.shape()[d]);
        let x = self.expand(&with_size(&outside, size))?;
        let all = with_size(&outside, count);
        // Most indices count from the start: others are looked for where one is met.
        match gather_inside(&x, d, &indices.expand(&all)?.contiguous_detached("take_along_dim")?)? {
            Some(found) => Ok(found),
            None => x.gather(axis, &from_zero("take_along_dim", indices, size, words)?.expand(&all)?),
        }
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let indices = |index: &[i64], shape: &[usize]| Tensor::from_slice(index, shape).expect("as many as the shape holds");
    vec![
        Spec::new("take", |x| Ok(vec![x[0].take(&x[1])?]))
            .sample("a matrix of numbers", vec![normal(&[2, 3]), indices(&[5, 0, -1, -6], &[2, 2])])
            .sample("no numbers", vec![normal(&[2, 3]), indices(&[], &[0, 2])])
            .reference(|x| vec![x[1].iter().map(|&i| x[0][(i as i64).rem_euclid(6) as usize]).collect()])
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[2, 3]), indices(&[-7], &[1])],
                "take: index -7 names no element of a tensor of shape [2, 3], which has size 6",
            ),
        Spec::new("take_along_dim", |x| Ok(vec![x[0].take_along_dim(&x[1], 1)?]))
            .sample("indices that broadcast", vec![normal(&[2, 3]), indices(&[2, -3, 2, 1], &[1, 4])])
            .sample("a tensor that broadcasts", vec![normal(&[1, 3]), indices(&[2, -3, 2, 1], &[2, 2])])
            .shaped_reference(|x, s| {
                let count = s[1][1];
                let at = |k: usize| (k / count % s[0][0], x[1][k % x[1].len()] as i64);
                vec![(0..2 * count).map(|k| x[0][at(k).0 * 3 + at(k).1.rem_euclid(3) as usize]).collect()]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[2, 3]), indices(&[0, 3], &[2, 1])],
                "take_along_dim: index 3 is outside axis 1, which has size 3",
            )
            .refuses(
                vec![normal(&[2, 3]), indices(&[0], &[1])],
                "take_along_dim: a tensor of shape [2, 3] and indices of shape [1] differ in rank",
            )
            .refuses(
                vec![normal(&[2, 3]), indices(&[0; 3], &[3, 1])],
                "take_along_dim: shapes [2, 1] and [3, 1] do not broadcast; sizes must be equal or 1, from the last",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: take, take_along_dim);
