//! Reading the parts of `tokenizer.json`: steps that may be in sequences.

use monotile::limits;
use serde_json::Value;

/// A part that is one step, or a sequence of them.
pub(super) struct Part {
    name: &'static str,
    /// The field of a sequence that holds its steps.
    list: &'static str,
    steps: u64,
}

impl Part {
    pub fn new(name: &'static str, list: &'static str) -> Self {
        Self { name, list, steps: 0 }
    }

    /// Hands every step to `read`, those of sequences in their order; null is no step.
    pub fn each(&mut self, value: &Value, read: &mut dyn FnMut(&Value) -> Result<(), String>) -> Result<(), String> {
        if value.is_null() {
            return Ok(());
        }
        if kind(value)? != "Sequence" {
            self.steps += 1;
            limits::STEPS.admit(self.name, self.steps).map_err(|e| e.to_string())?;
            return read(value).map_err(|what| if what.starts_with(self.name) { what } else { format!("{}: {what}", self.name) });
        }
        let Some(steps) = value[self.list].as_array() else {
            return Err(format!("{}: field \"{}\" must be a list", self.name, self.list));
        };
        steps.iter().try_for_each(|step| self.each(step, read))
    }
}

/// The name of a step.
pub(super) fn kind(value: &Value) -> Result<&str, String> {
    text(value, "type")
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, String> {
    value[name].as_str().ok_or_else(|| format!("field \"{name}\" must be a string"))
}

pub(super) fn flag(value: &Value, name: &str, default: bool) -> Result<bool, String> {
    match &value[name] {
        Value::Null => Ok(default),
        Value::Bool(flag) => Ok(*flag),
        _ => Err(format!("field \"{name}\" must be true or false")),
    }
}

/// A count of characters.
pub(super) fn count(value: &Value, name: &str) -> Result<usize, String> {
    let found = value[name].as_u64().and_then(|n| usize::try_from(n).ok());
    found.ok_or_else(|| format!("field \"{name}\" must be a whole number"))
}
