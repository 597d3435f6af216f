//! A file of samples cut into the texts of its objects: lines, or the elements of one list.

use monotile::text::parser_report;
use serde::de::IgnoredAny;
use serde_json::Deserializer;

/// The objects of a file as they are written, with their numbers from 1.
pub(super) struct Pieces<'a> {
    /// What they are counted as: `line` or `sample`.
    pub unit: &'static str,
    pub all: Vec<(usize, &'a str)>,
}

impl<'a> Pieces<'a> {
    /// Cuts a text; one that begins with a bracket is a list.
    ///
    /// # Errors
    /// What is wrong with a list, and at which of its elements.
    pub fn cut(text: &'a str) -> Result<Self, String> {
        match text.trim_start().strip_prefix('[') {
            Some(inner) => Ok(Self { unit: "sample", all: elements(inner)? }),
            None => {
                let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
                Ok(Self { unit: "line", all: lines.collect() })
            }
        }
    }
}

/// The elements of a list, of which the bracket that begins it is gone.
fn elements(inner: &str) -> Result<Vec<(usize, &str)>, String> {
    let mut all = Vec::new();
    let mut rest = inner.trim_start();
    while !rest.starts_with(']') {
        let number = all.len() + 1;
        let broken = |what: &str| format!("the list of samples is broken at its sample {number}: {what}");
        let mut values = Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        match values.next() {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broken(&parser_report(&error).to_string())),
            None => return Err(broken("the file ends")),
        }
        let (element, after) = rest.split_at(values.byte_offset());
        all.push((number, element));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if rest.starts_with(']') => {}
            None => return Err(broken("no comma or ] comes after it")),
        }
    }
    if rest[1..].trim().is_empty() { Ok(all) } else { Err("something follows the list of samples; a file is one list".into()) }
}
