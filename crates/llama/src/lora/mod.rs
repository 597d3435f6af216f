//! Low-rank adapters: ΔW = scaling · B · A on top of frozen weights.

mod config;
mod targets;

pub use config::{LoraConfig, Site};
pub use targets::Targets;
