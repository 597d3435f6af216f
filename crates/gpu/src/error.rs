//! Why a device refuses or fails, in sentences.

use std::fmt;

/// What kind of failure a [`GpuError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuErrorKind {
    /// There is no adapter, or none of that name.
    NoAdapter,
    /// The adapter cannot do this.
    Unsupported,
    /// More than the device allows of something.
    Limit,
    /// The device has no more memory.
    Memory,
    /// The device is gone: unplugged, reset, or its driver ended.
    Lost,
    /// Arguments that do not fit one another, or a text that is no shader.
    Invalid,
}

/// A failure: its kind and one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuError {
    /// What kind of failure it is.
    pub kind: GpuErrorKind,
    /// One sentence.
    pub message: String,
}

/// What functions of this crate return.
pub type GpuResult<T> = std::result::Result<T, GpuError>;

impl GpuError {
    pub(crate) fn new(kind: GpuErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, message: message.to_string().split_whitespace().collect::<Vec<_>>().join(" ") }
    }

    pub(crate) fn invalid(message: impl fmt::Display) -> Self {
        Self::new(GpuErrorKind::Invalid, message)
    }

    pub(crate) fn limit(message: impl fmt::Display) -> Self {
        Self::new(GpuErrorKind::Limit, message)
    }
}

impl fmt::Display for GpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for GpuError {}
