//! Options that say how much of a change is kept, and how it is stored.

use clap::{Args, ValueEnum};
use monotile::DType;
use monotile_adapters::{RankRule, RankSelection};

use crate::command_error::CommandError;
use crate::numbers;

/// How much of each layer's change is kept.
#[derive(Args)]
pub struct RankArgs {
    /// The largest rank of a layer
    #[arg(long, value_name = "R")]
    rank: Option<usize>,
    /// The share of each ‖ΔW‖² to keep, by the least rank that does
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["error", "ratio"], value_parser = numbers::finite::<f64>)]
    energy: Option<f64>,
    /// The share of each ‖ΔW‖ that may be cut off
    #[arg(long, value_name = "SHARE", conflicts_with = "ratio", value_parser = numbers::finite::<f64>)]
    error: Option<f64>,
    /// How many times the largest singular value may be the least one kept
    #[arg(long, value_name = "N", value_parser = numbers::finite::<f64>)]
    ratio: Option<f64>,
}

impl RankArgs {
    /// What these options ask for; `command` is the one that they are missing from.
    pub fn keep(&self, command: &str) -> Result<RankSelection, CommandError> {
        let energy = self.energy.map(RankRule::Energy);
        let rule = energy.or(self.error.map(RankRule::Error)).or(self.ratio.map(RankRule::Ratio));
        if rule.is_none() && self.rank.is_none() {
            let sentence = format!("lora {command}: how much to keep is missing: --rank, --energy, --error or --ratio");
            return Err(CommandError::Usage(sentence));
        }
        let keep = RankSelection { max_rank: self.rank.unwrap_or(usize::MAX), rule: rule.unwrap_or_default() };
        keep.check().map_err(|e| CommandError::Usage(e.to_string()))?;
        Ok(keep)
    }
}

/// Element types that matrices are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StorageDType {
    F32,
    Bf16,
    F16,
}

impl StorageDType {
    /// The element type.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}
