//! Drawing the next token from its logits.

use monotile::{Error, Result, Rng};

/// How the next token is drawn from the logits: divided by the temperature, cut to the likeliest `top_k`, then to the likeliest that
/// together have probability `top_p`.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingOptions {
    /// What logits are divided by; 0 always takes the likeliest token.
    pub temperature: f64,
    /// How many of the likeliest tokens are drawn from.
    pub top_k: Option<usize>,
    /// The probability that the likeliest tokens drawn from have together (Holtzman et al. 2020).
    pub top_p: Option<f64>,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: None, seed: 0 }
    }
}

/// Draws tokens; the same seed and logits give the same ones.
///
/// # Example
/// ```
/// use monotile_llama::{TokenSampler, SamplingOptions};
/// let mut sampler = TokenSampler::new(SamplingOptions { temperature: 0.0, ..Default::default() })?;
/// assert_eq!(sampler.sample(&[0.5, 2.0, -1.0])?, 1);
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct TokenSampler {
    sampling: SamplingOptions,
    rng: Rng,
}

impl TokenSampler {
    /// A sampler with these settings.
    ///
    /// # Errors
    /// `Value`, for a negative temperature, a `top_k` of 0 or a `top_p` outside (0, 1].
    pub fn new(sampling: SamplingOptions) -> Result<Self> {
        let SamplingOptions { temperature, top_k, top_p, seed } = sampling;
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(Error::value(format!("generate: the temperature must be 0 or above, got {temperature}")));
        }
        if top_k == Some(0) {
            return Err(Error::value("generate: top_k must be 1 or above, got 0"));
        }
        if let Some(p) = top_p.filter(|p| !(*p > 0.0 && *p <= 1.0)) {
            return Err(Error::value(format!("generate: top_p must be above 0 and at most 1, got {p}")));
        }
        Ok(Self { sampling, rng: Rng::new(seed) })
    }

    /// The next token. Of equal logits the one with the lower number counts as the likelier.
    ///
    /// # Errors
    /// `Value`, if there is no logit or one is not a number.
    ///
    /// # Cost
    /// An exponential a token; only the likeliest are sorted, as many as reach to the one drawn.
    pub fn sample(&mut self, logits: &[f32]) -> Result<u32> {
        if logits.is_empty() || logits.iter().any(|x| x.is_nan()) {
            return Err(Error::value("generate: a logit is not a number, so no token can be drawn"));
        }
        let likelier = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
        let SamplingOptions { temperature, top_k, top_p, .. } = self.sampling;
        let keep = if temperature == 0.0 { 1 } else { top_k.unwrap_or(logits.len()).min(logits.len()) };
        if keep == 1 {
            return Ok((0..logits.len()).min_by(likelier).unwrap_or(0) as u32);
        }
        let mut tokens: Vec<usize> = (0..logits.len()).collect();
        if keep < tokens.len() {
            tokens.select_nth_unstable_by(keep - 1, likelier);
            tokens.truncate(keep);
        }
        let top = f64::from(tokens.iter().fold(f32::NEG_INFINITY, |top, &token| top.max(logits[token])));
        let weight = |&token: &usize| ((f64::from(logits[token]) - top) / temperature).exp();
        let bounds = sum_in_any_order(tokens.iter().map(weight));
        let random = self.rng.next_f64();
        let (mut weights, mut sorted) = (Vec::new(), 0);
        // Where the probability is to be 1, none can be left out.
        let few = if top_p == Some(1.0) { keep } else { SORTED };
        // The likeliest are put in order, more and more of them, until the draw falls among them.
        loop {
            let next = (3 * sorted).max(few).min(keep - sorted);
            let rest = &mut tokens[sorted..];
            if next < rest.len() {
                rest.select_nth_unstable_by(next - 1, likelier);
            }
            rest[..next].sort_unstable_by(likelier);
            weights.extend(rest[..next].iter().map(weight));
            sorted += next;
            if sorted == keep {
                let place = drawn(&weights, weights.iter().sum(), top_p, random);
                return Ok(tokens[place.unwrap_or(keep - 1)] as u32);
            }
            // A larger sum draws no likelier token, so what both bounds draw is what the sum of the sorted weights draws.
            let [least, most] = bounds.map(|sum| drawn(&weights, sum, top_p, random));
            if let Some(place) = least.filter(|_| least == most) {
                return Ok(tokens[place] as u32);
            }
        }
    }
}

