//! How work is split over threads: in one place, by sizes alone, so that a thread count fixes every bit of a result.

mod shared;
#[cfg(feature = "threads")]
mod team;

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::params::params;
pub(crate) use shared::{SharedSlice, SyncPtr};

/// Whether there are threads: a module of WebAssembly has them only where it is compiled for atomic memory.
const THREADS: bool = cfg!(all(feature = "threads", any(not(target_family = "wasm"), target_feature = "atomics")));

/// The most threads there are; of a larger number that is asked for, as many.
pub const MOST: usize = 1024;

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The number of threads that kernels use: the number set, else `MONOTILE_THREADS`, else one a core; at most [`MOST`].
pub fn count() -> usize {
    match COUNT.load(Ordering::Relaxed) {
        0 => {
            let wished = std::env::var("MONOTILE_THREADS").ok().and_then(|s| s.parse().ok()).filter(|&n| n > 0);
            let count = wished.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()));
            let count = if THREADS { count.min(MOST) } else { 1 };
            COUNT.store(count, Ordering::Relaxed);
            count
        }
        count => count,
    }
}

/// Sets the number of threads that kernels use from now on.
pub fn set_count(threads: usize) {
    COUNT.store(if THREADS { threads.clamp(1, MOST) } else { 1 }, Ordering::Relaxed);
}

/// What `f` returns with so many threads, which no other test changes meanwhile; then there are as many as before.
#[cfg(test)]
pub(crate) fn with_count<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    struct Before(usize);
    impl Drop for Before {
        fn drop(&mut self) {
            set_count(self.0);
        }
    }
    static ONE_TEST: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _lock = ONE_TEST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let _before = Before(count());
    set_count(threads);
    f()
}

/// How many parts to cut `items` of `ns_each` nanoseconds into: 1 where that is less than waking a thread is worth.
pub fn parts(items: usize, ns_each: f64) -> usize {
    let (total, waking) = (items as f64 * ns_each, params().threads.waking_ns);
    if total < 2.0 * waking { 1 } else { count().min((total / waking) as usize).min(items.max(1)) }
}

/// As [`parts`], for work that is so brief that waking a thread would not pay: threads that are awake take part all the same,
/// and a stream of such work, one after another, wakes one.
pub fn brief_parts(items: usize, ns_each: f64) -> usize {
    let parts = parts(items, ns_each);
    #[cfg(feature = "threads")]
    if parts == 1
        && items > 1
        && count() > 1
        && items as f64 * ns_each >= params().threads.sharing_ns
        && team::is_awake(items as f64 * ns_each)
    {
        return 2;
    }
    parts
}

/// The `part`-th of `parts` nearly equal ranges that make up `0..items`, each but the last a multiple of `unit` long.
pub fn range(items: usize, unit: usize, parts: usize, part: usize) -> Range<usize> {
    let units = items.div_ceil(unit);
    let cut = |p: usize| (units * p / parts * unit).min(items);
    cut(part)..cut(part + 1)
}

/// Calls `work(0)` … `work(parts - 1)`, each once, on as many threads as there are; the caller's own takes part.
pub fn run(parts: usize, work: impl Fn(usize) + Sync) {
    #[cfg(feature = "threads")]
    if parts > 1 && count() > 1 {
        return team::run(parts, count(), &work);
    }
    (0..parts).for_each(work);
}

/// Calls `work(0)` … `work(parts - 1)` as [`run`] does, and returns the error of a part that failed, if one did.
pub fn try_run<E: Send>(parts: usize, work: impl Fn(usize) -> Result<(), E> + Sync) -> Result<(), E> {
    let failed = std::sync::Mutex::new(None);
    run(parts, |part| {
        if let Err(error) = work(part) {
            failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
        }
    });
    failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
}

/// Passes a moment of waiting for other threads: spinning at first, then leaving the core to them.
pub(crate) fn relax(waits: &mut u32) {
    *waits = waits.saturating_add(1);
    if *waits < 500 { std::hint::spin_loop() } else { std::thread::yield_now() }
}

/// Cuts `out` at multiples of `unit` into `parts` slices and calls `work(start, slice)` for each, in parallel.
pub fn split_mut<T: Send>(out: &mut [T], unit: usize, parts: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if parts <= 1 {
        return work(0, out);
    }
    let len = out.len();
    let mut rest = out;
    let mut slices = Vec::with_capacity(parts);
    for part in 0..parts {
        let range = range(len, unit, parts, part);
        let (head, tail) = rest.split_at_mut(range.len());
        slices.push(std::sync::Mutex::new(Some((range.start, head))));
        rest = tail;
    }
    run(parts, |part| {
        let slice = slices[part].lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some((start, slice)) = slice {
            work(start, slice);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once() {
        for (items, unit, parts) in [(0, 1, 3), (10, 1, 3), (100, 16, 4), (7, 8, 2), (64, 16, 4)] {
            let mut next = 0;
            for part in 0..parts {
                let r = range(items, unit, parts, part);
                assert_eq!(r.start, next);
                assert!(r.end == items || r.end.is_multiple_of(unit));
                next = r.end;
            }
            assert_eq!(next, items);
        }
    }

    #[test]
    fn an_error_of_a_part_reaches_the_caller_once_all_are_done() {
        let done = AtomicUsize::new(0);
        let work = |part: usize| {
            done.fetch_add(1, Ordering::Relaxed);
            if part == 5 { Err(part) } else { Ok(()) }
        };
        assert_eq!(try_run(8, work), Err(5));
        assert_eq!(try_run(5, work), Ok(()));
        assert_eq!(done.into_inner(), 13);
    }

    #[test]
    fn split_mut_gives_each_part_its_own_slice() {
        let mut out = vec![0; 103];
        split_mut(&mut out, 10, 4, |start, slice| slice.iter_mut().enumerate().for_each(|(i, x)| *x = start + i));
        assert!(out.iter().enumerate().all(|(i, &x)| i == x));
    }
}
