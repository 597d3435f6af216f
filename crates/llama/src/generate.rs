//! Continuing a text, token by token.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use monotile::{DType, Error, Result, Rng};

use crate::model::Model;
use crate::tokenizer::Tokenizer;

/// How the next token is drawn from the logits: divided by the temperature, cut to the likeliest `top_k`, then to the likeliest that
/// together have probability `top_p`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// What logits are divided by; 0 always takes the likeliest token.
    pub temperature: f64,
    /// How many of the likeliest tokens are drawn from.
    pub top_k: Option<usize>,
    /// The probability that the likeliest tokens drawn from have together (Holtzman et al. 2020).
    pub top_p: Option<f64>,
    /// The seed of the random numbers.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: None, top_p: None, seed: 0 }
    }
}

/// Draws tokens; the same seed and logits give the same ones.
///
/// # Example
/// ```
/// use monotile_llama::{Sampler, Sampling};
/// let mut sampler = Sampler::new(Sampling { temperature: 0.0, ..Default::default() })?;
/// assert_eq!(sampler.pick(&[0.5, 2.0, -1.0])?, 1);
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Sampler {
    sampling: Sampling,
    rng: Rng,
}

impl Sampler {
    /// A sampler with these settings.
    ///
    /// # Errors
    /// `Value`, for a negative temperature, a `top_k` of 0 or a `top_p` outside (0, 1].
    pub fn new(sampling: Sampling) -> Result<Self> {
        let Sampling { temperature, top_k, top_p, seed } = sampling;
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

    /// The next token.
    ///
    /// # Errors
    /// `Value`, if there is no logit or one is not a number.
    pub fn pick(&mut self, logits: &[f32]) -> Result<u32> {
        if logits.is_empty() || logits.iter().any(|x| x.is_nan()) {
            return Err(Error::value("generate: a logit is not a number, so no token can be drawn"));
        }
        let mut order: Vec<usize> = (0..logits.len()).collect();
        let likelier = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
        let Sampling { temperature, top_k, top_p, .. } = self.sampling;
        let keep = if temperature == 0.0 { 1 } else { top_k.unwrap_or(order.len()).min(order.len()) };
        if keep < order.len() {
            order.select_nth_unstable_by(keep - 1, likelier);
            order.truncate(keep);
        }
        order.sort_unstable_by(likelier);
        if keep == 1 {
            return Ok(order[0] as u32);
        }
        let top = f64::from(logits[order[0]]);
        let mut weights: Vec<f64> = order.iter().map(|&i| ((f64::from(logits[i]) - top) / temperature).exp()).collect();
        if let Some(p) = top_p {
            let wanted = p * weights.iter().sum::<f64>();
            let mut so_far = 0.0;
            // The token that reaches the probability is the last one kept.
            let kept = weights.iter().position(|w| {
                so_far += w;
                so_far >= wanted
            });
            weights.truncate(kept.map_or(weights.len(), |last| last + 1));
        }
        let mut at = self.rng.next_f64() * weights.iter().sum::<f64>();
        let found = weights.iter().position(|w| {
            at -= w;
            at < 0.0
        });
        Ok(order[found.unwrap_or(weights.len() - 1)] as u32)
    }
}

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct Generation {
    /// The most tokens to add.
    pub max_tokens: usize,
    /// How each is drawn.
    pub sampling: Sampling,
    /// Texts before which generation ends.
    pub stop: Vec<String>,
}

impl Default for Generation {
    fn default() -> Self {
        Self { max_tokens: 200, sampling: Sampling::default(), stop: Vec::new() }
    }
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There are as many tokens as were asked for.
    Length,
    /// The model gave a token that ends a text.
    EndOfText,
    /// One of the stop texts came.
    Stop,
    /// The context is full.
    Context,
    /// The caller asked for no more.
    Caller,
}

/// A continuation and how long it took.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The text after the prompt.
    pub text: String,
    /// Its tokens, those of a stop text and the last one included.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub ended: Ended,
    /// How many tokens the prompt has.
    pub prompt_tokens: usize,
    /// The time to read the prompt.
    pub prompt_time: Duration,
    /// The time to add the tokens.
    pub time: Duration,
}

