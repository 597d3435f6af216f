//! Files of samples: one JSON object a line, or a list of them.

mod pieces;
mod record;

use std::path::{Path, PathBuf};

use monotile::{Error, Result, limits};

use super::chat::ChatTemplate;
use super::sample::{Sample, Samples};
use crate::tokenizer::{Spans, Tokenizer};
use monotile_adapters::json::read_text;
use pieces::Pieces;
use record::Record;

/// What the lines of a file hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFormat {
    /// `{"text": …}`: all of it is learned.
    Text,
    /// `{"prompt": …, "completion": …}`: the completion is learned. Alpaca's `{"instruction": …, "input": …, "output": …}` is read as this.
    Completion,
    /// `{"messages": [{"role": …, "content": …}, …]}`: what the assistant wrote is learned. ShareGPT's
    /// `{"conversations": [{"from": "human", "value": …}, …]}` is read as this.
    Messages,
}

impl SampleFormat {
    /// The fields that a line has.
    fn fields(self) -> &'static str {
        match self {
            Self::Text => "\"text\"",
            Self::Completion => "\"prompt\" and \"completion\"",
            Self::Messages => "\"messages\"",
        }
    }
}

/// A file of samples, read and checked: every line holds the same kind of JSON object. Other fields of an object are left alone, null
/// counts as absent, and empty lines as none. A file that begins with a bracket is one list of such objects instead.
///
/// # Example
/// ```
/// use monotile_llama::{Tokenizer, data::{Jsonl, SampleFormat}};
/// let lines = "{\"prompt\": \"2 + 2 = \", \"completion\": \"4\"}\n{\"prompt\": \"1 + 2 = \", \"completion\": \"3\"}\n";
/// let file = Jsonl::parse(lines, "sums.jsonl".as_ref())?;
/// assert_eq!((file.format(), file.count()), (SampleFormat::Completion, 2));
/// let samples = file.samples(&Tokenizer::bytes(), Some(257), None)?;
/// // Of "2 + 2 = 4</s>" the last two tokens.
/// assert_eq!((samples.0[0].tokens().len(), samples.0[0].loss_token_count()), (10, 2));
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Jsonl {
    path: PathBuf,
    kind: SampleFormat,
    /// What a record is counted as: a line or a sample.
    unit: &'static str,
    /// With their numbers.
    records: Vec<(usize, Record)>,
}

impl Jsonl {
    /// Reads a file.
    ///
    /// # Errors
    /// `Io`, if it cannot be read; `Format`, with the line at fault, if it is no UTF-8, holds no sample, or a line is not as the others.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&read_text(path, &limits::TEXT)?, path)
    }

    /// Reads the text of a file; `path` stands for it in errors.
    ///
    /// # Errors
    /// As [`read`](Jsonl::read).
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let mut records: Vec<(usize, Record)> = Vec::new();
        let Pieces { unit, all } = Pieces::cut(text).map_err(|what| Error::format(path, what))?;
        for (number, line) in all {
            let refuse = |what: String| Error::format(&at(path, unit, number), what);
            limits::SAMPLE.admit(at(path, unit, number).display(), line.len() as u64)?;
            let record = Record::read(line).map_err(refuse)?;
            if let Some((first, before)) = records.first()
                && before.kind() != record.kind()
            {
                let (found, wanted) = (record.kind().fields(), before.kind().fields());
                return Err(refuse(format!("holds {found}, {unit} {first} holds {wanted}; a file is of one kind")));
            }
            records.push((number, record));
        }
        match records.first() {
            None => Err(Error::format(path, "the file is empty; training needs samples, one JSON object a line")),
            Some((_, first)) => Ok(Self { path: path.to_path_buf(), kind: first.kind(), unit, records }),
        }
    }

    /// What the lines hold.
    pub fn format(&self) -> SampleFormat {
        self.kind
    }

    /// How many samples there are.
    pub fn count(&self) -> usize {
        self.records.len()
    }

    /// The texts of all samples, for a tokenizer to learn.
    pub fn text(&self) -> String {
        let mut all = String::new();
        for (_, record) in &self.records {
            match record {
                Record::Text(text) => all += text,
                Record::Completion { prompt, completion } => all.extend([prompt.as_str(), completion]),
                Record::Messages { messages, .. } => {
                    let content = |message: &minijinja::Value| message.get_attr("content").ok();
                    messages
                        .iter()
                        .filter_map(content)
                        .for_each(|content| all.extend([content.as_str().unwrap_or_default(), "\n"]));
                }
            }
            all.push('\n');
        }
        all
    }

    /// The samples in tokens. `end` ends a text or a completion, and is learned; the template writes conversations, with what it puts at
    /// their ends.
    ///
    /// A prompt and its completion are one text to the tokenizer, and a token that has a letter of the completion is learned.
    ///
    /// # Errors
    /// `Value`, with the line at fault, if the tokenizer or the template refuses, or conversations come without a template.
    pub fn samples(&self, tokenizer: &Tokenizer, end: Option<u32>, template: Option<&ChatTemplate>) -> Result<Samples> {
        let spans = tokenizer.spans();
        let sample = |(number, record): &(usize, Record)| {
            let made = match record {
                Record::Text(text) => tokenizer.encode(text).map(|tokens| (vec![true; tokens.len()], tokens)).and_then(ended(end)),
                Record::Completion { prompt, completion } => completed(&spans, prompt, completion).and_then(ended(end)),
                Record::Messages { messages, tools } => match template {
                    None => {
                        return Err(Error::format(&self.path, "conversations need a chat template, and the checkpoint has none"));
                    }
                    Some(template) => template.render_with_turn_spans(messages, tools).and_then(|(text, turns)| {
                        let (tokens, learned) = spans.encode(&text, &turns, false)?;
                        Sample::new(tokens, learned)
                    }),
                },
            };
            made.map_err(|e| e.with_context(at(&self.path, self.unit, *number).display()))
        };
        self.records.iter().map(sample).collect::<Result<_>>().map(Samples)
    }
}

/// Where a record is: `path:number` of a line, `path: sample number` of another.
fn at(path: &Path, unit: &str, number: usize) -> PathBuf {
    let path = path.display();
    if unit == "line" { format!("{path}:{number}") } else { format!("{path}: {unit} {number}") }.into()
}

/// Which tokens are learned of a prompt and its completion, and those tokens.
fn completed(spans: &Spans, prompt: &str, completion: &str) -> Result<(Vec<bool>, Vec<u32>)> {
    let text = format!("{prompt}{completion}");
    let (tokens, learned) = spans.encode(&text, &[prompt.len()..text.len()], true)?;
    Ok((learned, tokens))
}

/// Makes a sample with a last token that ends it, unless the tokenizer put one there.
fn ended(end: Option<u32>) -> impl Fn((Vec<bool>, Vec<u32>)) -> Result<Sample> {
    move |(mut learned, mut tokens)| {
        if let Some(end) = end
            && tokens.last() != Some(&end)
        {
            tokens.push(end);
            learned.push(true);
        }
        Sample::new(tokens, learned)
    }
}

#[cfg(test)]
mod tests;
