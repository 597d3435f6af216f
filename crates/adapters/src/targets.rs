//! Which layers a name, a list or a pattern means, as PEFT reads them.

use std::collections::BTreeMap;

use fancy_regex::Regex;
use monotile::{Error, Result};

/// Which linear layers an adapter is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetModules {
    /// Every linear layer of every block: PEFT's `all-linear`.
    AllLinear,
    /// Layers whose name, or the end of it after a dot, is in this list: `q_proj`, `layers.0.mlp.up_proj`.
    Names(Vec<String>),
    /// Layers whose whole name a regular expression matches.
    Pattern(String),
}

impl Default for TargetModules {
    /// Queries and values, as in LoRA's paper.
    fn default() -> Self {
        TargetModules::Names(vec!["q_proj".into(), "v_proj".into()])
    }
}

impl TargetModules {
    /// Reads what a person types: `all-linear`, or names between commas.
    ///
    /// # Example
    /// ```
    /// use monotile_adapters::TargetModules;
    /// assert_eq!(TargetModules::parse("q_proj, v_proj"), TargetModules::default());
    /// assert_eq!(TargetModules::parse("all-linear"), TargetModules::AllLinear);
    /// ```
    pub fn parse(text: &str) -> Self {
        if text.trim().eq_ignore_ascii_case("all-linear") {
            return TargetModules::AllLinear;
        }
        TargetModules::Names(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect())
    }
}

/// The linear layer that `all-linear` leaves out.
const OUTPUT_LAYER: &str = "lm_head";

/// Whether a module's name, or the end of it after a dot, is `name`.
///
/// # Example
/// ```
/// use monotile_adapters::is_named;
/// assert!(is_named("model.layers.0.mlp.up_proj", "mlp.up_proj"));
/// assert!(!is_named("model.layers.0.mlp.up_proj", "proj"));
/// ```
pub fn is_named(module: &str, name: &str) -> bool {
    module.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Decides whether a module is meant, as PEFT does.
pub(crate) enum Matcher<'a> {
    AllLinear,
    Names(&'a [String]),
    Pattern(Regex),
}

impl<'a> Matcher<'a> {
    pub(crate) fn new(targets: &'a TargetModules) -> Result<Self> {
        Ok(match targets {
            TargetModules::AllLinear => Matcher::AllLinear,
            TargetModules::Names(names) => Matcher::Names(names),
            TargetModules::Pattern(pattern) => Matcher::Pattern(regex(pattern, &format!("^(?:{pattern})$"))?),
        })
    }

    pub(crate) fn matches(&self, module: &str) -> bool {
        match self {
            Matcher::AllLinear => module != OUTPUT_LAYER,
            Matcher::Names(names) => names.iter().any(|name| is_named(module, name)),
            // A search that gives up (too much backtracking) has not found the name.
            Matcher::Pattern(regex) => regex.is_match(module).unwrap_or(false),
        }
    }
}

/// Values for layers that a pattern, or the end of their name after a dot, matches.
pub(crate) struct PatternMap<'a, T>(Vec<(Regex, &'a T)>);

impl<'a, T: Copy> PatternMap<'a, T> {
    pub(crate) fn new(patterns: &'a BTreeMap<String, T>) -> Result<Self> {
        let compiled = patterns.iter().map(|(key, value)| Ok((regex(key, &format!("^(?:.*\\.)?(?:{key})$"))?, value)));
        Ok(Self(compiled.collect::<Result<_>>()?))
    }

    pub(crate) fn value_for(&self, module: &str) -> Option<T> {
        self.0.iter().find(|(regex, _)| regex.is_match(module).unwrap_or(false)).map(|(_, value)| **value)
    }
}

fn regex(given: &str, whole: &str) -> Result<Regex> {
    Regex::new(whole).map_err(|e| Error::value(format!("lora: {given:?} is not a regular expression: {e}")))
}
