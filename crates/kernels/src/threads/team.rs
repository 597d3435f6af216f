//! A team of threads that waits for work: the caller shares a job's parts with whoever is awake.
//!
//! A worker that has had work spins a little before it sleeps, since kernels follow one another closely. One that wakes
//! up late finds that the others took its parts, nobody waited for it, and it sleeps at once: where other programs keep
//! the cores busy, a spinning worker would only hold up the caller.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::params::params;

/// How long a worker spins for the next job: a few times what waking it would cost.
const SPIN: Duration = Duration::from_micros(40);

/// The longest pause from one brief piece's begin to the next one's in a stream of them, which may be worth waking a thread for.
const PAUSE: Duration = Duration::from_micros(30);

/// The parts of one call, taken one after another by the threads that take part.
struct Job<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    parts: usize,
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl<'a> Job<'a> {
    fn new(work: &'a (dyn Fn(usize) + Sync), parts: usize) -> Self {
        Self { work, parts, next: AtomicUsize::new(0), panic: Mutex::new(None) }
    }

    /// Passes on the panic that a part ended with, once all parts are done.
    fn finish(self) {
        if let Some(panic) = self.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }

    /// Takes parts until none is left, and keeps the first panic for the caller. Whether there was a part to take.
    fn take_part(&self) -> bool {
        let mut took = false;
        loop {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= self.parts {
                return took;
            }
            took = true;
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.work)(part))) {
                self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
            }
        }
    }
}

struct Team {
    /// The caller whose job the team works on; the number of workers there are.
    leader: Mutex<usize>,
    /// Workers that are not asleep.
    awake: AtomicUsize,
    /// Brief work that was done without help.
    alone: Mutex<Alone>,
    /// Whether workers that wake up should wait for a job, though theirs is gone by then.
    stream: AtomicBool,
    /// The open job, null between jobs.
    job: AtomicPtr<Job<'static>>,
    /// How many jobs there have been: what workers wait for a change of.
    jobs: AtomicUsize,
    /// Workers that may be looking at `job`.
    inside: AtomicUsize,
    asleep: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
}

static TEAM: Team = Team {
    leader: Mutex::new(0),
    awake: AtomicUsize::new(0),
    alone: Mutex::new(Alone { nanoseconds: 0.0, until: None }),
    stream: AtomicBool::new(false),
    job: AtomicPtr::new(ptr::null_mut()),
    jobs: AtomicUsize::new(0),
    inside: AtomicUsize::new(0),
    asleep: AtomicUsize::new(0),
    bed: Mutex::new(()),
    bell: Condvar::new(),
};

/// A stream of brief work on one thread.
struct Alone {
    nanoseconds: f64,
    until: Option<Instant>,
}

/// Whether a worker is awake for work of so many nanoseconds that is too brief to wake one.
///
/// Where such work streams in, one piece soon after another, the pieces are together worth a thread: it is then woken by
/// one of them, and is awake for the next.
pub(super) fn is_awake(nanoseconds: f64) -> bool {
    if TEAM.awake.load(Ordering::Relaxed) > 0 {
        return true;
    }
    let Ok(mut alone) = TEAM.alone.try_lock() else { return false };
    let now = Instant::now();
    let streams = alone.until.is_some_and(|until| now.saturating_duration_since(until) < PAUSE);
    let nanoseconds = nanoseconds + if streams { alone.nanoseconds } else { 0.0 };
    let wakes = nanoseconds > params().threads.stream_ns;
    *alone = Alone { nanoseconds: if wakes { 0.0 } else { nanoseconds }, until: Some(now) };
    if wakes {
        TEAM.stream.store(true, Ordering::SeqCst);
    }
    wakes
}

/// Calls `work(0)` … `work(parts - 1)`, each once, on up to `threads` threads.
///
/// A call from inside another, or while another thread's is under way, does all parts itself.
///
/// # Panics
/// With the first panic of `work`, once all parts are done.
pub(super) fn run(parts: usize, threads: usize, work: &(dyn Fn(usize) + Sync)) {
    let mut workers = match TEAM.leader.try_lock() {
        Ok(workers) => workers,
        Err(TryLockError::Poisoned(workers)) => workers.into_inner(),
        Err(TryLockError::WouldBlock) => {
            let job = Job::new(work, parts);
            job.take_part();
            return job.finish();
        }
    };
    while *workers + 1 < threads && std::thread::Builder::new().name("monotile".into()).spawn(wait_for_work).is_ok() {
        *workers += 1;
    }
    let job = Job::new(work, parts);
    TEAM.lead(&job);
    drop(workers);
    job.finish();
}

