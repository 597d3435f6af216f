//! Layouts that published files of samples have: ShareGPT's conversations and Alpaca's instructions.

use minijinja::Value;
use minijinja::value::ValueKind;

use super::{Record, field, messages, name_of, text};

/// Reads a line in one of these layouts; `None` if it is in none.
///
/// - `{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}], "system": …}`, as ShareGPT; `role` and `content`
///   are read in their places.
/// - `{"instruction": …, "input": …, "output": …}`, as Alpaca, with the prompt that it was published with (Taori et al. 2023,
///   `stanford_alpaca/train.py`); the output is learned. A `text` beside them is the same once more.
pub(super) fn read(value: &Value, line: &str) -> Result<Option<Record>, String> {
    let has = |name: &str| field(value, name).is_some();
    let others = ["prompt", "completion", "messages"].into_iter().find(|name| has(name));
    let alone = |layout: &str| match others {
        Some(other) => Err(format!("holds {layout:?} and {other:?}; one of them is wanted alone")),
        None => Ok(()),
    };
    if has("conversations") {
        alone("conversations")?;
        return conversation(value, line).map(Some);
    }
    if !(has("instruction") && has("output")) {
        return Ok(None);
    }
    alone("instruction")?;
    let (instruction, output) = (text(value, "instruction", true)?, text(value, "output", false)?);
    let input = if has("input") { text(value, "input", true)? } else { String::new() };
    Ok(Some(Record::Completion { prompt: prompt(&instruction, &input), completion: output }))
}

/// What stands before an output.
fn prompt(instruction: &str, input: &str) -> String {
    if input.is_empty() {
        return format!(
            "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n\
             ### Instruction:\n{instruction}\n\n### Response:"
        );
    }
    format!(
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that \
         appropriately completes the request.\n\n### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:"
    )
}

/// A conversation with the roles that chat templates know.
fn conversation(value: &Value, line: &str) -> Result<Record, String> {
    let list = field(value, "conversations").unwrap_or_default();
    if list.kind() != ValueKind::Seq {
        return Err(format!(
            "field \"conversations\" must be a list of objects with \"from\" and \"value\", got {}",
            name_of(&list)
        ));
    }
    let mut turns = Vec::new();
    if let Some(system) = field(value, "system").filter(|system| system.as_str().is_some_and(|text| !text.is_empty())) {
        turns.push(message("system", system));
    }
    for (number, turn) in (1..).zip(list.try_iter().map_err(|e| e.to_string())?) {
        turns.push(match field(&turn, "from") {
            Some(from) => message(role(number, &from)?, field(&turn, "value").unwrap_or_default()),
            None => turn,
        });
    }
    let turns = messages(&Value::from(turns), "conversations")?;
    Record::conversation(value, turns, line)
}

fn message(role: &str, content: Value) -> Value {
    Value::from_pairs([("role", Value::from(role)), ("content", content)])
}

/// The role of who speaks.
fn role(number: usize, from: &Value) -> Result<&'static str, String> {
    Ok(match from.as_str() {
        Some("human" | "user") => "user",
        Some("gpt" | "assistant" | "chatgpt" | "bing" | "bard" | "model") => "assistant",
        Some("system") => "system",
        Some("tool") => "tool",
        _ => {
            return Err(format!(
                "message {number} is from {from}; human, user, gpt, assistant, chatgpt, bing, bard, model, system and tool are read"
            ));
        }
    })
}
