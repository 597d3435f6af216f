//! Adapters by every start on a checkpoint: as they begin, and after a few steps, for `check_starts_with_peft.py` to load.
//!
//!     cargo run --release -p monotile-llama --example starts -- CHECKPOINT FOLDER
//!
//! Writes FOLDER/START/begun and FOLDER/START/trained, and FOLDER/START.safetensors with logits: the base model's, the adapted model's
//! before the first step and after the last.

use std::path::Path;

use monotile::io::write_safetensors;
use monotile::{DType, Error, Result};
use monotile_llama::data::TokenDataset;
use monotile_llama::lora::{LoraConfig, LoraInit, TargetModules};
use monotile_llama::train::{TrainOptions, Trainer};
use monotile_llama::{Model, TrainableParameters};

fn main() -> Result<()> {
    let [checkpoint, folder] = <[String; 2]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
        .map_err(|_| Error::value("starts: a checkpoint's folder and one to write to are wanted"))?;
    let folder = Path::new(&folder);
    for (name, start) in [
        ("gaussian", LoraInit::Gaussian),
        ("kaiming", LoraInit::KaimingUniform),
        ("orthogonal", LoraInit::Orthogonal),
        ("olora", LoraInit::Olora),
        ("pissa", LoraInit::Pissa { exact: true }),
        ("pissa_by_products", LoraInit::Pissa { exact: false }),
    ] {
        let mut model = Model::read(checkpoint.as_ref())?;
        let ids: Vec<u32> = (0..640).map(|i| (i * 2_654_435_761_usize % model.config().vocab_size) as u32).collect();
        let tokens = Model::token_tensor(&[&ids[..48]])?;
        let base = model.logits(&tokens)?;
        // A scaling that is not 1 shows where it belongs.
        let config = LoraConfig {
            targets: TargetModules::AllLinear,
            rank: 8,
            alpha: 12.0,
            base_model: Some(checkpoint.clone()),
            ..LoraConfig::default()
        };
        model.add_adapter(config, start, 1)?;
        model.write_initial_adapter(&folder.join(name).join("begun"), start)?;
        let begun = model.logits(&tokens)?;
        let options = TrainOptions { steps: 5, batch: 2, learning_rate: 2e-3, ..TrainOptions::default() };
        let mut trainer = Trainer::new(model, TrainableParameters::Adapter, TokenDataset::new(ids, 64)?, options)?;
        while !trainer.is_done() {
            trainer.step()?;
        }
        let losses = trainer.losses();
        println!("{name}: loss {:.4}, then {:.4}", losses[0], losses[losses.len() - 1]);
        let model = trainer.into_model();
        model.adapter()?.write(&folder.join(name).join("trained"), DType::F32)?;
        let trained = model.logits(&tokens)?;
        let listed = [("tokens", &tokens), ("base", &base), ("begun", &begun), ("trained", &trained)];
        write_safetensors(folder.join(format!("{name}.safetensors")), &listed, &[])?;
    }
    Ok(())
}
