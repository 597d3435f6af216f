//! `pre_tokenizer`: how a text is split into words.

use std::ops::Range;

use monotile::Result;
use monotile_adapters::PatternBudget;
use serde_json::Value;

use super::byte_level;
use super::component::{ComponentReader, flag, malformed, text, unsupported};
use super::pattern::{GPT2, Pattern};
use super::stopwatch::Stopwatch;

/// The steps that split a text into words.
#[derive(Default)]
pub(super) struct PreTokenizer {
    steps: Vec<SplitStep>,
    /// Whether the bytes of words stand for letters that the vocabulary is spelled in.
    pub byte_level: bool,
}

enum SplitStep {
    /// A text is cut at the matches of a pattern.
    Cut { pattern: Pattern, behavior: Behavior, invert: bool },
    /// A space is put before a text that begins with none.
    SpaceBefore,
    /// Spaces become a character that is put before a text, too.
    Metaspace { replacement: char, prepend: Prepend },
    /// Bytes become letters.
    Letters,
}

/// What becomes of a match.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behavior {
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// Where a metaspace is put before a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Prepend {
    Always,
    /// Before the beginning of the whole text alone.
    First,
    Never,
}

/// A part of a text on its way through the steps.
#[derive(Clone, Copy)]
pub(super) struct TextPiece<'a> {
    pub text: &'a str,
    /// Whether the whole text begins with it.
    pub first: bool,
}

impl PreTokenizer {
    /// Reads a `pre_tokenizer`.
    pub fn read(value: &Value, budget: &PatternBudget) -> Result<Self> {
        let mut steps = Vec::new();
        ComponentReader::new("pre_tokenizer", "pretokenizers", KINDS)
            .each(value, &mut |kind, part| read(kind, part, &mut steps, budget))?;
        let byte_level = matches!(steps.last(), Some(SplitStep::Letters));
        if byte_level {
            steps.pop();
        }
        Ok(Self { steps, byte_level })
    }

    /// Tells of each word, from the first to the last.
    ///
    /// # Errors
    /// As [`Pattern::each`]; those of `word`.
    pub fn each(&self, piece: TextPiece, time: &Stopwatch, word: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        run((&self.steps, time), piece, word)
    }
}

/// Sends a piece through the remaining steps: words come out one by one, so that no list of them is ever held.
fn run((steps, time): (&[SplitStep], &Stopwatch), piece: TextPiece, word: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else { return word(piece.text) };
    let rest = (rest, time);
    match step {
        SplitStep::Cut { pattern, behavior, invert } => {
            let mut part = |range: Range<usize>| {
                let first = piece.first && range.start == 0;
                run(rest, TextPiece { text: &piece.text[range], first }, word)
            };
            let mut cuts = Cuts { behavior: *behavior, held: None, out: &mut part };
            let mut at = 0;
            pattern.each(piece.text, time, &mut |range| {
                cuts.span(at..range.start, *invert)?;
                at = range.end;
                cuts.span(range, !*invert)
            })?;
            cuts.span(at..piece.text.len(), *invert)?;
            cuts.finish()
        }
        SplitStep::SpaceBefore if piece.text.starts_with(' ') => run(rest, piece, word),
        SplitStep::SpaceBefore => run(rest, TextPiece { text: &format!(" {}", piece.text), ..piece }, word),
        SplitStep::Metaspace { replacement, prepend } => {
            let mut text = String::with_capacity(piece.text.len() + 4);
            let before = *prepend == Prepend::Always || *prepend == Prepend::First && piece.first;
            if before && !piece.text.starts_with([' ', *replacement]) {
                text.push(*replacement);
            }
            text.extend(piece.text.chars().map(|c| if c == ' ' { *replacement } else { c }));
            run(rest, TextPiece { text: &text, ..piece }, word)
        }
        SplitStep::Letters => run(rest, TextPiece { text: &byte_level::spell(piece.text.as_bytes()), ..piece }, word),
    }
}

/// Puts the spans of a text, matches and what lies between, together as a behavior asks.
struct Cuts<'a> {
    behavior: Behavior,
    /// The last span and whether it is a match, where the next one may join it.
    held: Option<(Range<usize>, bool)>,
    out: &'a mut dyn FnMut(Range<usize>) -> Result<()>,
}

