//! Distributions of single numbers and of classes: draws, log-densities, entropies, KL divergences. Parameters may be of any shape.
//!
//! Parameters are checked where a distribution is made, by the one number of each that is farthest off: that waits for their device.

use std::borrow::Cow;

use super::parts::{check_above_zero, check_real, least, parameters};
use crate::check;
use crate::error::{Error, Placed, Result};
use crate::random::Rng;
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal, positive, uniform};

/// Normal distributions N(μ, σ²) of independent numbers.
///
/// # Source
/// Bishop (2006), Pattern Recognition and Machine Learning, section 2.3.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::Normal};
/// let standard = Normal::new(0.0, 1.0)?;
/// let wide = Normal::new(&Tensor::scalar(1.0), 2.0)?;
/// // ln 2 + (1 + 1) / 8 − 1/2
/// assert!((standard.kl_divergence(&wide)?.item::<f64>()? - (2.0_f64.ln() - 0.25)).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct Normal {
    mean: Tensor,
    deviation: Tensor,
}

impl Normal {
    /// N(μ, σ²) of means and deviations, numbers or tensors whose shapes broadcast.
    ///
    /// # Errors
    /// If the shapes do not broadcast, a mean is NaN, or a deviation is not above 0; for integers.
    #[track_caller]
    pub fn new(mean: impl TensorOrNumber, deviation: impl TensorOrNumber) -> Result<Self> {
        Self::of([mean.value(), deviation.value()])
    }

    #[track_caller]
    fn of(parameters: [OperandValue<'_>; 2]) -> Result<Self> {
        let [mean, deviation] = self::parameters("Normal", parameters)?;
        let shape = check::broadcast("Normal", mean.shape(), deviation.shape())?;
        check_real("Normal", "a mean", &mean)?;
        check_above_zero("Normal", "a deviation", &deviation)?;
        Ok(Self { mean: mean.expand(&shape)?, deviation: deviation.expand(&shape)? })
    }

    /// μ
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// σ
    pub fn deviation(&self) -> &Tensor {
        &self.deviation
    }

    /// Draws `count` numbers of each, `(count, …)`: μ + σ ε, with gradients by μ and σ.
    ///
    /// # Errors
    /// If there is no memory for them.
    #[doc(alias = "rsample")]
    #[track_caller]
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let eps = rng.normal(&several(count, self.mean.shape()), self.mean.dtype())?;
        eps.mul(&self.deviation)?.add(&self.mean)
    }

    /// ln N(x | μ, σ²) = −½ ((x − μ) / σ)² − ln σ − ½ ln 2π
    ///
    /// # Errors
    /// If the shapes do not broadcast; for integers.
    #[track_caller]
    pub fn log_prob(&self, x: impl TensorOrNumber) -> Result<Tensor> {
        let x = beside("log_prob", &x.value(), &self.mean)?;
        let distance = x.sub(&self.mean)?.div(&self.deviation)?.square()?.mul_scalar(-0.5)?;
        distance.sub(&self.deviation.ln()?)?.add_scalar(-0.5 * (2.0 * std::f64::consts::PI).ln())
    }

    /// P(x' ≤ x) = ½ erfc((μ − x) / σ√2), which keeps its digits in the lower tail.
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    #[track_caller]
    pub fn cdf(&self, x: impl TensorOrNumber) -> Result<Tensor> {
        let x = beside("cdf", &x.value(), &self.mean)?;
        let u = x.sub(&self.mean)?.div(&self.deviation)?.mul_scalar(-std::f64::consts::FRAC_1_SQRT_2)?;
        u.erfc()?.mul_scalar(0.5)
    }

    /// −E ln N(x) = ln σ + ½ (1 + ln 2π)
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn entropy(&self) -> Result<Tensor> {
        self.deviation.ln()?.add_scalar(0.5 * (1.0 + (2.0 * std::f64::consts::PI).ln()))
    }

