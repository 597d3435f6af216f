//! Which layers a name, a list or a pattern means, as PEFT reads them.

use std::collections::{BTreeMap, HashMap};

use monotile::Result;

use crate::patterns::{NamePattern, PatternBudget};

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
    Pattern(NamePattern),
}

impl<'a> Matcher<'a> {
    pub(crate) fn new(targets: &'a TargetModules, budget: &PatternBudget) -> Result<Self> {
        Ok(match targets {
            TargetModules::AllLinear => Matcher::AllLinear,
            TargetModules::Names(names) => Matcher::Names(names),
            TargetModules::Pattern(pattern) => Matcher::Pattern(NamePattern::new(pattern, &format!("^(?:{pattern})$"), budget)?),
        })
    }

    pub(crate) fn matches(&self, module: &str) -> Result<bool> {
        Ok(match self {
            Matcher::AllLinear => module != OUTPUT_LAYER,
            Matcher::Names(names) => names.iter().any(|name| is_named(module, name)),
            Matcher::Pattern(pattern) => pattern.is_match(module)?,
        })
    }
}

/// Values for layers that a pattern, or the end of their name after a dot, matches: those of the first that does.
///
/// Most keys are names, in which a dot alone means something else than itself. They are looked up, and need no expression.
pub(crate) struct PatternMap<'a, T> {
    names: HashMap<NameShape, HashMap<String, Entry<'a, T>>>,
    patterns: Vec<(NamePattern, Entry<'a, T>)>,
}

/// A value, and the place of its key among all.
type Entry<'a, T> = (usize, &'a T);

/// What names have in common that one table holds.
#[derive(PartialEq, Eq, Hash)]
struct NameShape {
    length: usize,
    /// Where any character may stand.
    dots: Vec<usize>,
}

impl<'a, T: Copy> PatternMap<'a, T> {
    pub(crate) fn new(keys: &'a BTreeMap<String, T>, budget: &PatternBudget) -> Result<Self> {
        let mut map = Self { names: HashMap::new(), patterns: Vec::new() };
        for (place, (key, value)) in keys.iter().enumerate() {
            if key.contains(METACHARACTERS) {
                let pattern = NamePattern::new(key, &format!("^(?:.*\\.)?(?:{key})$"), budget)?;
                map.patterns.push((pattern, (place, value)));
                continue;
            }
            let shape = NameShape::new(key);
            if !map.names.contains_key(&shape) {
                budget.take_entry()?;
            }
            map.names.entry(shape).or_default().insert(key.clone(), (place, value));
        }
        Ok(map)
    }

    pub(crate) fn value_for(&self, module: &str) -> Result<Option<T>> {
        let name: Vec<char> = module.chars().collect();
        let named = self.names.iter().filter_map(|(shape, table)| table.get(&shape.end_of(&name)?));
        let mut first = named.min_by_key(|(place, _)| *place);
        for (pattern, entry) in &self.patterns {
            if first.is_some_and(|(place, _)| *place < entry.0) {
                break;
            }
            if pattern.is_match(module)? {
                first = Some(entry);
                break;
            }
        }
        Ok(first.map(|(_, value)| **value))
    }
}

/// What makes a key more than a name.
const METACHARACTERS: [char; 13] = ['\\', '^', '$', '|', '?', '*', '+', '(', ')', '[', ']', '{', '}'];

impl NameShape {
    fn new(key: &str) -> Self {
        let dots = key.chars().enumerate().filter(|(_, c)| *c == '.').map(|(at, _)| at).collect();
        Self { length: key.chars().count(), dots }
    }

    /// The end of a name, after a dot or whole, that a key of this shape can be, with its dots in their places.
    fn end_of(&self, name: &[char]) -> Option<String> {
        let (before, end) = name.split_at(name.len().checked_sub(self.length)?);
        if before.last().is_some_and(|last| *last != '.') || before.contains(&'\n') {
            return None;
        }
        let mut end = end.to_vec();
        for &dot in &self.dots {
            if std::mem::replace(&mut end[dot], '.') == '\n' {
                return None;
            }
        }
        Some(end.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_as_the_expressions_that_they_are() {
        let keys = ["q_proj", "0.q_proj", "a.b", "", ".", "é.x", "layers.1.q", "proj", "..b", "a\nb"];
        let modules =
            ["q_proj", "m.0.q_proj", "m.q_proj", "axb", "m.a.b", "mxa.b", "", "m.", "é\nx", "y.éüx", "a\n.proj", "x.a\nb", "1.é.q"];
        for key in keys {
            let map = BTreeMap::from([(key.to_string(), 1)]);
            let budget = PatternBudget::new("lora");
            let (found, pattern) = (
                PatternMap::new(&map, &budget).unwrap(),
                NamePattern::new(key, &format!("^(?:.*\\.)?(?:{key})$"), &budget).unwrap(),
            );
            assert!(found.patterns.is_empty());
            for module in modules {
                assert_eq!(found.value_for(module).unwrap().is_some(), pattern.is_match(module).unwrap(), "{key:?} {module:?}");
            }
        }
    }

    #[test]
    fn the_first_key_that_matches_gives_the_value() {
        let map = BTreeMap::from(
            [(r"\w_proj", 1), ("a.proj", 2), ("proj", 3), ("q_proj", 4), ("z+", 5)].map(|(k, v)| (k.to_string(), v)),
        );
        let map = PatternMap::new(&map, &PatternBudget::new("lora")).unwrap();
        for (module, value) in
            [("m.q_proj", Some(1)), ("m.a.proj", Some(2)), ("m.b.proj", Some(3)), ("qq_proj", None), ("zz", Some(5))]
        {
            assert_eq!(map.value_for(module).unwrap(), value, "{module}");
        }
    }

    #[test]
    fn many_names_need_no_expressions() {
        let map: BTreeMap<String, u32> = (0..100_000).map(|i| (format!("model.layers.{i:06}.q_proj"), i)).collect();
        let map = PatternMap::new(&map, &PatternBudget::new("lora")).unwrap();
        assert_eq!(map.value_for("base.model.layers.012345.q_proj").unwrap(), Some(12345));
    }
}
