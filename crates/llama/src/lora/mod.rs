//! Low-rank adapters: ΔW = scaling · B · A on top of frozen weights.

mod adapter;
mod config;
mod targets;

pub use adapter::{Adapter, Pair, Start};
pub use config::{LoraConfig, Site};
pub use targets::Targets;
