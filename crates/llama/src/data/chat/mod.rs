//! Conversations as a checkpoint's chat template writes them.

mod environment;
mod time;
mod worker;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::SystemTime;

use minijinja::{Environment, ErrorKind, Value};
use monotile::text::{parser_report, printable};
use monotile::{Error, Result, limits};

use environment::environment;
pub(super) use environment::{BEGIN, END};
use monotile_adapters::json::{Fields, read_text};
use worker::Worker;

/// The file that transformers 5 writes a template to.
const TEMPLATE: &str = "chat_template.jinja";
/// The file with the names of special tokens, and, before transformers 5, with the template.
const SETTINGS: &str = "tokenizer_config.json";
/// The file that older versions write special tokens to as well.
const SPECIAL: &str = "special_tokens_map.json";
/// Whose turns are learned.
pub(super) const ASSISTANT: &str = "assistant";

/// A chat template: a program in Jinja that writes a conversation as the text a checkpoint was trained on.
///
/// Templates run as transformers runs them: blocks are trimmed, `raise_exception`, `strftime_now`, `tojson`, `{% break %}`,
/// `{% generation %}` and Python's methods of strings and dictionaries are there, special tokens are known by their names
/// (`bos_token`, `eos_token`, …).
///
/// A template comes from outside, so the limits of [`limits`] bound its text, the steps and the seconds of one rendering, and the
/// memory that it takes. It runs on a thread of its own; one that exceeds its seconds is left behind, and the template is refused from
/// then on. Memory is counted where the program's allocator is `monotile_kernels::process::Counted`, as the command's is; without
/// it what the interpreter does not count (a list that holds another twice, many times over) is bounded by the seconds alone.
///
/// # Example
/// ```
/// use monotile_llama::data::ChatTemplate;
/// let source = "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}{{ eos_token }}{% endfor %}";
/// let special = [("eos_token".to_string(), "</s>".to_string())].into();
/// let template = ChatTemplate::parse(source, "template", special, std::time::SystemTime::now())?;
/// let messages = r#"[{"role": "user", "content": " Hi "}, {"role": "assistant", "content": "Ho"}]"#;
/// assert_eq!(template.render(messages, false)?, "<|user|>Hi</s><|assistant|>Ho</s>");
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct ChatTemplate {
    worker: Worker,
    special: BTreeMap<String, String>,
    name: String,
    /// Whether the template itself says what the assistant wrote.
    marks: bool,
}

impl ChatTemplate {
    /// The template of a checkpoint's folder: `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`; `None` where there
    /// is neither. `now` is the time that `strftime_now` tells.
    ///
    /// # Errors
    /// `Io` and `Format`, if a file cannot be read or the template is no Jinja.
    pub fn read(folder: &Path, now: SystemTime) -> Result<Option<Self>> {
        let file = folder.join(TEMPLATE);
        if file.exists() {
            return Self::read_file(&file, Self::special_tokens(folder)?, now).map(Some);
        }
        let path = folder.join(SETTINGS);
        if !path.exists() {
            return Ok(None);
        }
        match template_of(&Fields::read(&path)?)? {
            None => Ok(None),
            Some(source) => Self::parse(&source, &path.display().to_string(), Self::special_tokens(folder)?, now).map(Some),
        }
    }

    /// The template of a file, with the special tokens that [`special_tokens`](ChatTemplate::special_tokens) tells.
    ///
    /// # Errors
    /// As [`read`](ChatTemplate::read).
    pub fn read_file(path: &Path, special: BTreeMap<String, String>, now: SystemTime) -> Result<Self> {
        Self::parse(&read_text(path, &limits::TEMPLATE)?, &path.display().to_string(), special, now)
    }

    /// A template from its text; `name` stands for it in errors.
    ///
    /// # Errors
    /// `Value`, if it is no Jinja; `Limit`, if it is too long.
    pub fn parse(source: &str, name: &str, special: BTreeMap<String, String>, now: SystemTime) -> Result<Self> {
        limits::TEMPLATE.admit(name, source.len() as u64)?;
        let (text, told) = (source.to_string(), name.to_string());
        let make = move || environment(&text, now).map_err(|e| explain(&told, &e));
        let (worker, marks) = Worker::start(name, source.len(), make)?;
        Ok(Self { worker, special, name: name.to_string(), marks })
    }

