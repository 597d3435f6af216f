//! How long a tokenizer may look for its patterns in a text.

use std::cell::Cell;
use std::time::{Duration, Instant};

use monotile::{Result, limits};

/// Bytes of text for which there is the time of the limit.
const BYTES: usize = 1 << 20;
/// How many matches of an automaton pass between two looks at the clock.
const MATCHES: u32 = 64;

/// The time that a text may take, from now on.
pub(super) struct Stopwatch {
    begun: Instant,
    most: Duration,
    bytes: usize,
    matches: Cell<u32>,
}

impl Stopwatch {
    /// For a text of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self::with_seconds(bytes, limits::TOKENIZER_TIME.get())
    }

    /// With so many seconds for each mebibyte that the text has or begins.
    pub fn with_seconds(bytes: usize, seconds: u64) -> Self {
        let most = Duration::from_secs(seconds.saturating_mul(bytes.div_ceil(BYTES).max(1) as u64));
        Self { begun: Instant::now(), most, bytes, matches: Cell::new(0) }
    }

    /// Refuses a text whose time is over.
    ///
    /// # Errors
    /// `Limit`.
    pub fn check(&self) -> Result<()> {
        if self.begun.elapsed() <= self.most {
            return Ok(());
        }
        let bytes = self.bytes;
        Err(limits::TOKENIZER_TIME.refusal(format!("a tokenizer's patterns in a text of {bytes} bytes"), "more"))
    }

    /// Counts a match that was quick to find, and [checks](Stopwatch::check) now and then.
    ///
    /// # Errors
    /// As [`check`](Stopwatch::check).
    #[inline]
    pub fn tick(&self) -> Result<()> {
        let matches = self.matches.get().wrapping_add(1);
        self.matches.set(matches);
        if matches.is_multiple_of(MATCHES) { self.check() } else { Ok(()) }
    }
}
