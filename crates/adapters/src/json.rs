//! Reading the fields of a JSON file, each with an error that names file and field.

use std::io::Write;
use std::path::{Path, PathBuf};

use monotile::io::{read_regular, read_stdin, write_atomic};
use monotile::limits::{self, Limit};
use monotile::text::parser_report;
use monotile::{Error, Result};
use serde_json::{Map, Value};

use crate::foreign;

/// The text of a file that has at most `limit` bytes, without the byte order mark that some editors put before one.
///
/// # Errors
/// `Io`; `Limit`, if it is larger; `Format`, if it is not UTF-8.
pub fn read_text(path: &Path, limit: &Limit) -> Result<String> {
    decode(read_regular(path, limit)?, path)
}

/// The text of standard input, as [`read_text`] reads one of a file.
///
/// # Errors
/// As [`read_text`].
pub fn read_stdin_text(limit: &Limit) -> Result<String> {
    decode(read_stdin(limit)?, Path::new("standard input"))
}

fn decode(mut bytes: Vec<u8>, path: &Path) -> Result<String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::format(path, "is a text in UTF-16; save it as UTF-8"));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|e| Error::format(path, format!("not UTF-8 at byte {}", e.utf8_error().valid_up_to())))
}

/// A number in JSON, which knows none that is not finite: those become `"NaN"`, `"Infinity"` and `"-Infinity"`, and never `null`.
///
/// # Example
/// ```
/// use monotile_adapters::json::number;
/// assert_eq!([number(0.5), number(f64::NAN), number(f64::NEG_INFINITY)].map(|x| x.to_string()), ["0.5", "\"NaN\"", "\"-Infinity\""]);
/// ```
pub fn number(x: f64) -> Value {
    match x {
        x if x.is_finite() => x.into(),
        x if x.is_nan() => "NaN".into(),
        x if x > 0.0 => "Infinity".into(),
        _ => "-Infinity".into(),
    }
}

/// The text of a file that holds JSON.
///
/// # Errors
/// As [`read_text`]; `Format`, if it is empty or is another file that stands in its place.
pub fn read_json(path: &Path, limit: &Limit) -> Result<String> {
    let text = read_text(path, limit)?;
    if text.trim().is_empty() {
        return Err(Error::format(path, "the file is empty"));
    }
    match foreign::foreign_format(text.as_bytes()) {
        Some(what) => Err(Error::format(path, what)),
        None => Ok(text),
    }
}

/// Writes a value as indented JSON, whole or not at all.
///
/// # Errors
/// `Io`, if it cannot be written.
pub fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_atomic(path, |file| writeln!(file, "{value:#}"))
}

/// The fields of one JSON object, with the file they came from.
pub struct Fields {
    path: PathBuf,
    within: String,
    map: Map<String, Value>,
}

impl Fields {
    /// Reads a file of settings, which holds one object.
    ///
    /// # Errors
    /// As [`read_json`]; `Format`, if it holds anything else.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_within(path, &limits::CONFIG)
    }

    /// Reads a file that holds one object and has at most `limit` bytes.
    ///
    /// # Errors
    /// As [`read`](Fields::read).
    pub fn read_within(path: &Path, limit: &Limit) -> Result<Self> {
        let text = read_json(path, limit)?;
        match serde_json::from_str(&text) {
            Ok(Value::Object(map)) => Ok(Self { path: path.to_path_buf(), within: String::new(), map }),
            Ok(_) => Err(Error::format(path, "expected a JSON object")),
            Err(e) => Err(Error::format(path, format!("not JSON: {}", parser_report(&e)))),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of all fields.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.map.keys()
    }

    /// The value of a field, where null and absent are the same.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// An error about a field: `path: field "name" what`.
    pub fn refuse(&self, name: &str, what: impl std::fmt::Display) -> Error {
        Error::format(&self.path, format!("field \"{}{name}\" {what}", self.within))
    }

    fn wrong(&self, name: &str, wanted: &str, got: &Value) -> Error {
        let mut got = got.to_string();
        if got.chars().count() > 40 {
            got = got.chars().take(39).chain(['…']).collect();
        }
        self.refuse(name, format!("must be {wanted}, got {got}"))
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.refuse(name, "is missing"))
    }

    /// A whole number from 1 to 2³¹ - 1, small enough that a product of two cannot overflow.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn optional_count(&self, name: &str) -> Result<Option<usize>> {
        let count = |v: &Value| match v.as_u64() {
            Some(n @ 1..=0x7fff_ffff) => Ok(usize_of(n)),
            _ => Err(self.wrong(name, "a whole number from 1 to 2147483647", v)),
        };
        self.get(name).map(count).transpose()
    }

    /// A whole number that must be there, from 1 to 2³¹ - 1.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn count(&self, name: &str) -> Result<usize> {
        self.required(name, self.optional_count(name)?)
    }

    /// A finite number above zero.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn optional_positive(&self, name: &str) -> Result<Option<f64>> {
        let positive = |v: &Value| match v.as_f64() {
            Some(x) if x > 0.0 && x.is_finite() => Ok(x),
            _ => Err(self.wrong(name, "a number above 0", v)),
        };
        self.get(name).map(positive).transpose()
    }

    /// A finite number above zero that must be there.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn positive(&self, name: &str) -> Result<f64> {
        self.required(name, self.optional_positive(name)?)
    }

    /// Whether a field is true, or what absence means.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(self.wrong(name, "true or false", other)),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", other)),
        }
    }

    /// A number or a list of numbers, each at most 2³¹ - 1; absent is empty.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn ids(&self, name: &str) -> Result<Vec<u32>> {
        let id = |v: &Value| match v.as_u64() {
            Some(id @ 0..=0x7fff_ffff) => Ok(id as u32),
            _ => Err(self.wrong(name, "a number or a list of numbers, each from 0 to 2147483647", v)),
        };
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => list.iter().map(id).collect(),
            Some(one) => Ok(vec![id(one)?]),
        }
    }

    /// A string or a list of strings; absent is `None`.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>> {
        let wrong = |v| self.wrong(name, "a list of strings", v);
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(one)) => Ok(Some(vec![one.clone()])),
            Some(Value::Array(list)) => {
                list.iter().map(|v| v.as_str().map(str::to_string).ok_or_else(|| wrong(v))).collect::<Result<_>>().map(Some)
            }
            Some(other) => Err(wrong(other)),
        }
    }

    /// The fields of an object within this one, whose errors then say `outer.inner`.
    ///
    /// # Errors
    /// `Format`, naming the file and the field.
    pub fn object(&self, name: &str) -> Result<Option<Fields>> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                Ok(Some(Fields { path: self.path.clone(), within: format!("{}{name}.", self.within), map: map.clone() }))
            }
            Some(other) => Err(self.wrong(name, "an object", other)),
        }
    }
}
/// As a length or an index; what no memory could hold becomes the largest there is.
pub(crate) fn usize_of(n: impl TryInto<usize>) -> usize {
    n.try_into().unwrap_or(usize::MAX)
}
