//! Seeded random numbers: the same seed gives the same tensors on every machine and for every thread count.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::error::Result;
use crate::memory;
use crate::tensor::{DType, Tensor};

/// A generator of random numbers with an explicit seed (ChaCha with 8 rounds).
///
/// # Example
/// ```
/// use monotile::{DType, Rng};
/// let a = Rng::new(1).normal(&[2, 3], DType::F32)?;
/// let b = Rng::new(1).normal(&[2, 3], DType::F32)?;
/// assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Rng {
    seed: u64,
    stream: u64,
    generator: ChaCha8Rng,
}

impl Rng {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, stream: 0, generator: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The `n`-th independent generator of this one's seed: the same whatever was drawn before, so that step `n` of a
    /// run that resumes draws what it would have drawn.
    #[must_use]
    pub fn fork(&self, n: u64) -> Self {
        // Streams of ChaCha do not overlap; a fork of a fork mixes both numbers (SplitMix64's finalizer).
        let mut z = self.stream.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let stream = z ^ (z >> 31);
        let mut generator = ChaCha8Rng::seed_from_u64(self.seed);
        generator.set_stream(stream);
        Self { seed: self.seed, stream, generator }
    }

    /// A number drawn uniformly from [0, 1).
    pub fn next_f64(&mut self) -> f64 {
        self.generator.random()
    }

    /// An integer drawn uniformly from 0 … n - 1; 0 where n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { self.generator.random_range(0..n as u64) as usize }
    }

    /// The numbers 0 … n - 1 in random order (Fisher and Yates).
    ///
    /// # Errors
    /// If there is no memory for so many.
    #[track_caller]
    pub fn permutation(&mut self, n: usize) -> Result<Vec<usize>> {
        let mut order = memory::collected(0..n, "permutation")?;
        (1..n).rev().for_each(|i| order.swap(i, self.below(i + 1)));
        Ok(order)
    }

    /// Numbers drawn uniformly from [low, high).
    #[track_caller]
    pub fn uniform(&mut self, shape: &[usize], low: f64, high: f64, dtype: DType) -> Result<Tensor> {
        self.draw("uniform", shape, dtype, |rng| low + (high - low) * rng.next_f64())
    }

    /// Numbers drawn from the standard normal distribution.
    #[track_caller]
    pub fn normal(&mut self, shape: &[usize], dtype: DType) -> Result<Tensor> {
        self.draw("normal", shape, dtype, |rng| rng.generator.sample(StandardNormal))
    }

    #[track_caller]
    fn draw(&mut self, op: &str, shape: &[usize], dtype: DType, mut f: impl FnMut(&mut Self) -> f64) -> Result<Tensor> {
        Tensor::from_fn(op, shape, dtype, |_| f(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_differ_from_each_other_and_do_not_depend_on_what_was_drawn() {
        let mut a = Rng::new(7);
        let before = a.fork(3).next_f64();
        a.next_f64();
        assert_eq!(before, a.fork(3).next_f64());
        assert_ne!(before, a.fork(4).next_f64());
        assert_ne!(a.fork(0).fork(1).next_f64(), a.fork(1).fork(0).next_f64());
    }

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let x = Rng::new(2).normal(&[100_000], DType::F64).unwrap().to_f64_vec().unwrap();
        let mean = x.iter().sum::<f64>() / 1e5;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1e5;
        // Five standard errors: 5/√n and 5·√(2/n).
        assert!(mean.abs() < 0.016 && (variance - 1.0).abs() < 0.023, "mean {mean}, variance {variance}");
    }
}
