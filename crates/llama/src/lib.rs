//! LLaMA-family checkpoints on Monotile tensors: reading, generating, training from scratch and fine-tuning by LoRA.
#![forbid(unsafe_code)]

mod config;
pub mod data;
mod info;
mod json;
mod linear;
pub mod lora;
mod rotary;
mod tokenizer;

pub use config::{Config, Family};
pub use info::Product;
pub use linear::{Layer, Linear};
pub use rotary::{Rotary, RotaryScaling};
pub use tokenizer::{TextStream, Tokenizer};
