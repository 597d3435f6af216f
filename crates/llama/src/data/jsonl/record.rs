//! One line of a file of samples: what it holds, and what it should.

mod layouts;

use minijinja::Value;
use minijinja::value::ValueKind;
use monotile::text::parser_report;

use super::SampleFormat;
use crate::data::chat::{ASSISTANT, BEGIN, END};

/// One sample as its line tells it.
pub(super) enum Record {
    Text(String),
    Completion { prompt: String, completion: String },
    Messages { messages: Vec<Value>, tools: Value },
}

impl Record {
    pub fn kind(&self) -> SampleFormat {
        match self {
            Self::Text(_) => SampleFormat::Text,
            Self::Completion { .. } => SampleFormat::Completion,
            Self::Messages { .. } => SampleFormat::Messages,
        }
    }

    /// Reads a line; what is wrong with it is one sentence.
    pub fn read(line: &str) -> Result<Self, String> {
        // serde_json counts lines within what it is given, which is one.
        let not_json = |e: serde_json::Error| format!("not JSON: {}", parser_report(&e).replace(" at line 1 column", " at column"));
        let value: Value = serde_json::from_str(line).map_err(not_json)?;
        let has = |name: &str| field(&value, name).is_some();
        if let Some(record) = layouts::read(&value, line)? {
            return Ok(record);
        }
        let holds = ["text", "prompt", "completion", "messages"].map(has);
        match holds {
            [true, false, false, false] => Ok(Self::Text(text(&value, "text", false)?)),
            [false, true, true, false] => {
                Ok(Self::Completion { prompt: text(&value, "prompt", true)?, completion: text(&value, "completion", false)? })
            }
            [false, false, false, true] => {
                let list = field(&value, "messages").unwrap_or_default();
                Self::conversation(&value, messages(&list, "messages")?, line)
            }
            [false, true, false, false] => Err("field \"completion\" is missing beside \"prompt\"".into()),
            [false, false, true, false] => Err("field \"prompt\" is missing beside \"completion\"".into()),
            [false, false, false, false] => {
                let wanted = "an object with \"text\", with \"prompt\" and \"completion\", or with \"messages\" is wanted";
                Err(format!("{wanted}, got {}", name_of(&value)))
            }
            _ => {
                let found: Vec<String> = ["text", "prompt", "completion", "messages"]
                    .iter()
                    .filter(|name| has(name))
                    .map(|n| format!("{n:?}"))
                    .collect();
                Err(format!(
                    "holds {}; \"text\", \"prompt\" with \"completion\", or \"messages\" is wanted alone",
                    found.join(" and ")
                ))
            }
        }
    }
}

impl Record {
    /// A conversation of these messages, which the line holds.
    fn conversation(value: &Value, messages: Vec<Value>, line: &str) -> Result<Self, String> {
        if line.contains([BEGIN, END]) {
            return Err(format!("holds {BEGIN:?} or {END:?}, which Unicode keeps out of texts"));
        }
        Ok(Self::Messages { messages, tools: field(value, "tools").unwrap_or(Value::from(())) })
    }
}

/// A field, where null and absent are the same.
fn field(value: &Value, name: &str) -> Option<Value> {
    if value.kind() != ValueKind::Map {
        return None;
    }
    value.get_attr(name).ok().filter(|value| !value.is_none() && !value.is_undefined())
}

fn text(value: &Value, name: &str, may_be_empty: bool) -> Result<String, String> {
    let found = field(value, name).unwrap_or_default();
    match found.as_str() {
        Some("") if !may_be_empty => Err(format!("field {name:?} is empty; there is nothing to learn")),
        Some(text) => Ok(text.to_string()),
        None => Err(format!("field {name:?} must be a string, got {}", name_of(&found))),
    }
}

/// The messages, each a map with a role and a content, without fields that are null.
fn messages(list: &Value, name: &str) -> Result<Vec<Value>, String> {
    if list.kind() != ValueKind::Seq {
        return Err(format!("field {name:?} must be a list of objects with \"role\" and \"content\", got {}", name_of(list)));
    }
    let list: Vec<Value> = list.try_iter().map_err(|e| e.to_string())?.collect();
    if list.is_empty() {
        return Err(format!("field {name:?} is empty"));
    }
    let mut learned = false;
    let mut read = Vec::new();
    for (number, message) in (1..).zip(list) {
        if message.kind() != ValueKind::Map {
            return Err(format!("message {number} must be an object with \"role\" and \"content\", got {}", name_of(&message)));
        }
        let refuse = |name: &str, found: Option<Value>| match found {
            None => Err(format!("message {number} has no field {name:?}")),
            Some(other) => Err(format!("field {name:?} of message {number} must be a string, got {}", name_of(&other))),
        };
        match field(&message, "role") {
            Some(role) if role.kind() == ValueKind::String => learned |= role.as_str() == Some(ASSISTANT),
            other => return refuse("role", other),
        }
        match field(&message, "content") {
            // Parts of a content are the template's to read.
            Some(content) if matches!(content.kind(), ValueKind::String | ValueKind::Seq) => {}
            None if field(&message, "tool_calls").is_some() => {}
            other => return refuse("content", other),
        }
        let keys = message.try_iter().map_err(|e| e.to_string())?;
        let kept = keys.filter_map(|key| {
            let value = message.get_item(&key).ok()?;
            (!value.is_none()).then_some((key, value))
        });
        read.push(Value::from_pairs(kept));
    }
    if !learned {
        return Err(format!("no message has the role {ASSISTANT:?}; there is nothing to learn"));
    }
    Ok(read)
}

/// What a value is, in words.
fn name_of(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => "null".into(),
        ValueKind::Bool => "true or false".into(),
        ValueKind::Number => "a number".into(),
        ValueKind::String => "a string".into(),
        ValueKind::Seq => "a list".into(),
        ValueKind::Map if value.len() == Some(0) => "an empty object".into(),
        ValueKind::Map => "an object with other fields".into(),
        other => other.to_string(),
    }
}
