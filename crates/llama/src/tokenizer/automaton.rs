//! Regular expressions that an automaton finds: short searches here, long ones on a thread that is left where they take too long.

use std::ops::Range;
use std::sync::Arc;

use monotile::{Result, memory};
use monotile_adapters::{PatternBudget, SearchCost, search_aside};
use regex_automata::meta::Regex;
use regex_automata::{Input, PatternID};

use super::stopwatch::Stopwatch;

/// Is told of matches, one after the other.
pub(super) type OnMatch<'a> = &'a mut dyn FnMut(Range<usize>) -> Result<()>;

/// One automaton for some expressions.
///
/// Each search may read the rest of the text in each of its states, which nothing interrupts.
pub(super) struct Automaton {
    here: Regex,
    /// The same, whose memory for searches belongs to threads of their own.
    aside: Arc<Regex>,
    cost: SearchCost,
}

impl Automaton {
    /// As [`PatternBudget::automaton`].
    ///
    /// # Errors
    /// Its own.
    pub fn new(sources: &[&str], budget: &PatternBudget) -> Result<Option<Self>> {
        let found = budget.automaton(sources)?;
        Ok(found.map(|here| Self { aside: Arc::new(here.clone()), here, cost: SearchCost::automaton(sources) }))
    }

    /// Tells of each match.
    ///
    /// # Errors
    /// `Limit`, where the time is over; those of `found`.
    pub fn each(&self, text: &str, time: &Stopwatch, found: OnMatch) -> Result<()> {
        if self.cost.is_short(text.len()) {
            return matches(&self.here, text, &|| time.tick(), found);
        }
        let regex = self.aside.clone();
        aside(text, time, move |text, found| matches(&regex, text, &|| Ok(()), found), found)
    }

    /// Tells of each match; one of the expression `spaces` leaves its last character to what follows, as `\s+(?!\S)|\s+` does.
    ///
    /// # Errors
    /// As [`each`](Automaton::each).
    pub fn each_word(&self, spaces: PatternID, text: &str, time: &Stopwatch, found: OnMatch) -> Result<()> {
        if self.cost.is_short(text.len()) {
            return words((&self.here, spaces), text, &|| time.tick(), found);
        }
        let regex = self.aside.clone();
        aside(text, time, move |text, found| words((&regex, spaces), text, &|| Ok(()), found), found)
    }
}

/// Searches a copy of the text on a thread of its own.
///
/// # Errors
/// `Limit`, where the time is over; `Memory`, where there is none for the copy; those of the search and of `found`.
pub(super) fn aside(
    text: &str,
    time: &Stopwatch,
    search: impl FnOnce(&str, OnMatch) -> Result<()> + Send + 'static,
    found: OnMatch,
) -> Result<()> {
    let mut copy = Vec::new();
    memory::reserve_exact(&mut copy, text.len(), "a tokenizer's text")?;
    copy.extend_from_slice(text.as_bytes());
    let copy = String::from_utf8(copy).expect("the bytes of a text are a text");
    search_aside(&|| time.left(), move |tell| search(&copy, tell), found)
}

fn matches(regex: &Regex, text: &str, searched: &dyn Fn() -> Result<()>, found: OnMatch) -> Result<()> {
    for range in regex.find_iter(text).map(|found| found.range()) {
        searched()?;
        found(range)?;
    }
    searched()
}

fn words((regex, spaces): (&Regex, PatternID), text: &str, searched: &dyn Fn() -> Result<()>, found: OnMatch) -> Result<()> {
    let mut at = 0;
    while let Some(word) = regex.search(&Input::new(text).range(at..)) {
        searched()?;
        let mut range = word.range();
        if word.pattern() == spaces && range.end < text.len() {
            // `\s+(?!\S)`: all but the last of several; a single one is what `\s+` finds.
            let last = text[range.clone()].chars().next_back().map_or(0, char::len_utf8);
            if range.len() > last {
                range.end -= last;
            }
        }
        at = range.end;
        if range.is_empty() {
            let Some(next) = text[at..].chars().next() else { return found(range) };
            at += next.len_utf8();
        }
        found(range)?;
    }
    searched()
}

#[cfg(test)]
mod tests {
    use monotile::ErrorKind;

    use super::*;

    fn automaton(sources: &[&str]) -> Automaton {
        Automaton::new(sources, &PatternBudget::new("tokenizer")).unwrap().unwrap()
    }

    #[test]
    fn a_long_text_has_the_matches_of_a_short_one() {
        let (plain, spaced) = (automaton(&[r"\w+|"]), automaton(&[r" ?\w+", r"\s+"]));
        let text = "aé  12 \n ".repeat(100_000);
        assert!(!plain.cost.is_short(text.len()) && !spaced.cost.is_short(text.len()));
        let check = |each: &dyn Fn(&str, OnMatch) -> Result<()>, here: &dyn Fn(OnMatch) -> Result<()>| {
            let (mut long, mut short) = (Vec::new(), Vec::new());
            each(&text, &mut |range| {
                long.push(range);
                Ok(())
            })
            .unwrap();
            here(&mut |range| {
                short.push(range);
                Ok(())
            })
            .unwrap();
            assert_eq!(long, short);
        };
        let time = Stopwatch::with_seconds(text.len(), 600);
        check(&|text, found| plain.each(text, &time, found), &|found| matches(&plain.here, &text, &|| Ok(()), found));
        let spaces = PatternID::must(1);
        check(&|text, found| spaced.each_word(spaces, text, &time, found), &|found| {
            words((&spaced.here, spaces), &text, &|| Ok(()), found)
        });
    }

    /// Each of these reads the rest of the text in ten thousand states, from each place.
    #[test]
    fn a_search_without_a_match_is_left_when_its_time_is_over() {
        let text = "abcde ".repeat(40_000);
        let late = Stopwatch::with_seconds(text.len(), 0);
        let none: OnMatch = &mut |_| Ok(());
        for source in [r"(?s)[a-z].{0,10000}\x00", r"(?s)(?:a?){10000}\x00"] {
            let errors = [
                automaton(&[source]).each(&text, &late, none),
                automaton(&[source, r"\s+"]).each_word(PatternID::must(1), &text, &late, none),
            ];
            for error in errors.map(Result::unwrap_err) {
                assert_eq!(error.kind(), ErrorKind::Limit);
                assert!(error.to_string().contains("\"tokenizer-time\""), "{error}");
            }
        }
    }

    #[test]
    fn texts_without_a_match_count_too() {
        let (words, late) = (automaton(&["x"]), Stopwatch::with_seconds(1, 0));
        assert!((0..32).any(|_| words.each("abc", &late, &mut |_| Ok(())).is_err()));
    }
}
