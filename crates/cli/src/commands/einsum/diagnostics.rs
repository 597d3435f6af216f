//! A refused equation with its picture and the operands that it was given.

use monotile::text::printable;
use monotile::{Error, ErrorKind};

use crate::command_error::CommandError;

/// The failure that tells an error of an equation; operands are a name (empty where there is none) and a shape each.
pub fn explain(error: &Error, operands: &[(String, String)]) -> CommandError {
    let failure = CommandError::new(error.to_string());
    if error.notes().is_empty() {
        return failure;
    }
    let mut lines = vec![String::new()];
    lines.extend(error.picture().iter().map(|line| format!("    {line}")));
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
