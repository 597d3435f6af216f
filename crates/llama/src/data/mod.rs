//! Training data: texts and samples as rows of tokens, and which rows a step takes.
//!
//! | what | where |
//! | --- | --- |
//! | a stream of tokens cut into rows, or samples packed into them | [`TokenDataset`] |
//! | a sample: tokens, and which of them are learned | [`Sample`], [`Samples`] |
//! | files of one JSON object a line | [`Jsonl`] |
//! | conversations as a checkpoint's template writes them | [`ChatTemplate`] |
//! | what a pass computes of some rows | [`Batch`] |
//! | which rows a step takes | [`BatchOrder`] |

mod batch;
mod chat;
mod dataset;
mod jsonl;
mod order;
mod packing;
mod sample;

pub use batch::Batch;
pub use chat::ChatTemplate;
pub use dataset::TokenDataset;
pub use jsonl::{Jsonl, SampleFormat};
pub use order::BatchOrder;
pub use packing::PackedSamples;
pub use sample::{Overlong, Sample, Samples};
