//! The singular values of a change, and what they say of it.

use monotile::linalg::{MatrixNorm, SvdLowrankOptions, norm, svd_lowrank, svdvals};
use monotile::{DType, Result, Tensor};

use crate::factors::LowRankFactors;

/// The singular values of a change ΔW.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Rows and columns of ΔW.
    pub shape: [usize; 2],
    /// The largest singular values, in decreasing order.
    pub values: Vec<f64>,
    /// The sum of the squares of all, known or not: ‖ΔW‖².
    pub total: f64,
}

impl Spectrum {
    /// Of a low-rank change, from its factors.
    ///
    /// # Errors
    /// As [`LowRankFactors::svd`].
    pub fn from_factors(factors: &LowRankFactors) -> Result<Self> {
        Self::from_singular_values(factors, &factors.svd()?.s)
    }

    pub(crate) fn from_singular_values(factors: &LowRankFactors, s: &Tensor) -> Result<Self> {
        let values = s.to_f64_vec()?;
        Ok(Self { shape: factors.shape(), total: values.iter().map(|s| s * s).sum(), values })
    }

    /// Of a difference of two weights: the `most` largest values by random directions, or all where that is asked for or no dearer.
    ///
    /// # Errors
    /// As [`svd_lowrank`] and [`svdvals`].
    ///
    /// # Cost
    /// About 12 m n · most operations; exactly, 8/3 m n min(m, n).
    pub fn from_difference(change: &Tensor, most: usize, exact: bool) -> Result<Self> {
        let change = change.to_dtype(DType::F32)?;
        let shape = [change.dim(0), change.dim(1)];
        let least = shape[0].min(shape[1]);
        let length: f64 = norm(&change, MatrixNorm::Frobenius)?.to_dtype(DType::F64)?.item()?;
        // Random directions of more than a quarter of all save nothing.
        let values = if exact || 4 * most >= least {
            svdvals(&change)?.to_f64_vec()?
        } else {
            svd_lowrank(&change, most, &SvdLowrankOptions::default())?.s.to_f64_vec()?
        };
        Ok(Self { shape, values, total: length * length })
    }

    /// ‖ΔW‖, Frobenius' norm.
    pub fn norm(&self) -> f64 {
        self.total.sqrt()
    }

    /// The share of the sum of squares that the first values have, 1 where ΔW is 0; `None` where they are not all known.
    pub fn energy(&self, rank: usize) -> Option<f64> {
        let least = self.shape[0].min(self.shape[1]);
        let known = self.values.len();
        if self.total == 0.0 || (rank >= known && self.is_whole()) || rank >= least {
            return Some(1.0);
        }
        (rank <= known).then(|| (self.values[..rank].iter().map(|s| s * s).sum::<f64>() / self.total).min(1.0))
    }

    /// ‖ΔW − B A‖ / ‖ΔW‖ of the nearest change of this rank, from the values that are cut off.
    pub(crate) fn error(&self, rank: usize) -> f64 {
        let rest: f64 = self.values[rank.min(self.values.len())..].iter().map(|s| s * s).sum();
        if self.total == 0.0 { 0.0 } else { (rest / self.total).sqrt() }
    }

    /// The least rank that keeps this share of the sum of squares; `None` where that is more than is known.
    pub fn rank_for(&self, share: f64) -> Option<usize> {
        (0..=self.values.len()).find(|&rank| self.energy(rank).is_some_and(|energy| energy >= share))
    }

    /// Whether the values known are all but rounding.
    fn is_whole(&self) -> bool {
        let known: f64 = self.values.iter().map(|s| s * s).sum();
        self.values.len() >= self.shape[0].min(self.shape[1]) || known >= self.total * (1.0 - 1e-12)
    }

    /// The number of directions that a change really uses: exp(−Σ pᵢ ln pᵢ) with pᵢ = σᵢ / Σσ, over the values known; 0 where all are 0.
    ///
    /// # Source
    /// Roy and Vetterli (2007), The effective rank: a measure of effective dimensionality.
    ///
    /// # Example
    /// ```
    /// use monotile_adapters::Spectrum;
    /// let flat = Spectrum { shape: [9, 9], values: vec![2.0; 3], total: 12.0 };
    /// assert!((flat.effective_rank() - 3.0).abs() < 1e-12);
    /// ```
    pub fn effective_rank(&self) -> f64 {
        let sum: f64 = self.values.iter().sum();
        if sum == 0.0 {
            return 0.0;
        }
        let entropy: f64 = self.values.iter().map(|s| s / sum).filter(|&p| p > 0.0).map(|p| -p * p.ln()).sum();
        entropy.exp()
    }
}

#[cfg(test)]
mod tests {
    use monotile::Rng;

    use super::*;

    #[test]
    fn energies_and_ranks_follow_from_the_values() {
        let s = Spectrum { shape: [8, 9], values: vec![4.0, 2.0, 1.0], total: 21.0 };
        assert_eq!([0, 1, 2, 3, 7].map(|rank| s.energy(rank)), [0.0, 16.0 / 21.0, 20.0 / 21.0, 1.0, 1.0].map(Some));
        assert_eq!([0.5, 0.9, 0.99].map(|share| s.rank_for(share)), [Some(1), Some(2), Some(3)]);
        let part = Spectrum { total: 30.0, ..s };
        assert_eq!((part.energy(3), part.energy(4), part.energy(8)), (Some(0.7), None, Some(1.0)));
        assert_eq!((part.rank_for(0.7), part.rank_for(0.9)), (Some(3), None));
        let nothing = Spectrum { shape: [2, 2], values: vec![0.0; 2], total: 0.0 };
        assert_eq!((nothing.energy(0), nothing.rank_for(0.9), nothing.effective_rank()), (Some(1.0), Some(0), 0.0));
    }

    #[test]
    fn random_directions_find_the_largest_values_of_a_difference() {
        let mut rng = Rng::new(5);
        let mut normal = |shape: [usize; 2]| rng.normal(&shape, DType::F64).unwrap();
        let factors = LowRankFactors::new(normal([6, 90]), normal([80, 6]), 0.3);
        let noise = normal([80, 90]).mul_scalar(1e-3).unwrap();
        let change = factors.merge_into(&noise).unwrap();
        let (some, all) =
            (Spectrum::from_difference(&change, 8, false).unwrap(), Spectrum::from_difference(&change, 8, true).unwrap());
        assert_eq!((some.values.len(), all.values.len()), (8, 80));
        for (one, other) in some.values[..6].iter().zip(&all.values) {
            assert!((one / other - 1.0).abs() < 1e-5);
        }
        assert!((some.total / all.total - 1.0).abs() < 1e-6);
        assert_eq!(some.rank_for(0.99), all.rank_for(0.99));
    }
}
