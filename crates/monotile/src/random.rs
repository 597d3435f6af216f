//! Seeded random numbers: the same seed gives the same tensors on every machine and for every thread count.

use half::{bf16, f16};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::check;
use crate::error::{Error, Result};
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
    #[doc(alias = "manual_seed")]
    #[doc(alias = "seed")]
    #[doc(alias = "default_rng")]
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
    #[doc(alias = "random")]
    pub fn next_f64(&mut self) -> f64 {
        self.generator.random()
    }

    /// An integer drawn uniformly from 0 … n - 1; 0 where n is 0.
    #[doc(alias = "randrange")]
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { self.generator.random_range(0..n as u64) as usize }
    }

    /// The numbers 0 … n - 1 in random order (Fisher and Yates).
    ///
    /// # Errors
    /// If there is no memory for so many.
    #[doc(alias = "randperm")]
    #[doc(alias = "shuffle")]
    #[track_caller]
    pub fn permutation(&mut self, n: usize) -> Result<Vec<usize>> {
        let mut order = memory::collected(0..n, "permutation")?;
        (1..n).rev().for_each(|i| order.swap(i, self.below(i + 1)));
        Ok(order)
    }

    /// Numbers drawn uniformly from [low, high); `low` where both are equal.
    ///
    /// What rounds to `high` in `dtype` becomes the number before it.
    ///
    /// # Errors
    /// If `low` is greater than `high`, or their distance is not finite; if there is no memory for the result.
    #[doc(alias = "rand")]
    #[track_caller]
    pub fn uniform(&mut self, shape: impl AsRef<[usize]>, low: f64, high: f64, dtype: DType) -> Result<Tensor> {
        let width = high - low;
        // Positive comparison, so that a NaN is refused.
        if !(width >= 0.0 && width.is_finite()) {
            return Err(Error::value(format!(
                "uniform: bounds and their distance must be finite, the lower one first, got {low:?} and {high:?}"
            )));
        }
        let last = if width > 0.0 { before(high, dtype).max(low) } else { low };
        self.draw("uniform", shape.as_ref(), dtype, |rng| (low + width * rng.next_f64()).min(last))
    }

    /// Integers drawn uniformly from low … high - 1, as i64.
    ///
    /// # Errors
    /// If `low` is not below `high`; if there is no memory for the result.
    ///
    /// # Example
    /// ```
    /// use monotile::Rng;
    /// let dice = Rng::new(1).randint(&[100], 1, 7)?;
    /// assert_eq!((dice.min(&[], false)?.item::<i64>()?, dice.max(&[], false)?.item::<i64>()?), (1, 6));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "integers")]
    #[track_caller]
    pub fn randint(&mut self, shape: impl AsRef<[usize]>, low: i64, high: i64) -> Result<Tensor> {
        if low >= high {
            return Err(Error::value(format!("randint: the lower bound must be below the upper one, got {low} and {high}")));
        }
        Tensor::from_fn_i64("randint", shape.as_ref(), |_| self.generator.random_range(low..high))
    }

    /// Booleans, each true with its own probability: a tensor of the shape of `p`.
    ///
    /// # Errors
    /// If a probability is not from 0 to 1, or is no floating-point number.
    ///
    /// # Example
    /// ```
    /// use monotile::{Rng, Tensor};
    /// let heads = Rng::new(1).bernoulli(&Tensor::full(&[1000], 0.25_f64)?)?;
    /// assert!((200..300).contains(&heads.sum(&[], false)?.item::<i64>()?));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "binomial")]
    #[track_caller]
    pub fn bernoulli(&mut self, p: &Tensor) -> Result<Tensor> {
        let p = p.detach().to_compute_dtype("bernoulli")?.to_dtype(DType::F64)?;
        if let Some(p) = p.to_vec::<f64>()?.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return Err(Error::value(format!("bernoulli: probabilities must be from 0 to 1, got {p}")));
        }
        self.uniform(p.shape(), 0.0, 1.0, DType::F64)?.lt(&p)
    }

    /// `count` numbers of categories, drawn by weights: of weights `(…, k)` an i64 tensor `(…, count)` of numbers 0 … k - 1.
    ///
    /// Weights need not sum to 1. Without replacement no category comes twice, and those drawn stand in the order of their draw.
    ///
    /// # Errors
    /// If a weight is negative or not finite, a row of them has no positive one, or fewer than `count` where they are not replaced.
    ///
    /// # Cost
    /// O(k + count log k) a row with replacement, O(k log k) without.
    ///
    /// # Source
    /// Without replacement: Efraimidis and Spirakis (2006), Weighted random sampling with a reservoir.
    ///
    /// # Example
    /// ```
    /// use monotile::{Rng, Tensor};
    /// let weights = Tensor::from_slice(&[0.0_f32, 3.0, 1.0], &[3])?;
    /// let drawn = Rng::new(1).multinomial(&weights, 1000, true)?;
    /// let ones = drawn.eq(&Tensor::scalar(1_i64))?.sum(&[], false)?.item::<i64>()?;
    /// assert!((700..800).contains(&ones) && drawn.min(&[], false)?.item::<i64>()? == 1);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "categorical")]
    #[track_caller]
    pub fn multinomial(&mut self, weights: &Tensor, count: usize, replacement: bool) -> Result<Tensor> {
        check::at_least("multinomial", weights, 1)?;
        let weights = weights.detach().to_compute_dtype("multinomial")?;
        let (values, k) = (weights.to_f64_vec()?, weights.dim(-1));
        let rows = weights.len().checked_div(k).unwrap_or(0);
        if let Some(w) = values.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
            return Err(Error::value(format!("multinomial: weights must be finite and not negative, got {w}")));
        }
        let needed = if replacement { count.min(1) } else { count };
        let positive = |row: usize| values[row * k..(row + 1) * k].iter().filter(|w| **w > 0.0).count();
        if let Some(n) = (0..rows).map(positive).find(|&n| n < needed) {
            return Err(Error::value(format!("multinomial: {needed} categories of positive weight are needed, a row has {n}")));
        }
        let mut shape = weights.shape().to_vec();
        shape[weights.rank() - 1] = count;
        if k == 0 && shape.iter().all(|&n| n > 0) {
            return Err(Error::shape(format!("multinomial: weights of shape {:?} have no category to draw", weights.shape())));
        }
        let mut drawn = Vec::new();
        Tensor::from_fn_i64("multinomial", &shape, |i| {
            if i.is_multiple_of(count) {
                let row = &values[i / count * k..(i / count + 1) * k];
                drawn = if replacement { self.by_weight(row, count) } else { self.by_key(row, count) };
            }
            drawn[i % count] as i64
        })
    }

    /// Categories drawn with replacement: where numbers fall among the sums of the weights.
    fn by_weight(&mut self, weights: &[f64], count: usize) -> Vec<usize> {
        // Scaled, so that their sum is finite.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        let mut sum = 0.0;
        let sums: Vec<f64> = weights
            .iter()
            .map(|w| {
                sum += w / largest;
                sum
            })
            .collect();
        // A number that rounds to the whole sum belongs to the last category that has a weight.
        let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
        (0..count)
            .map(|_| {
                let at = self.next_f64() * sum;
                sums.partition_point(|s| *s <= at).min(last)
            })
            .collect()
    }

    /// Categories drawn without replacement: those whose waiting times, exponential by their weights, are the shortest.
    fn by_key(&mut self, weights: &[f64], count: usize) -> Vec<usize> {
        let mut keys: Vec<(f64, usize)> = weights.iter().enumerate().map(|(i, w)| (-(1.0 - self.next_f64()).ln() / w, i)).collect();
        // Of weight 0 the time is infinite, or no number where nothing was drawn either.
        keys.retain(|&(_, i)| weights[i] > 0.0);
        keys.sort_by(|a, b| a.0.total_cmp(&b.0));
        keys.iter().take(count).map(|&(_, i)| i).collect()
    }

    /// `count` elements along the first axis of a tensor, each as likely as the others; without replacement none comes twice.
    ///
    /// # Gradient
    /// That of [`index_select`](Tensor::index_select).
    ///
    /// # Errors
    /// If the tensor has no dimensions, no element to choose, or fewer than `count` where they are not replaced.
    ///
    /// # Example
    /// ```
    /// use monotile::{Rng, Tensor};
    /// let three = Rng::new(1).choice(&Tensor::arange(10)?, 3, false)?.to_vec::<i64>()?;
    /// assert!(three[0] != three[1] && three[1] != three[2] && three[0] != three[2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "sample")]
    #[track_caller]
    pub fn choice(&mut self, x: &Tensor, count: usize, replacement: bool) -> Result<Tensor> {
        check::at_least("choice", x, 1)?;
        let n = x.shape()[0];
        let needed = if replacement { count.min(1) } else { count };
        if n < needed {
            return Err(Error::value(format!("choice: {count} of {n} elements cannot be chosen")));
        }
        let indices = if replacement {
            Tensor::from_fn_i64("choice", &[count], |_| self.below(n) as i64)?
        } else {
            let mut order = memory::collected(0..n, "choice")?;
            Tensor::from_fn_i64("choice", &[count], |i| {
                order.swap(i, i + self.below(n - i));
                order[i] as i64
            })?
        };
        x.index_select(0, &indices.to(&x.device())?)
    }

    /// Numbers drawn from the standard normal distribution.
    ///
    /// # Errors
    /// If `dtype` is no floating-point type: [`randint`](Rng::randint) draws integers. If there is no memory for the result.
    #[doc(alias = "standard_normal")]
    #[doc(alias = "randn")]
    #[track_caller]
    pub fn normal(&mut self, shape: impl AsRef<[usize]>, dtype: DType) -> Result<Tensor> {
        if !dtype.is_float() {
            return Err(Error::dtype(format!("normal: draws floating-point numbers, not {dtype}; randint draws integers")));
        }
        self.draw("normal", shape.as_ref(), dtype, |rng| rng.generator.sample(StandardNormal))
    }

    #[track_caller]
    fn draw(&mut self, op: &str, shape: &[usize], dtype: DType, mut f: impl FnMut(&mut Self) -> f64) -> Result<Tensor> {
        Tensor::from_fn(op, shape, dtype, |_| f(self))
    }
}

