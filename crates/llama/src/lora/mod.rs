//! Low-rank adapters: ΔW = scaling · B · A on top of frozen weights.

mod adapter;
mod config;
mod deltas;
mod keep;
mod pair;
mod resize;
mod spectrum;
mod start;
mod targets;

pub use adapter::Adapter;
pub use config::{LoraConfig, Site};
pub use deltas::{Delta, Deltas};
pub use keep::{Keep, Rule};
pub use pair::Pair;
pub use resize::{Apart, Resized, apart, resized};
pub use spectrum::Spectrum;
pub use start::Start;
pub use targets::Targets;
