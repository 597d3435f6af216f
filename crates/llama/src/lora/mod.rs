//! Low-rank adapters: ΔW = scaling · B · A on top of frozen weights.

mod adapter;
mod config;
mod start;
mod targets;

pub use adapter::{Adapter, Pair};
pub use config::{LoraConfig, Site};
pub use start::Start;
pub use targets::Targets;
