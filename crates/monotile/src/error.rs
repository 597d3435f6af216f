//! What can go wrong, as one opaque type with a kind and a sentence.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use monotile_kernels::buffer::OutOfMemory;

use crate::text::{escaped, is_plain};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal or a failure: a [kind](Error::kind) for programs and one sentence for people.
///
/// The sentence begins with the operation as the caller typed it (or the path of a file), names the values that
/// do not fit and says what would.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    kind: ErrorKind,
    message: String,
    notes: Vec<ErrorNote>,
}

/// A place in the text that an error is about, an equation say, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorNote {
    /// Which characters, counted from 0.
    pub at: Range<usize>,
    /// A few words.
    pub text: String,
}

impl ErrorNote {
    pub(crate) fn new(at: Range<usize>, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }
}

/// What sort of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes, ranks or axes that do not fit.
    Shape,
    /// An element type that the operation does not take.
    Dtype,
    /// A value outside its range: an index, an option, a count.
    Value,
    /// An einsum equation that cannot be read or does not fit its operands.
    Equation,
    /// A matrix that should be positive definite is not.
    NotPositiveDefinite,
    /// A matrix that should have an inverse has none.
    Singular,
    /// An iteration ended without an answer.
    NotConverged,
    /// A file whose content is malformed.
    Format,
    /// The operating system refused: a file that is missing, unreadable, or a full disk.
    Io,
    /// Well-formed, but nothing here computes it.
    Unsupported,
    /// Another process is at it.
    Busy,
    /// More than one of the [limits](crate::limits) takes.
    Limit,
    /// More memory than there is.
    Memory,
}

impl Error {
    /// An error of this kind with this sentence: lower case, no final period. Control characters in it are escaped: names and
    /// values may come from anywhere.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = if message.chars().all(is_plain) { message } else { escaped(&message).to_string() };
        Self(Box::new(Inner { kind, message, notes: Vec::new() }))
    }

    /// Shapes, ranks or axes that do not fit.
    pub fn shape(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Shape, message)
    }

    /// An element type that the operation does not take.
    pub fn dtype(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Dtype, message)
    }

    /// A value outside its range.
    pub fn value(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Value, message)
    }

    /// A malformed file: `path: what is wrong`.
    pub fn format(path: &Path, what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Format, format!("{}: {what}", path.display()))
    }

    /// A refusal of the operating system while `action` (`reading`, `writing`) was done to `path`.
    pub fn io(action: &str, path: &Path, source: &std::io::Error) -> Self {
        let why = match source.kind() {
            std::io::ErrorKind::NotFound => "no such file or folder".to_string(),
            _ => source.to_string(),
        };
        Self::new(ErrorKind::Io, format!("{}: {why} ({action})", path.display()))
    }

    /// Memory that cannot be had: `subject: needs {bytes} bytes of memory, which cannot be had`.
    pub fn memory(subject: impl fmt::Display, bytes: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Memory, format!("{subject}: needs {bytes} bytes of memory, which cannot be had"))
    }

    /// What sort of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The places in the caller's text that are at fault, from left to right; none where the fault is elsewhere.
    ///
    /// # Example
    /// ```
    /// use monotile::einsum::Einsum;
    /// let error = Einsum::new("ij,jk->il").unwrap_err();
    /// assert_eq!(error.to_string(), "einsum \"ij,jk->il\": label l of the output is in no operand");
    /// assert_eq!((error.notes()[0].at.clone(), error.notes()[0].text.as_str()), (8..9, "in no operand"));
    /// ```
    pub fn notes(&self) -> &[ErrorNote] {
        &self.0.notes
    }

    pub(crate) fn with_notes(mut self, mut notes: Vec<ErrorNote>) -> Self {
        notes.sort_by_key(|n| n.at.start);
        self.0.notes = notes;
        self
    }

    /// The same error with `context: ` before its sentence, for a public door that knows more than the code inside.
    #[must_use]
    pub fn with_context(self, context: impl fmt::Display) -> Self {
        Self::new(self.0.kind, format!("{context}: {}", self.0.message)).with_notes(self.0.notes)
    }
}

impl From<OutOfMemory> for Error {
    fn from(OutOfMemory { bytes }: OutOfMemory) -> Self {
        Self::new(ErrorKind::Memory, format!("a kernel needs {bytes} bytes of memory to work in, which cannot be had"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}