    /// A checkpoint's special tokens by the names that its files give them (`bos_token`, `eos_token`, …).
    ///
    /// # Errors
    /// `Format`, if a file is malformed.
    pub fn special_tokens(folder: &Path) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        for file in [SPECIAL, SETTINGS] {
            let path = folder.join(file);
            if !path.exists() {
                continue;
            }
            let fields = Fields::read(&path)?;
            for name in fields.keys().filter(|name| name.ends_with("_token")) {
                let value = fields.get(name);
                let content = value.and_then(|value| value.as_str().or_else(|| value["content"].as_str()));
                found.extend(content.map(|content| (name.clone(), content.to_string())));
            }
        }
        Ok(found)
    }

    /// Writes a conversation, a list of messages in JSON; with `prompt`, up to where the assistant's next turn begins.
    ///
    /// # Errors
    /// `Value`, if the messages are no JSON, or in the template's own words where it refuses.
    pub fn render(&self, messages: &str, prompt: bool) -> Result<String> {
        let messages: Value =
            serde_json::from_str(messages).map_err(|e| Error::value(format!("chat: not JSON: {}", parser_report(&e))))?;
        Ok(unmarked(&self.write(&messages, &Value::from(()), prompt)?).0)
    }

    /// Writes a conversation, and tells which parts of the text the assistant wrote: those in `{% generation %}`, if the template has it;
    /// else what each of the assistant's turns adds to the prompt that asks for it.
    pub(super) fn render_with_turn_spans(&self, messages: &[Value], tools: &Value) -> Result<(String, Vec<Range<usize>>)> {
        let list = |count: usize| Value::from(messages[..count].to_vec());
        let (text, parts) = unmarked(&self.write(&list(messages.len()), tools, false)?);
        if self.marks {
            return Ok((text, parts));
        }
        let mut parts = Vec::new();
        for (turn, message) in messages.iter().enumerate() {
            if message.get_attr("role").ok().is_none_or(|role| role.as_str() != Some(ASSISTANT)) {
                continue;
            }
            // A conversation that the assistant begins has no prompt.
            let before = if turn == 0 { String::new() } else { self.write(&list(turn), tools, true)? };
            let after = self.write(&list(turn + 1), tools, false)?;
            if !(after.starts_with(&before) && text.starts_with(&after)) {
                return Err(Error::value(format!(
                    "{}: writes message {} differently where others follow, so that what the assistant wrote cannot be told; \
                     {{% generation %}} in the template tells it",
                    self.name,
                    turn + 1
                )));
            }
            parts.push(before.len()..after.len());
        }
        Ok((text, parts))
    }

    fn write(&self, messages: &Value, tools: &Value, prompt: bool) -> Result<String> {
        let mut context: BTreeMap<String, Value> =
            self.special.iter().map(|(name, token)| (name.clone(), Value::from(token.as_str()))).collect();
        context.insert("messages".into(), messages.clone());
        context.insert("tools".into(), tools.clone());
        context.insert("documents".into(), Value::from(()));
        context.insert("add_generation_prompt".into(), Value::from(prompt));
        let name = self.name.clone();
        self.worker.run(move |environment| render(environment, context).map_err(|e| explain(&name, &e)))
    }
}

fn render(environment: &Environment, context: BTreeMap<String, Value>) -> Result<String, minijinja::Error> {
    environment.get_template(environment::NAME)?.render(Value::from_pairs(context))
}

/// A text without the marks around what the assistant wrote, and where that is.
fn unmarked(marked: &str) -> (String, Vec<Range<usize>>) {
    let (mut text, mut parts, mut begin) = (String::with_capacity(marked.len()), Vec::new(), 0);
    for piece in marked.split_inclusive([BEGIN, END]) {
        text.push_str(piece.trim_end_matches([BEGIN, END]));
        match piece.chars().last() {
            Some(BEGIN) => begin = text.len(),
            Some(END) if begin < text.len() => parts.push(begin..text.len()),
            _ => {}
        }
    }
    (text, parts)
}

/// What went wrong in a template, in its own words where it has some.
fn explain(name: &str, error: &minijinja::Error) -> Error {
    let place = error.line().map_or_else(String::new, |line| format!(":{line}"));
    if error.kind() == ErrorKind::OutOfFuel {
        return limits::TEMPLATE_STEPS.refusal(format!("{name}{place}"), "more");
    }
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    Error::value(format!("{name}{place}: {}", printable(&what)))
}

/// The template in `tokenizer_config.json`: a text, or the one named `default` of a list.
fn template_of(settings: &Fields) -> Result<Option<String>> {
    let Some(found) = settings.get("chat_template") else { return Ok(None) };
    let named = |entry: &&serde_json::Value| entry["name"] == "default";
    let text = found.as_array().map_or(Some(found), |list| list.iter().find(named).map(|entry| &entry["template"]));
    match text.and_then(serde_json::Value::as_str) {
        Some(text) => Ok(Some(text.to_string())),
        None => Err(settings.refuse("chat_template", "must be a template, or a list of which one is named \"default\"")),
    }
}

#[cfg(test)]
mod tests;
