//! How a command ends when it does not end well: a sentence, a hint, an exit status.

use std::fmt;
use std::io;
use std::process::ExitCode;

use monotile::text::{escaped, message_line};

/// Why a command stopped.
#[derive(Debug)]
pub enum CommandError {
    /// The command line asks for something that does not exist or does not fit together.
    Usage(String),
    /// Something went wrong: a sentence, and what to try, where that is known.
    Failed {
        /// One sentence, lower case, no final period.
        sentence: String,
        /// Lines under it that show where.
        picture: Vec<String>,
        /// What the user might do next.
        hint: Option<String>,
    },
    /// Whoever read standard output has gone; that is not an error.
    ReaderGone,
}

impl CommandError {
    /// A failure with this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self::Failed { sentence: sentence.into(), picture: Vec::new(), hint: None }
    }

    /// The same failure with a hint under it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Failed { sentence, picture, .. } => Self::Failed { sentence, picture, hint: Some(hint.into()) },
            other => other,
        }
    }

    /// The same failure with lines under it that show where.
    #[must_use]
    pub fn picture(self, picture: Vec<String>) -> Self {
        match self {
            Self::Failed { sentence, hint, .. } => Self::Failed { sentence, picture, hint },
            other => other,
        }
    }

    /// Prints what is to be said on standard error and gives the exit status.
    pub fn report(&self) -> ExitCode {
        if !matches!(self, Self::ReaderGone) {
            crate::progress::print(&self.to_string());
        }
        match self {
            Self::ReaderGone => ExitCode::SUCCESS,
            Self::Failed { .. } => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

/// What is printed: nothing in it acts on a terminal, and lines end only where they are meant to.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) => write!(f, "error: {}", message_line(sentence)),
            Self::Failed { sentence, picture, hint } => {
                write!(f, "error: {}", message_line(sentence))?;
                picture.iter().try_for_each(|line| write!(f, "\n{}", escaped(line)))?;
                hint.iter().try_for_each(|hint| write!(f, "\nhint: {}", message_line(hint)))
            }
            Self::ReaderGone => Ok(()),
        }
    }
}

impl From<monotile::Error> for CommandError {
    fn from(error: monotile::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error.kind() {
            monotile::ErrorKind::Limit => failure.hint("--limit NAME=VALUE raises a limit; SECURITY.md says what each is for"),
            monotile::ErrorKind::Busy => failure.hint("wait until that run has ended, or name another folder"),
            _ => failure,
        }
    }
}

/// Writing to standard output is the only place where a bare `io::Error` arises; files name their path.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::new(format!("standard output: {error} (writing)")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_failure_neither_act_nor_begin_lines() {
        let failure = CommandError::new("a\u{1b}[2J\nerror: b: odd").hint("name \u{202e}c\nd").picture(vec!["e\u{9b}\nf".into()]);
        let words = "error: a\\u{1b}[2J\\nerror: b: odd\ne\\u{9b}\\nf\nhint: name \\u{202e}c\\nd";
        assert_eq!(failure.to_string(), words);
        assert_eq!(CommandError::Usage("a\rb".into()).to_string(), "error: a\\rb");
    }
}
