//! What chat templates expect to find around them, as transformers provides it.

use std::io::Write;
use std::time::SystemTime;

use fancy_regex::Regex;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value, escape_formatter};
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
/// What a rendering may cost, in instructions and in 64 bytes of data: a long conversation takes some ten thousand.
const FUEL: u64 = 20_000_000;

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
        _ => escape_formatter(out, state, value),
    });
    environment.set_fuel(Some(FUEL));
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
fn to_json(value: &Value, indent: Option<usize>, options: Kwargs) -> Result<Value, Error> {
    let indent = indent.map_or_else(|| options.get::<Option<usize>>("indent"), |indent| Ok(Some(indent)))?;
    let refuse = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    options.get::<Option<bool>>("ensure_ascii")?;
    options.assert_all_used()?;
    let mut out = Vec::new();
    match indent {
        Some(indent) => {
            let spaces = " ".repeat(indent);
            let mut pretty = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(spaces.as_bytes()));
            value.serialize(&mut pretty).map_err(refuse)?;
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut out, Spaced)).map_err(refuse)?,
    }
    Ok(Value::from_safe_string(String::from_utf8_lossy(&out).into_owned()))
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
