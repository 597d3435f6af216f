//! What chat templates expect to find around them, as transformers provides it.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::time::SystemTime;

use fancy_regex::Regex;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, Value, escape_formatter};
use monotile::limits;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::time::strftime;

/// The name of the one template of an environment.
pub(super) const NAME: &str = "chat";
/// Stands before what the assistant wrote: a character that Unicode keeps out of texts for uses like this.
pub(in crate::data) const BEGIN: char = '\u{fdd0}';
/// Stands after it.
pub(in crate::data) const END: char = '\u{fdd1}';
/// The function that `{% generation %}` becomes a call of.
const GENERATION: &str = "_generation";
/// The bytes of data that count as one step.
const BYTES_A_STEP: u64 = 64;
/// How many times as much a byte counts that is made by walking a value, as the interpreter counts it.
const WALKED: u64 = 16;

/// An environment with one template, and whether that marks what the assistant wrote.
pub(super) fn environment(source: &str, now: SystemTime) -> Result<(Environment<'static>, bool), Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_formatter(|out, state, value| match value.kind() {
        // As Python writes them.
        ValueKind::None => Ok(out.write_str("None")?),
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "True" } else { "False" })?),
        ValueKind::Undefined | ValueKind::Number | ValueKind::String => escape_formatter(out, state, value),
        _ => write!(Within { out, left: affordable(state) }, "{value}").map_err(|_| ErrorKind::OutOfFuel.into()),
    });
    environment.set_fuel(Some(limits::TEMPLATE_STEPS.get()));
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", move |format: String| strftime(&format, now));
    environment.add_function(GENERATION, |state: &mut State, options: Kwargs| -> Result<Value, Error> {
        let written = options.get::<Value>("caller")?.call(state, &[])?;
        Ok(Value::from_safe_string(format!("{BEGIN}{written}{END}")))
    });
    let (source, marks) = with_calls(source);
    environment.add_template_owned(NAME, source)?;
    Ok((environment, marks))
}

/// `{% generation %} … {% endgeneration %}`, which only transformers knows, as a call of a function with a block.
fn with_calls(source: &str) -> (String, bool) {
    let tag = |name: &str| Regex::new(&format!(r"\{{%([-+]?)\s*{name}\s*([-+]?)%\}}")).expect("a pattern like this is one");
    let begun = tag("generation").replace_all(source, format!("{{%$1 call {GENERATION}() $2%}}"));
    let marks = matches!(begun, std::borrow::Cow::Owned(_));
    (tag("endgeneration").replace_all(&begun, "{%$1 endcall $2%}").into_owned(), marks)
}

/// The filter `tojson` of transformers, which is Python's `json.dumps`: letters beyond ASCII and HTML stay as they are.
fn to_json(state: &State, value: &Value, indent: Option<usize>, options: Kwargs) -> Result<Value, Error> {
    let indent = indent.map_or_else(|| options.get::<Option<usize>>("indent"), |indent| Ok(Some(indent)))?;
    options.get::<Option<bool>>("ensure_ascii")?;
    options.assert_all_used()?;
    let left = affordable(state);
    let mut out = Within { out: Vec::new(), left };
    let refuse = |e: serde_json::Error| match e.is_io() {
        true => ErrorKind::OutOfFuel.into(),
        false => Error::new(ErrorKind::BadSerialization, e.to_string()),
    };
    match indent {
        Some(indent) if indent > left => return Err(ErrorKind::OutOfFuel.into()),
        Some(indent) => {
            let spaces = " ".repeat(indent);
            let mut pretty = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(spaces.as_bytes()));
            value.serialize(&mut pretty).map_err(refuse)?;
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)).map_err(refuse)?,
    }
    state.consume_fuel(out.out.len() as u64 * (WALKED - 1) / BYTES_A_STEP)?;
    Ok(Value::from_safe_string(String::from_utf8_lossy(&out.out).into_owned()))
}

/// How many bytes a walk over a value may still make.
fn affordable(state: &State) -> usize {
    let steps = state.fuel_levels().map_or(u64::MAX, |(_, left)| left);
    usize::try_from(steps.saturating_mul(BYTES_A_STEP) / WALKED).unwrap_or(usize::MAX)
}

/// A place for text that fails after so many bytes.
struct Within<W> {
    out: W,
    left: usize,
}

impl<W> Within<W> {
    /// Whether there is room for a text, which is then taken.
    fn take(&mut self, text: usize) -> bool {
        let room = self.left.checked_sub(text);
        self.left = room.unwrap_or(0);
        room.is_some()
    }
}

impl fmt::Write for Within<&mut Output<'_>> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.take(text.len()) { self.out.write_str(text) } else { Err(fmt::Error) }
    }
}

impl io::Write for Within<Vec<u8>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.take(bytes.len()) { self.out.write(bytes) } else { Err(io::ErrorKind::FileTooLarge.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// JSON in a line, with a space after commas and colons.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}
