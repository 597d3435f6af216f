//! A refused equation as a compiler shows it: the text, marks under the places at fault, what is wrong at each.

use monotile::text::printable;
use monotile::{Error, ErrorKind, ErrorNote};

use crate::command_error::CommandError;

/// The failure that tells an error of this equation; operands are a name (empty where there is none) and a shape each.
pub fn explain(error: &Error, equation: &str, operands: &[(String, String)]) -> CommandError {
    let failure = CommandError::new(error.to_string());
    if error.notes().is_empty() {
        return failure;
    }
    let mut lines = vec![String::new()];
    lines.extend(picture(equation, error.notes()).iter().map(|line| format!("    {line}")));
    if error.kind() == ErrorKind::Equation && !operands.is_empty() {
        let names: Vec<String> = operands.iter().map(|(name, _)| printable(name).to_string()).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        lines.push(String::new());
        for (k, (name, (_, shape))) in names.iter().zip(operands).enumerate() {
            let name = if width > 0 { format!("{name:<width$}  ") } else { String::new() };
            lines.push(format!("    operand {k}  {name}{shape}"));
        }
    }
    failure.picture(lines)
}

/// The equation, a line of carets, and the notes: the last one beside its caret, the others on lines of their own, each
/// hanging from its place.
fn picture(equation: &str, notes: &[ErrorNote]) -> Vec<String> {
    let mut carets = String::new();
    for note in notes {
        let (start, length) = (note.at.start, note.at.len().max(1));
        let gap = start.saturating_sub(carets.chars().count());
        carets.push_str(&" ".repeat(gap));
        carets.push_str(&"^".repeat(length));
    }
    if let [note] = notes {
        return vec![equation.to_string(), format!("{carets} {}", note.text)];
    }
    let mut lines = vec![equation.to_string(), carets];
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
    use super::*;
    use monotile::einsum::Einsum;

    fn shown(equation: &str, shapes: &[&[usize]]) -> Vec<String> {
        let error = Einsum::new(equation).and_then(|e| e.compile(shapes)).unwrap_err();
        picture(equation, error.notes())
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
