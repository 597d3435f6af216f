//! Continuing a text, token by token.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use monotile::{DType, Error, Result};

use crate::model::Model;
use crate::sample::{SamplingOptions, TokenSampler};
use crate::tokenizer::Tokenizer;

/// What to generate.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerateOptions {
    /// The most tokens to add.
    pub max_tokens: usize,
    /// How each is drawn.
    pub sampling: SamplingOptions,
    /// Texts before which generation ends.
    pub stop: Vec<String>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self { max_tokens: 200, sampling: SamplingOptions::default(), stop: Vec::new() }
    }
}

/// Why generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
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
pub struct GenerationOutput {
    /// The text after the prompt.
    pub text: String,
    /// Its tokens, those of a stop text and the last one included.
    pub tokens: Vec<u32>,
    /// Why it ended.
    pub finish_reason: FinishReason,
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
    generation: &GenerateOptions,
    on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<GenerationOutput> {
    let config = model.config();
    let mut sampler = TokenSampler::new(generation.sampling.clone())?;
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
    let mut logits = model.next_logits(&Model::tokens(&[&prompt_tokens])?, &mut cache)?;
    let prompt_time = begun.elapsed();

    let begun = Instant::now();
    let mut stream = tokenizer.stream_after(&prompt_tokens);
    let mut shown = StopTextFilter::new(&generation.stop);
    let mut tokens = Vec::new();
    let ended = loop {
        if tokens.len() == generation.max_tokens {
            break FinishReason::Length;
        }
        let token = sampler.sample(&logits.to_dtype(DType::F32)?.to_vec::<f32>()?)?;
        tokens.push(token);
        if config.eos_token_ids.contains(&token) {
            break FinishReason::EndOfText;
        }
        match shown.push(&stream.push(token)?, on_text) {
            Some(ended) => break ended,
            None if given + tokens.len() > context => break FinishReason::Context,
            None if tokens.len() < generation.max_tokens => logits = model.next_logits(&Model::tokens(&[&[token]])?, &mut cache)?,
            None => {}
        }
    };
    if !matches!(ended, FinishReason::Stop | FinishReason::Caller) {
        shown.finish(&stream.finish()?, on_text);
    }
    Ok(GenerationOutput {
        text: shown.text,
        tokens,
        finish_reason: ended,
        prompt_tokens: given,
        prompt_time,
        time: begun.elapsed(),
    })
}

/// Text on its way out, held back where it may be the beginning of a stop text.
struct StopTextFilter<'a> {
    stop: &'a [String],
    held: String,
    text: String,
}

impl<'a> StopTextFilter<'a> {
    fn new(stop: &'a [String]) -> Self {
        Self { stop, held: String::new(), text: String::new() }
    }

    fn show(&mut self, length: usize, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Option<FinishReason> {
        let out: String = self.held.drain(..length).collect();
        self.text += &out;
        (!out.is_empty() && on_text(&out).is_break()).then_some(FinishReason::Caller)
    }

    fn push(&mut self, text: &str, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Option<FinishReason> {
        self.held += text;
        let stops = || self.stop.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stops().filter_map(|stop| self.held.find(stop.as_str())).min() {
            return self.show(at, on_text).or(Some(FinishReason::Stop));
        }
        let may_begin = |at: &usize| stops().any(|stop| stop.starts_with(&self.held[*at..]));
        let safe = self.held.char_indices().map(|(at, _)| at).find(may_begin).unwrap_or(self.held.len());
        self.show(safe, on_text)
    }

    fn finish(&mut self, text: &str, on_text: &mut dyn FnMut(&str) -> ControlFlow<()>) {
        if self.push(text, on_text).is_none() {
            self.show(self.held.len(), on_text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_stop_text_that_comes_in_parts_is_not_shown() {
        let stop = ["END".to_string(), "\n\n".to_string()];
        let mut seen = String::new();
        let mut show = |text: &str| {
            seen += text;
            ControlFlow::Continue(())
        };
        let mut shown = StopTextFilter::new(&stop);
        assert_eq!(shown.push("a EN", &mut show), None);
        assert_eq!(shown.push("T\n", &mut show), None);
        assert_eq!(shown.push("b E", &mut show), None);
        assert_eq!(shown.push("ND c", &mut show), Some(FinishReason::Stop));
        assert_eq!((shown.text.as_str(), seen.as_str()), ("a ENT\nb ", "a ENT\nb "));
    }

    #[test]
    fn generation_ends_where_it_should() {
        let config = Config { max_position_embeddings: 16, eos_token_ids: vec![], ..Config::default() };
        let model = Model::random(config, 1).unwrap();
        let tokenizer = Tokenizer::bytes();
        let run = |prompt: &str, max_tokens| {
            let generation = GenerateOptions { max_tokens, ..GenerateOptions::default() };
            generate(&model, &tokenizer, prompt, &generation, &mut |_| ControlFlow::Continue(()))
        };
        let short = run("hello", 3).unwrap();
        assert_eq!((short.finish_reason, short.tokens.len(), short.prompt_tokens), (FinishReason::Length, 3, 5));
        let full = run("hello", 100).unwrap();
        // The last token is predicted from a full context of 16.
        assert_eq!((full.finish_reason, full.tokens.len()), (FinishReason::Context, 12));
        assert_eq!(full.tokens[..3], short.tokens);
        let long = run(&"x".repeat(17), 1).unwrap_err().to_string();
        assert_eq!(long, "generate: the prompt has 17 tokens, the model's context holds 16");
        let begun = run("", 1).unwrap();
        assert_eq!(begun.prompt_tokens, 1, "an empty prompt begins with the token that begins a text");
    }
}