/// How many of the likeliest tokens are put in order at first.
const SORTED: usize = 256;

/// What a sum of weights is at least and at most, whatever the order it is taken in.
fn sum_in_any_order(weights: impl ExactSizeIterator<Item = f64>) -> [f64; 2] {
    // Each of two sums of n terms is off by n ε / 2 at most, to first order.
    let off = 2.0 * weights.len() as f64 * f64::EPSILON;
    let sum: f64 = weights.sum();
    [sum * (1.0 - off), sum * (1.0 + off)]
}

/// The place of the drawn token among the likeliest, by their weights; `None`, if it lies beyond them. `sum` is of all weights.
fn drawn(weights: &[f64], sum: f64, top_p: Option<f64>, random: f64) -> Option<usize> {
    let mut kept = weights;
    let mut at = random * sum;
    if let Some(p) = top_p {
        let wanted = p * sum;
        let mut so_far = 0.0;
        // The token that reaches the probability is the last one kept.
        let last = weights.iter().position(|w| {
            so_far += w;
            so_far >= wanted
        });
        kept = &weights[..=last?];
        at = random * kept.iter().sum::<f64>();
    }
    let found = kept.iter().position(|w| {
        at -= w;
        at < 0.0
    });
    found.or(top_p.map(|_| kept.len() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use monotile::DType;

    fn draws(sampling: SamplingOptions, logits: &[f32]) -> Vec<u32> {
        let mut sampler = TokenSampler::new(sampling).unwrap();
        (0..2000).map(|_| sampler.sample(logits).unwrap()).collect()
    }

    #[test]
    fn draws_have_the_probabilities_of_the_softmax() {
        // Probabilities 1/2, 1/4, 1/4.
        let logits = [2f32.ln(), 0.0, 0.0];
        let count = |sampling| draws(sampling, &logits).iter().filter(|&&t| t == 0).count() as f64;
        // Five standard deviations of 2000 draws.
        let deviation = |p: f64| 5.0 * (2000.0 * p * (1.0 - p)).sqrt();
        assert!((count(SamplingOptions::default()) - 1000.0).abs() < deviation(0.5));
        // At half the temperature 4 : 1 : 1.
        let cold = SamplingOptions { temperature: 0.5, ..SamplingOptions::default() };
        assert!((count(cold) - 2000.0 * 4.0 / 6.0).abs() < deviation(4.0 / 6.0));
    }

    #[test]
    fn cuts_leave_only_the_likeliest() {
        let logits = [1.0, 3.0, 2.0, 0.0];
        let kept = |sampling| {
            let mut kept = draws(sampling, &logits);
            kept.sort_unstable();
            kept.dedup();
            kept
        };
        assert_eq!(kept(SamplingOptions { top_k: Some(2), ..SamplingOptions::default() }), [1, 2]);
        // The softmax is 0.64, 0.24, 0.09, 0.03: 0.7 needs two tokens.
        assert_eq!(kept(SamplingOptions { top_p: Some(0.7), ..SamplingOptions::default() }), [1, 2]);
        assert_eq!(kept(SamplingOptions { top_p: Some(0.5), ..SamplingOptions::default() }), [1]);
        assert_eq!(kept(SamplingOptions::default()), [0, 1, 2, 3]);
    }

    /// The plain twin: all tokens in order, likeliest first, the lower number first where logits are equal.
    fn of_a_full_sort(logits: &[f32], sampling: &SamplingOptions, rng: &mut Rng) -> u32 {
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
        order.truncate(if sampling.temperature == 0.0 { 1 } else { sampling.top_k.unwrap_or(order.len()) });
        if order.len() == 1 {
            return order[0] as u32;
        }
        let top = f64::from(logits[order[0]]);
        let mut weights: Vec<f64> = order.iter().map(|&i| ((f64::from(logits[i]) - top) / sampling.temperature).exp()).collect();
        if let Some(p) = sampling.top_p {
            let (wanted, mut so_far) = (p * weights.iter().sum::<f64>(), 0.0);
            let kept = weights.iter().position(|w| {
                so_far += w;
                so_far >= wanted
            });
            weights.truncate(kept.map_or(weights.len(), |last| last + 1));
        }
        let mut at = rng.next_f64() * weights.iter().sum::<f64>();
        let found = weights.iter().position(|w| {
            at -= w;
            at < 0.0
        });
        order[found.unwrap_or(weights.len() - 1)] as u32
    }

    #[test]
    fn draws_are_those_of_a_full_sort() {
        let mut rng = Rng::new(3);
        let normal = |rng: &mut Rng| rng.normal(&[3000], DType::F32).unwrap().mul_scalar(3.0).unwrap().to_vec::<f32>().unwrap();
        let spread = normal(&mut rng);
        // Logits of bf16 are equal to many others.
        let ties: Vec<f32> = normal(&mut rng).iter().map(|x| x.round()).collect();
        let mut masked = normal(&mut rng);
        masked.iter_mut().skip(1).step_by(2).for_each(|x| *x = f32::NEG_INFINITY);
        let mut odd = spread.clone();
        odd[7] = f32::INFINITY;
        let short = spread[..3].to_vec();
        for logits in [spread, ties, masked, vec![0.5; 2000], vec![f32::NEG_INFINITY; 600], odd, short] {
            for temperature in [0.0, 0.3, 1.0, 50.0] {
                for top_k in [None, Some(1), Some(40), Some(700), Some(5000)] {
                    for top_p in [None, Some(0.01), Some(0.5), Some(0.95), Some(1.0)] {
                        let sampling = SamplingOptions { temperature, top_k, top_p, seed: 5 };
                        let (mut sampler, mut rng) = (TokenSampler::new(sampling.clone()).unwrap(), Rng::new(5));
                        let keep = SamplingOptions { top_k: top_k.map(|k| k.min(logits.len())), ..sampling };
                        for _ in 0..4 {
                            let plain = of_a_full_sort(&logits, &keep, &mut rng);
                            assert_eq!(sampler.sample(&logits).unwrap(), plain, "{keep:?} of {} logits", logits.len());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_sum_lies_between_its_bounds_in_any_order() {
        let weights: Vec<f64> = (0..100_000).map(|i| (-f64::from(i) / 3e4).exp()).collect();
        let [least, most] = sum_in_any_order(weights.iter().rev().copied());
        let sum: f64 = weights.iter().sum();
        assert!(least <= sum && sum <= most && most - least < 1e-10 * sum);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let of = |seed| draws(SamplingOptions { seed, ..SamplingOptions::default() }, &[0.0; 50]);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |sampling| TokenSampler::new(sampling).err().unwrap().to_string();
        let default = SamplingOptions::default;
        assert_eq!(
            refused(SamplingOptions { temperature: -1.0, ..default() }),
            "generate: the temperature must be 0 or above, got -1"
        );
        assert_eq!(refused(SamplingOptions { top_k: Some(0), ..default() }), "generate: top_k must be 1 or above, got 0");
        assert_eq!(
            refused(SamplingOptions { top_p: Some(1.5), ..default() }),
            "generate: top_p must be above 0 and at most 1, got 1.5"
        );
        let nan = TokenSampler::new(default()).unwrap().sample(&[f32::NAN]).unwrap_err().to_string();
        assert_eq!(nan, "generate: a logit is not a number, so no token can be drawn");
    }
}