    /// KL(p ‖ q) = ln σ_q/σ_p + (σ_p² + (μ_p − μ_q)²) / 2σ_q² − ½
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn kl_divergence(&self, other: &Self) -> Result<Tensor> {
        let ratio = self.deviation.div(&other.deviation)?;
        let shift = self.mean.sub(&other.mean)?.div(&other.deviation)?;
        ratio.square()?.add(&shift.square()?)?.add_scalar(-1.0)?.mul_scalar(0.5)?.sub(&ratio.ln()?)
    }
}

/// An outcome beside the parameters of its distribution.
#[track_caller]
pub(super) fn beside<'a>(op: &str, x: &OperandValue<'a>, parameter: &Tensor) -> Result<Cow<'a, Tensor>> {
    let x = x.beside(op, parameter.dtype())?;
    check::common_float(op, &x, parameter)?;
    check::broadcast(op, x.shape(), parameter.shape())?;
    Ok(x)
}

/// Distributions over 0 and 1, held by the logit ln p / (1 − p) of 1.
///
/// # Example
/// ```
/// use monotile::stats::Bernoulli;
/// let coin = Bernoulli::new(0.0)?;
/// assert!((coin.entropy()?.item::<f64>()? - 2.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct Bernoulli {
    logits: Tensor,
}

impl Bernoulli {
    /// Of logits: p = 1 / (1 + e⁻ˡ).
    ///
    /// # Errors
    /// If one is NaN; for integers.
    #[track_caller]
    pub fn new(logits: impl TensorOrNumber) -> Result<Self> {
        let [logits] = parameters("Bernoulli", [logits.value()])?;
        check_real("Bernoulli", "a logit", &logits)?;
        Ok(Self { logits })
    }

    /// Of probabilities, which are kept an epsilon of their type away from 0 and 1, as PyTorch does.
    ///
    /// # Errors
    /// If one is outside \[0, 1\]; for integers.
    #[track_caller]
    pub fn from_probabilities(p: impl TensorOrNumber) -> Result<Self> {
        let [p] = parameters("Bernoulli", [p.value()])?;
        let (lowest, highest) = (least(&p)?, least(&p.neg()?)?.map(|x| -x));
        let outside = |x: &f64| !(0.0..=1.0).contains(x);
        if let Some(wrong) = [lowest, highest].into_iter().flatten().find(outside) {
            return Err(Error::value(format!("Bernoulli: a probability must lie in [0, 1], got {wrong}")));
        }
        let eps = p.dtype().epsilon();
        let p = p.clamp(eps, 1.0 - eps)?;
        Ok(Self { logits: p.ln()?.sub(&p.neg()?.add_scalar(1.0)?.ln()?)? })
    }

    /// p of 1.
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn probabilities(&self) -> Result<Tensor> {
        self.logits.sigmoid()
    }

    /// Draws `count` of each, `(count, …)`: 0 and 1 in the type of the logits, without a gradient.
    ///
    /// # Errors
    /// If there is no memory for them.
    #[track_caller]
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let (shape, dtype) = (several(count, self.logits.shape()), self.logits.dtype());
        let drawn = rng.uniform(&shape, 0.0, 1.0, dtype)?.lt(self.probabilities()?.detach())?;
        drawn.where_(Tensor::scalar_as(1.0, dtype), Tensor::scalar_as(0.0, dtype))
    }

    /// ln p(x) = x l − ln(1 + eˡ) of x that is 0 or 1; between them minus the cross-entropy, as PyTorch has it.
    ///
    /// # Errors
    /// If the shapes do not broadcast; for integers.
    #[track_caller]
    pub fn log_prob(&self, x: impl TensorOrNumber) -> Result<Tensor> {
        let x = beside("log_prob", &x.value(), &self.logits)?;
        x.mul(&self.logits)?.sub(&softplus(&self.logits)?)
    }

    /// −E ln p(x) = ln(1 + eˡ) − p l
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn entropy(&self) -> Result<Tensor> {
        softplus(&self.logits)?.sub(&self.logits.mul(&self.probabilities()?)?)
    }

    /// KL(p ‖ q) = p (l_p − l_q) + ln(1 + e^l_q) − ln(1 + e^l_p)
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn kl_divergence(&self, other: &Self) -> Result<Tensor> {
        let expected = self.probabilities()?.mul(&self.logits.sub(&other.logits)?)?;
        expected.add(&softplus(&other.logits)?)?.sub(&softplus(&self.logits)?)
    }
}