impl Cuts<'_> {
    fn span(&mut self, range: Range<usize>, matched: bool) -> Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        match self.behavior {
            Behavior::Removed if matched => return Ok(()),
            Behavior::Removed | Behavior::Isolated => return (self.out)(range),
            _ => {}
        }
        let (joins, waits) = match (self.behavior, &self.held) {
            (Behavior::MergedWithPrevious, held) => (matched && matches!(held, Some((_, false))), !matched),
            (Behavior::MergedWithNext, held) => (!matched && matches!(held, Some((_, true))), matched),
            (_, held) => (matches!(held, Some((_, before)) if *before == matched), true),
        };
        let begin = match self.held.take() {
            Some((before, _)) if joins => before.start,
            Some((before, _)) => {
                (self.out)(before)?;
                range.start
            }
            None => range.start,
        };
        if waits {
            self.held = Some((begin..range.end, matched));
            return Ok(());
        }
        (self.out)(begin..range.end)
    }

    fn finish(mut self) -> Result<()> {
        self.held.take().map_or(Ok(()), |(range, _)| (self.out)(range))
    }
}

/// What [`read`] knows.
const KINDS: &str = "ByteLevel, Metaspace, Split, Digits, Whitespace, WhitespaceSplit, CharDelimiterSplit, Punctuation";

/// Reads one pre-tokenizer; `false` for a kind that is not known.
fn read(kind: &str, value: &Value, steps: &mut Vec<SplitStep>, budget: &PatternBudget) -> Result<bool> {
    let cut = |pattern, behavior| SplitStep::Cut { pattern, behavior, invert: false };
    match kind {
        "ByteLevel" => {
            if flag(value, "add_prefix_space", true)? {
                steps.push(SplitStep::SpaceBefore);
            }
            if flag(value, "use_regex", true)? {
                steps.push(cut(Pattern::regex(GPT2, budget)?, Behavior::Isolated));
            }
            steps.push(SplitStep::Letters);
        }
        "Split" => {
            let (pattern, behavior) = (Pattern::read(&value["pattern"], budget)?, behavior(text(value, "behavior")?)?);
            steps.push(SplitStep::Cut { pattern, behavior, invert: flag(value, "invert", false)? });
        }
        "Metaspace" => {
            let replacement = character(value, "replacement")?;
            let scheme = value["prepend_scheme"].as_str().unwrap_or("always");
            let prepend = match (scheme, flag(value, "add_prefix_space", true)?) {
                (_, false) | ("never", _) => Prepend::Never,
                ("always", _) => Prepend::Always,
                ("first", _) => Prepend::First,
                (other, _) => {
                    return Err(unsupported(format!("prepend_scheme {other:?} is not supported; always, first and never are")));
                }
            };
            steps.push(SplitStep::Metaspace { replacement, prepend });
            if flag(value, "split", true)? {
                steps.push(cut(Pattern::One(replacement), Behavior::MergedWithNext));
            }
        }
        "Digits" => {
            let apart = if flag(value, "individual_digits", false)? { Behavior::Isolated } else { Behavior::Contiguous };
            steps.push(cut(Pattern::Char(char::is_numeric), apart));
        }
        "Whitespace" => {
            let pattern = Pattern::regex(r"\w+|[^\w\s]+", budget)?;
            steps.push(SplitStep::Cut { pattern, behavior: Behavior::Removed, invert: true });
        }
        "WhitespaceSplit" => steps.push(cut(Pattern::Char(char::is_whitespace), Behavior::Removed)),
        "CharDelimiterSplit" => steps.push(cut(Pattern::One(character(value, "delimiter")?), Behavior::Removed)),
        "Punctuation" => {
            let apart = behavior(value["behavior"].as_str().unwrap_or("Isolated"))?;
            steps.push(cut(Pattern::regex(r"[!-/:-@\[-`{-~\p{P}]", budget)?, apart));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn behavior(name: &str) -> Result<Behavior> {
    Ok(match name {
        "Removed" => Behavior::Removed,
        "Isolated" => Behavior::Isolated,
        "MergedWithPrevious" => Behavior::MergedWithPrevious,
        "MergedWithNext" => Behavior::MergedWithNext,
        "Contiguous" => Behavior::Contiguous,
        other => return Err(malformed(format!("behavior {other:?} is not one of a split"))),
    })
}

/// A field that holds one character.
fn character(value: &Value, name: &str) -> Result<char> {
    let found = text(value, name)?;
    let mut chars = found.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(malformed(format!("field \"{name}\" must hold one character, got {found:?}"))),
    }
}
