//! How often integers occur, and numbers in bins.

use crate::door;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};

/// # Sort and search: counts
///
/// Of integers, or of numbers in bins.
impl Tensor {
    /// How often each of 0, 1, 2, … occurs in a vector of integers: yᵢ = Σ 1 over xⱼ = i. With weights, it is their sum: yᵢ = Σ wⱼ over xⱼ = i.
    ///
    /// The result goes to the largest integer, and has at least `minlength` elements: of i64, or of the weights' type.
    ///
    /// # Gradient
    /// Of the weights: w̄ⱼ = ȳ\[xⱼ\].
    ///
    /// # Errors
    /// If this is no vector of integers, one is negative, or the weights differ in shape or are no floating-point numbers.
    ///
    /// # Cost
    /// Linear, over threads where there are no weights. The largest integer is read back.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[3_i64, 1, 1], &[3])?;
    /// assert_eq!(x.bincount(None, 0)?.to_vec::<i64>()?, [0, 2, 0, 1]);
    /// let weights = Tensor::from_slice(&[0.5_f64, 1.0, 2.0], &[3])?;
    /// assert_eq!(x.bincount(Some(&weights), 5)?.to_vec::<f64>()?, [0.0, 3.0, 0.0, 0.5, 0.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn bincount(&self, weights: Option<&Tensor>, minlength: usize) -> Result<Tensor> {
        if !self.dtype().is_integer() {
            return Err(Error::dtype(format!("bincount: counts integers, got {}; cast with to_dtype", self.dtype())));
        }
        if self.rank() != 1 {
            return Err(Error::shape(format!("bincount: counts a vector, got shape {:?}; reshape it", self.shape())));
        }
        let x = self.widened("bincount")?.contiguous_detached("bincount")?;
        let size = match door::sort::extent("bincount", &x)? {
            Some((least, _)) if least < 0 => {
                return Err(Error::value(format!("bincount: {least} is negative; only 0, 1, 2, … have a place")));
            }
            Some((_, most)) => minlength.max(usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1)),
            None => minlength,
        };
        let Some(weights) = weights else { return door::sort::bincount("bincount", &x, size) };
        if weights.shape() != x.shape() {
            let (a, b) = (weights.shape(), x.shape());
            return Err(Error::shape(format!("bincount: weights of shape {a:?} for integers of shape {b:?}; they must be equal")));
        }
        let weights = weights.to_compute_dtype("bincount")?;
        Tensor::zeros(&[size], weights.dtype())?.scatter_add(0, &x, &weights)
    }

    /// How many elements are in each of `bins` bins of equal width, as i64, and the `bins + 1` edges between them: (counts, edges).
    ///
    /// A bin has its lower edge and not its upper one; the last has both. Bins reach over `range`, or from the smallest element to the largest. What lies outside, and NaN, is
    /// in none. Equal ends are moved apart by one half each. Edges have the type of the elements.
    ///
    /// # Errors
    /// If there are no bins, more than the type has numbers between the ends, or ends that are not finite or in the wrong order; for integers and booleans.
    ///
    /// # Cost
    /// Linear, over threads. Without a range, the ends are read back.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[0.0_f64, 0.4, 0.5, 2.0], &[4])?;
    /// let (counts, edges) = x.histogram(4, None)?;
    /// assert_eq!(counts.to_vec::<i64>()?, [2, 1, 0, 1]);
    /// assert_eq!(edges.to_vec::<f64>()?, [0.0, 0.5, 1.0, 1.5, 2.0]);
    /// assert_eq!(x.histogram(2, Some([0.0, 1.0]))?.0.to_vec::<i64>()?, [2, 1]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "histc")]
    #[doc(alias = "histogram_bin_edges")]
    #[track_caller]
    pub fn histogram(&self, bins: usize, range: Option<[f64; 2]>) -> Result<(Tensor, Tensor)> {
        let x = self.detach().to_compute_dtype("histogram")?.contiguous_detached("histogram")?;
        if bins == 0 || bins > i32::MAX as usize - 2 {
            return Err(Error::value(format!("histogram: {bins} bins; take from 1 to 2147483645")));
        }
        let [low, high] = ends(&x, range)?;
        let edges = Tensor::linspace(low, high, bins + 1, x.dtype())?;
        if !door::sort::increases("histogram", &edges)? {
            let words = format!("histogram: {bins} bins from {low} to {high} are narrower than numbers of {} lie apart", x.dtype());
            return Err(Error::value(words));
        }
        let edges = edges.to(&x.device())?;
        Ok((door::sort::histogram("histogram", &x, &edges)?, edges))
    }
}

