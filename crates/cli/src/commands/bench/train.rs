//! A training step: a frozen LLaMA-like stack of random weights, LoRA on queries and values, one AdamW step a call.

use monotile_llama::data::TokenDataset;
use monotile_llama::lora::{LoraConfig, LoraInit};
use monotile_llama::train::{TrainOptions, Trainer};
use monotile_llama::{Config, Model, TrainableParameters};

use super::{Case, Cases};
use crate::command_error::CommandError;

const BATCH: usize = 4;
const LENGTH: usize = 512;
const RANK: usize = 16;

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
    let config = Config {
        vocab_size: 4096,
        hidden_size: 512,
        intermediate_size: 1376,
        num_hidden_layers: 4,
        num_attention_heads: 8,
        num_key_value_heads: 8,
        head_dim: 64,
        max_position_embeddings: 1024,
        ..Config::default()
    };
    let lora = LoraConfig { rank: RANK, alpha: RANK as f64, ..LoraConfig::default() };
    // A row has one token more than are predicted.
    let tokens = (0..BATCH * (LENGTH + 1)).map(|i| (i * 2_654_435_761 % config.vocab_size) as u32).collect();
    let rows = TokenDataset::new(tokens, LENGTH + 1)?;
    let mut model = Model::random(config, 0)?;
    model.add_adapter(lora, LoraInit::Gaussian, 1)?;
    let options = TrainOptions { steps: usize::MAX, batch: BATCH, shuffle: false, ..TrainOptions::default() };
    let mut trainer = Trainer::new(model, TrainableParameters::Adapter, rows, options)?;
    let case = Case::new(format!("LLaMA 4x512 LoRA r{RANK} B{BATCH} T{LENGTH}")).tokens((BATCH * LENGTH) as u64);
    cases.time(case, || trainer.step().map(drop))
}
