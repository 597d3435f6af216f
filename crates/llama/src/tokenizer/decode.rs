//! `decoder`: from the tokens' spellings to a text.

use monotile::{Result, limits};
use monotile_adapters::PatternBudget;
use serde_json::Value;

use super::byte_level;
use super::component::{ComponentReader, count, flag, malformed, text};
use super::pattern::Pattern;
use super::stopwatch::Stopwatch;

/// The steps from spellings to a text.
pub(super) struct Decoder {
    steps: Vec<DecodeStep>,
    /// What stands between spellings where there is no step at all.
    between: &'static str,
}

enum DecodeStep {
    /// Letters become bytes, and these a text.
    Letters,
    /// `<0x0A>` becomes a byte, and bytes a text.
    Bytes,
    Replace {
        pattern: Pattern,
        content: String,
    },
    /// All spellings become one.
    Fuse,
    /// Takes a character off the ends of each spelling, so many times at most.
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
    /// A character becomes a space; in the first spelling it goes, if it was put there.
    Metaspace {
        replacement: char,
        prepended: bool,
    },
    /// The suffix that ends a word becomes a space, but for the last.
    Suffix(String),
}

impl Decoder {
    /// Reads a `decoder`.
    pub fn read(value: &Value, budget: &PatternBudget) -> Result<Self> {
        let mut steps = Vec::new();
        ComponentReader::new("decoder", "decoders", KINDS)
            .each(value, &mut |kind, part| Ok(read(kind, part, budget)?.map(|step| steps.push(step)).is_some()))?;
        Ok(Self { steps, between: if value.is_null() { " " } else { "" } })
    }

    /// The text of these spellings.
    ///
    /// # Errors
    /// `Limit`, before memory is taken for a text that grows beyond [`limits::GROWTH`]; as [`Pattern::each`].
    pub fn apply(&self, mut spellings: Vec<String>) -> Result<String> {
        let bytes = spellings.iter().map(String::len).sum::<usize>();
        let (most, time) = ((bytes.max(1024) as u64).saturating_mul(limits::GROWTH.get()), Stopwatch::new(bytes));
        for step in &self.steps {
            spellings = step.apply(spellings, most, &time)?;
        }
        Ok(spellings.join(self.between))
    }
}

impl DecodeStep {
    fn apply(&self, mut spellings: Vec<String>, most: u64, time: &Stopwatch) -> Result<Vec<String>> {
        match self {
            DecodeStep::Letters => {
                let bytes = |spelling: String| byte_level::bytes(&spelling).unwrap_or_else(|| spelling.into_bytes());
                let all: Vec<u8> = spellings.into_iter().flat_map(bytes).collect();
                return Ok(vec![String::from_utf8_lossy(&all).into_owned()]);
            }
            DecodeStep::Bytes => return Ok(join_bytes(spellings)),
            DecodeStep::Fuse => return Ok(vec![spellings.concat()]),
            DecodeStep::Replace { pattern, content } => {
                let mut left = most;
                spellings.iter_mut().try_for_each(|spelling| replace(spelling, (pattern, content), &mut left, time))?;
            }
            DecodeStep::Strip { content, start, stop } => {
                for spelling in &mut spellings {
                    let mut kept = spelling.as_str();
                    for _ in 0..*start {
                        let Some(rest) = kept.strip_prefix(*content) else { break };
                        kept = rest;
                    }
                    for _ in 0..*stop {
                        let Some(rest) = kept.strip_suffix(*content) else { break };
                        kept = rest;
                    }
                    if kept.len() < spelling.len() {
                        *spelling = kept.to_string();
                    }
                }
            }
            DecodeStep::Metaspace { replacement, prepended } => {
                for (i, spelling) in spellings.iter_mut().enumerate() {
                    *spelling = spelling.replace(*replacement, if i == 0 && *prepended { "" } else { " " });
                }
            }
            DecodeStep::Suffix(suffix) => {
                let last = spellings.len().saturating_sub(1);
                for (i, spelling) in spellings.iter_mut().enumerate() {
                    *spelling = spelling.replace(suffix.as_str(), if i == last { "" } else { " " });
                }
            }
        }
        Ok(spellings)
    }
}

/// Replaces in one spelling; `left` is what the spellings may have together.
fn replace(spelling: &mut String, (pattern, content): (&Pattern, &str), left: &mut u64, time: &Stopwatch) -> Result<()> {
    let mut out = String::new();
    let mut at = 0;
    let mut push = |text: &str| {
        *left = left.checked_sub(text.len() as u64).ok_or_else(|| {
            let limit = limits::GROWTH.get();
            limits::GROWTH.refusal("the decoder of a text", format!("more than {limit}"))
        })?;
        out.push_str(text);
        Ok(())
    };
    pattern.each(spelling, time, &mut |range| {
        push(&spelling[at..range.start])?;
        at = range.end;
        push(content)
    })?;
    push(&spelling[at..])?;
    *spelling = out;
    Ok(())
}

/// Runs of byte tokens become the text they spell, or as many U+FFFD if they spell none.
fn join_bytes(spellings: Vec<String>) -> Vec<String> {
    let mut out = Vec::with_capacity(spellings.len());
    let mut run: Vec<u8> = Vec::new();
    let flush = |run: &mut Vec<u8>, out: &mut Vec<String>| {
        let bytes = std::mem::take(run);
        match String::from_utf8(bytes) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => out.push(text),
            Err(e) => out.extend(e.into_bytes().iter().map(|_| '\u{fffd}'.to_string())),
        }
    };
    for spelling in spellings {
        match byte(&spelling) {
            Some(byte) => run.push(byte),
            None => {
                flush(&mut run, &mut out);
                out.push(spelling);
            }
        }
    }
    flush(&mut run, &mut out);
    out
}

/// The byte that `<0x0A>` stands for.
pub(super) fn byte(spelling: &str) -> Option<u8> {
    let digits = spelling.strip_prefix("<0x")?.strip_suffix('>').filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

/// What [`read`] knows.
const KINDS: &str = "ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, BPEDecoder";

/// Reads one decoder; `None` for a kind that is not known.
fn read(kind: &str, value: &Value, budget: &PatternBudget) -> Result<Option<DecodeStep>> {
    let character = |name: &str| {
        let found = text(value, name)?;
        let mut chars = found.chars();
        let one = chars.next().filter(|_| chars.next().is_none());
        one.ok_or_else(|| malformed(format!("field \"{name}\" must hold one character, got {found:?}")))
    };
    Ok(Some(match kind {
        "ByteLevel" => DecodeStep::Letters,
        "ByteFallback" => DecodeStep::Bytes,
        "Fuse" => DecodeStep::Fuse,
        "Replace" => {
            DecodeStep::Replace { pattern: Pattern::read(&value["pattern"], budget)?, content: text(value, "content")?.to_string() }
        }
        "Strip" => DecodeStep::Strip { content: character("content")?, start: count(value, "start")?, stop: count(value, "stop")? },
        "Metaspace" => {
            let never = value["prepend_scheme"] == "never" || !flag(value, "add_prefix_space", true)?;
            DecodeStep::Metaspace { replacement: character("replacement")?, prepended: !never }
        }
        "BPEDecoder" => DecodeStep::Suffix(text(value, "suffix")?.to_string()),
        _ => return Ok(None),
    }))
}
