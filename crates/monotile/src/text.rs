//! Text from outside, as it may be shown: nothing in it moves a cursor or turns the direction of writing.

use std::fmt::{self, Write};

/// The most characters that are shown of one text.
pub const SHOWN: usize = 200;

/// A text of unknown origin for a message: control characters and those that change the direction of writing are escaped,
/// and after [`SHOWN`] characters it is cut.
///
/// # Example
/// ```
/// use monotile::text::printable;
/// assert_eq!(printable("red\u{1b}[31m\r\u{202e}").to_string(), "red\\u{1b}[31m\\r\\u{202e}");
/// assert_eq!(printable(&"x".repeat(500)).to_string().chars().count(), 201);
/// ```
pub fn printable(text: &str) -> Printable<'_> {
    Printable { text, most: SHOWN }
}

/// A whole text with the same characters escaped as in [`printable`], but not cut: for messages that are made of such texts.
pub fn escaped(text: &str) -> Printable<'_> {
    Printable { text, most: usize::MAX }
}

/// What a parser of JSON says, which may quote a whole text: as [`printable`], and the place, which it says last, stays.
///
/// # Example
/// ```
/// use monotile::text::parser_report;
/// let long = format!("invalid type: string {:?}, expected a number at line 3 column 9", "x".repeat(500));
/// let report = parser_report(&long);
/// assert!(report.chars().count() < 230 && report.ends_with("… at line 3 column 9"));
/// ```
pub fn parser_report(report: &dyn fmt::Display) -> String {
    let text = report.to_string();
    match text.rfind(" at line ") {
        Some(at) if text.len() - at <= 60 => format!("{}{}", printable(&text[..at]), printable(&text[at..])),
        _ => printable(&text).to_string(),
    }
}

/// Shows a text; see [`printable`].
#[derive(Debug, Clone, Copy)]
pub struct Printable<'a> {
    text: &'a str,
    most: usize,
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.text.chars();
        for c in chars.by_ref().take(self.most) {
            if is_plain(c) { f.write_char(c)? } else { write!(f, "{}", c.escape_debug())? }
        }
        if chars.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Whether a character stands where it is printed and does nothing else.
pub fn is_plain(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !turns && !matches!(c, '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_or_turns_the_line_is_escaped_and_scripts_stay() {
        for c in ['\u{0}', '\u{7}', '\u{8}', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{200f}', '\u{2066}', '\u{feff}']
        {
            let shown = printable(&c.to_string()).to_string();
            assert!(shown.starts_with('\\') && shown.chars().all(is_plain), "{shown:?}");
        }
        for text in ["Größe", "عربى", "हिन्दी", "日本語", "🦊", "e\u{301}"] {
            assert_eq!(printable(text).to_string(), text);
        }
        assert_eq!(printable("ab").to_string(), "ab");
        assert_eq!(escaped(&"é".repeat(300)).to_string().chars().count(), 300);
    }
}
