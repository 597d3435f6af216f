//! Low-rank adapters, ΔW = scaling · B · A, of checkpoints of any architecture: by the names of their tensors, in PEFT's files.
//!
//! | topic | where |
//! | --- | --- |
//! | an adapter: read, made, written | [`Adapter`], [`LoraConfig`], [`TargetModules`] |
//! | one change by its factors, and its singular values | [`LowRankFactors`], [`Spectrum`] |
//! | an adapter out of two checkpoints | [`extract()`], [`measure`], [`low_rank_approximation`] |
//! | adapters in a checkpoint's weights, and whether they are | [`WeightedAdapters`], [`merge()`], [`verify()`] |
//! | other ranks, and how far two are apart | [`resize()`], [`distances`] |
//! | weights in one file or in shards, memory-mapped | [`Weights`], [`weights`] |
//! | folders of results that appear whole, and can be resumed | [`staged`] |
//! | files of JSON, whose errors name file and field | [`json`] |
//! | regular expressions out of files, within a budget | [`PatternBudget`] |
//!
//! A checkpoint is never in memory whole: tensors are read a block of rows at a time, and results are written as they are made. Files are
//! untrusted; those of other formats, and settings that nothing here computes, are refused by name.
#![forbid(unsafe_code)]

mod adapter;
mod approximation;
mod aside;
mod config;
mod extract;
mod factors;
mod finite;
mod foreign;
pub mod json;
mod merge;
mod natural_order;
mod patterns;
mod rank_selection;
mod resize;
mod spectrum;
pub mod staged;
mod targets;
mod verify;
mod weighted;
pub mod weights;

pub use adapter::{Adapter, Delta, peft_name};
pub use approximation::{LowRankApproximation, low_rank_approximation};
pub use aside::{SearchCost, search_aside};
pub use config::{LoraConfig, ModuleSelector};
pub use extract::{
    ExtractOptions, ExtractProgress, ExtractedLayer, ExtractedTensor, MeasuredModule, extract, measure, stage_extract,
};
pub use factors::LowRankFactors;
pub use finite::not_finite;
pub use merge::{MergeProgress, MergedTensor, merge, stage_merge};
pub use natural_order::natural_order;
pub use patterns::PatternBudget;
pub use rank_selection::{RankRule, RankSelection};
pub use resize::{DeltaDistance, ResizedModule, distances, resize};
pub use spectrum::Spectrum;
pub use targets::{TargetModules, is_named};
pub use verify::{Verdict, VerifiedTensor, verify};
pub use weighted::WeightedAdapters;
pub use weights::Weights;

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
