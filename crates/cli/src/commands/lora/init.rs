//! `monotile lora init`: an adapter as training starts with it.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use monotile_llama::{Model, TrainableParameters};

use super::super::checkpoint;
use super::layers::LayerArgs;
use super::output;
use super::train::InitMethod;
use crate::command_error::CommandError;
use crate::progress::say;
use crate::report::count;

/// Writes an adapter that changes nothing yet, as PEFT starts one, for PEFT to train.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile lora init --model shakespeare --rank 16 --method pissa --out start
  monotile lora init --model shakespeare --method orthogonal --target-modules all-linear --out start

PEFT goes on from the folder with PeftModel.from_pretrained(model, \"start\", is_trainable=True). For pissa and olora it takes the product of
A and B off the weights as it loads, by computing it again, so that model and adapter together are the model; for that the folder holds no
weights. Such a folder is for PEFT: `lora train --start pissa` starts in the same way here.")]
pub struct LoraInitArgs {
    /// Folder of the checkpoint
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Folder for the adapter
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How A and B start
    #[arg(long, value_enum, default_value_t = InitMethod::Pissa)]
    method: InitMethod,
    #[command(flatten)]
    layers: LayerArgs,
    /// The seed of what is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

impl LoraInitArgs {
    /// Computes A and B and writes them.
    pub fn run(&self, _out: &mut dyn Write) -> Result<(), CommandError> {
        output::check_vacant(&self.out)?;
        let mut model = Model::read(&self.model).map_err(|e| checkpoint::explain(e, &self.model))?;
        let config = self.layers.config(&self.model);
        // PEFT computes all singular values as well, and must find the same.
        let start = self.method.start(true);
        model.add_adapter(config, start, self.seed)?;
        output::fill_folder(&self.out, |folder| model.write_initial_adapter(folder, start))?;
        let factors = model.parameters(TrainableParameters::Adapter);
        let numbers = count(factors.iter().map(|(_, factor)| factor.len() as u64).sum());
        let layers = factors.len() / 2;
        say(&format!("{numbers} numbers on {layers} layers are in {}", self.out.display()));
        Ok(())
    }
}
