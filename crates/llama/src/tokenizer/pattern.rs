//! What a step of a tokenizer looks for in a text: a character, a text, or a regular expression.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use monotile::Result;
use monotile_adapters::PatternBudget;
use regex_automata::PatternID;
use serde_json::Value;

use super::automaton::Automaton;
use super::backtracking::Backtracking;
use super::component::malformed;
use super::stopwatch::Stopwatch;

/// The words of GPT-2, which `ByteLevel` stands for.
pub(super) const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// How the patterns of byte-level tokenizers end: of several spaces before a word the last one is left to that word.
const TAIL: &str = r"|\s+(?!\S)|\s+";

/// The pattern of [`Pattern::Words`] that is a run of white space.
const SPACES: PatternID = PatternID::new_unchecked(1);

/// What is looked for.
pub(super) enum Pattern {
    /// Every character that this holds for, each a match of its own.
    Char(fn(char) -> bool),
    /// Every occurrence of one character.
    One(char),
    /// A text as it stands.
    Text(AhoCorasick),
    /// A regular expression that one automaton finds.
    Automaton(Automaton),
    /// One that ends in [`TAIL`]: an automaton for what stands before it and for runs of white space, which look ahead by themselves.
    Words(Automaton),
    /// One that looks around, found by backtracking.
    Backtracking(Backtracking),
}

impl Pattern {
    /// `{"String": …}` or `{"Regex": …}`, as `tokenizer.json` has them.
    pub fn read(value: &Value, budget: &PatternBudget) -> Result<Self> {
        match (value["String"].as_str(), value["Regex"].as_str()) {
            (Some(text), None) => AhoCorasick::new([text]).map(Self::Text).map_err(|e| malformed(format!("pattern {text:?}: {e}"))),
            (None, Some(regex)) => Self::regex(regex, budget),
            _ => Err(malformed(r#"a pattern must be {"String": …} or {"Regex": …}"#)),
        }
    }

    /// A regular expression.
    ///
    /// # Errors
    /// `Limit`, where the budget is spent; `Format` for what is none.
    pub fn regex(source: &str, budget: &PatternBudget) -> Result<Self> {
        if let Some(head) = source.strip_suffix(TAIL)
            && let Some(words) = Automaton::new(&[head, r"\s+"], budget)?
        {
            return Ok(Self::Words(words));
        }
        if let Some(automaton) = Automaton::new(&[source], budget)? {
            return Ok(Self::Automaton(automaton));
        }
        Backtracking::new(source, budget).map(Self::Backtracking)
    }

    /// Tells of each match, from the first to the last; none overlaps another.
    ///
    /// # Errors
    /// `Value`, where backtracking takes too many steps; `Limit`, where the time is over; those of `found`.
    pub fn each(&self, text: &str, time: &Stopwatch, found: &mut dyn FnMut(Range<usize>) -> Result<()>) -> Result<()> {
        let mut chars = |holds: &dyn Fn(char) -> bool| {
            let mut matches = text.char_indices().filter(|(_, c)| holds(*c));
            matches.try_for_each(|(at, c)| found(at..at + c.len_utf8()))
        };
        match self {
            Self::Char(holds) => chars(holds),
            Self::One(one) => chars(&|c| c == *one),
            Self::Text(searcher) => {
                // An empty text is found between any two bytes, and counts between characters.
                let mut matches = searcher.find_iter(text).filter(|m| text.is_char_boundary(m.start()));
                matches.try_for_each(|m| found(m.range()))
            }
            Self::Automaton(automaton) => automaton.each(text, time, found),
            Self::Words(automaton) => automaton.each_word(SPACES, text, time, found),
            Self::Backtracking(regex) => regex.each(text, time, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> PatternBudget {
        PatternBudget::new("tokenizer")
    }

    fn all(pattern: &Pattern, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        pattern
            .each(text, &Stopwatch::new(text.len()), &mut |range| {
                found.push(text[range].to_string());
                Ok(())
            })
            .unwrap();
        found
    }

    /// Numbers of the library tokenizers.
    #[test]
    fn an_empty_pattern_matches_between_characters() {
        for pattern in [r#"{ "String": "" }"#, r#"{ "Regex": "" }"#] {
            let mut found = Vec::new();
            Pattern::read(&serde_json::from_str(pattern).unwrap(), &budget())
                .unwrap()
                .each("a▁b", &Stopwatch::new(5), &mut |range| {
                    found.push(range);
                    Ok(())
                })
                .unwrap();
            assert_eq!(found, [0..0, 1..1, 4..4, 5..5], "{pattern}");
        }
    }

    /// Patterns of published tokenizers: GPT-2, LLaMA 3, Qwen2, the one of `o200k`, and DeepSeek's.
    const PUBLISHED: [&str; 5] = [
        GPT2,
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##,
    ];

    #[test]
    fn words_keep_their_leading_space() {
        let words = all(&Pattern::regex(GPT2, &budget()).unwrap(), "It's  3 p.m.,\n\n said  ");
        assert_eq!(words, ["It", "'s", " ", " 3", " p", ".", "m", ".,", "\n\n", " said", "  "]);
    }

    /// The automaton gives what backtracking over the pattern as it is written gives.
    #[test]
    fn runs_of_space_end_where_the_pattern_says() {
        let spaces = ["", " ", "  ", "\n", "\r\n", " \n ", "\t\t", "\u{a0}", "\u{3000} ", "\n\n  \n"];
        let things = ["a", "It'S", "1234", "!?", "é", "日本", "👩‍👩‍👧", "क्षि", "ß's", "_"];
        for pattern in PUBLISHED {
            let (fast, slow) = (
                Pattern::regex(pattern, &budget()).unwrap(),
                Pattern::Backtracking(Backtracking::new(pattern, &budget()).unwrap()),
            );
            assert!(matches!(fast, Pattern::Words(_)), "{pattern}");
            for (i, before) in spaces.iter().enumerate() {
                for after in spaces {
                    let text: String = things.iter().skip(i % 3).flat_map(|thing| [before, *thing, after]).collect();
                    assert_eq!(all(&fast, &text), all(&slow, &text), "{pattern} on {text:?}");
                }
            }
        }
    }

    #[test]
    fn a_pattern_may_look_around() {
        let thousands = Pattern::regex(r"(?=(\d{3})+(?!\d))", &budget()).unwrap();
        let mut at = Vec::new();
        thousands
            .each("1234567", &Stopwatch::new(7), &mut |range| {
                at.push(range);
                Ok(())
            })
            .unwrap();
        assert_eq!(at, [1..1, 4..4]);
        assert!(Pattern::regex("(", &budget()).is_err_and(|e| e.to_string().contains("not a regular expression")));
    }
}
