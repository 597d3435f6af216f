//! What a GGUF file holds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use monotile::io::{GgufFile, GgufValue};
use monotile::text::printable;
use monotile_adapters::natural_order;
use serde_json::{Map, Value, json};

use crate::command_error::CommandError;
use crate::report::{self, Table, bytes, count, number, short};

/// Rows of the table of tensors, and values of an array.
const SHOWN: usize = 40;
const ITEMS: usize = 6;
/// Characters of a key's column, and of a value.
const WIDEST: usize = 48;
const CUT: usize = 96;

/// Whether a file is a GGUF one, by its name.
pub fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// Numbers and bytes of all tensors of one type.
#[derive(Default)]
struct Share {
    tensors: u64,
    numbers: u64,
    bytes: u64,
}

/// Opens a file and prints its keys, its types and its tensors.
pub fn print(path: &Path, as_json: bool, out: &mut dyn Write) -> Result<(), CommandError> {
    let file = GgufFile::open(path)?;
    let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
    for name in file.names() {
        let share = shares.entry(kind(&file, name)).or_default();
        share.tensors += 1;
        share.numbers += elements(&file, name);
        share.bytes += size(&file, name);
    }
    if as_json {
        return report::print_json(&object(&file, &shares), out);
    }
    let colour = report::coloured();
    let (numbers, all): (u64, u64) = shares.values().fold((0, 0), |(n, b), share| (n + share.numbers, b + share.bytes));
    writeln!(out, "{}", report::bold(&report::path(path), colour))?;
    let tensors = count(file.names().count() as u64);
    writeln!(out, "  GGUF version {}, {tensors} tensors of {} numbers, {}\n", file.version(), short(numbers as f64), bytes(all))?;

    let widest = file.entries().map(|(key, _)| key.chars().count()).max().unwrap_or(0).min(WIDEST);
    for (key, value) in file.entries() {
        writeln!(out, "  {:<widest$}  {}", printable(key).to_string(), cut(words(value)))?;
    }
    writeln!(out)?;

    let mut table = Table::new(&["type", "tensors", "numbers", "bytes", "bits a number"]);
    for (kind, share) in &shares {
        let bits = number(8.0 * share.bytes as f64 / share.numbers.max(1) as f64);
        table.row(vec![(*kind).into(), count(share.tensors), count(share.numbers), bytes(share.bytes), bits]);
    }
    writeln!(out, "{}", table.render(colour))?;

    let mut table = Table::new(&["tensor", "type", "shape", "bytes"]);
    for name in names(&file).into_iter().take(SHOWN) {
        let shape = file.shape(name).unwrap_or_default().iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
        table.row(vec![printable(name).to_string(), kind(&file, name).into(), shape, bytes(size(&file, name))]);
    }
    write!(out, "{}", table.render(colour))?;
    match file.names().count().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => Ok(writeln!(out, "  and {more} more; --json lists all")?),
    }
}

/// Names in the order that a person expects: block 2 before block 10.
fn names(file: &GgufFile) -> Vec<&str> {
    let mut names: Vec<&str> = file.names().collect();
    names.sort_by(|a, b| natural_order(a, b));
    names
}

fn kind(file: &GgufFile, name: &str) -> &'static str {
    file.stored(name).unwrap_or_default()
}

fn size(file: &GgufFile, name: &str) -> u64 {
    file.bytes(name).map_or(0, |bytes| bytes.len() as u64)
}

fn elements(file: &GgufFile, name: &str) -> u64 {
    file.shape(name).map_or(0, |shape| monotile_kernels::shape::count(shape) as u64)
}

/// The beginning of a long text.
fn cut(text: String) -> String {
    match text.char_indices().nth(CUT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// A value in one line.
fn words(value: &GgufValue) -> String {
    match value {
        GgufValue::String(text) => printable(text).to_string(),
        GgufValue::Bool(truth) => truth.to_string(),
        GgufValue::Array(array) => {
            let first: Vec<String> = array.iter().take(ITEMS).map(|item| words(&item)).collect();
            let more = if array.len() > ITEMS { ", …" } else { "" };
            format!("{} values: {}{more}", count(array.len() as u64), first.join(", "))
        }
        // f32 as the file has it, not the f64 beside it.
        GgufValue::F32(x) => x.to_string(),
        GgufValue::F64(x) => x.to_string(),
        integer => integer.as_u64().map_or_else(|| signed(integer), |n| n.to_string()),
    }
}

fn signed(value: &GgufValue) -> String {
    match value {
        GgufValue::I8(x) => x.to_string(),
        GgufValue::I16(x) => x.to_string(),
        GgufValue::I32(x) => x.to_string(),
        GgufValue::I64(x) => x.to_string(),
        _ => String::new(),
    }
}

fn object(file: &GgufFile, shares: &BTreeMap<&str, Share>) -> Value {
    let metadata: Map<String, Value> = file.entries().map(|(key, value)| (key.to_string(), plain(value))).collect();
    let tensors = file
        .names()
        .map(|name| json!({"name": name, "type": kind(file, name), "shape": file.shape(name), "bytes": size(file, name)}));
    let types = shares
        .iter()
        .map(|(kind, share)| json!({"type": kind, "tensors": share.tensors, "numbers": share.numbers, "bytes": share.bytes}));
    json!({
        "version": file.version(),
        "metadata": metadata,
        "types": types.collect::<Vec<_>>(),
        "tensors": tensors.collect::<Vec<_>>(),
    })
}

/// A value as JSON has it; arrays by their length and their first values.
fn plain(value: &GgufValue) -> Value {
    match value {
        GgufValue::String(text) => json!(text),
        GgufValue::Bool(truth) => json!(truth),
        GgufValue::F32(x) => json!(x),
        GgufValue::F64(x) => json!(x),
        GgufValue::I8(x) => json!(x),
        GgufValue::I16(x) => json!(x),
        GgufValue::I32(x) => json!(x),
        GgufValue::I64(x) => json!(x),
        GgufValue::Array(array) => {
            json!({"length": array.len(), "first": array.iter().take(ITEMS).map(|item| plain(&item)).collect::<Vec<_>>()})
        }
        unsigned => json!(unsigned.as_u64()),
    }
}
