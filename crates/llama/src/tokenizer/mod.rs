//! `tokenizer.json`: text to token numbers and back.

mod added;
mod automaton;
mod backtracking;
mod bpe;
mod byte_level;
mod component;
mod decode;
mod file;
mod normalize;
mod pattern;
mod post_processor;
mod pre_tokenizer;
mod spans;
mod stopwatch;
mod stream;
mod train;

use std::io::Write;
use std::path::Path;

use monotile::io::write_atomic;
use monotile::text::parser_report;
use monotile::{Error, ErrorKind, Result, limits};
use serde_json::{Map, Value, json};

use crate::config::Config;
use added::{AddedTokens, TextSegment};
use bpe::Bpe;
use component::malformed;
use decode::Decoder;
use file::TokenizerFile;
use monotile_adapters::PatternBudget;
use monotile_adapters::json::{read_json, write_json};
use normalize::Normalizer;
use post_processor::PostProcessor;
use pre_tokenizer::{PreTokenizer, TextPiece};
use stopwatch::Stopwatch;

pub(crate) use spans::Spans;
pub use stream::TextStream;

/// The token that begins a text in tokenizers made here.
const BEGIN: &str = "<s>";
/// The token that ends one.
const END: &str = "</s>";

/// A tokenizer: made here, or read from the `tokenizer.json` that is published with a checkpoint.
///
/// A text goes through the parts that the file has, in its order: added tokens are found, what lies between is normalized and split
/// into words, words are encoded by byte pairs, and tokens are put around. Numbers are those of the `tokenizers` library, on which
/// transformers stands.
///
/// # Example
/// ```
/// let bytes = monotile_llama::Tokenizer::bytes();
/// assert_eq!(bytes.encode("hé")?, [104, 195, 169]);
/// assert_eq!(bytes.decode(&[104, 195, 169])?, "hé");
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Tokenizer {
    added: AddedTokens,
    normalizer: Normalizer,
    splitter: PreTokenizer,
    bpe: Bpe,
    around: PostProcessor,
    decoder: Decoder,
    /// The tokens by their numbers.
    names: Vec<Option<Box<str>>>,
    json: String,
    source: String,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of a checkpoint's folder. It alone decides which tokens are put around a text: transformers leaves
    /// `add_bos_token` and `add_eos_token` of `tokenizer_config.json` unread where there is such a file.
    ///
    /// # Errors
    /// `Io`, if there is none; `Format`, if it is malformed; `Unsupported` for models other than byte-pair encoding and for parts that
    /// nothing here computes, by their names; `Limit`, if it asks for more than [`monotile::limits`] allow.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        if !path.exists()
            && let Some(other) = ["tokenizer.model", "vocab.json", "tekken.json"].iter().find(|name| folder.join(name).exists())
        {
            let what = format!("there is {other} and no tokenizer.json, which transformers' save_pretrained writes");
            return Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", folder.display())));
        }
        Self::parse(read_json(&path, &limits::JSON)?, path.display().to_string())
    }

    /// The tokenizer whose numbers below 256 are bytes, with `<s>` 256 and `</s>` 257.
    pub fn bytes() -> Self {
        let vocabulary = (0..=u8::MAX).map(|byte| byte_level::letter(byte).to_string());
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
        let (pairs, merges) = train::byte_pairs(text, vocabulary - special.len())?;
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
        let refuse = |error: Error| error.with_context(&source);
        let mut file: TokenizerFile =
            serde_json::from_str(&json).map_err(|e| refuse(malformed(format!("no tokenizer: {}", parser_report(&e)))))?;
        let Some(model) = file.model.take() else { return Err(refuse(malformed("field \"model\" is missing"))) };
        model.check().map_err(refuse)?;
        // Memory is taken up to the highest number; every token takes more than a byte of the file, so numbers beyond its size are lies.
        if let Some((token, id)) = model.vocab.tokens.iter().find(|(_, id)| *id as usize >= json.len()) {
            return Err(refuse(malformed(format!("token {token:?} has number {id} in a file of {} bytes", json.len()))));
        }
        let highest = model.vocab.tokens.iter().map(|(_, id)| u64::from(*id) + 1).max().unwrap_or(0);
        let count = (model.vocab.tokens.len() + file.added_tokens.len()) as u64;
        limits::VOCABULARY.admit(&source, highest.max(count))?;
        let budget = PatternBudget::new("tokenizer");
        let normalizer = Normalizer::read(&file.normalizer, &budget).map_err(refuse)?;
        let splitter = PreTokenizer::read(&file.pre_tokenizer, &budget).map_err(refuse)?;
        let around = PostProcessor::read(&file.post_processor).map_err(refuse)?;
        let decoder = Decoder::read(&file.decoder, &budget).map_err(refuse)?;
        let bpe = Bpe::new(model, splitter.byte_level).map_err(refuse)?;
        let added = AddedTokens::new(file.added_tokens, &bpe.ids, &normalizer).map_err(refuse)?;
        let of_added = || added.all().map(|(id, token)| (id, token.spelled.as_str()));
        let mut names = Vec::new();
        for (id, token) in bpe.ids.iter().map(|(token, &id)| (id, &**token)).chain(of_added()) {
            let at = id as usize;
            names.resize(names.len().max(at + 1), None);
            names[at] = Some(token.into());
        }
        Ok(Self { added, normalizer, splitter, bpe, around, decoder, names, json, source })
    }

    /// One more than the highest token number.
    pub fn vocabulary(&self) -> usize {
        self.names.len()
    }

    /// Checks that a model has a row for every token.
    ///
    /// # Errors
    /// `Value`, naming the token that has none.
    pub fn check_fits(&self, config: &Config) -> Result<()> {
        let (size, last) = (config.vocab_size, self.names.len().saturating_sub(1));
        if last < size {
            return Ok(());
        }
        let name = self.names[last].as_deref().unwrap_or_default();
        Err(Error::value(format!("{}: token {last}, {name:?}, is beyond the model's vocabulary of {size}", self.source)))
    }

    /// The tokens of a text, with those that the tokenizer itself puts around one.
    ///
    /// # Errors
    /// `Value`, where a text has parts that the vocabulary cannot spell; `Limit`, where looking for the tokenizer's patterns takes too long.
    /// Such a search is left on a thread of its own, with a copy of the text, until it is over or the process ends.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = self.around.before.clone();
        self.append(text, &mut tokens)?;
        tokens.extend_from_slice(&self.around.after);
        Ok(tokens)
    }

    /// The tokens of a text alone, with none put around it: special tokens are those that the text itself names.
    ///
    /// # Errors
    /// As [`encode`](Tokenizer::encode).
    pub fn encode_without_special_tokens(&self, text: &str) -> Result<Vec<u32>> {
        let mut tokens = Vec::new();
        self.append(text, &mut tokens)?;
        Ok(tokens)
    }

    fn append(&self, text: &str, tokens: &mut Vec<u32>) -> Result<()> {
        let mut work = self.bpe.work();
        let time = Stopwatch::new(text.len());
        let appended = self.added.find_in_raw(text, &mut |found| match found {
            TextSegment::Token(id) => {
                tokens.push(id);
                Ok(())
            }
            TextSegment::Text(part) => {
                let begins = part.start == 0;
                let normalized = self.normalizer.apply(&text[part], &time)?;
                self.added.find_in_normalized(&normalized, &mut |found| match found {
                    TextSegment::Token(id) => {
                        tokens.push(id);
                        Ok(())
                    }
                    TextSegment::Text(part) => {
                        let piece = TextPiece { first: begins && part.start == 0, text: &normalized[part] };
                        self.splitter.each(piece, &time, &mut |word| work.encode(word, tokens))
                    }
                })
            }
        });
        appended.map_err(|e| e.with_context(&self.source))
    }

    /// The text of some tokens, without special ones; bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// `Limit`, where the tokenizer's decoder makes too much of them.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        let spellings = tokens.iter().filter_map(|&id| self.shown(id)).map(str::to_string).collect();
        self.decoder.apply(spellings).map_err(|e| e.with_context(&self.source))
    }

    /// The token of a number, if decoding shows it.
    fn shown(&self, id: u32) -> Option<&str> {
        self.names.get(id as usize)?.as_deref().filter(|name| !self.added.is_special(name))
    }

    /// Decodes token by token, holding back what is not yet whole characters.
    pub fn stream(&self) -> TextStream<'_> {
        TextStream::new(self, &[])
    }

    /// [`stream`](Tokenizer::stream) of what follows these tokens, whose text is out already: a space that would go at the beginning of
    /// a text then stays.
    pub fn stream_after(&self, tokens: &[u32]) -> TextStream<'_> {
        TextStream::new(self, tokens)
    }

    /// Writes `tokenizer.json` and, where none is there that holds a JSON object, a `tokenizer_config.json` for transformers.
    ///
    /// # Errors
    /// `Io`, if the files cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_atomic(&folder.join("tokenizer.json"), |file| file.write_all(self.json.as_bytes()))?;
        let beside = folder.join("tokenizer_config.json");
        // One that a full disk or a kill left empty, or half, is written again.
        let whole = || read_json(&beside, &limits::CONFIG).is_ok_and(|text| serde_json::from_str::<Map<_, _>>(&text).is_ok());
        if beside.exists() && whole() {
            return Ok(());
        }
        let has = |name: &'static str| self.special(name).map(|_| name);
        let config = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": has(BEGIN), "eos_token": has(END) });
        write_json(&beside, &config)
    }

    /// The number of an added token, such as `<s>`.
    pub fn special(&self, name: &str) -> Option<u32> {
        self.added.id(name)
    }
}

#[cfg(test)]
mod tests;
