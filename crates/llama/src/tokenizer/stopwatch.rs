//! How long a tokenizer may look for its patterns in a text.

use std::cell::Cell;
use std::time::{Duration, Instant};

use monotile::{Result, limits};

/// Bytes of text for which there is the time of the limit.
const BYTES: usize = 1 << 20;
/// How many short searches pass between two looks at the clock, where they are short indeed.
const SEARCHES: u32 = 16;
/// How long these may take; beyond, each search is followed by a look.
const OFTEN: Duration = Duration::from_millis(1);

/// The time that a text may take, from now on.
pub(super) struct Stopwatch {
    begun: Instant,
    most: Duration,
    bytes: usize,
    looks: Cell<Looks>,
}

/// When the clock is looked at again.
#[derive(Clone, Copy)]
struct Looks {
    last: Instant,
    every: u32,
    searches: u32,
}

impl Stopwatch {
    /// For a text of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self::with_seconds(bytes, limits::TOKENIZER_TIME.get())
    }

    /// With so many seconds for each mebibyte that the text has or begins.
    pub fn with_seconds(bytes: usize, seconds: u64) -> Self {
        let most = Duration::from_secs(seconds.saturating_mul(bytes.div_ceil(BYTES).max(1) as u64));
        let begun = Instant::now();
        Self { begun, most, bytes, looks: Cell::new(Looks { last: begun, every: 1, searches: 0 }) }
    }

    /// The time that is left.
    ///
    /// # Errors
    /// `Limit`, where it is over.
    pub fn left(&self) -> Result<Duration> {
        self.most.checked_sub(self.begun.elapsed()).ok_or_else(|| {
            let bytes = self.bytes;
            limits::TOKENIZER_TIME.refusal(format!("a tokenizer's patterns in a text of {bytes} bytes"), "more")
        })
    }

    /// Refuses a text whose time is over.
    ///
    /// # Errors
    /// As [`left`](Stopwatch::left).
    pub fn check(&self) -> Result<()> {
        self.left().map(drop)
    }

    /// Counts a search that may not take long, and [checks](Stopwatch::check) now and then: the more often, the longer they take.
    ///
    /// # Errors
    /// As [`left`](Stopwatch::left).
    #[inline]
    pub fn tick(&self) -> Result<()> {
        let mut looks = self.looks.get();
        looks.searches += 1;
        if looks.searches < looks.every {
            self.looks.set(looks);
            return Ok(());
        }
        self.look(looks.last, looks.every)
    }

    #[cold]
    fn look(&self, last: Instant, every: u32) -> Result<()> {
        let now = Instant::now();
        let every = if now.duration_since(last) < OFTEN { (2 * every).min(SEARCHES) } else { 1 };
        self.looks.set(Looks { last: now, every, searches: 0 });
        self.check()
    }
}
