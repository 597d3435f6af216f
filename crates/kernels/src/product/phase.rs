//! Work of the threads of one product that has to be done before other work can begin.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::threads;

/// The most shares that pieces of work are dealt out in.
const SHARES: usize = 8;

/// Work that threads take a piece at a time, all of it before what needs it begins.
///
/// Each thread begins with a share of its own, the same part of every phase, and only then helps others with theirs: what it
/// packed, and the tiles of C that it wrote, are in its caches.
#[derive(Default)]
pub(super) struct Phase {
    taken: [AtomicUsize; SHARES],
    done: AtomicUsize,
}

impl Phase {
    /// Takes pieces until none is left; the caller is the `part`-th of `parts` threads.
    pub(super) fn take(&self, pieces: usize, (part, parts): (usize, usize), work: impl Fn(usize)) {
        let shares = parts.min(SHARES);
        for share in (0..shares).map(|i| (part + i) % shares) {
            let range = threads::range(pieces, 1, shares, share);
            let next = || Some(range.start + self.taken[share].fetch_add(1, Ordering::Relaxed)).filter(|x| *x < range.end);
            while let Some(piece) = next() {
                work(piece);
                self.done.fetch_add(1, Ordering::Release);
            }
        }
    }

    /// Waits for the pieces that other threads took.
    pub(super) fn wait(&self, pieces: usize) {
        let mut waits = 0;
        while self.done.load(Ordering::Acquire) < pieces {
            threads::relax(&mut waits);
        }
    }
}
