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
    Printable { text, most: SHOWN, stays: is_plain }
}

/// A whole text with the same characters escaped as in [`printable`], but not cut: for messages that are made of such texts.
pub fn escaped(text: &str) -> Printable<'_> {
    Printable { text, most: usize::MAX, stays: is_plain }
}

/// A text to read, as a model wrote it: lines, tabs and what joins letters or pictures stay, other characters that act are escaped.
///
/// A text may be shown in parts: each character stands for itself.
///
/// # Example
/// ```
/// use monotile::text::prose;
/// assert_eq!(prose("two\nlines\u{1b}[2J\u{202e}").to_string(), "two\nlines\\u{1b}[2J\\u{202e}");
/// ```
pub fn prose(text: &str) -> Printable<'_> {
    Printable { text, most: usize::MAX, stays: |c| is_plain(c) || matches!(c, '\n' | '\t') || is_joiner(c) }
}

/// A message on one line, of which any part may come from a file: escaped as by [`escaped`], and long words lose their middle.
///
/// A word has at most [`SHOWN`] characters, the line ten times as many.
///
/// # Example
/// ```
/// use monotile::text::message_line;
/// let line = message_line(&format!("{}: no such\nfile", "x".repeat(500)));
/// assert!(line.ends_with("x: no such\\nfile") && line.chars().count() < 220);
/// ```
pub fn message_line(text: &str) -> String {
    let words = escaped(text).to_string();
    let words: Vec<String> = words.split(' ').map(|word| without_middle(word, SHOWN)).collect();
    without_middle(&words.join(" "), 10 * SHOWN)
}

/// A text of at most so many characters, the middle left out where it has more.
fn without_middle(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_string();
    }
    let end = most / 3;
    let begin = most - end - 1;
    text.chars().take(begin).chain(['…']).chain(text.chars().skip(count - end)).collect()
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
    /// Which characters are shown as they are.
    stays: fn(char) -> bool,
}

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.text.chars();
        for c in chars.by_ref().take(self.most) {
            if (self.stays)(c) { f.write_char(c)? } else { write!(f, "{}", c.escape_debug())? }
        }
        if chars.next().is_some() { f.write_char('…') } else { Ok(()) }
    }
}

/// Whether a character stands where it is printed and does nothing else.
pub fn is_plain(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !turns && !matches!(c, '\u{e0000}'..='\u{e007f}')
}

/// Whether a character joins or parts its neighbours, in emoji and in several scripts, and turns nothing.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0020}'..='\u{e007f}')
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

    #[test]
    fn every_character_is_plain_or_escaped_by_plain_ones() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| !is_plain(*c)) {
            let shown = escaped(c.encode_utf8(&mut [0; 4])).to_string();
            assert!(shown.starts_with('\\') && shown.chars().all(is_plain), "{shown:?}");
        }
    }

    #[test]
    fn prose_keeps_its_lines_and_its_emoji() {
        let text = "a\n\tb 👩\u{200d}👩\u{200d}👧 می\u{200c}خواهم 🏴\u{e0067}\u{e0062}\u{e007f}";
        assert_eq!(prose(text).to_string(), text);
        for c in ['\r', '\u{1b}', '\u{8}', '\u{7f}', '\u{9b}', '\u{61c}', '\u{200e}', '\u{202a}', '\u{2028}', '\u{2069}'] {
            assert!(prose(&c.to_string()).to_string().starts_with('\\'), "{c:?}");
        }
    }

    #[test]
    fn a_line_of_a_message_is_bounded_and_stays_as_it_is_shown_again() {
        let short = "a/b.npy: is a vector of 3; svd takes matrices";
        assert_eq!(message_line(short), short);
        for long in ["x".repeat(3000), "x y".repeat(3000), "\u{1b}".repeat(3000), "é ".repeat(199)] {
            let line = message_line(&long);
            assert!(line.chars().count() <= 10 * SHOWN && line.chars().all(is_plain), "{line}");
            assert_eq!(message_line(&line), line);
        }
    }
}
