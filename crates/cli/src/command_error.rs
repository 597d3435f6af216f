//! How a command ends when it does not end well: a sentence, a hint, an exit status.

use std::fmt;
use std::io;
use std::process::ExitCode;

/// Why a command stopped.
#[derive(Debug)]
pub enum CommandError {
    /// The command line asks for something that does not exist or does not fit together.
    Usage(String),
    /// Something went wrong: a sentence, and what to try, where that is known.
    Failed {
        /// One sentence, lower case, no final period.
        sentence: String,
        /// What the user might do next.
        hint: Option<String>,
    },
    /// Whoever read standard output has gone; that is not an error.
    ReaderGone,
}

impl CommandError {
    /// A failure with this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self::Failed { sentence: sentence.into(), hint: None }
    }

    /// The same failure with a hint under it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Failed { sentence, .. } => Self::Failed { sentence, hint: Some(hint.into()) },
            other => other,
        }
    }

    /// Prints what is to be said on standard error and gives the exit status.
    pub fn report(&self) -> ExitCode {
        if !matches!(self, Self::ReaderGone) {
            crate::progress::say(&self.to_string());
        }
        match self {
            Self::ReaderGone => ExitCode::SUCCESS,
            Self::Failed { .. } => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(sentence) => write!(f, "error: {sentence}"),
            Self::Failed { sentence, hint: None } => write!(f, "error: {sentence}"),
            Self::Failed { sentence, hint: Some(hint) } => write!(f, "error: {sentence}\nhint: {hint}"),
            Self::ReaderGone => Ok(()),
        }
    }
}

impl From<monotile::Error> for CommandError {
    fn from(error: monotile::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error.kind() {
            monotile::ErrorKind::Limit => failure.hint("--limit NAME=VALUE raises a limit; SECURITY.md says what each is for"),
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
