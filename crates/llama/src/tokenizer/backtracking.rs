//! Regular expressions that look around: found by backtracking, a bounded piece of work at a time.

use std::ops::Range;
use std::sync::Arc;

use fancy_regex::{Error as Failure, Regex, RegexInput, RuntimeError};
use monotile::{Error, Result};
use monotile_adapters::{PatternBudget, SearchCost};

use super::automaton::{OnMatch, aside};
use super::component::malformed;
use super::stopwatch::Stopwatch;

/// Steps back of a search from one place of a text to wherever the next match is. Beyond, each place is tried by itself.
const STEPS: usize = 1024;

/// Steps back of a search from one place.
const PATIENT: usize = 1_000_000;

/// A regular expression that only backtracking finds.
///
/// A search may look at the whole text again and again from each place of it, which nothing interrupts. In a long text it is therefore
/// made [aside]. In a short one it is given up after few steps, and goes on from place to place, between which the time is looked at.
/// The matches are the same.
pub(super) struct Backtracking {
    search: Arc<Search>,
    cost: SearchCost,
}

struct Search {
    /// Gives up early; `None` for what asks where the search began.
    quick: Option<Regex>,
    patient: Regex,
}

impl Backtracking {
    /// Reads a regular expression.
    ///
    /// # Errors
    /// As [`PatternBudget::backtracking`].
    pub fn new(source: &str, budget: &PatternBudget) -> Result<Self> {
        let refuse = |e: &str| malformed(format!("pattern {source:?} is not a regular expression that is read: {e}"));
        let within = |steps| budget.backtracking(source, steps, refuse);
        let quick = (!source.contains(r"\G")).then(|| within(STEPS)).transpose()?;
        let search = Arc::new(Search { quick, patient: within(PATIENT)? });
        Ok(Self { search, cost: SearchCost::backtracking(source) })
    }

    /// Tells of each match, from the first to the last; none overlaps another, and no empty one follows another at once.
    ///
    /// # Errors
    /// `Value`, where one place takes too many steps; `Limit`, where the time is over; those of `found`.
    pub fn each(&self, text: &str, time: &Stopwatch, found: OnMatch) -> Result<()> {
        if self.cost.is_short(text.len()) {
            return self.search.each(text, &|| time.check(), found);
        }
        let search = self.search.clone();
        aside(text, time, move |text, found| search.each(text, &|| Ok(()), found), found)
    }
}

impl Search {
    fn each(&self, text: &str, check: &dyn Fn() -> Result<()>, found: OnMatch) -> Result<()> {
        let (mut at, mut last) = (0, None);
        while let Some(range) = self.next(text, at, check)? {
            let next = text[range.end..].chars().next().map_or(1, char::len_utf8);
            at = if range.is_empty() { range.end + next } else { range.end };
            if range.is_empty() && last == Some(range.end) {
                continue;
            }
            last = Some(range.end);
            found(range)?;
        }
        Ok(())
    }

    /// The first match that begins at a place or behind it.
    fn next(&self, text: &str, at: usize, check: &dyn Fn() -> Result<()>) -> Result<Option<Range<usize>>> {
        if at > text.len() {
            return Ok(None);
        }
        check()?;
        let whole = self.quick.as_ref().unwrap_or(&self.patient).find_from_pos(text, at);
        match whole {
            Err(Failure::RuntimeError(RuntimeError::BacktrackLimitExceeded)) if self.quick.is_some() => {}
            found => return Ok(found.map_err(|e| self.failure(&e))?.map(|found| found.range())),
        }
        for place in (at..=text.len()).filter(|&place| text.is_char_boundary(place)) {
            check()?;
            let here = self.patient.find_input(RegexInput::new(text).from_pos(place).anchored(true));
            if let Some(found) = here.map_err(|e| self.failure(&e))? {
                return Ok(Some(found.range()));
            }
        }
        Ok(None)
    }

    fn failure(&self, why: &Failure) -> Error {
        Error::value(format!("the pattern {:?} fails on the text: {why}", self.patient.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use fancy_regex::RegexBuilder;
    use monotile::ErrorKind;

    use super::*;

    fn all(pattern: &Backtracking, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        pattern
            .each(text, &Stopwatch::new(text.len()), &mut |range| {
                found.push(range);
                Ok(())
            })
            .unwrap();
        found
    }

    #[test]
    fn matches_are_the_same_whether_or_not_places_are_tried_by_themselves() {
        let text = format!("é12345,{}b 1234567a\n{}", "aé".repeat(50), "x".repeat(40));
        let patterns =
            [r"(?=(\d{3})+(?!\d))", r"\s+(?!\S)|a+?(?=.*b)|", r"(?<=é)a|x*(?!y)", r"(a|é)+\Kb|(\d)(?!\2)", r"(?!^)", r"(?=q)"];
        for source in patterns {
            let whole: Vec<_> = Regex::new(source).unwrap().find_iter(&text).map(|found| found.unwrap().range()).collect();
            for steps in [1, 7, STEPS] {
                let quick = RegexBuilder::new(source).backtrack_limit(steps).build().unwrap();
                let search = Search { quick: Some(quick), patient: Regex::new(source).unwrap() };
                let mut found = Vec::new();
                search
                    .each(&text, &|| Ok(()), &mut |range| {
                        found.push(range);
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(found, whole, "{source} after {steps} steps");
            }
            assert_eq!(all(&Backtracking::new(source, &PatternBudget::new("tokenizer")).unwrap(), &text), whole, "{source}");
        }
    }

    #[test]
    fn a_pattern_that_takes_the_square_of_a_texts_length_is_stopped() {
        let text = "a".repeat(1 << 20);
        for source in ["a(?=.*z)", r"(?:(?![\s\S]*\x00)[\s\S])*$"] {
            let pattern = Backtracking::new(source, &PatternBudget::new("tokenizer")).unwrap();
            let late = Stopwatch::with_seconds(text.len(), 0);
            let error = pattern.each(&text, &late, &mut |_| Ok(())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit);
            assert!(error.to_string().contains("\"tokenizer-time\""), "{error}");
        }
    }
}