impl Team {
    fn lead(&self, job: &Job<'_>) {
        self.job.store(ptr::from_ref(job).cast_mut().cast(), Ordering::SeqCst);
        self.jobs.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 {
            // With the lock, since a worker between its last look at `jobs` and its sleep would not hear the bell.
            drop(self.bed.lock().unwrap_or_else(PoisonError::into_inner));
            self.bell.notify_all();
        }
        job.take_part();
        self.job.store(ptr::null_mut(), Ordering::SeqCst);
        let mut waits = 0;
        while self.inside.load(Ordering::SeqCst) > 0 {
            super::relax(&mut waits);
        }
    }

    /// Helps with the open job, if there still is one. Whether there was something to do.
    fn help(&self) -> bool {
        self.inside.fetch_add(1, Ordering::SeqCst);
        // SAFETY: a job that is read here after `inside` was raised is one that `lead` has not yet taken back; `lead`
        // takes it back and then waits until `inside` is 0, and only then does the job's borrow end.
        let took = unsafe { self.job.load(Ordering::SeqCst).as_ref() }.is_some_and(Job::take_part);
        self.inside.fetch_sub(1, Ordering::SeqCst);
        took
    }

    /// Looks for a while whether there have been other than `seen` jobs.
    fn spin(&self, seen: usize) -> Option<usize> {
        let start = Instant::now();
        while start.elapsed() < SPIN {
            for _ in 0..32 {
                let jobs = self.jobs.load(Ordering::SeqCst);
                if jobs != seen {
                    return Some(jobs);
                }
                std::hint::spin_loop();
            }
            std::thread::yield_now();
        }
        None
    }

    /// Waits until there have been other than `seen` jobs, first awake if `spin`.
    fn wait(&self, seen: usize, spin: bool) -> usize {
        if spin && let Some(jobs) = self.spin(seen) {
            return jobs;
        }
        let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.awake.fetch_sub(1, Ordering::Relaxed);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        while self.jobs.load(Ordering::SeqCst) == seen {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.asleep.fetch_sub(1, Ordering::SeqCst);
        self.awake.fetch_add(1, Ordering::Relaxed);
        self.jobs.load(Ordering::SeqCst)
    }
}

fn wait_for_work() {
    let (mut seen, mut busy) = (0, false);
    TEAM.awake.fetch_add(1, Ordering::Relaxed);
    loop {
        seen = TEAM.wait(seen, busy);
        busy = TEAM.help() | TEAM.stream.swap(false, Ordering::SeqCst);
    }
}

#[cfg(all(test, any(not(target_family = "wasm"), target_feature = "atomics")))]
mod tests {
    use super::*;

    #[test]
    fn every_part_runs_once_whoever_calls() {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    for parts in 0..200 {
                        let counts: Vec<_> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
                        run(parts, 3, &|part| {
                            counts[part].fetch_add(1, Ordering::Relaxed);
                        });
                        assert!(counts.iter().all(|x| x.load(Ordering::Relaxed) == 1));
                    }
                })
            })
            .collect();
        callers.into_iter().for_each(|x| x.join().unwrap());
    }

    #[test]
    fn a_call_inside_a_call_finishes() {
        let count = AtomicUsize::new(0);
        run(4, 2, &|_| {
            run(5, 2, &|_| {
                count.fetch_add(1, Ordering::Relaxed);
            })
        });
        assert_eq!(count.into_inner(), 20);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_lives_on() {
        for _ in 0..20 {
            let done = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                run(8, 2, &|part| {
                    assert!(part != 5, "part five");
                    done.fetch_add(1, Ordering::Relaxed);
                })
            }));
            assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "part five");
            assert_eq!(done.into_inner(), 7);
        }
    }
}
