//! What a person reads in a terminal: aligned tables and numbers with units.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::Path;

use monotile::text::{is_plain, printable};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::command_error::CommandError;

/// Whether standard output takes colour: a terminal that is not dumb, and no `NO_COLOR`.
pub fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    std::io::stdout().is_terminal() && !refused && !dumb
}

/// The text in bold where `colour` allows it.
pub fn bold(text: &str, colour: bool) -> String {
    if colour { format!("\x1b[1m{text}\x1b[0m") } else { text.to_string() }
}

/// A path as it may be shown.
pub fn path(path: &Path) -> String {
    printable(&path.to_string_lossy()).to_string()
}

/// Prints a line of JSON in which characters that act on a terminal are escaped; a parser reads the same texts.
pub fn print_json(value: &impl Serialize, out: &mut dyn io::Write) -> Result<(), CommandError> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut line, PlainJson)).map_err(io::Error::from)?;
    line.push(b'\n');
    Ok(out.write_all(&line)?)
}

/// Compact JSON whose texts are plain.
struct PlainJson;

impl Formatter for PlainJson {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, odd)) = rest.char_indices().find(|(_, c)| !is_plain(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            odd.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?;
            rest = &rest[at + odd.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// Rows under a header: the first column aligned left, the others right. Cells may hold any text: it is shown by [`printable`].
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these column titles.
    pub fn new(header: &[&str]) -> Self {
        Self { rows: vec![header.iter().map(ToString::to_string).collect()] }
    }

    /// Adds a row; cells that are missing stay empty.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| printable(cell).to_string()).collect());
    }

    /// The table as lines of text, the header in bold where `colour` allows it.
    pub fn render(&self, colour: bool) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| self.rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (i, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (c, &w) in widths.iter().enumerate() {
                let cell = row.get(c).map_or("", String::as_str);
                // Writing to a String cannot fail.
                let _ = if c == 0 { write!(line, "{cell:<w$}") } else { write!(line, "  {cell:>w$}") };
            }
            text.push_str(&bold(line.trim_end(), colour && i == 0));
            text.push('\n');
        }
        text
    }
}

/// A count with its thousands set apart: `131,072`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(d);
    }
    text
}

/// A large number in a few characters: `950`, `3.7 M`, `1.2 G`.
pub fn short(n: f64) -> String {
    for (unit, size) in [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)] {
        if n.abs() >= 0.9995 * size {
            return format!("{} {unit}", digits(n / size));
        }
    }
    digits(n)
}

/// Five significant digits, with a power of ten only where it is far from 1: `2.5000`, `1813.2`, `3.1416e-7`.
pub fn number(x: f64) -> String {
    match x.abs() {
        a if a == 0.0 || !a.is_finite() => format!("{x}"),
        a if (1e-3..99_999.5).contains(&a) => {
            // Rounded first: 9.99999 has five digits as 10.000.
            let size = format!("{a:.4e}").split_once('e').and_then(|(_, size)| size.parse().ok()).unwrap_or(0_i32);
            format!("{x:.*}", usize::try_from(4 - size).unwrap_or(0))
        }
        _ => format!("{x:.4e}"),
    }
}

/// A duration given in seconds: `1.52 µs`, `3.10 ms`, `2.45 s`, `3 min 05 s`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "–".to_string(),
        s if s >= 120.0 => format!("{} min {:02} s", (s / 60.0) as u64, (s % 60.0) as u64),
        s if s >= 1.0 => format!("{} s", digits(s)),
        s if s >= 1e-3 => format!("{} ms", digits(s * 1e3)),
        s => format!("{} µs", digits(s * 1e6)),
    }
}

/// A size in memory: `512 B`, `3.50 MiB`.
pub fn bytes(n: u64) -> String {
    for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
        if n >= 1 << shift {
            return format!("{} {unit}", digits(n as f64 / (1u64 << shift) as f64));
        }
    }
    format!("{n} B")
}

/// Three significant digits without an exponent: `0.123`, `12.3`, `123`.
fn digits(x: f64) -> String {
    match x.abs() {
        a if a >= 99.95 || (a >= 10.0 && x.fract() == 0.0) => format!("{x:.0}"),
        a if a >= 9.995 => format!("{x:.1}"),
        _ if x.fract() == 0.0 => format!("{x:.0}"),
        _ => format!("{x:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_no_line_ends_in_blanks() {
        let mut table = Table::new(&["case", "time"]);
        table.row(vec!["f32 64".into(), "1.5 ms".into()]);
        table.row(vec!["longer case".into(), "12 ms".into()]);
        table.row(vec!["no time".into()]);
        assert_eq!(table.render(false), "case           time\nf32 64       1.5 ms\nlonger case   12 ms\nno time\n");
    }

    #[test]
    fn cells_hold_any_text_and_columns_are_as_wide_as_what_is_shown() {
        let mut table = Table::new(&["name", "n"]);
        table.row(vec!["a\u{1b}[2J\n".into(), "1".into()]);
        table.row(vec!["b".into(), "22".into()]);
        assert_eq!(table.render(false), "name           n\na\\u{1b}[2J\\n   1\nb             22\n");
        let mut table = Table::new(&["name"]);
        table.row(vec!["x".repeat(3000)]);
        assert_eq!(table.render(false).lines().nth(1).unwrap().chars().count(), 201);
    }

    #[test]
    fn json_is_plain_and_reads_back_to_the_same() {
        let text = "a\u{1b}\u{7f}\u{9b}31m\n\"\\ \u{202e}\u{61c}\u{2066}é🦊\u{e0041}";
        let mut line = Vec::new();
        print_json(&serde_json::json!({text: [text]}), &mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert!(line.trim_end_matches('\n').chars().all(is_plain) && line.contains("\\u202e") && line.contains("é🦊"), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), serde_json::json!({text: [text]}));
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            [2.5, 1813.2, 9.999_999, 0.001_234_56, 99_999.9, -3.141_592_7e-7, 0.0].map(number),
            ["2.5000", "1813.2", "10.000", "0.0012346", "1.0000e5", "-3.1416e-7", "0"].map(String::from)
        );
        assert_eq!([count(0), count(999), count(131_072), count(16_777_216)], ["0", "999", "131,072", "16,777,216"]);
        assert_eq!(
            [short(950.0), short(3_700_000.0), short(999_700.0), short(16_800_000.0)],
            ["950", "3.70 M", "1.00 M", "16.8 M"]
        );
        assert_eq!(
            [duration(1.52e-6), duration(3.1e-3), duration(2.449), duration(185.0)],
            ["1.52 µs", "3.10 ms", "2.45 s", "3 min 05 s"]
        );
        assert_eq!([bytes(512), bytes(3_670_016), bytes(2 << 30)], ["512 B", "3.50 MiB", "2 GiB"]);
    }
}
