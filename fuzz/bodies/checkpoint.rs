//! The JSON files of a model's folder: the first byte says which one the others are.

use monotile_adapters::{LoraConfig, Weights};
use monotile_llama::{Config, Tokenizer};

use super::{file, folder, sentence};

/// Texts that a tokenizer which was read has to encode and decode.
const TEXTS: [&str; 4] = ["", "Blessed is he", "  två\n\tspaces ", "日本 🦊\u{0}"];

pub fn run(bytes: &[u8]) {
    let Some((which, json)) = bytes.split_first() else { return };
    match which % 4 {
        0 => {
            file("config.json", json);
            match Config::read(&folder()) {
                Ok(config) => {
                    config.check().expect("a configuration that was read holds");
                    let _ = (config.context(), config.parameters());
                }
                Err(error) => sentence(&error),
            }
        }
        1 => {
            file("tokenizer.json", json);
            match Tokenizer::read(&folder()) {
                Ok(tokenizer) => TEXTS.iter().for_each(|text| match tokenizer.encode(text) {
                    Ok(tokens) => drop(tokenizer.decode(&tokens).map_err(|error| sentence(&error))),
                    Err(error) => sentence(&error),
                }),
                Err(error) => sentence(&error),
            }
        }
        2 => {
            file("adapter_config.json", json);
            drop(LoraConfig::read(&folder()).map_err(|error| sentence(&error)));
        }
        _ => {
            file("model.safetensors.index.json", json);
            drop(Weights::open(&folder()).map_err(|error| sentence(&error)));
        }
    }
}
