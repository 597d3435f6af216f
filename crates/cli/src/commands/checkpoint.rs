//! What commands that read a checkpoint share.

use std::path::Path;

use monotile_llama::data::ChatTemplate;
use monotile_llama::{Config, Model, Tokenizer};

use crate::command_error::CommandError;
use crate::report::{count, short};

/// Reads the model and the tokenizer of a folder.
pub fn read(folder: &Path) -> Result<(Model, Tokenizer), CommandError> {
    let both = || {
        let model = Model::read(folder)?;
        let tokenizer = Tokenizer::read(folder)?;
        tokenizer.check_fits(model.config())?;
        Ok((model, tokenizer))
    };
    both().map_err(|e| explain(e, folder))
}

/// The token that ends a text: the one that `tokenizer_config.json` names, else the first of the configuration.
pub fn end_of_text(folder: &Path, tokenizer: &Tokenizer, config: &Config) -> monotile::Result<Option<u32>> {
    let special = ChatTemplate::special_tokens(folder)?;
    let named = special.get("eos_token").and_then(|name| tokenizer.special(name));
    Ok(named.or(config.eos_token_ids.first().copied()))
}

/// Adds what a checkpoint's folder holds to errors of folders that do not hold it.
pub fn explain(error: monotile::Error, folder: &Path) -> CommandError {
    let failure = CommandError::from(error);
    if folder.join("config.json").exists() {
        return failure;
    }
    failure.hint("a checkpoint is a folder with config.json, tokenizer.json and model.safetensors, as transformers writes them")
}

/// The model in a line: `llama, 4 blocks 256 wide, 3,688,704 parameters (3.69 M)`.
pub fn summary(config: &Config) -> String {
    let all = config.parameters() as u64;
    let (family, blocks, wide) = (config.family.name(), config.num_hidden_layers, config.hidden_size);
    format!("{family}, {blocks} blocks {wide} wide, {} parameters ({})", count(all), short(all as f64))
}
