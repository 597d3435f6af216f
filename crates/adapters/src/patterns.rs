//! Regular expressions out of files, within a budget of memory and time.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fancy_regex::{CompileError, Expr, RegexBuilder};
use monotile::{Error, Result, limits};
use regex_automata::meta;

use crate::aside::{SearchCost, search_aside};

/// What a character of an expression takes while it is read.
const READING: u64 = 256;
/// What an expression takes at least, with what it keeps while it searches.
const LEAST: u64 = 64 << 10;
/// What a class of characters, `\w` for example, takes in an automaton at most.
const CLASS: u64 = 64 << 10;
/// What a character of a text takes at most.
const CHARACTER: u64 = 512;
/// What any other part of an expression takes at most.
const PART: u64 = 8 << 10;
/// Steps back of a search in a name, which is short.
const STEPS: usize = 10_000;

/// Compiles the regular expressions of one file, within the limit [`PATTERNS`](limits::PATTERNS) for all of them.
///
/// # Example
/// ```
/// let budget = monotile_adapters::PatternBudget::new("tokenizer.json");
/// assert!(budget.automaton(&[r"\w+"])?.is_some());
/// assert!(budget.automaton(&[r"a(?!b)"])?.is_none(), "what looks around is no automaton");
/// let error = budget.automaton(&[r"(\w{200}){200}"]).unwrap_err();
/// assert!(error.to_string().contains("the limit \"patterns\""));
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct PatternBudget {
    subject: String,
    used: Cell<u64>,
    /// Nanoseconds that searches took, all together.
    spent: Arc<AtomicU64>,
}

