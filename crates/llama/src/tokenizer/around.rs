//! `post_processor`: the tokens that are put around a text.

use monotile::limits;
use serde_json::Value;

use super::part::{Part, kind};

/// The tokens before a text and after it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Around {
    pub before: Vec<u32>,
    pub after: Vec<u32>,
}

impl Around {
    /// Reads a `post_processor`.
    pub fn read(value: &Value) -> Result<Self, String> {
        let mut around = Self::default();
        Part::new("post_processor", "processors").each(value, &mut |part| around.extend(part))?;
        Ok(around)
    }

    /// Adds what one processor puts around what the ones before it made.
    fn extend(&mut self, value: &Value) -> Result<(), String> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        match kind(value)? {
            // Which part of the text a token stands for, and nothing else.
            "ByteLevel" => return Ok(()),
            "TemplateProcessing" => template(value, &mut before, &mut after, self.count())?,
            "RobertaProcessing" | "BertProcessing" => {
                before.push(number(&value["cls"][1])?);
                after.push(number(&value["sep"][1])?);
            }
            other => {
                return Err(format!(
                    "post_processor {other:?} is not supported; TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing \
                     and Sequence are"
                ));
            }
        }
        before.append(&mut self.before);
        self.before = before;
        self.after.append(&mut after);
        admit(self.count())
    }

    /// How many tokens there are.
    fn count(&self) -> usize {
        self.before.len() + self.after.len()
    }
}

fn admit(count: usize) -> Result<(), String> {
    limits::AROUND.admit("post_processor", count as u64).map_err(|e| e.to_string())
}

/// `single`: a list of special tokens with one sequence among them, each an object with one field.
fn template(value: &Value, before: &mut Vec<u32>, after: &mut Vec<u32>, others: usize) -> Result<(), String> {
    let Some(pieces) = value["single"].as_array() else { return Err("field \"single\" must be a list".into()) };
    let mut seen = false;
    for piece in pieces {
        if piece.get("Sequence").is_some() {
            if std::mem::replace(&mut seen, true) {
                return Err("field \"single\" holds the text more than once".into());
            }
            continue;
        }
        let name = piece["SpecialToken"]["id"].as_str().ok_or("field \"single\" must hold sequences and special tokens")?;
        let Some(ids) = value["special_tokens"][name]["ids"].as_array() else {
            return Err(format!("special token {name:?} has no numbers"));
        };
        admit(others + before.len() + after.len() + ids.len())?;
        let list = if seen { &mut *after } else { &mut *before };
        for id in ids {
            list.push(number(id)?);
        }
    }
    if seen { Ok(()) } else { Err("field \"single\" leaves the text out".into()) }
}

fn number(value: &Value) -> Result<u32, String> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| "the number of a special token must be a whole number".to_string())
}
