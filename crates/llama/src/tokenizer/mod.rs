//! `tokenizer.json`: text to token numbers and back.

mod spans;
mod stream;
mod train;

use std::io::Write;
use std::path::Path;

use monotile::io::write_beside;
use monotile::{Error, ErrorKind, Result};
use serde_json::{Map, Value, json};
use tokenizers::pipeline::{EncodeOptions, PipelineTokenizer};

use crate::config::Config;
use crate::json::{read_json, write_json};

pub(crate) use spans::Spans;
pub use stream::TextStream;

/// The token that begins a text in tokenizers made here.
const BEGIN: &str = "<s>";
/// The token that ends one.
const END: &str = "</s>";

/// A tokenizer: made here, or read from the `tokenizer.json` that is published with a checkpoint.
///
/// # Example
/// ```
/// let bytes = monotile_llama::Tokenizer::bytes();
/// assert_eq!(bytes.encode("hé")?, [104, 195, 169]);
/// assert_eq!(bytes.decode(&[104, 195, 169])?, "hé");
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Tokenizer {
    pipeline: PipelineTokenizer,
    json: String,
    /// The token of the highest number, and that number.
    last: (String, u32),
    source: String,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a checkpoint's folder.
    ///
    /// # Errors
    /// `Io`, if there is none; `Format`, if it is malformed or of a kind other than byte-pair encoding.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        Self::parse(read_json(&path)?, path.display().to_string())
    }

    /// The tokenizer whose numbers below 256 are bytes, with `<s>` 256 and `</s>` 257.
    pub fn bytes() -> Self {
        let vocabulary = (0..=u8::MAX).map(|byte| train::letter(byte).to_string());
        let tokens: Vec<String> = vocabulary.chain([BEGIN.to_string(), END.to_string()]).collect();
        Self::from_parts(&tokens, &[])
    }

    /// Trains a byte-pair encoding of `vocabulary` tokens on a text: `<s>`, `</s>`, the 256 bytes, then the most frequent pairs, merged
    /// one after the other within words.
    ///
    /// Fewer tokens come out where the text has fewer pairs that occur twice.
    ///
    /// # Errors
    /// `Value`, if `vocabulary` is below 258.
    ///
    /// # Source
    /// Sennrich, Haddow and Birch (2016); on bytes: Radford et al. (2019).
    pub fn train(text: &str, vocabulary: usize) -> Result<Self> {
        let special = [BEGIN.to_string(), END.to_string()];
        let smallest = special.len() + 256;
        if vocabulary < smallest {
            let message = format!(
                "tokenizer: a vocabulary of {vocabulary} cannot hold 256 bytes and 2 special tokens; {smallest} is the least"
            );
            return Err(Error::value(message));
        }
        let (pairs, merges) = train::byte_pairs(text, vocabulary - special.len());
        let tokens: Vec<String> = special.into_iter().chain(pairs).collect();
        Ok(Self::from_parts(&tokens, &merges))
    }

    /// A byte-level tokenizer with these tokens, numbered in order; the special ones are known by their names.
    fn from_parts(tokens: &[String], merges: &[(String, String)]) -> Self {
        let vocabulary: Map<String, Value> = tokens.iter().zip(0u32..).map(|(token, id)| (token.clone(), json!(id))).collect();
        let added = |name: &str| {
            json!({ "id": vocabulary[name], "content": name, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        };
        let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
        let merges: Vec<[&String; 2]> = merges.iter().map(|(left, right)| [left, right]).collect();
        let value = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [added(BEGIN), added(END)],
            "normalizer": null,
            "pre_tokenizer": level,
            "post_processor": null,
            "decoder": level,
            "model": { "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocabulary, "merges": merges },
        });
        Self::parse(value.to_string(), "tokenizer".into()).expect("a tokenizer of this shape is one that the parser reads")
    }

    fn parse(json: String, source: String) -> Result<Self> {
        let refuse = |what: String| Error::new(ErrorKind::Format, format!("{source}: {what}"));
        let value: Value = serde_json::from_str(&json).map_err(|e| refuse(format!("not JSON: {e}")))?;
        let last = last_token(&value).ok_or_else(|| refuse("field \"model.vocab\" is missing or holds no tokens".into()))?;
        // Memory is taken up to the highest number; every token takes more than a byte of the file, so numbers beyond its size are lies.
        if last.1 as usize >= json.len() {
            return Err(refuse(format!("token {:?} has number {} in a file of {} bytes", last.0, last.1, json.len())));
        }
        let canonical = tokenizers::canonicalize_str(&json).map_err(|e| refuse(e.to_string()))?;
        let pipeline = tokenizers::from_json(&canonical).map_err(|e| refuse(e.to_string()))?;
        let this = Self { pipeline, json, last, source };
        // A pattern that nothing here can match shows only when a text is split.
        this.encode("a")?;
        Ok(this)
    }

    /// One more than the highest token number.
    pub fn vocabulary(&self) -> usize {
        self.last.1 as usize + 1
    }

    /// Checks that a model has a row for every token.
    ///
    /// # Errors
    /// `Value`, naming the token that has none.
    pub fn check_fits(&self, config: &Config) -> Result<()> {
        let (name, id) = &self.last;
        if *id as usize >= config.vocab_size {
            let size = config.vocab_size;
            return Err(Error::value(format!("{}: token {id}, {name:?}, is beyond the model's vocabulary of {size}", self.source)));
        }
        Ok(())
    }

    /// The tokens of a text, with those that the tokenizer itself puts around one.
    ///
    /// # Errors
    /// `Value`, where a text has parts that the vocabulary cannot spell.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_with(text, &EncodeOptions::default())
    }

    /// The tokens of a text alone, with none put around it: special tokens are those that the text itself names.
    ///
    /// # Errors
    /// As [`encode`](Tokenizer::encode).
    pub fn encode_alone(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_with(text, &EncodeOptions::no_specials())
    }

    fn encode_with(&self, text: &str, options: &EncodeOptions) -> Result<Vec<u32>> {
        let mut tokens = Vec::new();
        let encoded = self.pipeline.encode_into(text, options, &mut tokens);
        encoded.map_err(|e| Error::value(format!("{}: {e}", self.source)))?;
        Ok(tokens.into_iter().map(u32::from).collect())
    }

    /// The text of some tokens, without special ones; bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// `Value`, where the tokenizer's decoder refuses.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        self.pipeline.decode(tokens, true).map_err(|e| Error::value(format!("{}: {e}", self.source)))
    }

    /// Decodes token by token, holding back what is not yet whole characters.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream::new(self)
    }

    /// Writes `tokenizer.json` and, where none is there, a `tokenizer_config.json` for transformers.
    ///
    /// # Errors
    /// `Io`, if the files cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_beside(&folder.join("tokenizer.json"), |file| file.write_all(self.json.as_bytes()))?;
        let beside = folder.join("tokenizer_config.json");
        if beside.exists() {
            return Ok(());
        }
        let has = |name: &'static str| self.special(name).map(|_| name);
        let config = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": has(BEGIN), "eos_token": has(END) });
        write_json(&beside, &config)
    }

    /// The number of a special token, such as `<s>`.
    pub fn special(&self, name: &str) -> Option<u32> {
        self.pipeline.get_added_vocabulary().token_to_id(name)
    }
}

/// The token of the highest number in the vocabulary or among added tokens.
fn last_token(value: &Value) -> Option<(String, u32)> {
    let id = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
    let vocabulary = value.get("model")?.get("vocab")?.as_object()?;
    let named = vocabulary.iter().filter_map(|(token, v)| Some((token.as_str(), id(v)?)));
    let added = value.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
    let added = added.filter_map(|token| Some((token.get("content")?.as_str()?, id(token.get("id")?)?)));
    named.chain(added).max_by_key(|&(_, id)| id).map(|(token, id)| (token.to_string(), id))
}

#[cfg(test)]
mod tests;
