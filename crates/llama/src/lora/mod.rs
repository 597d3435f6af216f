//! Low-rank adapters: ΔW = scaling · B · A on top of frozen weights.

mod adapter;
mod combined;
mod config;
mod deltas;
mod extract;
mod keep;
mod merge;
mod nearest;
mod pair;
mod resize;
mod spectrum;
mod start;
mod targets;
mod verify;

pub use adapter::Adapter;
pub use combined::Combined;
pub use config::{LoraConfig, Site};
pub use deltas::{Delta, Deltas};
pub use extract::{Extracted, Extraction, Layer as ExtractedLayer, extract, measure};
pub use keep::{Keep, Rule};
pub use merge::{Merged, Seen, merge};
pub use nearest::{Nearest, nearest};
pub use pair::Pair;
pub use resize::{Apart, Resized, apart, resized};
pub use spectrum::Spectrum;
pub use start::Start;
pub use targets::Targets;
pub use verify::{Verdict, Verified, verify};
