//! Places among sorted elements.

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Sort and search: places in sorted numbers
///
/// By bisection.
impl Tensor {
    /// Where each of `values` would be put among the sorted elements of this tensor, as i64: how many of these are less, or with `right` not greater.
    ///
    /// Of a vector `(n)` and values of any shape; or of rows `(…, n)` and rows of values `(…, m)`. The result has the shape of the values. NaN counts as
    /// greater than every number. Whether the elements are sorted is not checked.
    ///
    /// # Errors
    /// If the tensor has no dimensions, the leading ones differ, or integers meet floating-point numbers.
    ///
    /// # Cost
    /// A binary search a value, over threads.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let sorted = Tensor::from_slice(&[1.0_f64, 2.0, 2.0, 3.0], &[4])?;
    /// let values = Tensor::from_slice(&[2.0_f64, 5.0], &[2])?;
    /// assert_eq!(sorted.searchsorted(&values, false)?.to_vec::<i64>()?, [1, 4]);
    /// assert_eq!(sorted.searchsorted(&values, true)?.to_vec::<i64>()?, [3, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "bisect")]
    #[track_caller]
    pub fn searchsorted(&self, values: &Tensor, right: bool) -> Result<Tensor> {
        search("searchsorted", self, values, right)
    }

    /// The number of the bin between `boundaries` that each element is in, as i64: i where bᵢ₋₁ < x ≤ bᵢ, or with `right` where bᵢ₋₁ ≤ x < bᵢ.
    ///
    /// The boundaries are a sorted vector. It is [`searchsorted`](Tensor::searchsorted) with operands exchanged; NumPy's `digitize` is that with `right` set.
    ///
    /// # Errors
    /// If the boundaries are no vector, or integers meet floating-point numbers.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let ages = Tensor::from_slice(&[5_i64, 18, 70], &[3])?;
    /// let boundaries = Tensor::from_slice(&[18_i64, 65], &[2])?;
    /// assert_eq!(ages.bucketize(&boundaries, true)?.to_vec::<i64>()?, [0, 1, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "digitize")]
    #[track_caller]
    pub fn bucketize(&self, boundaries: &Tensor, right: bool) -> Result<Tensor> {
        if boundaries.rank() != 1 {
            let words = format!("bucketize: boundaries must be a vector, got shape {:?}", boundaries.shape());
            return Err(Error::shape(words));
        }
        search("bucketize", boundaries, self, right)
    }
}

/// # Sort and search: membership
///
/// By sorting what is looked for.
impl Tensor {
    /// Whether each element is one of `values`, as bool in its own shape; NaN is none.
    ///
    /// # Errors
    /// If integers meet floating-point numbers.
    ///
    /// # Cost
    /// A sort of the values, and a binary search an element.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([[1_i64, 2], [3, 4]]);
    /// assert_eq!(x.isin(&Tensor::from([4_i64, 1, 9]))?.to_vec::<bool>()?, [true, false, false, true]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "in1d")]
    #[track_caller]
    pub fn isin(&self, values: &Tensor) -> Result<Tensor> {
        let dtype = common("isin", self, values)?;
        let [x, values] = [self, values].map(|x| x.detach().to_dtype(dtype));
        let (x, values) = (x?, values?);
        if values.is_empty() {
            return Tensor::zeros(x.shape(), DType::Bool);
        }
        let sorted = values.reshape([values.len()])?.sort(0, false)?.0;
        // Behind the last one there is none: the last is looked at, which is less.
        let places = search("isin", &sorted, &x, false)?.minimum(values.len() as i64 - 1)?;
        sorted.take(&places)?.eq(&x)
    }
}

/// The type that both are compared in.
#[track_caller]
fn common(op: &str, a: &Tensor, b: &Tensor) -> Result<DType> {
    match (a.dtype().compute(), b.dtype().compute()) {
        (x, y) if x == y => Ok(x),
        _ => check::common_float(op, a, b),
    }
}

