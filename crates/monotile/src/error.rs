//! What can go wrong, as one opaque type with a kind and a sentence.

mod picture;

use std::fmt;
use std::ops::Range;
use std::panic::Location;
use std::path::Path;

use monotile_kernels::buffer::OutOfMemory;

use crate::text::{escaped, is_plain};

/// The result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal or a failure: a [kind](Error::kind) for programs and one sentence for people.
///
/// The sentence begins with the operation as the caller typed it (or the path of a file), names the values that
/// do not fit and says what would. `{}` prints it alone. `{:#}` adds a [picture](Error::picture) of the text at fault, if there is one, and
/// the [place](Error::place) of the call. `{:?}`, which `unwrap` and `main` print, adds the place.
///
/// Two errors are equal if they say the same, wherever they were made.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// let a = Tensor::from_rows(&[[1.0_f32, 2.0]])?;
/// let line = line!() + 1;
/// let error = a.matmul(&a).err().unwrap();
/// assert_eq!(error.to_string(), "matmul: shapes [1, 2] and [1, 2]: the inner sizes 2 and 1 differ");
/// assert_eq!((error.place().file(), error.place().line()), (file!(), line));
/// assert!(format!("{error:#}").ends_with(&format!("\n  at {}", error.place())));
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    notes: Vec<ErrorNote>,
    /// What the notes point into.
    text: String,
    place: &'static Location<'static>,
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        let said = |e: &Self| (e.0.kind, e.0.message.clone(), e.0.notes.clone());
        said(self) == said(other)
    }
}

impl Eq for Error {}

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
    #[track_caller]
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
    ///
    /// Its [place](Error::place) is where the calling function was called, if that is `#[track_caller]`, else the line of this call.
    #[track_caller]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = plain(message.into());
        Self(Box::new(Inner { kind, message, notes: Vec::new(), text: String::new(), place: Location::caller() }))
    }

    /// Shapes, ranks or axes that do not fit.
    #[track_caller]
    pub fn shape(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Shape, message)
    }

    /// An element type that the operation does not take.
    #[track_caller]
    pub fn dtype(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Dtype, message)
    }

    /// A value outside its range.
    #[track_caller]
    pub fn value(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Value, message)
    }

    /// A malformed file: `path: what is wrong`.
    #[track_caller]
    pub fn format(path: &Path, what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Format, format!("{}: {what}", path.display()))
    }

    /// A refusal of the operating system while `action` (`reading`, `writing`) was done to `path`.
    #[track_caller]
    pub fn io(action: &str, path: &Path, source: &std::io::Error) -> Self {
        let why = match source.kind() {
            std::io::ErrorKind::NotFound => "no such file or folder".to_string(),
            _ => source.to_string(),
        };
        Self::new(ErrorKind::Io, format!("{}: {why} ({action})", path.display()))
    }

    /// Memory that cannot be had: `subject: needs {bytes} bytes of memory, which cannot be had`.
    #[track_caller]
    pub fn memory(subject: impl fmt::Display, bytes: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Memory, format!("{subject}: needs {bytes} bytes of memory, which cannot be had"))
    }

    /// What sort of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that refused, as the caller typed it: what the sentence begins with. `None` for an error about a file.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let x = Tensor::zeros([2, 3], DType::F32)?;
    /// assert_eq!(x.matmul(&x).err().unwrap().operation(), Some("matmul"));
    /// assert_eq!(Tensor::read_npy("absent.npy").err().unwrap().operation(), None);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn operation(&self) -> Option<&str> {
        let end = self.0.message.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let (name, rest) = self.0.message.split_at(end);
        let names_one = !name.is_empty() && (rest.starts_with(": ") || rest.starts_with(" \""));
        (names_one && !matches!(self.0.kind, ErrorKind::Format | ErrorKind::Io)).then_some(name)
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

    /// The line of the program whose call failed.
    ///
    /// It is the caller's own line. Where an operation goes through a callback or a rule of the tape, it may be a line of this library.
    pub fn place(&self) -> &'static Location<'static> {
        self.0.place
    }

    /// The same error, made elsewhere: `Location::caller()` of a `#[track_caller]` function that wraps an operation.
    #[must_use]
    pub fn with_place(mut self, place: &'static Location<'static>) -> Self {
        self.0.place = place;
        self
    }

    /// The text at fault with marks under the places of the [notes](Error::notes), line by line; empty where there is no note.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor, einsum};
    /// let (a, b) = (Tensor::zeros(&[2, 3], DType::F32)?, Tensor::zeros(&[4, 5], DType::F32)?);
    /// let error = einsum("ij,jk->ik", &[&a, &b]).err().unwrap();
    /// assert_eq!(error.picture(), ["ij,jk->ik", " ^ ^", " | 4 in operand 1", " 3 in operand 0"]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn picture(&self) -> Vec<String> {
        picture::lines(&self.0.text, &self.0.notes)
    }

    /// With these places in `text`.
    #[track_caller]
    pub(crate) fn with_notes(mut self, text: &str, mut notes: Vec<ErrorNote>) -> Self {
        notes.sort_by_key(|n| n.at.start);
        self.0.notes = notes;
        self.0.text = text.to_string();
        self
    }

    /// The same error with `context: ` before its sentence, for a public door that knows more than the code inside.
    #[must_use]
    #[track_caller]
    pub fn with_context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = plain(format!("{context}: {}", self.0.message));
        self
    }

    /// The same error in other words.
    #[must_use]
    #[track_caller]
    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = plain(message.into());
        self
    }
}

