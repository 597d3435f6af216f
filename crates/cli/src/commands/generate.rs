//! `monotile generate`: continues a text with a checkpoint, token by token.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile::text::prose;
use monotile_adapters::json::{read_stdin_text, read_text};
use monotile_llama::lora::Adapter;
use monotile_llama::{FinishReason, GenerateOptions, GenerationOutput, SamplingOptions, generate};

use super::checkpoint;
use super::devices::DeviceArgs;
use crate::command_error::CommandError;
use crate::numbers;
use crate::progress::say;
use crate::report::duration;

/// Continues a text with a LLaMA, Mistral or Qwen2 checkpoint.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile generate --model shakespeare --prompt \"ROMEO:\" --seed 1
  monotile generate --model shakespeare --prompt \"ROMEO:\" --greedy --max-tokens 50
  monotile generate --model shakespeare --adapter kjv --prompt \"In the beginning\" --top-p 0.9
  monotile generate --model shakespeare --prompt \"ROMEO:\" --device gpu
  echo \"To be, or\" | monotile generate --model shakespeare --prompt-file -

The text goes to standard output as it comes, the speed to standard error. The same seed gives the same text. A terminal gets it with
control characters and changes of direction escaped, a file or a pipe as the model wrote it.")]
pub struct GenerateArgs {
    /// Folder of the checkpoint: config.json, tokenizer.json, model.safetensors or shards with an index
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder of a LoRA adapter as PEFT writes it, put on top of the model
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// The text to continue
    #[arg(long, value_name = "TEXT", required_unless_present = "prompt_file", conflicts_with = "prompt_file")]
    prompt: Option<String>,
    /// A file with the text to continue; - is standard input
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,
    /// The most tokens to add
    #[arg(long, value_name = "N", default_value_t = 200)]
    max_tokens: usize,
    /// What logits are divided by before the softmax; small is sober, large is wild
    #[arg(long, value_name = "T", default_value_t = 0.8, value_parser = numbers::not_negative::<f64>)]
    temperature: f64,
    /// Draw among the K likeliest tokens only
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw among the likeliest tokens that together have this probability
    #[arg(long, value_name = "P", value_parser = numbers::probability)]
    top_p: Option<f64>,
    /// Always take the likeliest token
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p"])]
    greedy: bool,
    /// The random numbers' seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// End before this text; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Print what was added only
    #[arg(long)]
    no_prompt: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl GenerateArgs {
    /// Streams the text to standard output and tells the speed on standard error.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let prompt = self.prompt()?;
        let (mut model, tokenizer) = checkpoint::read(&self.model)?;
        if let Some(folder) = &self.adapter {
            model.attach(&Adapter::read(folder)?)?;
        }
        let model = model.to(&self.device.open()?)?;
        let temperature = if self.greedy { 0.0 } else { self.temperature };
        let sampling = SamplingOptions { temperature, top_k: self.top_k, top_p: self.top_p, seed: self.seed };
        let generation = GenerateOptions { max_tokens: self.max_tokens, sampling, stop: self.stop.clone() };

        let terminal = std::io::stdout().is_terminal();
        let mut written = Ok(());
        let mut shown = false;
        let generated = generate(&model, &tokenizer, &prompt, &generation, &mut |text| {
            let before = if shown || self.no_prompt { "" } else { prompt.as_str() };
            shown = true;
            written = show(&[before, text], terminal, out);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        written?;
        writeln!(out)?;
        out.flush()?;
        say(&speed(&generated));
        Ok(())
    }

    fn prompt(&self) -> Result<String, CommandError> {
        let Some(path) = &self.prompt_file else { return Ok(self.prompt.clone().unwrap_or_default()) };
        let limit = &monotile::limits::TEXT;
        Ok(if path == Path::new("-") { read_stdin_text(limit)? } else { read_text(path, limit)? })
    }
}

/// Writes parts of a text at once. Weights can be made to say anything: a terminal gets nothing that acts on it.
fn show(parts: &[&str], terminal: bool, out: &mut dyn Write) -> std::io::Result<()> {
    parts.iter().try_for_each(|part| if terminal { write!(out, "{}", prose(part)) } else { write!(out, "{part}") })?;
    out.flush()
}

/// `200 tokens at 251 tokens/s, the prompt of 3 in 4.02 ms; the context is full`
fn speed(generated: &GenerationOutput) -> String {
    let tokens = generated.tokens.len();
    let rate = tokens as f64 / generated.time.as_secs_f64().max(1e-9);
    let prompt = duration(generated.prompt_time.as_secs_f64());
    let why = match generated.finish_reason {
        FinishReason::Context => "; the context is full",
        FinishReason::EndOfText => "; the text ended",
        FinishReason::Stop => "; a stop text came",
        FinishReason::Length | FinishReason::Caller => "",
    };
    format!("{tokens} tokens at {rate:.0} tokens/s, the prompt of {} in {prompt}{why}", generated.prompt_tokens)
}
