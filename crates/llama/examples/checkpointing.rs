//! Memory and time of a step of LoRA training, with blocks kept and with blocks computed again, beside what the plan predicts.
//!
//!     cargo run --release -p monotile-llama --example checkpointing -- CHECKPOINT BATCH LENGTH
//!     cargo run --release -p monotile-llama --example checkpointing -- random BATCH LENGTH
//!
//! `random` is a model of 12 blocks 1024 wide with random weights in bf16. Rank 16 on all linear layers of the blocks.

use std::time::Instant;

use monotile::{DType, Error, Result};
use monotile_kernels::pool;
use monotile_llama::data::TokenDataset;
use monotile_llama::lora::{LoraConfig, LoraInit, TargetModules};
use monotile_llama::train::{PlanSubject, TrainOptions, Trainer, TrainingPlan};
use monotile_llama::{Config, Model, TrainableParameters};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wrong = || Error::value("checkpointing: a checkpoint's folder or `random`, rows a batch and tokens a row are wanted");
    let [model, batch, length] = arguments.as_slice() else { return Err(wrong()) };
    let (batch, length): (usize, usize) = (batch.parse().map_err(|_| wrong())?, length.parse().map_err(|_| wrong())?);

    let scratch = std::env::temp_dir().join(format!("monotile-checkpointing-{}", std::process::id()));
    let result = match model.as_str() {
        "random" => random().and_then(|model| model.write(&scratch, DType::BF16)).and_then(|()| compare(&scratch, batch, length)),
        folder => compare(folder.as_ref(), batch, length),
    };
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(|e| Error::io("removing", &scratch, &e))?;
    }
    result
}

fn random() -> Result<Model> {
    let config = Config {
        vocab_size: 4096,
        hidden_size: 1024,
        intermediate_size: 2752,
        num_hidden_layers: 12,
        num_attention_heads: 16,
        num_key_value_heads: 16,
        head_dim: 64,
        max_position_embeddings: 4096,
        ..Config::default()
    };
    Model::random(config, 0)
}

fn compare(folder: &std::path::Path, batch: usize, length: usize) -> Result<()> {
    for checkpointing in [false, true] {
        let mut model = Model::read(folder)?;
        let config = model.config().clone();
        let lora = LoraConfig { targets: TargetModules::AllLinear, rank: 16, alpha: 16.0, ..LoraConfig::default() };
        let sites = config.adapted_layers(&lora)?;
        let before = pool::reset_peak();
        model.add_adapter(lora, LoraInit::Gaussian, 1)?;
        let options = TrainOptions { steps: 3, batch, checkpointing, ..TrainOptions::default() };
        let tokens = (0..batch * length).map(|i| (i * 2_654_435_761 % config.vocab_size) as u32).collect();
        let subject = PlanSubject::Adapter { layers: &sites, init: LoraInit::Gaussian, dropout: 0.0 };
        let plan = TrainingPlan::new(&config, subject, length, &options, DType::F32);
        let mut trainer = Trainer::new(model, TrainableParameters::Adapter, TokenDataset::new(tokens, length)?, options)?;
        trainer.step()?;
        let begun = Instant::now();
        let step = trainer.step()?;
        let seconds = begun.elapsed().as_secs_f64();
        // Two operations a weight and token forward, and as many backward for the layers' inputs: frozen weights have no gradient.
        let flops = 2.0 * config.flops(length / 2) * step.tokens as f64;
        let (mebibytes, predicted) = (((pool::peak() - before) >> 20) as u64, plan.memory() >> 20);
        println!(
            "{} {mebibytes} MiB at the peak, {predicted} predicted; {seconds:.2} s a step, {:.0} tokens/s, {:.0} GFLOP/s of the kept way's work",
            if checkpointing { "computed again:" } else { "kept:          " },
            step.tokens as f64 / seconds,
            flops / seconds / 1e9,
        );
    }
    Ok(())
}
