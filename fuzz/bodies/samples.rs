//! A file of samples to fine-tune on, one JSON object a line: refused, naming the line, or tokens in rows.

use std::path::Path;

use monotile_llama::Tokenizer;
use monotile_llama::data::{Jsonl, Overlong};

use super::sentence;

/// The length of a row.
const LENGTH: usize = 16;

pub fn run(text: &str) {
    let read = match Jsonl::parse(text, Path::new("samples.jsonl")) {
        Ok(read) => read,
        Err(error) => return sentence(&error),
    };
    assert!(read.count() <= text.lines().count());
    // The words around an instruction are the format's own.
    assert!(read.text().len() <= 2 * text.len() + 1024 * read.count());
    match read.samples(&Tokenizer::bytes(), Some(0), None) {
        Ok(samples) => {
            samples.0.iter().for_each(|sample| assert_eq!(sample.tokens().len(), sample.loss_mask().len()));
            match samples.pack(LENGTH, Overlong::Cut, Some(1)) {
                Ok(packed) => {
                    // A sample's last token predicts nothing and takes no place.
                    let places = |row| packed.rows.samples(row).map(|(tokens, _)| tokens.len() - 1).sum::<usize>();
                    assert!((0..packed.rows.row_count()).all(|row| places(row) < LENGTH));
                }
                Err(error) => sentence(&error),
            }
        }
        Err(error) => sentence(&error),
    }
}
