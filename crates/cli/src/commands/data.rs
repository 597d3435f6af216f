//! What `train` and `lora train` learn from: a text, or samples, and how they lie in rows.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::{Args, ValueEnum};
use monotile_llama::Tokenizer;
use monotile_llama::data::{ChatTemplate, Jsonl, Overlong, PackedSamples, SampleFormat, Samples, TokenDataset};

use crate::command_error::CommandError;
use crate::numbers;
use crate::progress::say;
use crate::report::count;

/// The data of a run.
#[derive(Args)]
pub struct DataArgs {
    /// What to learn from: a text (UTF-8), or samples, a JSON object a line (.jsonl) or a list (.json)
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Tokens a row; samples are packed side by side and do not see each other
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub length: usize,
    /// What becomes of samples that are longer than a row
    #[arg(long, value_enum, default_value_t = OverlongOption::Cut)]
    overlong: OverlongOption,
    /// The share of rows, or of samples, at the end of the file, to evaluate on; 0 evaluates nothing
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, value_parser = numbers::share)]
    held_out: f64,
    /// Evaluate on this file, of the same kind, and hold nothing out
    #[arg(long, value_name = "FILE", conflicts_with = "held_out")]
    eval: Option<PathBuf>,
    /// The Jinja template that writes conversations [default: the checkpoint's]
    #[arg(long, value_name = "FILE")]
    chat_template: Option<PathBuf>,
}

/// What becomes of samples that are longer than a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OverlongOption {
    /// Their end is cut off
    Cut,
    /// They are left out
    Drop,
}

/// What data is read with.
pub struct DataReader<'a> {
    pub tokenizer: &'a Tokenizer,
    /// The token that ends a text or a completion.
    pub end: Option<u32>,
    /// The folder of the checkpoint, if there is one already.
    pub checkpoint: Option<&'a Path>,
    /// The seed of packing; `None` keeps the order of the file.
    pub shuffle: Option<u64>,
}

/// Rows to train on and rows to evaluate on.
type Both = (TokenDataset, Option<TokenDataset>);

impl DataArgs {
    /// Reads the data, and says what is in it.
    pub fn read(&self, reader: &DataReader) -> Result<Both, CommandError> {
        if !holds_samples(&self.data) {
            return self.read_text(reader.tokenizer);
        }
        let file = Jsonl::read(&self.data)?;
        let other = self.eval.as_deref().map(Jsonl::read).transpose()?;
        let template = self.template(reader, &[Some(&file), other.as_ref()])?;
        let samples = |file: &Jsonl| file.samples(reader.tokenizer, reader.end, template.as_ref());
        let (train, held_out) = match &other {
            Some(other) => (samples(&file)?, Some(samples(other)?)),
            None => samples(&file)?.split(self.held_out)?,
        };
        let train = self.pack(train, reader.shuffle)?;
        let held_out = held_out.map(|samples| self.pack(samples, None).map_err(|e| e.with_context("held out"))).transpose()?;
        announce("samples", &train);
        held_out.iter().for_each(|held_out| announce("held out", held_out));
        Ok((train.rows, held_out.map(|packed| packed.rows)))
    }

    /// The text of the data, for a tokenizer to learn.
    pub fn text(&self) -> monotile::Result<String> {
        if holds_samples(&self.data) {
            return Ok(Jsonl::read(&self.data)?.text());
        }
        TokenDataset::text(&self.data)
    }

    fn read_text(&self, tokenizer: &Tokenizer) -> Result<Both, CommandError> {
        let rows = TokenDataset::read(&self.data, tokenizer, self.length)?;
        let (train, held_out) = match &self.eval {
            Some(path) => (rows, Some(TokenDataset::read(path, tokenizer, self.length)?)),
            None => rows.split(self.held_out)?,
        };
        let (tokens, vocabulary) = (count(train.token_count() as u64), count(tokenizer.vocabulary() as u64));
        say(&format!("text      {tokens} tokens of {vocabulary} in rows of {}", self.length));
        Ok((train, held_out))
    }

    fn pack(&self, samples: Samples, shuffle: Option<u64>) -> monotile::Result<PackedSamples> {
        let overlong = if self.overlong == OverlongOption::Cut { Overlong::Cut } else { Overlong::Drop };
        samples.pack(self.length, overlong, shuffle)
    }

    /// The template that writes the conversations of these files, if there are any.
    fn template(&self, reader: &DataReader, files: &[Option<&Jsonl>]) -> Result<Option<ChatTemplate>, CommandError> {
        if !files.iter().flatten().any(|file| file.format() == SampleFormat::Messages) {
            return Ok(None);
        }
        // The day that a template may tell is that of the data, so that a run that goes on tomorrow learns the same.
        let changed = std::fs::metadata(&self.data).and_then(|data| data.modified());
        let day = changed.unwrap_or(SystemTime::UNIX_EPOCH);
        let folder = reader.checkpoint;
        let template = match (&self.chat_template, folder) {
            (Some(path), _) => {
                // A new checkpoint's tokenizer has these.
                let own = || [("bos_token", "<s>"), ("eos_token", "</s>")].map(|(name, token)| (name.into(), token.into())).into();
                let special = folder.map(ChatTemplate::special_tokens).transpose()?.unwrap_or_else(own);
                Some(ChatTemplate::read_file(path, special, day)?)
            }
            (None, Some(folder)) => ChatTemplate::read(folder, day)?,
            (None, None) => None,
        };
        let Some(template) = template else {
            let data = self.data.display();
            let whose = folder.map_or_else(|| "a new checkpoint".into(), |folder| folder.display().to_string());
            let sentence = format!("{data}: conversations need a chat template, and {whose} has none");
            return Err(CommandError::new(sentence).hint(
                "--chat-template FILE gives one: chat_template.jinja of a checkpoint that was trained to chat, or one of your own",
            ));
        };
        Ok(Some(template))
    }
}

/// Whether a file holds samples as JSON, by its name.
fn holds_samples(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["jsonl", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// Says how samples lie in rows: `samples   1,200 of 96,000 tokens, 40,211 of them learned; 760 rows of 128, 99.4 % full`.
fn announce(what: &str, packed: &PackedSamples) {
    let rows = &packed.rows;
    let number = |n: usize| count(n as u64);
    say(&format!(
        "{what:<10}{} of {} tokens, {} of them learned; {} rows of {}, {:.1} % full",
        number(rows.sample_count()),
        number(rows.token_count()),
        number(rows.loss_token_count()),
        number(rows.row_count()),
        rows.length(),
        100.0 * rows.fill_ratio()
    ));
    if packed.truncated + packed.dropped > 0 {
        let (cut, dropped, length) = (number(packed.truncated), number(packed.dropped), rows.length());
        say(&format!("{:<10}{cut} cut to {length} tokens, {dropped} left out: a larger --length keeps them whole", ""));
    }
}