/// The ends of a histogram, as NumPy takes them.
#[track_caller]
fn ends(x: &Tensor, range: Option<[f64; 2]>) -> Result<[f64; 2]> {
    let [low, high] = match range {
        Some(ends) => ends,
        None if x.is_empty() => [0.0, 1.0],
        None => [x.min(&[], false)?.to_f64_vec()?[0], x.max(&[], false)?.to_f64_vec()?[0]],
    };
    if !(high - low).is_finite() || low > high {
        let words = format!("histogram: bins cannot reach from {low:?} to {high:?}; name a range of two finite numbers in order");
        return Err(Error::value(words));
    }
    Ok(if low == high { [low - 0.5, high + 0.5] } else { [low, high] })
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let integers = |x: &[i64]| Tensor::from_slice(x, &[x.len()]).expect("a vector");
    vec![
        Spec::new("bincount", |x| Ok(vec![x[0].bincount(None, 6)?]))
            .sample("repeated", vec![integers(&[3, 0, 3, 7])])
            .sample("empty", vec![integers(&[])])
            .reference(|x| {
                let size = x[0].iter().fold(6.0_f64, |size, v| size.max(v + 1.0));
                vec![(0..size as usize).map(|bin| x[0].iter().filter(|v| **v == bin as f64).count() as f64).collect()]
            })
            .refuses(vec![integers(&[1, -2])], "bincount: -2 is negative; only 0, 1, 2, … have a place")
            .refuses(vec![normal(&[2])], "bincount: counts integers, got f64; cast with to_dtype")
            .refuses(
                vec![integers(&[1, 2]).reshape(&[2, 1]).expect("two")],
                "bincount: counts a vector, got shape [2, 1]; reshape it",
            ),
        Spec::new("bincount of weights", |x| Ok(vec![x[0].bincount(Some(&x[1]), 0)?]))
            .sample("repeated", vec![integers(&[3, 0, 3, 1]), normal(&[4])])
            .reference(|x| vec![vec![x[1][1], x[1][3], 0.0, x[1][0] + x[1][2]]])
            .orders(2)
            .refuses(
                vec![integers(&[1, 2]), normal(&[1])],
                "bincount: weights of shape [1] for integers of shape [2]; they must be equal",
            )
            .refuses(vec![integers(&[1]), integers(&[1])], "bincount: takes floating-point numbers, got i64; cast with to_dtype"),
        Spec::new("histogram", |x| Ok(vec![x[0].histogram(5, Some([0.0, 1.0]))?.0]))
            .sample("matrix", vec![uniform(&[6, 10], -0.1, 1.1)])
            .sample("number", vec![uniform(&[], 0.0, 1.0)])
            .sample("empty", vec![normal(&[0, 3])])
            .reference(|x| {
                let count = |bin: usize| x[0].iter().filter(|v| (0.0..=1.0).contains(*v) && (*v * 5.0) as usize == bin).count();
                vec![(0..5).map(|bin| count(bin) as f64).collect()]
            })
            .refuses(vec![integers(&[1])], "histogram: takes floating-point numbers, got i64; cast with to_dtype"),
        Spec::new("histogram of no range", |x| Ok(vec![x[0].histogram(4, None)?.1])).refuses(
            vec![Tensor::from_slice(&[1.0, f64::NAN], &[2]).expect("two")],
            "histogram: bins cannot reach from NaN to NaN; name a range of two finite numbers in order",
        ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: bincount, bincount_of_weights, histogram, histogram_of_no_range);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn bins_are_those_of_numpy() {
        // np.histogram([1., 2., 1., 4., 4., 2.5, nan], bins=3, range=(1, 4)); of [3., 3.]; of []
        let x = Tensor::from_slice(&[1.0_f64, 2.0, 1.0, 4.0, 4.0, 2.5, f64::NAN], &[7]).unwrap();
        let (counts, edges) = x.histogram(3, Some([1.0, 4.0])).unwrap();
        assert_eq!(counts.to_vec::<i64>().unwrap(), [2, 2, 2]);
        assert_eq!(edges.to_vec::<f64>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
        let (counts, edges) = Tensor::from_slice(&[3.0_f32, 3.0], &[2]).unwrap().histogram(2, None).unwrap();
        assert_eq!((counts.to_vec::<i64>().unwrap(), edges.to_vec::<f32>().unwrap()), (vec![0, 2], vec![2.5, 3.0, 3.5]));
        let (counts, edges) = Tensor::zeros(&[0], DType::F64).unwrap().histogram(2, None).unwrap();
        assert_eq!((counts.to_vec::<i64>().unwrap(), edges.to_vec::<f64>().unwrap()), (vec![0, 0], vec![0.0, 0.5, 1.0]));
    }

    #[test]
    fn edges_of_f32_decide_and_bins_that_are_too_narrow_are_refused() {
        // np.histogram(np.arange(11, dtype=np.float32) / np.float32(10), 10, (0, 1))[0]
        let x = Tensor::from_vec((0..11_u8).map(|i| f32::from(i) / 10.0).collect(), &[11]).unwrap();
        assert_eq!(x.histogram(10, Some([0.0, 1.0])).unwrap().0.to_vec::<i64>().unwrap(), [1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
        let words = x.histogram(100, Some([1.0, 1.000_001])).unwrap_err().to_string();
        assert_eq!(words, "histogram: 100 bins from 1 to 1.000001 are narrower than numbers of f32 lie apart");
        let words = x.histogram(0, None).unwrap_err().to_string();
        assert_eq!(words, "histogram: 0 bins; take from 1 to 2147483645");
    }

    #[test]
    fn an_integer_that_no_memory_counts_up_to_is_refused() {
        let x = Tensor::from_slice(&[i64::MAX], &[1]).unwrap();
        let words = x.bincount(None, 0).unwrap_err().to_string();
        assert_eq!(words, "bincount: shape [9223372036854775808] has more elements than memory has bytes");
    }
}
