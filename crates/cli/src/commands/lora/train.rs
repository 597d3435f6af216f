//! `monotile lora train`: fine-tuning a checkpoint by low-rank adapters.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use monotile::io::SafeTensors;
use monotile::{DType, Device};
use monotile_llama::lora::{LoraConfig, LoraInit};
use monotile_llama::train::{PlanSubject, TrainOptions, Trainer, TrainingPlan};
use monotile_llama::{Model, TrainableParameters};

use super::super::checkpoint;
use super::super::plan::RunPlan;
use super::super::training::{TrainingArgs, sum_up};
use super::layers::LayerArgs;
use crate::command_error::CommandError;
use crate::numbers;
use crate::progress::say;
use crate::report::{count, short};

/// Fine-tunes a checkpoint by LoRA: two small matrices beside each chosen weight, which stays as it is.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora train --model shakespeare --data kjv.txt --rank 8 --steps 300 --out kjv
  monotile lora train --model shakespeare --data kjv.txt --out kjv --resume
  monotile lora train --model shakespeare --data kjv.txt --target-modules all-linear --rank 16 --alpha 32 --out kjv16
  monotile lora train --model chat --data talks.jsonl --length 1024 --patience 3 --eval-every 50 --steps 2000 --out talker

Samples come in a file whose name ends in .jsonl, with one JSON object a line, or in .json, a list, all of one kind:
  {\"text\": \"A text, learned whole.\"}
  {\"prompt\": \"Two and two is \", \"completion\": \"four.\"}
  {\"messages\": [{\"role\": \"user\", \"content\": \"Two and two?\"}, {\"role\": \"assistant\", \"content\": \"Four.\"}]}
Of a prompt and its completion the completion is learned, with the token that ends it. Conversations are written as the checkpoint's
chat template writes them, and what the assistant wrote is learned. Samples are packed into rows of --length tokens; none sees another.

The folder holds the adapter as PEFT reads it, log.jsonl (a line a step), loss.svg, and what --resume needs. After Ctrl-C or a kill,
the same command with --resume resumes from the last save to the same result.

To repeat a run that another program made, exactly: rows in the order of the text, no shuffling, initial A and B from a file, a constant
learning rate, no clipping, nothing held out:
  monotile lora train --model shakespeare --data kjv.txt --rank 8 --alpha 16 --target-modules q_proj,k_proj,v_proj,o_proj \\
    --batch 8 --length 128 --steps 100 --lr 2e-3 --schedule constant --weight-decay 0 --clip 0 --held-out 0 --no-shuffle \\
    --init reference.safetensors --init-prefix before. --out repeated")]
pub struct LoraTrainArgs {
    /// Folder of the checkpoint
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    #[command(flatten)]
    layers: LayerArgs,
    /// The share of an adapter's inputs set to zero in training
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = numbers::share)]
    dropout: f64,
    /// How A and B start; the model computes the same at first with any
    #[arg(long, value_enum, default_value_t = InitMethod::Gaussian)]
    start: InitMethod,
    /// Compute all singular values for pissa, not the largest alone
    #[arg(long)]
    exact: bool,
    /// Initial A and B from this .safetensors file, by their PEFT names
    #[arg(long, value_name = "FILE", conflicts_with = "start")]
    init: Option<PathBuf>,
    /// What stands before the names in that file
    #[arg(long, value_name = "TEXT", default_value = "", requires = "init")]
    init_prefix: String,
    #[command(flatten)]
    settings: TrainingArgs,
}

/// How A and B start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InitMethod {
    /// A from N(0, 1/rank²), B at zero
    Gaussian,
    /// A uniform within ±1/√columns, B at zero: PEFT's default
    Kaiming,
    /// The weight's largest singular values and vectors, which are subtracted again
    Pissa,
    /// The first columns and rows of the weight's factors Q and R, which are subtracted again
    Olora,
    /// Two matrices whose product is zero; an even rank
    Orthogonal,
}

impl InitMethod {
    /// As the library names it; `exact` is for PiSSA.
    pub fn start(self, exact: bool) -> LoraInit {
        match self {
            InitMethod::Gaussian => LoraInit::Gaussian,
            InitMethod::Kaiming => LoraInit::KaimingUniform,
            InitMethod::Pissa => LoraInit::Pissa { exact },
            InitMethod::Olora => LoraInit::Olora,
            InitMethod::Orthogonal => LoraInit::Orthogonal,
        }
    }
}

impl LoraTrainArgs {
    /// Runs the subcommand.
    pub fn run(&self, _out: &mut dyn Write) -> Result<(), CommandError> {
        if self.exact && self.start != InitMethod::Pissa {
            return Err(CommandError::Usage("lora train: --exact is for --start pissa".into()));
        }
        self.settings.check_out()?;
        let device = self.settings.device.open()?;
        let (model, tokenizer) = checkpoint::read(&self.model)?;
        let mut model = self.settings.computing(model)?;
        let config = LoraConfig { dropout: self.dropout, ..self.layers.config(&self.model) };
        let start = self.start.start(self.exact);
        self.announce(&model, &config, start, &device)?;
        let end = checkpoint::end_of_text(&self.model, &tokenizer, model.config())?;
        let (rows, held_out) = self.settings.rows(&tokenizer, end, Some(&self.model))?;
        if self.settings.dry_run {
            return Ok(());
        }
        model.add_adapter(config, start, self.settings.seed)?;
        if let Some(path) = &self.init {
            model.read_adapter_factors(&SafeTensors::open(path)?, &self.init_prefix)?;
        }
        let trainer = Trainer::new(model, TrainableParameters::Adapter, rows, self.settings.options())?;
        let mut trainer = trainer.with_held_out(held_out)?.to(&device)?;
        let write = |model: &Model, folder: &Path| model.adapter()?.write(folder, DType::F32);
        let held_out = self.settings.train(&mut trainer, &write)?;
        sum_up(&held_out, &format!("the adapter is in {}", self.settings.out.display()));
        Ok(())
    }

    /// Says what is trained of what, `training  131,072 of 3.7 M, 3.5 %`, and what the run takes.
    fn announce(&self, model: &Model, config: &LoraConfig, start: LoraInit, device: &Device) -> Result<(), CommandError> {
        let sites = model.config().adapted_layers(config)?;
        let subject = PlanSubject::Adapter { layers: &sites, init: start, dropout: self.dropout };
        let plan =
            |options: &TrainOptions, length| TrainingPlan::new(model.config(), subject, length, options, model.compute_dtype());
        let options = self.settings.options();
        let (all, trained) = (model.config().parameters() as f64, plan(&options, self.settings.data.length).trained);
        say(&format!("model     {}: {}", self.model.display(), checkpoint::summary(model.config())));
        say(&format!(
            "training  {} of {}, {:.1} %: rank {}, alpha {}, on {}",
            count(trained as u64),
            short(all),
            100.0 * trained as f64 / all,
            self.layers.rank,
            config.alpha,
            self.layers.target_modules
        ));
        let weights = model.parameters(TrainableParameters::Everything);
        let frozen = weights.iter().map(|(_, tensor)| tensor.dtype().bytes(tensor.len()).unwrap_or(tensor.len()) as u64).sum();
        RunPlan { plan: &plan, options: &options, length: self.settings.data.length, frozen, device }.announce()
    }
}
