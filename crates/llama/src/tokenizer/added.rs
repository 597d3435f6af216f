//! `added_tokens`: tokens that are found in a text as they are written, before it is split into words.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use monotile::{Error, ErrorKind, Result};
use regex_automata::meta;
use serde::Deserialize;

use super::component::malformed;
use super::normalize::Normalizer;
use super::stopwatch::Stopwatch;

/// One of `added_tokens`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AddedToken {
    pub content: String,
    /// Whether it is found between other characters than those of words alone.
    #[serde(default)]
    single_word: bool,
    /// Whether it takes the white space before it.
    #[serde(default)]
    lstrip: bool,
    /// Whether it takes the white space after it.
    #[serde(default)]
    rstrip: bool,
    /// Whether it is looked for in the normalized text, in its normalized form.
    #[serde(default = "yes")]
    normalized: bool,
    /// Whether decoding leaves it out.
    #[serde(default)]
    pub special: bool,
    /// How it is spelled where it is decoded: as it is looked for.
    #[serde(skip)]
    pub spelled: String,
}

fn yes() -> bool {
    true
}

/// The added tokens with their numbers.
#[derive(Default)]
pub(super) struct AddedTokens {
    ids: HashMap<String, u32>,
    tokens: HashMap<u32, AddedToken>,
    /// Those found in the text as it is given, and those found when it is normalized.
    given: Option<Finder>,
    normalized: Option<Finder>,
}

/// Finds some of the tokens, the longest of those that begin at a place.
struct Finder {
    searcher: AhoCorasick,
    ids: Vec<u32>,
}

/// A part of a text: an added token, or what lies between them.
pub(super) enum TextSegment {
    Token(u32),
    Text(Range<usize>),
}

impl AddedTokens {
    /// Numbers the tokens: those of the vocabulary as it does, others after it, in their order.
    pub fn new(list: Vec<AddedToken>, vocabulary: &HashMap<Box<str>, u32>, normalizer: &Normalizer) -> Result<Self> {
        let mut this = Self::default();
        let mut next = u32::try_from(vocabulary.len()).map_err(|_| malformed("the vocabulary has too many tokens"))?;
        for token in list.into_iter().filter(|token| !token.content.is_empty()) {
            let known = this.ids.get(&token.content).or_else(|| vocabulary.get(token.content.as_str()));
            let id = known.copied().unwrap_or(next);
            next += u32::from(known.is_none());
            this.ids.insert(token.content.clone(), id);
            this.tokens.insert(id, token);
        }
        let mut ids: Vec<u32> = this.tokens.keys().copied().collect();
        ids.sort_unstable();
        let (mut given, mut normalized) = (Vec::new(), Vec::new());
        for id in ids {
            let Some(token) = this.tokens.get_mut(&id) else { continue };
            let content = if token.normalized {
                normalizer.apply(&token.content, &Stopwatch::new(token.content.len()))
            } else {
                Ok(token.content.as_str().into())
            };
            let refused = |e: Error| if e.kind() == ErrorKind::Limit { e } else { malformed(e.to_string()) };
            let spelled = content.map_err(refused)?.into_owned();
            let list = if token.normalized { &mut normalized } else { &mut given };
            list.push((spelled.clone(), id));
            token.spelled = spelled;
        }
        (this.given, this.normalized) = (Finder::new(given)?, Finder::new(normalized)?);
        Ok(this)
    }

    /// The number of a token.
    pub fn id(&self, content: &str) -> Option<u32> {
        self.ids.get(content).copied()
    }

    /// Whether decoding leaves out what is spelled like this.
    pub fn is_special(&self, spelled: &str) -> bool {
        self.id(spelled).and_then(|id| self.tokens.get(&id)).is_some_and(|token| token.special)
    }

    /// All tokens with their numbers.
    pub fn all(&self) -> impl Iterator<Item = (u32, &AddedToken)> {
        self.tokens.iter().map(|(id, token)| (*id, token))
    }

    /// Finds tokens in a text as it is given.
    pub fn find_in_raw(&self, text: &str, found: &mut dyn FnMut(TextSegment) -> Result<()>) -> Result<()> {
        self.each(self.given.as_ref(), text, found)
    }

    /// Finds tokens in a normalized text.
    pub fn find_in_normalized(&self, text: &str, found: &mut dyn FnMut(TextSegment) -> Result<()>) -> Result<()> {
        self.each(self.normalized.as_ref(), text, found)
    }

    /// Tells of the parts of a text in their order; those with no character are left out.
    fn each(&self, finder: Option<&Finder>, text: &str, found: &mut dyn FnMut(TextSegment) -> Result<()>) -> Result<()> {
        let mut at = 0;
        if let Some(finder) = finder {
            for place in finder.searcher.find_iter(text) {
                let id = finder.ids[place.pattern().as_usize()];
                let token = &self.tokens[&id];
                let (before, after) = (&text[..place.start()], &text[place.end()..]);
                if token.single_word && (before.ends_with(is_of_word) || after.starts_with(is_of_word)) {
                    continue;
                }
                let start = if token.lstrip { before.trim_end().len().max(at) } else { place.start() };
                let spaces = if token.rstrip { after.len() - after.trim_start().len() } else { 0 };
                if at < start {
                    found(TextSegment::Text(at..start))?;
                }
                found(TextSegment::Token(id))?;
                at = place.end() + spaces;
            }
        }
        if at < text.len() { found(TextSegment::Text(at..text.len())) } else { Ok(()) }
    }
}

impl Finder {
    fn new(tokens: Vec<(String, u32)>) -> Result<Option<Self>> {
        let tokens: Vec<(String, u32)> = tokens.into_iter().filter(|(content, _)| !content.is_empty()).collect();
        if tokens.is_empty() {
            return Ok(None);
        }
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostLongest);
        // The other kinds take many times the memory of what is looked for.
        if tokens.len() > 1000 {
            builder.kind(Some(AhoCorasickKind::ContiguousNFA));
        }
        let searcher = builder.build(tokens.iter().map(|(content, _)| content));
        let searcher = searcher.map_err(|e| malformed(format!("added_tokens: {e}")))?;
        Ok(Some(Self { searcher, ids: tokens.into_iter().map(|(_, id)| id).collect() }))
    }
}

/// Whether a character is one of words, `\w`.
fn is_of_word(c: char) -> bool {
    static WORD: LazyLock<Option<meta::Regex>> = LazyLock::new(|| meta::Regex::new(r"\w").ok());
    let mut letter = [0; 4];
    WORD.as_ref().is_some_and(|word| word.is_match(&*c.encode_utf8(&mut letter)))
}
