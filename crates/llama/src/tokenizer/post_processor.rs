//! `post_processor`: the tokens that are put around a text.

use monotile::{Result, limits};
use serde_json::Value;

use super::component::{ComponentReader, malformed};

/// The tokens before a text and after it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct PostProcessor {
    pub before: Vec<u32>,
    pub after: Vec<u32>,
}

impl PostProcessor {
    /// Reads a `post_processor`.
    pub fn read(value: &Value) -> Result<Self> {
        const KINDS: &str = "TemplateProcessing, ByteLevel, RobertaProcessing, BertProcessing";
        let mut around = Self::default();
        ComponentReader::new("post_processor", "processors", KINDS).each(value, &mut |kind, part| around.extend(kind, part))?;
        Ok(around)
    }

    /// Adds what one processor puts around what the ones before it made; `false` for a kind that is not known.
    fn extend(&mut self, kind: &str, value: &Value) -> Result<bool> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        match kind {
            // Which part of the text a token stands for, and nothing else.
            "ByteLevel" => return Ok(true),
            "TemplateProcessing" => template(value, &mut before, &mut after, self.count())?,
            "RobertaProcessing" | "BertProcessing" => {
                before.push(number(&value["cls"][1])?);
                after.push(number(&value["sep"][1])?);
            }
            _ => return Ok(false),
        }
        before.append(&mut self.before);
        self.before = before;
        self.after.append(&mut after);
        admit(self.count())?;
        Ok(true)
    }

    /// How many tokens there are.
    fn count(&self) -> usize {
        self.before.len() + self.after.len()
    }
}

fn admit(count: usize) -> Result<()> {
    limits::AROUND.admit("post_processor", count as u64)
}

/// `single`: a list of special tokens with one sequence among them, each an object with one field.
fn template(value: &Value, before: &mut Vec<u32>, after: &mut Vec<u32>, others: usize) -> Result<()> {
    let Some(pieces) = value["single"].as_array() else { return Err(malformed("field \"single\" must be a list")) };
    let mut seen = false;
    for piece in pieces {
        if piece.get("Sequence").is_some() {
            if std::mem::replace(&mut seen, true) {
                return Err(malformed("field \"single\" holds the text more than once"));
            }
            continue;
        }
        let Some(name) = piece["SpecialToken"]["id"].as_str() else {
            return Err(malformed("field \"single\" must hold sequences and special tokens"));
        };
        let Some(ids) = value["special_tokens"][name]["ids"].as_array() else {
            return Err(malformed(format!("special token {name:?} has no numbers")));
        };
        admit(others + before.len() + after.len() + ids.len())?;
        let list = if seen { &mut *after } else { &mut *before };
        for id in ids {
            list.push(number(id)?);
        }
    }
    if seen { Ok(()) } else { Err(malformed("field \"single\" leaves the text out")) }
}

fn number(value: &Value) -> Result<u32> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| malformed("the number of a special token must be a whole number"))
}