/// Continues a prompt; `on_text` gets the text as it comes and may end it.
///
/// # Errors
/// `Value`, if the prompt is longer than the context or has no token, or settings are out of range.
pub fn generate(
    model: &Model,
    tokenizer: &Tokenizer,
    prompt: &str,
    generation: &Generation,
    mut on_text: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<Generated> {
    let config = model.config();
    let mut sampler = Sampler::new(generation.sampling.clone())?;
    let mut prompt_tokens = tokenizer.encode(prompt)?;
    if prompt_tokens.is_empty() {
        prompt_tokens.extend(config.bos_token_id);
    }
    let (given, context) = (prompt_tokens.len(), config.context());
    if given == 0 {
        return Err(Error::value("generate: the prompt has no tokens and the model no token to begin with"));
    }
    if given > context {
        return Err(Error::value(format!("generate: the prompt has {given} tokens, the model's context holds {context}")));
    }

    let begun = Instant::now();
    let mut cache = model.cache();
    let mut logits = model.next(&Model::tokens(&[&prompt_tokens])?, &mut cache)?;
    let prompt_time = begun.elapsed();

    let begun = Instant::now();
    let mut stream = tokenizer.stream_after(&prompt_tokens);
    let mut shown = Shown::new(&generation.stop);
    let mut tokens = Vec::new();
    let ended = loop {
        if tokens.len() == generation.max_tokens {
            break Ended::Length;
        }
        let token = sampler.pick(&logits.to_dtype(DType::F32)?.to_vec::<f32>()?)?;
        tokens.push(token);
        if config.eos_token_ids.contains(&token) {
            break Ended::EndOfText;
        }
        match shown.push(&stream.push(token)?, &mut on_text) {
            Some(ended) => break ended,
            None if given + tokens.len() > context => break Ended::Context,
            None if tokens.len() < generation.max_tokens => logits = model.next(&Model::tokens(&[&[token]])?, &mut cache)?,
            None => {}
        }
    };
    if !matches!(ended, Ended::Stop | Ended::Caller) {
        shown.finish(&stream.finish()?, &mut on_text);
    }
    Ok(Generated { text: shown.text, tokens, ended, prompt_tokens: given, prompt_time, time: begun.elapsed() })
}

/// Text on its way out, held back where it may be the beginning of a stop text.
struct Shown<'a> {
    stop: &'a [String],
    held: String,
    text: String,
}

impl<'a> Shown<'a> {
    fn new(stop: &'a [String]) -> Self {
        Self { stop, held: String::new(), text: String::new() }
    }

    fn show(&mut self, length: usize, on_text: &mut impl FnMut(&str) -> ControlFlow<()>) -> Option<Ended> {
        let out: String = self.held.drain(..length).collect();
        self.text += &out;
        (!out.is_empty() && on_text(&out).is_break()).then_some(Ended::Caller)
    }

    fn push(&mut self, text: &str, on_text: &mut impl FnMut(&str) -> ControlFlow<()>) -> Option<Ended> {
        self.held += text;
        let stops = || self.stop.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stops().filter_map(|stop| self.held.find(stop.as_str())).min() {
            return self.show(at, on_text).or(Some(Ended::Stop));
        }
        let may_begin = |at: &usize| stops().any(|stop| stop.starts_with(&self.held[*at..]));
        let safe = self.held.char_indices().map(|(at, _)| at).find(may_begin).unwrap_or(self.held.len());
        self.show(safe, on_text)
    }