/// A message whose control characters are escaped.
fn plain(message: String) -> String {
    if message.chars().all(is_plain) { message } else { escaped(&message).to_string() }
}

/// Gives an error the place of the caller: after closures, which `#[track_caller]` does not see through.
pub(crate) trait Placed {
    /// This result; its error is made where the calling `#[track_caller]` function was called.
    fn placed(self) -> Self;
}

impl<T> Placed for Result<T> {
    #[track_caller]
    fn placed(self) -> Self {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(error.with_place(Location::caller())),
        }
    }
}

impl From<OutOfMemory> for Error {
    #[track_caller]
    fn from(OutOfMemory { bytes }: OutOfMemory) -> Self {
        Self::new(ErrorKind::Memory, format!("a kernel needs {bytes} bytes of memory to work in, which cannot be had"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if f.alternate() {
            self.picture().iter().try_for_each(|line| write!(f, "\n    {}", escaped(line)))?;
            write!(f, "\n  at {}", self.0.place)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} (at {})", self.0.kind, self.0.message, self.0.place)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;
    use std::panic::{RefUnwindSafe, UnwindSafe};

    #[test]
    fn an_error_names_the_line_of_the_call() {
        let a = Tensor::arange(6).unwrap();
        let calls: [fn(&Tensor) -> Result<Tensor>; 9] = [
            |a| a.reshape(&[4]),
            |a| a.add(Tensor::arange(4)?),
            |a| a.select(0, 9),
            |a| crate::einsum("ij->i", &[a]),
            |a| crate::linalg::inv(a),
            |a| Tensor::from_slice(&[1.0], &[a.len()]),
            // More memory than a processor addresses.
            |_| Tensor::arange(1 << 50),
            |_| crate::Rng::new(0).uniform(&[1 << 50], 0.0, 1.0, crate::DType::F64),
            |_| Tensor::scalar(1.0).expand(&[1_usize << 50]).unwrap().neg(),
        ];
        let first = line!() - 11;
        for (k, call) in calls.iter().enumerate() {
            let error = call(&a).err().unwrap();
            // The comment is a line of its own.
            let line = first + k as u32 + u32::from(k >= 6);
            assert_eq!((error.place().file(), error.place().line()), (file!(), line), "{error}");
        }
    }

    #[test]
    fn the_long_form_draws_the_equation_and_tells_the_place() {
        let error = crate::einsum("i%->i", &[&Tensor::arange(2).unwrap()]).err().unwrap().with_context("layer 3");
        let expected = format!(
            "layer 3: {}\n    i%->i\n     ^ labels are letters\n  at {}",
            "einsum \"i%->i\": '%' at position 1 is no label; labels are letters",
            error.place()
        );
        assert_eq!(format!("{error:#}"), expected);
        assert_eq!(error, error.clone().with_place(Location::caller()));
    }

    #[test]
    fn errors_and_tensors_cross_a_caught_panic() {
        fn safe<T: UnwindSafe + RefUnwindSafe>() {}
        safe::<Error>();
        safe::<Tensor>();
    }
}