#[track_caller]
fn search(op: &str, sorted: &Tensor, values: &Tensor, right: bool) -> Result<Tensor> {
    check::at_least(op, sorted, 1)?;
    let leading = |x: &Tensor| x.shape().split_last().map(|(_, leading)| leading.to_vec());
    if sorted.rank() > 1 && leading(sorted) != leading(values) {
        let (a, b) = (sorted.shape(), values.shape());
        return Err(Error::shape(format!(
            "{op}: sorted rows of shape {a:?} and values of shape {b:?} differ before the last axis"
        )));
    }
    let dtype = if sorted.dtype() == values.dtype() { sorted.dtype() } else { common(op, sorted, values)? };
    let [sorted, values] = [sorted, values].map(|x| x.detach().to_dtype(dtype)?.contiguous_detached(op));
    door::sort::search(op, &sorted?, &values?, right)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let sorted = |shape: &[usize]| normal(shape).sort(-1, false).unwrap().0;
    let count = |row: &[f64], v: f64, right: bool| row.iter().filter(|s| **s < v || (right && **s == v)).count() as f64;
    let integers = |x: &[i64]| Tensor::from_slice(x, &[x.len()]).expect("a vector");
    vec![
        Spec::new("searchsorted", |x| Ok(vec![x[0].searchsorted(&x[1], false)?, x[0].searchsorted(&x[1], true)?]))
            .sample("vector", vec![sorted(&[5]), normal(&[2, 3])])
            .sample("number", vec![sorted(&[5]), normal(&[])])
            .sample("nothing sorted", vec![normal(&[0]), normal(&[3])])
            .sample("no values", vec![sorted(&[5]), normal(&[2, 0])])
            .sample("integers", vec![integers(&[-3, 1, 1, 9]), integers(&[1, 2, -5, 9, 10])])
            .reference(move |x| [false, true].map(|right| x[1].iter().map(|&v| count(&x[0], v, right)).collect()).to_vec())
            .refuses(vec![normal(&[]), normal(&[3])], "searchsorted: needs at least 1 dimensions, got shape []")
            .refuses(
                vec![normal(&[2, 3]), normal(&[3])],
                "searchsorted: sorted rows of shape [2, 3] and values of shape [3] differ before the last axis",
            )
            .refuses(
                vec![normal(&[3]), integers(&[1])],
                "searchsorted: takes floating-point numbers, got f64 and i64; cast with to_dtype",
            ),
        Spec::new("searchsorted rows", |x| Ok(vec![x[0].searchsorted(&x[1], false)?]))
            .sample("matrices", vec![sorted(&[3, 5]), normal(&[3, 2])])
            .sample("no values", vec![sorted(&[3, 5]), normal(&[3, 0])])
            .reference(move |x| {
                let row = |i: usize| &x[0][i / 2 * 5..i / 2 * 5 + 5];
                vec![x[1].iter().enumerate().map(|(i, &v)| count(row(i), v, false)).collect()]
            }),
        Spec::new("isin", |x| Ok(vec![x[0].isin(&x[1])?]))
            .sample("integers", vec![integers(&[-3, 1, 1, 9, 4]), integers(&[1, 2, -5, 9, 10])])
            .sample("nothing looked for", vec![normal(&[2, 3]), normal(&[0])])
            .sample("no elements", vec![normal(&[2, 0]), normal(&[3])])
            .sample("numbers", vec![normal(&[2, 3]).round().unwrap(), normal(&[4]).round().unwrap()])
            .reference(|x| vec![x[0].iter().map(|v| f64::from(x[1].contains(v))).collect()])
            .may_drop_nan()
            .refuses(vec![normal(&[3]), integers(&[1])], "isin: takes floating-point numbers, got f64 and i64; cast with to_dtype"),
        Spec::new("bucketize", |x| Ok(vec![x[0].bucketize(&x[1], true)?]))
            .sample("matrix", vec![normal(&[2, 3]), sorted(&[4])])
            .reference(move |x| vec![x[0].iter().map(|&v| count(&x[1], v, true)).collect()])
            .refuses(vec![normal(&[3]), normal(&[2, 2])], "bucketize: boundaries must be a vector, got shape [2, 2]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: searchsorted, searchsorted_rows, isin, bucketize);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_found_after_all_numbers_as_in_numpy() {
        // np.searchsorted([0., 1., 2., nan], [nan, 3., -0.]), and with side="right"
        let sorted = Tensor::from_slice(&[0.0_f64, 1.0, 2.0, f64::NAN], &[4]).unwrap();
        let values = Tensor::from_slice(&[f64::NAN, 3.0, -0.0], &[3]).unwrap();
        assert_eq!(sorted.searchsorted(&values, false).unwrap().to_vec::<i64>().unwrap(), [3, 3, 0]);
        assert_eq!(sorted.searchsorted(&values, true).unwrap().to_vec::<i64>().unwrap(), [4, 3, 1]);
    }
}
