//! `normalizer`: how a text is rewritten before it is split.

use std::borrow::Cow;

use monotile::{Result, limits};
use monotile_adapters::PatternBudget;
use serde_json::Value;
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick};

use super::byte_level;
use super::component::{ComponentReader, flag, text};
use super::pattern::Pattern;
use super::stopwatch::Stopwatch;

/// Texts shorter than this are rewritten as if they had as many bytes: what is put before a text may be longer than the text.
const SHORT: usize = 1024;

/// The steps that rewrite a text.
#[derive(Default)]
pub(super) struct Normalizer(Vec<NormalizeStep>);

enum NormalizeStep {
    Compose(Form),
    Lowercase,
    StripAccents,
    Strip {
        left: bool,
        right: bool,
    },
    Prepend(String),
    Replace {
        pattern: Pattern,
        content: String,
    },
    /// Bytes become letters.
    Letters,
}

/// Unicode's normalization forms.
#[derive(Clone, Copy)]
enum Form {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl Normalizer {
    /// Reads a `normalizer`.
    pub fn read(value: &Value, budget: &PatternBudget) -> Result<Self> {
        let mut steps = Vec::new();
        ComponentReader::new("normalizer", "normalizers", KINDS)
            .each(value, &mut |kind, part| Ok(read(kind, part, budget)?.map(|step| steps.push(step)).is_some()))?;
        Ok(Self(steps))
    }

    /// The text as it is split.
    ///
    /// # Errors
    /// `Limit`, before memory is taken for a text that grows beyond [`limits::GROWTH`]; as [`Pattern::each`].
    pub fn apply<'a>(&self, text: &'a str, time: &Stopwatch) -> Result<Cow<'a, str>> {
        let most = (text.len().max(SHORT) as u64).saturating_mul(limits::GROWTH.get());
        let mut now = Cow::Borrowed(text);
        for step in &self.0 {
            let next = step.apply(&now, (most, text.len()), time)?;
            now = next.map_or(now, Cow::Owned);
        }
        Ok(now)
    }
}

impl NormalizeStep {
    /// The text after this step; `None` if it is what it was.
    fn apply(&self, text: &str, (most, original): (u64, usize), time: &Stopwatch) -> Result<Option<String>> {
        let mut out = Bounded { text: String::new(), most, original };
        match self {
            NormalizeStep::Compose(form) => {
                if form.holds(text) {
                    return Ok(None);
                }
                out.text.reserve(text.len());
                match form {
                    Form::Nfc => text.nfc().try_for_each(|c| out.push(c))?,
                    Form::Nfd => text.nfd().try_for_each(|c| out.push(c))?,
                    Form::Nfkc => text.nfkc().try_for_each(|c| out.push(c))?,
                    Form::Nfkd => text.nfkd().try_for_each(|c| out.push(c))?,
                }
            }
            NormalizeStep::Lowercase => text.chars().flat_map(char::to_lowercase).try_for_each(|c| out.push(c))?,
            NormalizeStep::StripAccents => out.text.extend(text.chars().filter(|&c| !is_combining_mark(c))),
            NormalizeStep::Strip { left, right } => {
                let mut kept = text;
                kept = if *left { kept.trim_start() } else { kept };
                kept = if *right { kept.trim_end() } else { kept };
                if kept.len() == text.len() {
                    return Ok(None);
                }
                out.text = kept.to_string();
            }
            NormalizeStep::Prepend(_) if text.is_empty() => return Ok(None),
            NormalizeStep::Prepend(before) => {
                out.push_str(before)?;
                out.push_str(text)?;
            }
            NormalizeStep::Replace { pattern, content } => {
                let mut at = 0;
                let mut found = false;
                pattern.each(text, time, &mut |range| {
                    out.push_str(&text[at..range.start])?;
                    (at, found) = (range.end, true);
                    out.push_str(content)
                })?;
                if !found {
                    return Ok(None);
                }
                out.push_str(&text[at..])?;
            }
            NormalizeStep::Letters => text.bytes().try_for_each(|byte| out.push(byte_level::letter(byte)))?,
        }
        Ok(Some(out.text))
    }
}

impl Form {
    /// Whether a text is surely in this form.
    fn holds(self, text: &str) -> bool {
        let chars = text.chars();
        let quick = match self {
            Form::Nfc => is_nfc_quick(chars),
            Form::Nfd => is_nfd_quick(chars),
            Form::Nfkc => is_nfkc_quick(chars),
            Form::Nfkd => is_nfkd_quick(chars),
        };
        quick == IsNormalized::Yes
    }
}

/// A text that refuses to grow beyond a limit.
struct Bounded {
    text: String,
    most: u64,
    original: usize,
}

impl Bounded {
    fn push(&mut self, c: char) -> Result<()> {
        self.admit(c.len_utf8())?;
        self.text.push(c);
        Ok(())
    }

    fn push_str(&mut self, text: &str) -> Result<()> {
        self.admit(text.len())?;
        self.text.push_str(text);
        Ok(())
    }

    fn admit(&self, more: usize) -> Result<()> {
        if (self.text.len() + more) as u64 <= self.most {
            return Ok(());
        }
        let wanted = (self.most / limits::GROWTH.get().max(1)).max(1);
        let times = ((self.text.len() + more) as u64).div_ceil(wanted);
        Err(limits::GROWTH.refusal(format!("the normalizer of a text of {} bytes", self.original), format!("at least {times}")))
    }
}

/// What [`read`] knows.
const KINDS: &str = "NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, ByteLevel";

/// Reads one normalizer; `None` for a kind that is not known.
fn read(kind: &str, value: &Value, budget: &PatternBudget) -> Result<Option<NormalizeStep>> {
    Ok(Some(match kind {
        "NFC" => NormalizeStep::Compose(Form::Nfc),
        "NFD" => NormalizeStep::Compose(Form::Nfd),
        "NFKC" => NormalizeStep::Compose(Form::Nfkc),
        "NFKD" => NormalizeStep::Compose(Form::Nfkd),
        "Lowercase" => NormalizeStep::Lowercase,
        "StripAccents" => NormalizeStep::StripAccents,
        "Strip" => NormalizeStep::Strip { left: flag(value, "strip_left", true)?, right: flag(value, "strip_right", true)? },
        "Prepend" => NormalizeStep::Prepend(text(value, "prepend")?.to_string()),
        "Replace" => NormalizeStep::Replace {
            pattern: Pattern::read(&value["pattern"], budget)?,
            content: text(value, "content")?.to_string(),
        },
        "ByteLevel" => NormalizeStep::Letters,
        _ => return Ok(None),
    }))
}
