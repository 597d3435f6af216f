//! LLaMA-family checkpoints on Monotile tensors: reading, generating, training from scratch and fine-tuning by LoRA.
//!
//! | topic | where |
//! | --- | --- |
//! | `config.json`, and what a model costs | [`Config`], [`Rotary`], [`MatMulShape`] |
//! | `tokenizer.json`: read, trained, bytes | [`Tokenizer`], [`TextStream`] |
//! | the transformer: logits, loss, keys and values kept | [`Model`], [`KvCache`] |
//! | continuing a text | [`generate()`], [`TokenSampler`] |
//! | adapters on a model: begun, attached, merged | [`lora`], [`Model::add_adapter`], [`Model::attach`] |
//! | training data: texts, samples and conversations in rows of tokens | [`data`] |
//! | training, saving and resuming | [`train`] |
//!
//! Weights are read, and adapters of any checkpoint worked on, by `monotile_adapters`.
//!
//! Files are those that transformers and PEFT write and read. Weights stay in their mapped files, in bf16 and f16 too, and
//! arithmetic is in f32, or in f64 for weights in f64. Other architectures, quantized weights and adapters of other kinds are refused by name.
#![forbid(unsafe_code)]

mod block;
mod cache;
mod config;
pub mod data;
mod generate;
mod info;
mod linear;
pub mod lora;
mod model;
mod rotary;
mod sample;
mod tokenizer;
pub mod train;
mod window;

pub use cache::KvCache;
pub use config::{Config, Family};
pub use generate::{FinishReason, GenerateOptions, GenerationOutput, generate};
pub use info::MatMulShape;
pub use linear::{LinearKind, LinearLayer};
pub use model::{Model, TrainableParameters};
pub use rotary::{Rotary, RotaryScaling};
pub use sample::{SamplingOptions, TokenSampler};
pub use tokenizer::{TextStream, Tokenizer};

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
