//! Trains a small LLaMA on one of this repository's texts, adapts it to another by LoRA, and writes both with some of their logits, for
//! transformers and peft (or anything that reads their formats) to check. You will see both losses fall and a line of text of each model.
//!
//!     cargo run --release --example train_and_adapt -- FOLDER

use std::ops::ControlFlow;
use std::path::Path;

use monotile::io::write_safetensors;
use monotile::{DType, Result};
use monotile_llama::data::TokenDataset;
use monotile_llama::lora::{LoraConfig, LoraInit, TargetModules};
use monotile_llama::train::{TrainOptions, Trainer};
use monotile_llama::{Config, GenerateOptions, Model, Tokenizer, TrainableParameters, generate};

const PROSE: &str = include_str!("../../../ARCHITECTURE.md");
const LAW: &str = include_str!("../../../LICENSE-MIT");

fn train(model: Model, trained: TrainableParameters, text: &str, tokenizer: &Tokenizer, learning_rate: f64) -> Result<Model> {
    let rows = TokenDataset::new(tokenizer.encode(text)?, 48)?;
    let options = TrainOptions { steps: 150, batch: 4, learning_rate, clip: Some(1.0), ..TrainOptions::default() };
    let mut trainer = Trainer::new(model, trained, rows, options)?;
    while !trainer.is_done() {
        let step = trainer.step()?;
        if step.number % 50 == 0 || step.number == 1 {
            println!("step {}: loss {:.3}", step.number, step.loss);
        }
    }
    Ok(trainer.into_model())
}

fn sample(model: &Model, tokenizer: &Tokenizer) -> Result<()> {
    let generation = GenerateOptions { max_tokens: 24, ..GenerateOptions::default() };
    let made = generate(model, tokenizer, "The ", &generation, &mut |_| ControlFlow::Continue(()))?;
    println!("The {}", made.text.replace('\n', " "));
    Ok(())
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "train_and_adapt".into());
    let (base, adapted) = (Path::new(&folder).join("model"), Path::new(&folder).join("adapter"));
    let tokenizer = Tokenizer::train(PROSE, 400)?;
    let config = Config {
        vocab_size: tokenizer.vocabulary(),
        bos_token_id: tokenizer.special("<s>"),
        eos_token_ids: tokenizer.special("</s>").into_iter().collect(),
        ..Config::default()
    };
    println!("{} parameters from scratch", config.parameters());
    let mut model = train(Model::random(config, 1)?, TrainableParameters::Everything, PROSE, &tokenizer, 3e-3)?;
    sample(&model, &tokenizer)?;
    model.write(&base, DType::F32)?;
    tokenizer.write(&base)?;
    let tokens = Model::token_tensor(&[&tokenizer.encode("Tensors are immutable: operations return new ones.")?])?;
    let before = model.logits(&tokens)?;

    let lora =
        LoraConfig { targets: TargetModules::AllLinear, base_model: Some(base.display().to_string()), ..LoraConfig::default() };
    model.add_adapter(lora, LoraInit::Gaussian, 2)?;
    println!("{} parameters of an adapter", model.adapter()?.parameters());
    let model = train(model, TrainableParameters::Adapter, LAW, &tokenizer, 3e-3)?;
    sample(&model, &tokenizer)?;
    model.adapter()?.write(&adapted, DType::F32)?;
    let after = model.logits(&tokens)?;
    let logits = Path::new(&folder).join("logits.safetensors");
    write_safetensors(logits, &[("tokens", &tokens), ("base", &before), ("adapted", &after)], &[])
}