    fn finish(&mut self, text: &str, on_text: &mut impl FnMut(&str) -> ControlFlow<()>) {
        if self.push(text, on_text).is_none() {
            self.show(self.held.len(), on_text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn draws(sampling: Sampling, logits: &[f32]) -> Vec<u32> {
        let mut sampler = Sampler::new(sampling).unwrap();
        (0..2000).map(|_| sampler.pick(logits).unwrap()).collect()
    }

    #[test]
    fn draws_have_the_probabilities_of_the_softmax() {
        // Probabilities 1/2, 1/4, 1/4.
        let logits = [2f32.ln(), 0.0, 0.0];
        let count = |sampling| draws(sampling, &logits).iter().filter(|&&t| t == 0).count() as f64;
        // Five standard deviations of 2000 draws.
        let deviation = |p: f64| 5.0 * (2000.0 * p * (1.0 - p)).sqrt();
        assert!((count(Sampling::default()) - 1000.0).abs() < deviation(0.5));
        // At half the temperature 4 : 1 : 1.
        let cold = Sampling { temperature: 0.5, ..Sampling::default() };
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
        assert_eq!(kept(Sampling { top_k: Some(2), ..Sampling::default() }), [1, 2]);
        // The softmax is 0.64, 0.24, 0.09, 0.03: 0.7 needs two tokens.
        assert_eq!(kept(Sampling { top_p: Some(0.7), ..Sampling::default() }), [1, 2]);
        assert_eq!(kept(Sampling { top_p: Some(0.5), ..Sampling::default() }), [1]);
        assert_eq!(kept(Sampling::default()), [0, 1, 2, 3]);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let of = |seed| draws(Sampling { seed, ..Sampling::default() }, &[0.0; 50]);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |sampling| Sampler::new(sampling).err().unwrap().to_string();
        let default = Sampling::default;
        assert_eq!(refused(Sampling { temperature: -1.0, ..default() }), "generate: the temperature must be 0 or above, got -1");
        assert_eq!(refused(Sampling { top_k: Some(0), ..default() }), "generate: top_k must be 1 or above, got 0");
        assert_eq!(refused(Sampling { top_p: Some(1.5), ..default() }), "generate: top_p must be above 0 and at most 1, got 1.5");
        let nan = Sampler::new(default()).unwrap().pick(&[f32::NAN]).unwrap_err().to_string();
        assert_eq!(nan, "generate: a logit is not a number, so no token can be drawn");
    }

    #[test]
    fn a_stop_text_that_comes_in_parts_is_not_shown() {
        let stop = ["END".to_string(), "\n\n".to_string()];
        let mut seen = String::new();
        let mut show = |text: &str| {
            seen += text;
            ControlFlow::Continue(())
        };
        let mut shown = Shown::new(&stop);
        assert_eq!(shown.push("a EN", &mut show), None);
        assert_eq!(shown.push("T\n", &mut show), None);
        assert_eq!(shown.push("b E", &mut show), None);
        assert_eq!(shown.push("ND c", &mut show), Some(Ended::Stop));
        assert_eq!((shown.text.as_str(), seen.as_str()), ("a ENT\nb ", "a ENT\nb "));
    }

    #[test]
    fn generation_ends_where_it_should() {
        let config = Config { max_position_embeddings: 16, eos_token_ids: vec![], ..Config::default() };
        let model = Model::random(config, 1).unwrap();
        let tokenizer = Tokenizer::bytes();
        let run = |prompt: &str, max_tokens| {
            let generation = Generation { max_tokens, ..Generation::default() };
            generate(&model, &tokenizer, prompt, &generation, |_| ControlFlow::Continue(()))
        };
        let short = run("hello", 3).unwrap();
        assert_eq!((short.ended, short.tokens.len(), short.prompt_tokens), (Ended::Length, 3, 5));
        let full = run("hello", 100).unwrap();
        // The last token is predicted from a full context of 16.
        assert_eq!((full.ended, full.tokens.len()), (Ended::Context, 12));
        assert_eq!(full.tokens[..3], short.tokens);
        let long = run(&"x".repeat(17), 1).unwrap_err().to_string();
        assert_eq!(long, "generate: the prompt has 17 tokens, the model's context holds 16");
        let begun = run("", 1).unwrap();
        assert_eq!(begun.prompt_tokens, 1, "an empty prompt begins with the token that begins a text");
    }
}