/// ln(1 + eˡ), that of large numbers too.
#[track_caller]
fn softplus(l: &Tensor) -> Result<Tensor> {
    Tensor::stack(&[l, &l.zeros_like()], 0)?.logsumexp(&[0], false)
}

/// Distributions over classes 0 … k − 1, held by ln p along the last axis.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::Categorical};
/// let die = Categorical::new(&Tensor::from_slice(&[0.0_f64; 6], &[6])?)?;
/// assert!((die.entropy()?.item::<f64>()? - 6.0_f64.ln()).abs() < 1e-15);
/// assert!((die.log_prob(3)?.item::<f64>()? + 6.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct Categorical {
    log_probabilities: Tensor,
}

impl Categorical {
    /// Of logits `(…, k)`, which are ln p up to a constant; −∞ is a class that never happens.
    ///
    /// # Errors
    /// If the logits are a single number or of no class, one is NaN or ∞, or all of a row are −∞; for integers.
    #[track_caller]
    pub fn new(logits: &Tensor) -> Result<Self> {
        if logits.rank() == 0 || logits.dim(-1) == 0 {
            return Err(Error::shape(format!(
                "Categorical: needs logits (…, k) of at least one class, got shape {:?}",
                logits.shape()
            )));
        }
        let log_probabilities = logits.to_compute_dtype("Categorical")?.log_softmax(-1)?;
        if least(&log_probabilities)?.is_some_and(f64::is_nan) {
            return Err(Error::value(
                "Categorical: logits must not be NaN or infinite, and in each row one must be above -infinity",
            ));
        }
        Ok(Self { log_probabilities })
    }

    /// Of probabilities `(…, k)`, or of numbers in their proportion.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if one is negative.
    #[track_caller]
    pub fn from_probabilities(p: &Tensor) -> Result<Self> {
        let p = p.to_compute_dtype("Categorical")?;
        if let Some(wrong) = least(&p)?.filter(|x| !(*x >= 0.0)) {
            return Err(Error::value(format!("Categorical: a probability must not be negative, got {wrong}")));
        }
        Self::new(&p.ln()?)
    }

    /// ln p, `(…, k)`
    pub fn log_probabilities(&self) -> &Tensor {
        &self.log_probabilities
    }

    /// Draws `count` classes of each, `(count, …)` of i64, by the largest of ln p and Gumbel noise.
    ///
    /// # Errors
    /// If there is no memory for `count` numbers a class.
    ///
    /// # Source
    /// Maddison, Tarlow and Minka (2014), A* sampling, arXiv 1411.0030, section 2.
    #[track_caller]
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let shape = several(count, self.log_probabilities.shape());
        let noise = rng.uniform(&shape, 0.0, 1.0, DType::F64)?.ln()?.neg()?.ln()?;
        self.log_probabilities.detach().sub(&noise)?.argmax(&[-1], false)
    }

    /// ln p of classes, of integers, whose shape broadcasts with the distributions'.
    ///
    /// # Errors
    /// If the shapes do not broadcast, the classes are no integers, or one is none.
    #[track_caller]
    pub fn log_prob(&self, classes: impl TensorOrNumber) -> Result<Tensor> {
        self.log_prob_of(&*classes.value().beside("log_prob", DType::I64)?)
    }

    #[track_caller]
    fn log_prob_of(&self, classes: &Tensor) -> Result<Tensor> {
        let classes = check::indices("log_prob", classes)?;
        let all = self.log_probabilities.shape();
        let shape = check::broadcast("log_prob", classes.shape(), &all[..all.len() - 1])?;
        let wide: Dims = shape.iter().copied().chain([all[all.len() - 1]]).collect();
        let found = self.log_probabilities.expand(&wide)?.gather(-1, &classes.expand(&shape)?.unsqueeze(-1)?);
        found.map_err(|error| error.with_context("log_prob")).placed()?.squeeze(-1)
    }

    /// −Σ p ln p, `(…)`
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn entropy(&self) -> Result<Tensor> {
        self.expected(&self.log_probabilities)?.neg()
    }

    /// KL(p ‖ q) = Σ p (ln p − ln q), `(…)`; ∞ where q never has a class that p has.
    ///
    /// # Errors
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn kl_divergence(&self, other: &Self) -> Result<Tensor> {
        let (k, l) = (self.log_probabilities.dim(-1), other.log_probabilities.dim(-1));
        if k != l {
            return Err(Error::shape(format!("kl_divergence: of a distribution over {k} classes from one over {l}")));
        }
        self.expected(&self.possible(&self.log_probabilities)?.sub(&other.log_probabilities)?)
    }

    /// Σ p x over the classes that happen.
    #[track_caller]
    fn expected(&self, x: &Tensor) -> Result<Tensor> {
        let terms = self.log_probabilities.exp()?.mul(&self.possible(x)?)?;
        terms.sum(&[-1], false)
    }

    /// x, with 0 for classes that never happen.
    #[track_caller]
    fn possible(&self, x: &Tensor) -> Result<Tensor> {
        let never = self.log_probabilities.detach().eq(Tensor::scalar_as(f64::NEG_INFINITY, self.log_probabilities.dtype()))?;
        never.where_(Tensor::scalar_as(0.0, x.dtype()), x)
    }
}

