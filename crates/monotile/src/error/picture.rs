//! A refused text as a compiler shows it: the text, marks under the places at fault, what is wrong at each.

use super::ErrorNote;

/// The text, a line of carets, and the notes: the last one beside its caret, the others on lines of their own, each
/// hanging from its place.
pub(super) fn lines(text: &str, notes: &[ErrorNote]) -> Vec<String> {
    if notes.is_empty() {
        return Vec::new();
    }
    let mut carets = String::new();
    for note in notes {
        let (start, length) = (note.at.start, note.at.len().max(1));
        let gap = start.saturating_sub(carets.chars().count());
        carets.push_str(&" ".repeat(gap));
        carets.push_str(&"^".repeat(length));
    }
    if let [note] = notes {
        return vec![text.to_string(), format!("{carets} {}", note.text)];
    }
    let mut lines = vec![text.to_string(), carets];
    for (k, note) in notes.iter().enumerate().rev() {
        let mut line = String::new();
        for before in &notes[..k] {
            line.push_str(&" ".repeat(before.at.start.saturating_sub(line.chars().count())));
            line.push('|');
        }
        line.push_str(&" ".repeat(note.at.start.saturating_sub(line.chars().count())));
        lines.push(line + &note.text);
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::einsum::Einsum;

    fn shown(equation: &str, shapes: &[&[usize]]) -> Vec<String> {
        Einsum::new(equation).and_then(|e| e.compile(shapes)).unwrap_err().picture()
    }

    #[test]
    fn one_note_stands_beside_its_mark() {
        assert_eq!(shown("i%,jk->ik", &[]), ["i%,jk->ik", " ^ labels are letters"]);
        assert_eq!(shown("ij,...jk->i", &[&[2, 3], &[3]]), ["ij,...jk->i", "   ^^^^^ 2 labels for 1 dimension"]);
        assert_eq!(shown("ij,->ij", &[&[2, 3], &[3]]), ["ij,->ij", "   ^ 0 labels for 1 dimension"]);
    }

    #[test]
    fn several_notes_hang_from_their_places() {
        let expected = ["ij,jk->ik", " ^ ^", " | 4 in operand 1", " 3 in operand 0"];
        assert_eq!(shown("ij,jk->ik", &[&[2, 3], &[4, 5]]), expected);
        let expected = ["é...j...", " ^^^ ^^^", " |   the second", " the first of operand 0"];
        assert_eq!(shown("é...j...", &[]), expected);
    }
}
