//! Options that name a model and the adapters that are applied to it.

use std::path::PathBuf;

use clap::Args;
use monotile_adapters::Adapter;

use crate::command_error::CommandError;
use crate::numbers;

/// A model and adapters, each with a weight.
#[derive(Args)]
pub struct AdaptersArgs {
    /// Folder of the base model
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Folder of an adapter; may be given several times
    #[arg(long, value_name = "DIR", required = true)]
    adapter: Vec<PathBuf>,
    /// What each adapter's ΔW is multiplied by, between commas [default: 1 each]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', allow_hyphen_values = true, value_parser = numbers::finite::<f64>)]
    weights: Vec<f64>,
}

impl AdaptersArgs {
    /// The adapters with their weights, which are 1 where none are given; `command` is the one that was typed.
    pub fn adapters(&self, command: &str) -> Result<Vec<(Adapter, f64)>, CommandError> {
        let (weights, folders) = (&self.weights, &self.adapter);
        if !weights.is_empty() && weights.len() != folders.len() {
            let (given, wanted) = (weights.len(), folders.len());
            return Err(CommandError::Usage(format!("lora {command}: --weights has {given} numbers for {wanted} adapters")));
        }
        let weight = |i: usize| weights.get(i).copied().unwrap_or(1.0);
        folders.iter().enumerate().map(|(i, folder)| Ok((Adapter::read(folder)?, weight(i)))).collect()
    }
}
