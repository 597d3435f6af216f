//! LLaMA-family checkpoints on Monotile tensors: reading, generating, training from scratch and fine-tuning by LoRA.
#![forbid(unsafe_code)]

mod block;
mod cache;
mod config;
pub mod data;
mod generate;
mod info;
mod json;
mod linear;
pub mod lora;
mod model;
mod rotary;
mod tokenizer;
pub mod train;
mod weights;

pub use cache::Cache;
pub use config::{Config, Family};
pub use generate::{Ended, Generated, Generation, Sampler, Sampling, generate};
pub use info::Product;
pub use linear::{Layer, Linear};
pub use model::{Model, Trained};
pub use rotary::{Rotary, RotaryScaling};
pub use tokenizer::{TextStream, Tokenizer};
pub use weights::Weights;
