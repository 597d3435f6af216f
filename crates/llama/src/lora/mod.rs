//! Low-rank adapters: ΔW = scaling · B · A on top of frozen weights.

mod adapter;
mod approximation;
mod config;
mod deltas;
mod extract;
mod factors;
mod init;
mod merge;
mod rank_selection;
mod resize;
mod spectrum;
mod targets;
mod verify;
mod weighted;

pub use adapter::Adapter;
pub use approximation::{LowRankApproximation, low_rank_approximation};
pub use config::{AdaptedLayer, LoraConfig};
pub use deltas::{Delta, Deltas};
pub use extract::{ExtractOptions, ExtractProgress, ExtractedLayer, ExtractedTensor, MeasuredModule, extract, measure};
pub use factors::LowRankFactors;
pub use init::LoraInit;
pub use merge::{MergeProgress, MergedTensor, merge};
pub use rank_selection::{RankRule, RankSelection};
pub use resize::{DeltaDistance, ResizedModule, distances, resize};
pub use spectrum::Spectrum;
pub use targets::TargetModules;
pub use verify::{Verdict, VerifiedTensor, verify};
pub use weighted::WeightedAdapters;