/// So many of a shape.
fn several(count: usize, shape: &[usize]) -> Dims {
    [count].into_iter().chain(shape.iter().copied()).collect()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let numbers = |x: &[f64]| Tensor::from_slice(x, &[x.len()]).expect("as many as there are");
    let classes = |k: &[i64]| Tensor::from_slice(k, &[k.len()]).expect("as many as there are");
    vec![
        Spec::new("Normal", |x| {
            let (p, q) = (Normal::new(&x[0], &x[1])?, Normal::new(&x[2], &x[1])?);
            Ok(vec![p.log_prob(&x[2])?, p.cdf(&x[2])?, p.entropy()?, p.kl_divergence(&q)?])
        })
        .sample("shapes that broadcast", vec![normal(&[3, 1]), positive(&[4]), normal(&[3, 4])])
        .sample("none", vec![normal(&[0]), positive(&[1]), normal(&[0])])
        .orders(2)
        .may_drop_nan()
        .refuses(
            vec![normal(&[3]), normal(&[4]), normal(&[3])],
            "Normal: shapes [3] and [4] do not broadcast; sizes must be equal or 1, from the last",
        )
        .refuses(vec![numbers(&[0.0, f64::NAN]), numbers(&[1.0]), numbers(&[0.0])], "Normal: a mean must be a number, got NaN")
        .refuses(vec![numbers(&[0.0]), numbers(&[1.0, -0.5]), numbers(&[0.0])], "Normal: a deviation must be above 0, got -0.5")
        .refuses(vec![numbers(&[0.0]), numbers(&[f64::NAN]), numbers(&[0.0])], "Normal: a deviation must be above 0, got NaN"),
        Spec::new("a draw of Normal", |x| Ok(vec![Normal::new(&x[0], &x[1])?.sample(3, &mut Rng::new(1))?]))
            .sample("shapes that broadcast", vec![normal(&[2, 1]), positive(&[4])])
            .orders(2)
            .may_drop_nan(),
        Spec::new("Bernoulli", |x| {
            let (p, q) = (Bernoulli::new(&x[0])?, Bernoulli::new(&x[1])?);
            let r = Bernoulli::from_probabilities(&x[1].sigmoid()?)?;
            Ok(vec![p.log_prob(&x[1])?, p.entropy()?, p.kl_divergence(&q)?, r.entropy()?])
        })
        .sample("shapes that broadcast", vec![normal(&[3, 1]), normal(&[4])])
        .orders(2)
        .may_drop_nan()
        .refuses(vec![numbers(&[f64::NAN]), numbers(&[0.0])], "Bernoulli: a logit must be a number, got NaN"),
        Spec::new("Bernoulli of probabilities", |x| Ok(vec![Bernoulli::from_probabilities(&x[0])?.entropy()?]))
            .sample("between 0 and 1", vec![uniform(&[4], 0.1, 0.9)])
            .orders(2)
            .may_drop_nan()
            .refuses(vec![numbers(&[0.5, -0.25])], "Bernoulli: a probability must lie in [0, 1], got -0.25")
            .refuses(vec![numbers(&[0.5, 1.5])], "Bernoulli: a probability must lie in [0, 1], got 1.5")
            .refuses(vec![numbers(&[0.5, f64::NAN])], "Bernoulli: a probability must lie in [0, 1], got NaN"),
        Spec::new("Categorical", move |x| {
            let (p, q) = (Categorical::new(&x[0])?, Categorical::from_probabilities(&x[1].exp()?)?);
            Ok(vec![p.log_prob(&x[2])?, p.entropy()?, p.kl_divergence(&q)?])
        })
        .sample("rows", vec![normal(&[3, 4]), normal(&[4]), classes(&[3, 0, 3])])
        .orders(2)
        .may_drop_nan()
        .refuses(
            vec![normal(&[]), normal(&[4]), classes(&[0])],
            "Categorical: needs logits (…, k) of at least one class, got shape []",
        )
        .refuses(vec![normal(&[4]), normal(&[3]), classes(&[0])], "kl_divergence: of a distribution over 4 classes from one over 3")
        .refuses(
            vec![numbers(&[0.0, f64::NAN]), numbers(&[0.0, 0.0]), classes(&[0])],
            "Categorical: logits must not be NaN or infinite, and in each row one must be above -infinity",
        ),
        Spec::new("Categorical of probabilities", |x| Ok(vec![Categorical::from_probabilities(&x[0])?.entropy()?]))
            .sample("rows", vec![positive(&[3, 4])])
            .orders(2)
            .may_drop_nan()
            .refuses(vec![numbers(&[0.5, -0.25])], "Categorical: a probability must not be negative, got -0.25")
            .refuses(vec![numbers(&[0.5, f64::NAN])], "Categorical: a probability must not be negative, got NaN")
            .refuses(
                vec![numbers(&[0.0, 0.0])],
                "Categorical: logits must not be NaN or infinite, and in each row one must be above -infinity",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: normal, a_draw_of_normal, bernoulli, bernoulli_of_probabilities, categorical, categorical_of_probabilities);

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(x: &[f64]) -> Tensor {
        Tensor::from_slice(x, &[x.len()]).unwrap()
    }

    fn close(found: &Tensor, expected: &[f64]) {
        let found = found.to_f64_vec().unwrap();
        let same = |(a, b): (&f64, &f64)| a == b || (a - b).abs() < 1e-14;
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(same), "{found:?} instead of {expected:?}");
    }

    /// Values of `torch.distributions`: Normal(μ, σ).log_prob(x), .cdf(x), .entropy(), kl_divergence(Normal(μ, σ), Normal(0.5, 2)).
    #[test]
    fn normal_distributions_are_those_of_pytorch() {
        let p = Normal::new(&numbers(&[0.0, 1.5]), &numbers(&[1.0, 0.25])).unwrap();
        let q = Normal::new(&Tensor::scalar(0.5_f64), &Tensor::scalar(2.0_f64)).unwrap();
        let x = numbers(&[0.75, 1.0]);
        close(&p.log_prob(&x).unwrap(), &[-1.200_188_533_204_672_7, -1.532_644_172_084_782]);
        close(&p.cdf(&x).unwrap(), &[0.773_372_647_623_131_7, 0.022_750_131_948_179_21]);
        close(&p.entropy().unwrap(), &[1.418_938_533_204_672_7, 0.032_644_172_084_782_1]);
        close(&p.kl_divergence(&q).unwrap(), &[0.349_397_180_559_945_3, 1.712_254_041_679_835_7]);
    }

    /// Values of `torch.distributions.Bernoulli(logits = l)`, and of `kl_divergence` from the logit 0.5.
    #[test]
    fn bernoulli_distributions_are_those_of_pytorch_at_large_logits_too() {
        let p = Bernoulli::new(&numbers(&[-1.5, 0.0, 40.0])).unwrap();
        close(
            &p.log_prob(&numbers(&[1.0, 0.0, 1.0])).unwrap(),
            &[-1.701_413_277_982_752_4, -std::f64::consts::LN_2, -4.248_354_255_291_589e-18],
        );
        close(&p.entropy().unwrap(), &[0.475_051_563_692_286_96, std::f64::consts::LN_2, 4.248_354_255_291_589e-18]);
        close(
            &p.kl_divergence(&Bernoulli::new(&Tensor::scalar(0.5_f64)).unwrap()).unwrap(),
            &[0.407_812_658_584_641_55, 0.030_929_803_620_161_4, 0.474_076_984_180_106_7],
        );
        let sure = Bernoulli::from_probabilities(&numbers(&[0.0, 1.0])).unwrap();
        assert!(sure.log_prob(&numbers(&[0.0, 1.0])).unwrap().to_f64_vec().unwrap().iter().all(|x| x.abs() < 1e-15));
    }

    /// Values of `torch.distributions.Categorical(probs = p)`; a class that never happens adds nothing.
    #[test]
    fn categorical_distributions_are_those_of_pytorch_with_classes_that_never_happen() {
        let p = Categorical::from_probabilities(&numbers(&[0.5, 0.0, 1.5])).unwrap();
        let q = Categorical::from_probabilities(&numbers(&[0.2, 0.3, 0.5])).unwrap();
        close(&p.entropy().unwrap(), &[0.562_335_144_618_808_3]);
        close(&p.kl_divergence(&q).unwrap(), &[0.359_884_718_909_675_7]);
        close(&q.kl_divergence(&p).unwrap(), &[f64::INFINITY]);
        let classes = Tensor::from_slice(&[2_i64, 1], &[2]).unwrap();
        close(&p.log_prob(&classes).unwrap(), &[0.75_f64.ln(), f64::NEG_INFINITY]);
        let words = p.log_prob(&Tensor::from(vec![9_i64])).err().unwrap().to_string();
        assert!(words.starts_with("log_prob: gather: index 9 is outside axis "), "{words}");
        // torch.distributions.Normal(0, 1).cdf has no digits there; scipy.stats.norm.cdf([-10, -1])
        let tail = Normal::new(&Tensor::scalar(0.0), &Tensor::scalar(1.0)).unwrap().cdf(&numbers(&[-10.0, -1.0])).unwrap();
        let tail = tail.to_vec::<f64>().unwrap();
        assert!((tail[0] / 7.619_853_024_160_527e-24 - 1.0).abs() < 1e-12 && (tail[1] - 0.158_655_253_931_457_05).abs() < 1e-15);
    }

    /// Means of many draws, within five standard errors.
    #[test]
    fn draws_are_as_frequent_as_their_probabilities() {
        let (n, mut rng) = (40_000, Rng::new(5));
        let within = |found: f64, expected: f64| {
            let error = (expected * (1.0 - expected) / n as f64).sqrt();
            assert!((found - expected).abs() <= 5.0 * error, "{found} instead of {expected}");
        };
        let coins = Bernoulli::from_probabilities(&numbers(&[0.2, 0.9])).unwrap();
        let means = coins.sample(n, &mut rng).unwrap().mean(&[0], false).unwrap().to_f64_vec().unwrap();
        within(means[0], 0.2);
        within(means[1], 0.9);
        let dice = Categorical::from_probabilities(&numbers(&[0.2, 0.0, 0.3, 0.5])).unwrap();
        let drawn = dice.sample(n, &mut rng).unwrap().to_vec::<i64>().unwrap();
        for (class, p) in [0.2, 0.0, 0.3, 0.5].into_iter().enumerate() {
            within(drawn.iter().filter(|&&c| c == class as i64).count() as f64 / n as f64, p);
        }
        let shifted = Normal::new(&numbers(&[3.0]), &numbers(&[0.5])).unwrap().sample(n, &mut rng).unwrap();
        let mean = shifted.mean(&[], false).unwrap().item::<f64>().unwrap();
        assert!((mean - 3.0).abs() < 5.0 * 0.5 / (n as f64).sqrt());
    }
}
