//! Reading the parts of `tokenizer.json`: steps that may be in sequences.

use monotile::{Error, ErrorKind, Result, limits};
use serde_json::Value;

/// A part that is one step, or a sequence of them.
pub(super) struct ComponentReader {
    name: &'static str,
    /// The field of a sequence that holds its steps.
    list: &'static str,
    /// The kinds of steps that are read, for a sentence: `NFC, NFD`.
    kinds: &'static str,
    steps: u64,
}

impl ComponentReader {
    pub fn new(name: &'static str, list: &'static str, kinds: &'static str) -> Self {
        Self { name, list, kinds, steps: 0 }
    }

    /// Hands every step and its kind to `read`, those of sequences in their order; null is no step. `read` says whether it knows the
    /// kind.
    pub fn each(&mut self, value: &Value, read: &mut dyn FnMut(&str, &Value) -> Result<bool>) -> Result<()> {
        if value.is_null() {
            return Ok(());
        }
        let (name, kind) = (self.name, text(value, "type")?);
        if kind != "Sequence" {
            self.steps += 1;
            limits::STEPS.admit(name, self.steps)?;
            return match read(kind, value) {
                Ok(true) => Ok(()),
                Ok(false) => Err(unsupported(format!("{name} {kind:?} is not supported; {} and Sequence are", self.kinds))),
                // A limit names the part itself.
                Err(error) if error.kind() == ErrorKind::Limit => Err(error),
                Err(error) => Err(error.within(name)),
            };
        }
        let Some(steps) = value[self.list].as_array() else {
            return Err(malformed(format!("{name}: field \"{}\" must be a list", self.list)));
        };
        steps.iter().try_for_each(|step| self.each(step, read))
    }
}

/// A file that is not what it should be; its name is put before by who knows it.
pub(super) fn malformed(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Format, what)
}

/// A file that asks for what nothing here computes.
pub(super) fn unsupported(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unsupported, what)
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value[name].as_str().ok_or_else(|| malformed(format!("field \"{name}\" must be a string")))
}

pub(super) fn flag(value: &Value, name: &str, default: bool) -> Result<bool> {
    match &value[name] {
        Value::Null => Ok(default),
        Value::Bool(flag) => Ok(*flag),
        _ => Err(malformed(format!("field \"{name}\" must be true or false"))),
    }
}

/// A count of characters.
pub(super) fn count(value: &Value, name: &str) -> Result<usize> {
    let found = value[name].as_u64().and_then(|n| usize::try_from(n).ok());
    found.ok_or_else(|| malformed(format!("field \"{name}\" must be a whole number")))
}
