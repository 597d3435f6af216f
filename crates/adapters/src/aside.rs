//! Searches by the expressions of strangers, on a thread that their caller can leave.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use fancy_regex::Expr;
use monotile::{Error, Result};

/// How many finds are told at once.
const BATCH: usize = 1024;
/// How many batches may wait to be taken.
const WAITING: usize = 4;
/// Positions of an automaton times bytes of a text that are searched without a look at the clock: some tenths of a second at worst.
const AUTOMATON: u64 = 1 << 21;
/// Positions of an expression that looks around times the square of a text's bytes, likewise: each place may look at all others.
const BACKTRACKING: u64 = 1 << 24;

/// Searches on a thread of its own, and tells `found` here of what it finds, in order.
///
/// Nothing interrupts a search by a library of expressions. `left` says how long this one may still take. Where it says so by an error,
/// the thread is left at work: it ends with its search, or with the process. It holds what `search` holds until then.
///
/// # Errors
/// Those of `left`, `search` and `found`; `Io`, where the system gives no thread.
///
/// # Example
/// ```
/// use std::time::{Duration, Instant};
/// let until = Instant::now() + Duration::from_secs(10);
/// let left = || until.checked_duration_since(Instant::now()).ok_or_else(|| monotile::Error::value("it takes too long"));
/// let mut squares = Vec::new();
/// monotile_adapters::search_aside(&left, |tell| (1..4).try_for_each(|n| tell(n * n)), &mut |n| Ok(squares.push(n)))?;
/// assert_eq!(squares, [1, 4, 9]);
/// # Ok::<(), monotile::Error>(())
/// ```
pub fn search_aside<T: Send + 'static>(
    left: &dyn Fn() -> Result<Duration>,
    search: impl FnOnce(&mut dyn FnMut(T) -> Result<()>) -> Result<()> + Send + 'static,
    found: &mut dyn FnMut(T) -> Result<()>,
) -> Result<()> {
    let (send, receive) = sync_channel(WAITING);
    let work = move || {
        let mut batch = Vec::new();
        let searched = search(&mut |item| {
            batch.push(item);
            if batch.len() < BATCH { Ok(()) } else { tell(&send, &mut batch) }
        });
        // What was found before a failure is told before it.
        tell(&send, &mut batch).and(searched)
    };
    let started = thread::Builder::new().name("search".into()).spawn(work);
    let worker = started.map_err(|e| Error::new(monotile::ErrorKind::Io, format!("a thread for a search: {e}")))?;
    loop {
        match receive.recv_timeout(left()?) {
            Ok(batch) => batch.into_iter().try_for_each(&mut *found)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        }
    }
}

/// Hands a batch over; an error where nobody waits for it any more.
fn tell<T>(send: &SyncSender<Vec<T>>, batch: &mut Vec<T>) -> Result<()> {
    send.send(std::mem::take(batch)).map_err(|_| Error::value("a search that was left"))
}

/// How long a search by some expressions may take, as their parts and a text's length tell.
///
/// # Example
/// ```
/// let words = monotile_adapters::SearchCost::automaton(&[r"\w+|\s+"]);
/// assert!(words.is_short("a text of some words".len()));
/// assert!(!monotile_adapters::SearchCost::automaton(&[r"\w.{0,30000}z"]).is_short(1000));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SearchCost {
    /// Parts of the expressions, each as often as it is repeated.
    positions: u64,
    backtracks: bool,
}

impl SearchCost {
    /// Of one automaton for these expressions, which reads a text once for each match.
    pub fn automaton(sources: &[&str]) -> Self {
        Self { positions: sources.iter().map(|source| positions(source)).fold(0, u64::saturating_add), backtracks: false }
    }

    /// Of an expression that looks around.
    pub fn backtracking(source: &str) -> Self {
        Self { positions: positions(source), backtracks: true }
    }

    /// Whether a search in so many bytes is over before anybody waits: any other belongs [aside](search_aside).
    pub fn is_short(self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let (looks, most) = if self.backtracks { (bytes.saturating_mul(bytes), BACKTRACKING) } else { (bytes, AUTOMATON) };
        self.positions.saturating_mul(looks) <= most
    }
}

/// How many places a search may be at within an expression; the most there are for what cannot be read.
fn positions(source: &str) -> u64 {
    Expr::parse_tree(source).map_or(u64::MAX, |tree| places(&tree.expr))
}

fn places(part: &Expr) -> u64 {
    let within = part.children_iter().map(places).fold(1, u64::saturating_add);
    match part {
        Expr::Literal { val, .. } => val.chars().count() as u64,
        Expr::Repeat { lo, hi, .. } => {
            let times = if *hi == usize::MAX { *lo } else { *hi };
            within.saturating_mul(times.max(1) as u64)
        }
        _ => within,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn seconds(count: u64) -> impl Fn() -> Result<Duration> {
        let begun = Instant::now();
        move || Duration::from_secs(count).checked_sub(begun.elapsed()).ok_or_else(|| Error::value("too long"))
    }

    #[test]
    fn all_finds_come_in_order_and_the_searchs_own_failure_after_them() {
        let mut found = Vec::new();
        let search = |tell: &mut dyn FnMut(usize) -> Result<()>| {
            (0..5000).try_for_each(tell)?;
            Err(Error::value("it broke"))
        };
        let mut take = |n| {
            found.push(n);
            Ok(())
        };
        assert_eq!(search_aside(&seconds(600), search, &mut take).unwrap_err().to_string(), "it broke");
        assert_eq!(found, (0..5000).collect::<Vec<_>>());
    }

    #[test]
    fn a_search_that_never_ends_is_left() {
        let (stop, stopped) = sync_channel::<()>(0);
        let search = move |_: &mut dyn FnMut(()) -> Result<()>| {
            let _ = stopped.recv();
            Ok(())
        };
        assert_eq!(search_aside(&seconds(0), search, &mut |()| Ok(())).unwrap_err().to_string(), "too long");
        drop(stop);
    }

    #[test]
    fn a_caller_that_fails_ends_the_search() {
        let (tell, told) = sync_channel(1);
        let search = move |found: &mut dyn FnMut(u64) -> Result<()>| {
            let ended = (0..).try_for_each(found);
            tell.send(ended.is_err()).map_err(|e| Error::value(e.to_string()))
        };
        let error = search_aside(&seconds(600), search, &mut |_| Err(Error::value("enough"))).unwrap_err();
        assert_eq!(error.to_string(), "enough");
        assert!(told.recv().unwrap());
    }

    /// The patterns of LLaMA 3 and of GPT-4 as some files have it.
    #[test]
    fn ordinary_texts_are_searched_where_they_are() {
        let llama = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+";
        assert!(SearchCost::automaton(&[llama, r"\s+"]).is_short(20_000));
        let gpt = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";
        assert!(SearchCost::backtracking(gpt).is_short(400));
        assert!(!SearchCost::automaton(&["(?:a?){60000}x"]).is_short(100));
        assert!(!SearchCost::backtracking("a(?!b)").is_short(1 << 20));
    }
}
