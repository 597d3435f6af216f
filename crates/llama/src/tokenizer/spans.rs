//! Which part of a text each token stands for.

use std::collections::HashMap;
use std::ops::Range;

use monotile::{Error, Result};

use super::decode::byte;
use super::{Tokenizer, byte_level};

/// Finds a tokenizer's tokens in texts.
///
/// The tokenizer itself tells numbers alone. A token spells its part of the text in letters that stand for bytes, or with `▁` for a space
/// and `<0x0A>` for a byte; a space may have been put before a text that has none, and spaces beside a special token may belong to it.
pub(crate) struct Spans<'a> {
    tokenizer: &'a Tokenizer,
    /// What each token spells, by number.
    spelled: HashMap<u32, Vec<u8>>,
}

impl Tokenizer {
    /// Makes ready to find tokens in texts.
    pub(crate) fn spans(&self) -> Spans<'_> {
        let level = self.splitter.byte_level;
        let spell = |token: &str| if level { byte_level::bytes(token) } else { spelled_with_metaspace(token) };
        let named = (0u32..).zip(&self.names).filter_map(|(id, name)| Some((id, spell(name.as_deref()?)?)));
        let mut spelled: HashMap<u32, Vec<u8>> = named.collect();
        spelled.extend(self.added.all().map(|(id, token)| (id, token.content.as_bytes().to_vec())));
        Spans { tokenizer: self, spelled }
    }
}

impl Spans<'_> {
    /// The tokens of a text, and whether each has a byte in one of these parts of it, as transformers' `assistant_masks` are made.
    ///
    /// With `around`, there are also the tokens that the tokenizer puts around a text; those after it count if the text's end does.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`]; `Value`, if the tokenizer rewrites the text so that its tokens are not found in it.
    pub fn encode(&self, text: &str, parts: &[Range<usize>], around: bool) -> Result<(Vec<u32>, Vec<bool>)> {
        let tokens = self.tokenizer.encode_without_special_tokens(text)?;
        let places = self.places(text, &tokens)?;
        let within = |place: &Range<usize>| parts.iter().any(|part| place.start < part.end && part.start < place.end);
        let mut learned: Vec<bool> = places.iter().map(within).collect();
        if !around {
            return Ok((tokens, learned));
        }
        let all = self.tokenizer.encode(text)?;
        let extra = all.len().saturating_sub(tokens.len());
        let Some(before) = (0..=extra).find(|&before| all[before..].starts_with(&tokens)) else {
            return Err(Error::value(format!("{}: adds tokens within a text, not around it", self.tokenizer.source)));
        };
        learned.splice(0..0, vec![false; before]);
        let ends = parts.iter().any(|part| part.end == text.len());
        learned.resize(all.len(), ends);
        Ok((all, learned))
    }

    /// The bytes of the text that each token stands for.
    fn places(&self, text: &str, tokens: &[u32]) -> Result<Vec<Range<usize>>> {
        let bytes = text.as_bytes();
        let mut at = 0;
        let mut place = |token: &u32| {
            let spelled = self.spelled.get(token).map_or(&[][..], Vec::as_slice);
            loop {
                let rest = &bytes[at..];
                let put_before = spelled.strip_prefix(b" ").filter(|inner| rest.starts_with(inner));
                if let Some(found) = rest.starts_with(spelled).then_some(spelled).or(put_before)
                    && !spelled.is_empty()
                {
                    at += found.len();
                    return Ok(at - found.len()..at);
                }
                if !rest.first().is_some_and(u8::is_ascii_whitespace) {
                    let near: String = String::from_utf8_lossy(rest).chars().take(12).collect();
                    return Err(Error::value(format!(
                        "{}: rewrites the text at {near:?}, so that what is learned of it cannot be told; text in Unicode's form NFC may help",
                        self.tokenizer.source
                    )));
                }
                at += 1;
            }
        };
        tokens.iter().map(&mut place).collect()
    }
}

