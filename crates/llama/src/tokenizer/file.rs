//! The fields of `tokenizer.json`.

use std::fmt;

use monotile::{Error, Result, limits};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::added::AddedToken;
use super::component::{malformed, unsupported};

/// A whole file.
#[derive(Deserialize)]
pub(super) struct TokenizerFile {
    #[serde(default)]
    pub added_tokens: Vec<AddedToken>,
    #[serde(default, deserialize_with = "part")]
    pub normalizer: Value,
    #[serde(default, deserialize_with = "part")]
    pub pre_tokenizer: Value,
    #[serde(default, deserialize_with = "part")]
    pub post_processor: Value,
    #[serde(default, deserialize_with = "part")]
    pub decoder: Value,
    pub model: Option<BpeModel>,
}

/// The field `model`.
#[derive(Deserialize)]
pub(super) struct BpeModel {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "vocabulary")]
    pub vocab: Vocabulary,
    #[serde(default, deserialize_with = "merges")]
    pub merges: Vec<(Box<str>, Box<str>)>,
    pub unk_token: Option<String>,
    #[serde(default, deserialize_with = "or_false")]
    pub fuse_unk: bool,
    #[serde(default, deserialize_with = "or_false")]
    pub byte_fallback: bool,
    #[serde(default, deserialize_with = "or_false")]
    pub ignore_merges: bool,
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    /// What a word-piece model has in place of merges.
    max_input_chars_per_word: Option<IgnoredAny>,
}

/// The field `model.vocab`.
#[derive(Default)]
pub(super) struct Vocabulary {
    pub tokens: Vec<(Box<str>, u32)>,
    /// Why the rest was not taken.
    refused: Option<Error>,
}

impl BpeModel {
    /// Refuses, by its name, what encodes otherwise.
    pub fn check(&self) -> Result<()> {
        if let Some(refused) = &self.vocab.refused {
            return Err(refused.clone().with_context("no tokenizer"));
        }
        let kind = match &self.kind {
            Some(kind) => kind.as_str(),
            None if self.max_input_chars_per_word.is_some() => "WordPiece",
            None => "BPE",
        };
        if kind != "BPE" {
            return Err(unsupported(format!("model {kind:?} is not supported; byte-pair encoding (\"BPE\") is")));
        }
        if self.vocab.tokens.is_empty() {
            return Err(malformed("field \"model.vocab\" is missing or holds no tokens"));
        }
        if let Some(dropout) = self.dropout.filter(|&dropout| dropout != 0.0) {
            let what = format!("dropout {dropout} makes the tokens of a text random, which is not supported; null is");
            return Err(unsupported(what));
        }
        let affixes =
            [("continuing_subword_prefix", &self.continuing_subword_prefix), ("end_of_word_suffix", &self.end_of_word_suffix)];
        for (name, affix) in affixes {
            if let Some(affix) = affix.as_ref().filter(|affix| !affix.is_empty()) {
                return Err(unsupported(format!("{name} {affix:?} is not supported; null is")));
            }
        }
        Ok(())
    }
}

/// The most bytes of one part, which takes up to twenty times the memory; the longest published ones have half a million.
const PART_BYTES: usize = 4 << 20;

/// A part that is read step by step; one that is longer than any is refused before it takes memory.
fn part<'de, D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    let text = <&RawValue>::deserialize(from)?.get();
    if text.len() > PART_BYTES {
        return Err(D::Error::custom(format!("a part of {} bytes, and {PART_BYTES} are read", text.len())));
    }
    serde_json::from_str(text).map_err(D::Error::custom)
}

fn or_false<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(false))
}

/// An object of numbers; what models of other kinds have in its place is left for [`BpeModel::check`] to refuse.
fn vocabulary<'de, D: Deserializer<'de>>(from: D) -> Result<Vocabulary, D::Error> {
    struct Tokens;
    impl<'de> Visitor<'de> for Tokens {
        type Value = Vocabulary;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("an object of tokens and their numbers")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = Vocabulary::default();
            while let Some(token) = map.next_entry()? {
                all.tokens.push(token);
                all.refused = limits::VOCABULARY.admit("model.vocab", all.tokens.len() as u64).err();
                if all.refused.is_some() {
                    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    break;
                }
            }
            Ok(all)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Vocabulary::default())
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vocabulary::default())
        }
    }
    from.deserialize_any(Tokens)
}

/// Two tokens that become one.
type MergePair = (Box<str>, Box<str>);

/// A list of pairs: `["a", "b"]`, or `"a b"` in older files.
fn merges<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<MergePair>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Merge {
        Pair(Box<str>, Box<str>),
        Line(String),
    }
    struct Merges;
    impl<'de> Visitor<'de> for Merges {
        type Value = Vec<MergePair>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a list of merges, each two tokens")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut merges = Vec::new();
            while let Some(merge) = list.next_element()? {
                match merge {
                    Merge::Pair(left, right) => merges.push((left, right)),
                    Merge::Line(line) if line.starts_with("#version") => {}
                    Merge::Line(line) => {
                        let pair = line.split_once(' ').filter(|(_, right)| !right.contains(' '));
                        let (left, right) = pair.ok_or_else(|| A::Error::custom(format!("merge {line:?} is not two tokens")))?;
                        merges.push((left.into(), right.into()));
                    }
                }
            }
            Ok(merges)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
    }
    from.deserialize_any(Merges)
}
