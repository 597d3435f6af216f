//! The elements that differ.

use crate::door;
use crate::error::Result;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// What [`Tensor::unique`] finds: k elements that differ, in increasing order.
#[derive(Clone)]
pub struct Unique {
    /// The elements: `(k)`.
    pub values: Tensor,
    /// The place of the first occurrence of each in row-major order, as i64: `(k)`.
    pub first: Tensor,
    /// Which of them each element is, as i64, in the shape of the elements: `values[inverse]` is the tensor.
    pub inverse: Tensor,
    /// How often each occurs, as i64: `(k)`.
    pub counts: Tensor,
}

/// # Sort and search: unique elements
///
/// Each once, with its places and its count.
impl Tensor {
    /// The elements that differ, sorted, with first places, counts, and for each element which of them it is.
    ///
    /// As under NumPy's `unique`, all NaN are one value, the last; -0 and 0 are one too.
    ///
    /// # Gradient
    /// Of the values: the cotangent of each at its first occurrence.
    ///
    /// # Errors
    /// If there is no memory for the results.
    ///
    /// # Cost
    /// Up to some four thousand values are counted in a table, over threads; more cost an [`argsort`](Tensor::argsort) of all elements. The
    /// number of values is read back.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[3_i64, 1, 3, 2], &[4])?;
    /// let found = x.unique()?;
    /// assert_eq!(found.values.to_vec::<i64>()?, [1, 2, 3]);
    /// assert_eq!(found.inverse.to_vec::<i64>()?, [2, 0, 2, 1]);
    /// assert_eq!(found.counts.to_vec::<i64>()?, [1, 1, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "unique_counts")]
    #[doc(alias = "unique_inverse")]
    #[track_caller]
    pub fn unique(&self) -> Result<Unique> {
        let x = self.reshape(&[self.len()])?;
        let [first, inverse, counts] = door::sort::unique("unique", &x.contiguous_detached("unique")?)?;
        Ok(Unique { values: x.index_select(0, &first)?, first, inverse: inverse.reshape(self.shape())?, counts })
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Normal numbers do not lie within a difference quotient's step of each other.
    let all = |x: &Tensor| {
        let Unique { values, first, inverse, counts } = x.unique()?;
        Ok(vec![values, first, inverse, counts])
    };
    vec![
        Spec::new("unique", move |x| all(&x[0]))
            .sample("matrix", vec![normal(&[3, 2])])
            .sample("number", vec![normal(&[])])
            .sample("empty", vec![normal(&[0, 2])])
            .reference(|x| {
                let x = &x[0];
                let mut order: Vec<usize> = (0..x.len()).collect();
                order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
                let rank = |a: &f64| x.iter().filter(|b| *b < a).count() as f64;
                let first = order.iter().map(|&i| i as f64).collect();
                vec![order.iter().map(|&i| x[i]).collect(), first, x.iter().map(rank).collect(), vec![1.0; x.len()]]
            })
            .orders(2),
        // Integers are taken as they are.
        Spec::new("unique of integers", move |x| all(&x[0]))
            .sample("repeated", vec![Tensor::from_slice(&[3_i64, -1, 3, 3, -1, 7], &[2, 3]).expect("six elements")])
            .reference(|_| {
                vec![vec![-1.0, 3.0, 7.0], vec![1.0, 0.0, 5.0], vec![1.0, 0.0, 1.0, 1.0, 0.0, 2.0], vec![2.0, 3.0, 1.0]]
            }),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: unique, unique_of_integers);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_one_value_and_zeros_are_one_as_in_numpy() {
        // np.unique([nan, 0., 2., nan, -0.], return_index=True, return_inverse=True, return_counts=True)
        let x = Tensor::from_slice(&[f64::NAN, 0.0, 2.0, f64::NAN, -0.0], &[5]).unwrap();
        let found = x.unique().unwrap();
        let values = found.values.to_vec::<f64>().unwrap();
        assert!(values[..2] == [0.0, 2.0] && values[2].is_nan() && values.len() == 3);
        assert_eq!(found.first.to_vec::<i64>().unwrap(), [1, 2, 0]);
        assert_eq!(found.inverse.to_vec::<i64>().unwrap(), [2, 0, 1, 2, 0]);
        assert_eq!(found.counts.to_vec::<i64>().unwrap(), [2, 1, 2]);
    }

    #[test]
    fn a_value_sends_its_cotangent_to_its_first_occurrence() {
        let x = Tensor::from_slice(&[2.0, 1.0, 2.0], &[3]).unwrap().requires_grad();
        let loss =
            x.unique().unwrap().values.mul(Tensor::from_slice(&[10.0, 100.0], &[2]).unwrap()).unwrap().sum(&[], false).unwrap();
        assert_eq!(loss.backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap(), [100.0, 10.0, 0.0]);
    }
}