/// The largest number of a type that is below `x`, as f64; of integers and booleans the f64 below it, since they are cut off.
fn before(x: f64, dtype: DType) -> f64 {
    /// One step down in numbers of a sign and a magnitude.
    fn step(bits: u16) -> u16 {
        match bits {
            0 | 0x8000 => 0x8001,
            negative if negative & 0x8000 != 0 => negative + 1,
            positive => positive - 1,
        }
    }
    let bf16 = |x: f64| bf16::from_f64(x);
    let f16 = |x: f64| f16::from_f64(x);
    match dtype {
        DType::F32 if f64::from(x as f32) >= x => f64::from((x as f32).next_down()),
        DType::F32 => f64::from(x as f32),
        DType::BF16 if f64::from(bf16(x)) >= x => f64::from(bf16::from_bits(step(bf16(x).to_bits()))),
        DType::BF16 => f64::from(bf16(x)),
        DType::F16 if f64::from(f16(x)) >= x => f64::from(f16::from_bits(step(f16(x).to_bits()))),
        DType::F16 => f64::from(f16(x)),
        DType::F64 | DType::I64 | DType::I32 | DType::U8 | DType::Bool | DType::Quantized(_) => x.next_down(),
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

    #[test]
    fn normal_numbers_are_no_integers() {
        let words = Rng::new(0).normal([2], DType::I64).unwrap_err().to_string();
        assert_eq!(words, "normal: draws floating-point numbers, not i64; randint draws integers");
    }

    #[test]
    fn uniform_numbers_stay_below_their_upper_bound_in_every_type() {
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
            for (low, high) in [(0.0, 1.0), (-1.0, 0.0), (-2.0, -1.0), (1.0, 1.001)] {
                let x = Rng::new(3).uniform(&[20_000], low, high, dtype).unwrap().to_f64_vec().unwrap();
                // 1.001 lies between two numbers of the narrow types.
                let fine = |x: &f64| *x >= low && *x < high.max(low + 1e-9);
                assert!(x.iter().all(fine), "{dtype} from {low} to {high}: {:?}", x.iter().find(|x| !fine(x)));
            }
        }
        assert_eq!(Rng::new(3).uniform(&[2], 0.5, 0.5, DType::F64).unwrap().to_f64_vec().unwrap(), [0.5; 2]);
    }

    #[test]
    fn draws_that_cannot_be_made_are_refused_with_words() {
        let (mut rng, one) = (Rng::new(1), Tensor::ones(&[1], DType::F64).unwrap());
        let words = |x: Result<Tensor>| x.unwrap_err().to_string();
        assert_eq!(
            words(rng.uniform(&[1], 2.0, 1.0, DType::F32)),
            "uniform: bounds and their distance must be finite, the lower one first, got 2.0 and 1.0"
        );
        assert!(
            rng.uniform(&[1], f64::NAN, 1.0, DType::F32).is_err() && rng.uniform(&[1], f64::MIN, f64::MAX, DType::F64).is_err()
        );
        assert_eq!(words(rng.randint(&[1], 3, 3)), "randint: the lower bound must be below the upper one, got 3 and 3");
        assert_eq!(words(rng.bernoulli(&Tensor::scalar(1.5_f64))), "bernoulli: probabilities must be from 0 to 1, got 1.5");
        assert_eq!(words(rng.multinomial(&-&one, 1, true)), "multinomial: weights must be finite and not negative, got -1");
        assert_eq!(words(rng.multinomial(&one, 2, false)), "multinomial: 2 categories of positive weight are needed, a row has 1");
        assert_eq!(words(rng.choice(&one, 2, false)), "choice: 2 of 1 elements cannot be chosen");
        assert_eq!(rng.choice(&one, 2, true).unwrap().shape(), [2]);
        assert_eq!(rng.choice(&one.slice(0, ..0).unwrap(), 0, true).unwrap().shape(), [0]);
        assert_eq!(rng.multinomial(&one, 0, false).unwrap().shape(), [0]);
        assert_eq!(rng.multinomial(&Tensor::ones(&[0, 3], DType::F32).unwrap(), 2, true).unwrap().shape(), [0, 2]);
    }

    #[test]
    fn categories_come_as_often_as_their_weights_say() {
        let weights = Tensor::from_rows(&[[1.0_f64, 0.0, 3.0, 4.0], [0.0, 2.0, 0.0, 2.0]]).unwrap();
        let mut rng = Rng::new(4);
        let n = 100_000;
        let drawn = rng.multinomial(&weights, n, true).unwrap();
        for (row, shares) in [[0.125, 0.0, 0.375, 0.5], [0.0, 0.5, 0.0, 0.5]].into_iter().enumerate() {
            for (k, share) in shares.into_iter().enumerate() {
                let k = Tensor::scalar(k as i64);
                let found = drawn.select(0, row).unwrap().eq(&k).unwrap().sum(&[], false).unwrap().item::<i64>().unwrap();
                // Five standard errors.
                let error = 5.0 * (share * (1.0 - share) / n as f64).sqrt();
                assert!((found as f64 / n as f64 - share).abs() <= error, "row {row}: {found} of {n} for {share}");
            }
        }
        // Without replacement the first draw has the same shares, and no category comes twice.
        let mut first = 0;
        for _ in 0..10_000 {
            let drawn = rng.multinomial(&weights.select(0, 0).unwrap(), 3, false).unwrap().to_vec::<i64>().unwrap();
            first += i32::from(drawn[0] == 3);
            let mut sorted = drawn.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 2, 3]);
        }
        assert!((f64::from(first) / 1e4 - 0.5).abs() < 0.025, "{first}");
    }
}
