//! `monotile train`: a small LLaMA from scratch.

use std::io::Write;
use std::path::Path;

use clap::{Args, ValueEnum};
use monotile::DType;
use monotile_llama::train::{PlanSubject, TrainOptions, Trainer, TrainingPlan};
use monotile_llama::{Config, Model, Tokenizer, TrainableParameters};

use super::checkpoint;
use super::plan::RunPlan;
use super::training::{TrainingArgs, sum_up};
use crate::command_error::CommandError;
use crate::progress::say;

/// Trains a small LLaMA from scratch, and its tokenizer, on a text.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile train --data text.txt --out small
  monotile train --data text.txt --out bytes --tokenizer bytes --hidden 192 --layers 6 --steps 2000
  monotile train --data text.txt --out small --resume
  monotile train --data sums.jsonl --out sums --tokenizer bytes --length 64 --patience 3

A file whose name ends in .jsonl holds samples, one JSON object a line, and .json a list of them: {\"text\": …}, or
{\"prompt\": …, \"completion\": …}, of which the completion is learned. They are packed into rows of --length tokens; none sees another.

The folder holds the checkpoint as transformers reads it (config.json, tokenizer.json, model.safetensors), log.jsonl (a line a step),
loss.svg, and what --resume needs. After Ctrl-C or a kill, the same command with --resume resumes from the last save to the same result.")]
pub struct TrainArgs {
    /// Tokens of the vocabulary, learned from the text; or `bytes`
    #[arg(long, value_name = "N", default_value = "1024", value_parser = vocabulary)]
    tokenizer: Vocabulary,
    /// Blocks
    #[arg(long, value_name = "N", default_value_t = 4)]
    layers: usize,
    /// Numbers that stand for a token between blocks
    #[arg(long, value_name = "N", default_value_t = 256)]
    hidden: usize,
    /// Numbers inside the feed-forward part [default: 8/3 of --hidden]
    #[arg(long, value_name = "N")]
    intermediate: Option<usize>,
    /// Heads of queries
    #[arg(long, value_name = "N", default_value_t = 8)]
    heads: usize,
    /// Heads of keys and values, shared by those of queries [default: as many]
    #[arg(long, value_name = "N")]
    kv_heads: Option<usize>,
    /// The longest text the model can look back on [default: four rows]
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// How weights are stored
    #[arg(long, value_enum, default_value_t = Stored::Bf16)]
    dtype: Stored,
    #[command(flatten)]
    settings: TrainingArgs,
}

/// What the model reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vocabulary {
    Bytes,
    Learned(usize),
}

fn vocabulary(text: &str) -> Result<Vocabulary, String> {
    match text {
        "bytes" => Ok(Vocabulary::Bytes),
        n => n.parse().map(Vocabulary::Learned).map_err(|_| "a number of tokens is wanted, or bytes".to_string()),
    }
}

/// How weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stored {
    /// Half the size
    Bf16,
    /// As they are trained
    F32,
}

impl TrainArgs {
    /// Learns the tokenizer, then the model.
    pub fn run(&self, _out: &mut dyn Write) -> Result<(), CommandError> {
        self.settings.check_out()?;
        let tokenizer = match self.tokenizer {
            Vocabulary::Bytes => Tokenizer::bytes(),
            Vocabulary::Learned(tokens) => Tokenizer::train(&self.settings.data.text()?, tokens)?,
        };
        let config = self.config(&tokenizer)?;
        let device = self.settings.device.open()?;
        say(&format!("model     {}", checkpoint::summary(&config)));
        let compute = self.settings.compute();
        let plan = |options: &TrainOptions, length| TrainingPlan::new(&config, PlanSubject::Everything, length, options, compute);
        let options = self.settings.options();
        RunPlan { plan: &plan, options: &options, length: self.settings.data.length, frozen: 0, device: &device }.announce()?;
        let (rows, held_out) = self.settings.rows(&tokenizer, tokenizer.special("</s>"), None)?;
        if self.settings.dry_run {
            return Ok(());
        }
        let model = self.settings.computing(Model::random(config, self.settings.seed)?)?;
        let trainer = Trainer::new(model, TrainableParameters::Everything, rows, options)?;
        let mut trainer = trainer.with_held_out(held_out)?.to(&device)?;
        let dtype = if self.dtype == Stored::Bf16 { DType::BF16 } else { DType::F32 };
        let write = |model: &Model, folder: &Path| {
            tokenizer.write(folder)?;
            model.write(folder, dtype)
        };
        let held_out = self.settings.train(&mut trainer, &write)?;
        sum_up(&held_out, &format!("the checkpoint is in {}", self.settings.out.display()));
        Ok(())
    }

    fn config(&self, tokenizer: &Tokenizer) -> Result<Config, CommandError> {
        if self.heads == 0 || !self.hidden.is_multiple_of(self.heads) {
            return Err(CommandError::Usage(format!("train: --hidden {} is no multiple of --heads {}", self.hidden, self.heads)));
        }
        let config = Config {
            vocab_size: tokenizer.vocabulary(),
            hidden_size: self.hidden,
            intermediate_size: self.intermediate.unwrap_or((self.hidden.saturating_mul(8) / 3).saturating_add(15) / 16 * 16),
            num_hidden_layers: self.layers,
            num_attention_heads: self.heads,
            num_key_value_heads: self.kv_heads.unwrap_or(self.heads),
            head_dim: self.hidden / self.heads,
            max_position_embeddings: self.context.unwrap_or(self.settings.data.length.saturating_mul(4)),
            bos_token_id: tokenizer.special("<s>"),
            eos_token_ids: tokenizer.special("</s>").into_iter().collect(),
            ..Config::default()
        };
        config.check()?;
        Ok(config)
    }
}