/// What a token of SentencePiece's alphabet spells.
fn spelled_with_metaspace(token: &str) -> Option<Vec<u8>> {
    Some(byte(token).map_or_else(|| token.replace('▁', " ").into_bytes(), |byte| vec![byte]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The tokens that have a byte of one of the parts.
    fn learned(tokenizer: &Tokenizer, text: &str, parts: &[Range<usize>]) -> Vec<u32> {
        let (tokens, learned) = tokenizer.spans().encode(text, parts, false).unwrap();
        assert_eq!(tokens, tokenizer.encode_without_special_tokens(text).unwrap());
        tokens.into_iter().zip(learned).filter_map(|(token, learned)| learned.then_some(token)).collect()
    }

    /// As Llama 2's: a space before a text, `▁` for spaces, bytes for what has no token, `<s>` before every text.
    fn metaspace() -> Tokenizer {
        let pieces = ["<unk>", "<s>", "</s>", "<0x0A>", "▁", "a", "b", "▁a", "ab", "▁ab"];
        let pieces = pieces.iter().map(|piece| piece.to_string());
        let bytes = (0..=255_u8).filter(|&byte| byte != b'\n').map(|byte| format!("<0x{byte:02X}>"));
        let vocab: serde_json::Map<String, Value> = pieces.chain(bytes).zip(0..).map(|(piece, id)| (piece, json!(id))).collect();
        let added = |content: &str, id: u32| {
            json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": true })
        };
        let special = json!({ "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } });
        let value = json!({
            "version": "1.0", "truncation": null, "padding": null,
            "added_tokens": [added("<unk>", 0), added("<s>", 1), added("</s>", 2)],
            "normalizer": { "type": "Sequence", "normalizers": [
                { "type": "Prepend", "prepend": "▁" },
                { "type": "Replace", "pattern": { "String": " " }, "content": "▁" } ] },
            "pre_tokenizer": null,
            "post_processor": { "type": "TemplateProcessing",
                "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
                "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 1 } }],
                "special_tokens": special },
            "decoder": { "type": "Sequence", "decoders": [
                { "type": "Replace", "pattern": { "String": "▁" }, "content": " " }, { "type": "ByteFallback" }, { "type": "Fuse" },
                { "type": "Strip", "content": " ", "start": 1, "stop": 0 } ] },
            "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": vocab, "merges": [["▁", "a"], ["a", "b"], ["▁a", "b"]] },
        });
        Tokenizer::parse(value.to_string(), "tokenizer.json".into()).unwrap()
    }

    #[test]
    fn tokens_are_found_by_the_bytes_they_stand_for() {
        let tokenizer = Tokenizer::train(&"the cat and the hat ".repeat(9), 280).unwrap();
        let text = "the cat </s>and the é hat";
        let place = |part: &str| text.find(part).map(|at| at..at + part.len()).unwrap();
        let spelled = |parts: &[&str]| {
            let parts: Vec<_> = parts.iter().map(|part| place(part)).collect();
            tokenizer.decode(&learned(&tokenizer, text, &parts)).unwrap()
        };
        // " cat" is one token, so that its space comes along.
        assert_eq!(spelled(&["cat"]), " cat");
        assert_eq!(spelled(&["é", " hat"]), "é hat");
        assert_eq!(learned(&tokenizer, text, &[place("</s>")]), [tokenizer.special("</s>").unwrap()]);
        assert!(learned(&tokenizer, text, &[]).is_empty());
    }

    #[test]
    fn a_space_that_the_tokenizer_puts_before_a_text_is_none_of_it() {
        let tokenizer = metaspace();
        assert_eq!(tokenizer.encode("ab a\nb").unwrap(), [1, 9, 7, 3, 6]);
        assert_eq!(learned(&tokenizer, "ab a\nb", &[0..2]), [9]);
        assert_eq!(learned(&tokenizer, "ab a\nb", &[3..5]), [7, 3]);
        assert_eq!(learned(&tokenizer, "a</s>b", &[1..6]), tokenizer.encode_without_special_tokens("a</s>b").unwrap()[1..]);
        let (tokens, learned) = tokenizer.spans().encode("ab a", &[2..4], true).unwrap();
        assert_eq!((tokens, learned), (vec![1, 9, 7], vec![false, false, true]));
    }

    #[test]
    fn a_text_that_the_tokenizer_rewrites_is_refused() {
        let mut value: Value = serde_json::from_str(&Tokenizer::bytes().json).unwrap();
        value["normalizer"] = json!({ "type": "Lowercase" });
        let tokenizer = Tokenizer::parse(value.to_string(), "tokenizer.json".into()).unwrap();
        let refused = tokenizer.spans().encode("a Bad", &[], false).unwrap_err().to_string();
        assert_eq!(
            refused,
            "tokenizer.json: rewrites the text at \"Bad\", so that what is learned of it cannot be told; text in Unicode's form NFC may help"
        );
    }
}
