//! Options that say what an adapter is: which layers, of what rank, scaled by what.

use std::path::Path;

use clap::Args;
use monotile_adapters::{LoraConfig, TargetModules};

use crate::numbers;

/// The layers of an adapter.
#[derive(Args)]
pub struct LayerArgs {
    /// Rows of A and columns of B
    #[arg(long, value_name = "R", default_value_t = 8)]
    pub rank: usize,
    /// B·A is scaled by alpha / rank [default: twice the rank]
    #[arg(long, value_name = "ALPHA", value_parser = numbers::scale)]
    alpha: Option<f64>,
    /// Which layers: names between commas as PEFT writes them, or all-linear
    #[arg(long, value_name = "NAMES", default_value = "q_proj,v_proj")]
    pub target_modules: String,
}

impl LayerArgs {
    /// The settings of such an adapter of this model.
    pub fn config(&self, model: &Path) -> LoraConfig {
        LoraConfig {
            targets: TargetModules::parse(&self.target_modules),
            rank: self.rank,
            alpha: self.alpha.unwrap_or(2.0 * self.rank as f64),
            base_model: Some(model.display().to_string()),
            ..LoraConfig::default()
        }
    }
}