impl PatternBudget {
    /// A whole budget; refusals begin with `subject`.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), used: Cell::new(0), spent: Arc::default() }
    }

    /// Takes so many bytes off the budget.
    fn take(&self, bytes: u64) -> Result<()> {
        let used = self.used.get().saturating_add(bytes);
        limits::PATTERNS.admit(format!("{}: regular expressions", self.subject), used)?;
        self.used.set(used);
        Ok(())
    }

    /// Takes what an entry of a table takes that is looked up beside expressions.
    pub(crate) fn take_entry(&self) -> Result<()> {
        self.take(LEAST)
    }

    /// One automaton for these expressions; `None` where one of them is none, or looks around.
    ///
    /// # Errors
    /// `Limit`, if the budget is spent.
    pub fn automaton(&self, sources: &[&str]) -> Result<Option<meta::Regex>> {
        let length: usize = sources.iter().map(|source| source.len()).sum();
        self.take(READING * length as u64)?;
        let left = limits::PATTERNS.get() - self.used.get();
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let config = meta::Config::new().nfa_size_limit(Some(most));
        match meta::Builder::new().configure(config).build_many(sources) {
            Ok(found) => {
                self.take(LEAST.max(found.memory_usage() as u64))?;
                Ok(Some(found))
            }
            Err(error) if error.size_limit().is_some() => {
                self.take(left + 1)?;
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    /// An expression that may look around, found by at most so many steps back.
    ///
    /// # Errors
    /// `Limit`, if the budget is spent; what `refuse` makes of an expression that is none.
    pub fn backtracking(&self, source: &str, steps: usize, refuse: impl Fn(&str) -> Error) -> Result<fancy_regex::Regex> {
        self.take(READING * source.len() as u64)?;
        let tree = Expr::parse_tree(source).map_err(|e| refuse(&e.to_string()))?;
        if tree.contains_subroutines {
            // Each call is a copy of its group, and copies hold calls.
            return Err(refuse("a call of a group is not read"));
        }
        self.take(LEAST.max(memory(&tree.expr)))?;
        let mut builder = RegexBuilder::new(source);
        let most = usize::try_from(limits::PATTERNS.get()).unwrap_or(usize::MAX);
        builder.backtrack_limit(steps).delegate_size_limit(most).build().map_err(|e| refuse(&reason(&e)))
    }
}

/// Why an expression is none, in words that say what to do where the library's tell how it works.
fn reason(failure: &fancy_regex::Error) -> String {
    match failure {
        fancy_regex::Error::CompileError(why) if matches!(**why, CompileError::DfaBuildError(..)) => {
            "what looks behind, as (?<=...), takes too much memory; let it repeat fewer characters".into()
        }
        other => other.to_string(),
    }
}

/// How much an expression takes at most, as its parts tell.
fn memory(part: &Expr) -> u64 {
    let within = part.children_iter().map(memory).fold(PART, u64::saturating_add);
    match part {
        Expr::Literal { val, .. } => within.saturating_add(CHARACTER * val.chars().count() as u64),
        Expr::Delegate { .. } | Expr::Any { .. } => CLASS,
        Expr::Repeat { lo, hi, .. } => {
            let times = if *hi == usize::MAX { *lo } else { *hi };
            within.saturating_mul(times.max(1) as u64)
        }
        _ => within,
    }
}

/// A regular expression that is held against names.
pub(crate) struct NamePattern {
    given: String,
    subject: String,
    search: Arc<Search>,
    cost: SearchCost,
    spent: Arc<AtomicU64>,
}

enum Search {
    Automaton(meta::Regex),
    Backtracking(fancy_regex::Regex),
}

impl Search {
    fn is_match(&self, name: &str) -> std::result::Result<bool, Box<fancy_regex::Error>> {
        match self {
            Self::Automaton(regex) => Ok(regex.is_match(name)),
            Self::Backtracking(regex) => Ok(regex.is_match(name)?),
        }
    }
}

impl NamePattern {
    /// The expression `whole`, which stands for the one that was given.
    pub fn new(given: &str, whole: &str, budget: &PatternBudget) -> Result<Self> {
        let (search, cost) = match budget.automaton(&[whole])? {
            Some(automaton) => (Search::Automaton(automaton), SearchCost::automaton(&[whole])),
            None => {
                let refuse = |e: &str| Error::value(format!("{}: {given:?} is not a regular expression: {e}", budget.subject));
                (Search::Backtracking(budget.backtracking(whole, STEPS, refuse)?), SearchCost::backtracking(whole))
            }
        };
        let subject = budget.subject.clone();
        Ok(Self { given: given.into(), subject, search: Arc::new(search), cost, spent: budget.spent.clone() })
    }

    /// Whether it finds something in a name.
    ///
    /// # Errors
    /// `Value`, if one search takes too many steps; `Limit`, if all of the budget together take too long.
    pub fn is_match(&self, name: &str) -> Result<bool> {
        let begun = Instant::now();
        let before = Duration::from_nanos(self.spent.load(Ordering::Relaxed));
        let left = || {
            let most = Duration::from_secs(limits::PATTERN_TIME.get());
            let late = || limits::PATTERN_TIME.refusal(format!("{}: a search for its patterns", self.subject), "more");
            most.checked_sub(before + begun.elapsed()).ok_or_else(late)
        };
        let found = if self.cost.is_short(name.len()) {
            self.search.is_match(name)
        } else {
            let (search, copy, mut answer) = (self.search.clone(), name.to_string(), Ok(false));
            search_aside(&left, move |tell| tell(search.is_match(&copy)), &mut |found| {
                answer = found;
                Ok(())
            })?;
            answer
        };
        let found = found.map_err(|e| {
            let Self { subject, given, .. } = self;
            Error::value(format!("{subject}: the pattern {given:?} fails on {name:?}: {e}; write one that repeats no repetition"))
        })?;
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.spent.fetch_add(took, Ordering::Relaxed);
        left()?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use monotile::ErrorKind;

    use super::*;

    #[test]
    fn all_patterns_of_a_file_share_one_budget() {
        for pattern in [r"\w{200}", r"(?=\w{200})\w{200}(?!\w{200})", r"(?<=\w{200}|\w{100})x", r"(a)\1"] {
            let budget = PatternBudget::new("lora");
            let mut made = (0..10_000).map(|_| NamePattern::new(pattern, pattern, &budget).map(drop));
            let error = made.find_map(Result::err).unwrap();
            assert_eq!(error.kind(), ErrorKind::Limit, "{pattern}: {error}");
            assert!(error.to_string().contains("lora: regular expressions: asks for"), "{error}");
        }
        let long = "a|".repeat(200_000);
        let error = NamePattern::new(&long, &long, &PatternBudget::new("lora")).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Limit);
        let calls = r"(?<a>x)(?<b>\g<a>\g<a>)(?<c>\g<b>\g<b>)";
        let error = NamePattern::new(calls, calls, &PatternBudget::new("lora")).err().unwrap().to_string();
        assert!(error.contains("a call of a group"), "{error}");
    }

    #[test]
    fn ordinary_patterns_fit() {
        let budget = PatternBudget::new("lora");
        for _ in 0..50 {
            for pattern in [r"model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj", r".*\.(?!lm_head)\w+_proj"] {
                assert!(NamePattern::new(pattern, pattern, &budget).unwrap().is_match("model.layers.0.mlp.up_proj").unwrap());
            }
        }
    }

    /// Patterns of published tokenizers that look around or are possessive: `cl100k` and GPT-4's, as some files have them.
    #[test]
    fn published_patterns_that_backtrack_fit_several_times() {
        let budget = PatternBudget::new("tokenizer");
        for _ in 0..8 {
            for pattern in [
                r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
                r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+|.",
            ] {
                budget.backtracking(pattern, STEPS, |e| Error::value(e)).unwrap();
            }
        }
    }

    #[test]
    fn what_looks_far_behind_is_refused_in_words_that_say_what_to_do() {
        let far = r"(?<=\w{1,500})x";
        let error = NamePattern::new(far, far, &PatternBudget::new("lora")).err().unwrap().to_string();
        assert!(
            error.ends_with("what looks behind, as (?<=...), takes too much memory; let it repeat fewer characters"),
            "{error}"
        );
    }

    #[test]
    fn a_pattern_that_gives_up_is_an_error() {
        let pattern = NamePattern::new("given", r"^(x+x+)+(?=y)z", &PatternBudget::new("lora")).unwrap();
        let error = pattern.is_match(&"x".repeat(40)).unwrap_err().to_string();
        assert!(error.starts_with("lora: the pattern \"given\" fails on \"xxx"), "{error}");
    }

    /// An automaton takes its size times the length of a name, and nothing interrupts it.
    #[test]
    fn a_search_that_takes_too_long_is_left() {
        let late = |expression: &str| {
            let budget = PatternBudget::new("lora");
            let pattern = NamePattern::new("given", expression, &budget).unwrap();
            let most = Duration::from_secs(limits::PATTERN_TIME.get());
            budget.spent.store(u64::try_from(most.as_nanos()).unwrap(), Ordering::Relaxed);
            pattern.is_match(&"a".repeat(20_000)).unwrap_err()
        };
        for expression in ["^(?:(?:a?){30000}x)$", "(?:(?!a*x)a|(?!a*y)a)*z"] {
            let error = late(expression);
            assert_eq!(error.kind(), ErrorKind::Limit);
            assert!(error.to_string().contains("lora: a search for its patterns: asks for more seconds"), "{error}");
        }
    }
}
