//! Options that say how much of a change is kept, and how it is stored.

use clap::{Args, ValueEnum};
use monotile::DType;
use monotile_llama::lora::{Keep, Rule};

use crate::failure::Failure;

/// How much of each layer's change is kept.
#[derive(Args)]
pub struct KeepArgs {
    /// The largest rank of a layer
    #[arg(long, value_name = "R")]
    rank: Option<usize>,
    /// The share of each ‖ΔW‖² to keep, by the least rank that does
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["error", "ratio"])]
    energy: Option<f64>,
    /// The share of each ‖ΔW‖ that may be cut off
    #[arg(long, value_name = "SHARE", conflicts_with = "ratio")]
    error: Option<f64>,
    /// How many times the largest singular value may be the least one kept
    #[arg(long, value_name = "N")]
    ratio: Option<f64>,
}

impl KeepArgs {
    /// What these options ask for; `command` is the one that they are missing from.
    pub fn keep(&self, command: &str) -> Result<Keep, Failure> {
        let energy = self.energy.map(Rule::Energy);
        let rule = energy.or(self.error.map(Rule::Error)).or(self.ratio.map(Rule::Ratio));
        if rule.is_none() && self.rank.is_none() {
            let sentence = format!("lora {command}: how much to keep is missing: --rank, --energy, --error or --ratio");
            return Err(Failure::Usage(sentence));
        }
        let keep = Keep { most: self.rank.unwrap_or(usize::MAX), rule: rule.unwrap_or_default() };
        keep.check().map_err(|e| Failure::Usage(e.to_string()))?;
        Ok(keep)
    }
}

/// Element types that matrices are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Stored {
    F32,
    Bf16,
    F16,
}

impl Stored {
    /// The element type.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }
}
