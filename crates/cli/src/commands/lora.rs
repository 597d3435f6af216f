//! `monotile lora`: low-rank adapters of a checkpoint.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use monotile::io::SafeTensors;
use monotile_llama::lora::{Adapter, LoraConfig, Start, Targets};
use monotile_llama::train::Trainer;
use monotile_llama::{Model, Trained};

use super::checkpoint;
use super::training::{Settings, sum_up};
use crate::failure::Failure;
use crate::progress::say;
use crate::report::{count, short};

/// Trains low-rank adapters (LoRA), as PEFT reads and writes them.
#[derive(Args)]
pub struct Lora {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<Train>),
}

impl Lora {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match &self.command {
            Command::Train(command) => command.run(out),
        }
    }
}

/// Fine-tunes a checkpoint by LoRA: two small matrices beside each chosen weight, which stays as it is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora train --model shakespeare --data kjv.txt --rank 8 --steps 300 --out kjv
  monotile lora train --model shakespeare --data kjv.txt --out kjv --resume
  monotile lora train --model shakespeare --data kjv.txt --target-modules all-linear --rank 16 --alpha 32 --out kjv16
  monotile lora train --model chat --data talks.jsonl --length 1024 --patience 3 --eval-every 50 --steps 2000 --out talker

Samples come in a file whose name ends in .jsonl, with one JSON object a line, all of one kind:
  {\"text\": \"A text, learned whole.\"}
  {\"prompt\": \"Two and two is \", \"completion\": \"four.\"}
  {\"messages\": [{\"role\": \"user\", \"content\": \"Two and two?\"}, {\"role\": \"assistant\", \"content\": \"Four.\"}]}
Of a prompt and its completion the completion is learned, with the token that ends it. Conversations are written as the checkpoint's
chat template writes them, and what the assistant wrote is learned. Samples are packed into rows of --length tokens; none sees another.

The folder holds the adapter as PEFT reads it, log.jsonl (a line a step), loss.svg, and what --resume needs. After Ctrl-C or a kill,
the same command with --resume goes on from the last save to the same result.

To repeat a run that another program made, exactly: rows in the order of the text, no shuffling, initial A and B from a file, a constant
learning rate, no clipping, nothing held out:
  monotile lora train --model shakespeare --data kjv.txt --rank 8 --alpha 16 --target-modules q_proj,k_proj,v_proj,o_proj \\
    --batch 8 --length 128 --steps 100 --lr 2e-3 --schedule constant --weight-decay 0 --clip 0 --held-out 0 --no-shuffle \\
    --init reference.safetensors --init-prefix before. --out repeated")]
pub struct Train {
    /// Folder of the checkpoint
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Rows of A and columns of B
    #[arg(long, value_name = "R", default_value_t = 8)]
    rank: usize,
    /// B·A is scaled by alpha / rank [default: twice the rank]
    #[arg(long, value_name = "ALPHA")]
    alpha: Option<f64>,
    /// Which layers: names between commas as PEFT writes them, or all-linear
    #[arg(long, value_name = "NAMES", default_value = "q_proj,v_proj")]
    target_modules: String,
    /// The share of an adapter's inputs set to zero in training
    #[arg(long, value_name = "P", default_value_t = 0.0)]
    dropout: f64,
    /// How A starts; B starts at zero
    #[arg(long, value_enum, default_value_t = StartOption::Gaussian)]
    start: StartOption,
    /// Initial A and B from this .safetensors file, by their PEFT names
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// What stands before the names in that file
    #[arg(long, value_name = "TEXT", default_value = "", requires = "init")]
    init_prefix: String,
    #[command(flatten)]
    settings: Settings,
}

/// How A starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StartOption {
    /// From N(0, 1/rank²)
    Gaussian,
    /// Uniformly within ±1/√columns, PEFT's default
    Kaiming,
}

impl Train {
    fn run(&self, _out: &mut dyn Write) -> Result<(), Failure> {
        let (model, tokenizer) = checkpoint::read(&self.model)?;
        let mut model = self.settings.computing(model)?;
        let config = LoraConfig {
            targets: Targets::parse(&self.target_modules),
            rank: self.rank,
            alpha: self.alpha.unwrap_or(2.0 * self.rank as f64),
            dropout: self.dropout,
            base_model: Some(self.model.display().to_string()),
            ..LoraConfig::default()
        };
        let start = if self.start == StartOption::Gaussian { Start::Gaussian } else { Start::KaimingUniform };
        let mut adapter = Adapter::new(config.clone(), model.config(), start, self.settings.seed)?;
        if let Some(path) = &self.init {
            adapter.start_from(&SafeTensors::open(path)?, &self.init_prefix)?;
        }
        self.announce(&model, &adapter);
        let end = checkpoint::end_of_text(&self.model, &tokenizer, model.config())?;
        let (rows, held_out) = self.settings.rows(&tokenizer, end, Some(&self.model))?;
        model.attach(&adapter)?;
        let trainer = Trainer::new(model, Trained::Adapter, rows, self.settings.options())?;
        let mut trainer = trainer.with_held_out(held_out)?;
        let write = |model: &Model, folder: &Path| Adapter::of(model, config.clone()).write(folder);
        let held_out = self.settings.train(&mut trainer, &write)?;
        sum_up(&held_out, &format!("the adapter is in {}", self.settings.out.display()));
        Ok(())
    }

    /// Says what is trained of what: `training  131,072 of 3.7 M, 3.5 %`.
    fn announce(&self, model: &Model, adapter: &Adapter) {
        let (all, trained) = (model.config().parameters() as f64, adapter.parameters() as f64);
        say(&format!("model     {}: {}", self.model.display(), checkpoint::summary(model.config())));
        say(&format!(
            "training  {} of {}, {:.1} %: rank {}, alpha {}, on {}",
            count(adapter.parameters() as u64),
            short(all),
            100.0 * trained / all,
            self.rank,
            adapter.config().alpha,
            self.target_modules
        ));
    }
}
