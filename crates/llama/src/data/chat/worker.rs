//! The thread on which a template runs: its stack is deep enough for what a text can nest, and its time and memory are bounded.
//!
//! The interpreter counts instructions and the bytes of texts and lists as it makes them, but not what it walks: a list that holds
//! another twice, sixty times over, is small and takes for ever to compare or to print. So the thread is bounded from outside. One
//! that exceeds its time or memory is given up, and does not come back.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use minijinja::Environment;
use monotile::limits::{self, Limit};
use monotile::{Error, Result};
use monotile_kernels::process::MemoryCounter;

/// The stack of a thread before what the text may nest: macros that call one another 500 deep, the interpreter's limit.
const STACK: usize = 32 << 20;
/// What a byte of the text may take of the stack: the parser makes one level of nesting of it, and three passes descend.
const STACK_A_BYTE: usize = 1 << 10;
/// What a step may take of the stack: six or more make a level of nesting of a list, which printing it descends.
const STACK_A_STEP: usize = 200;
/// How often a thread that waits looks whether the other was held.
const LOOK: Duration = Duration::from_millis(10);

/// Something to do with the template.
type Job = Box<dyn FnOnce(&Environment<'static>) + Send>;

/// A template on its thread.
pub(super) struct Worker {
    name: String,
    /// `None` once the thread was given up.
    jobs: Mutex<Option<Sender<Job>>>,
    gauge: &'static MemoryCounter,
}

impl Worker {
    /// Starts a thread with the environment that `make` makes there, of a text of so many bytes; with what else `make` tells.
    pub fn start<T: Send + 'static>(
        name: &str,
        bytes: usize,
        make: impl FnOnce() -> Result<(Environment<'static>, T)> + Send + 'static,
    ) -> Result<(Self, T)> {
        let gauge = MemoryCounter::new(usize::MAX);
        let (jobs, incoming) = channel::<Job>();
        let (made, outcome) = channel();
        let work = move || {
            gauge.count();
            match make() {
                Ok((environment, told)) => {
                    let _ = made.send(Ok(told));
                    drop(made);
                    incoming.iter().for_each(|job| job(&environment));
                }
                Err(error) => drop(made.send(Err(error))),
            }
        };
        let worker = Self { name: name.to_string(), jobs: Mutex::new(Some(jobs)), gauge };
        worker.bound();
        let steps = usize::try_from(limits::TEMPLATE_STEPS.get()).unwrap_or(usize::MAX);
        let nested = bytes.saturating_mul(STACK_A_BYTE).saturating_add(steps.saturating_mul(STACK_A_STEP));
        let stack = nested.saturating_add(STACK);
        let builder = std::thread::Builder::new().name("template".into()).stack_size(stack);
        builder.spawn(work).map_err(|e| Error::memory(format!("{name}: a thread to run it on ({e})"), stack))?;
        let told = worker.wait(&outcome)??;
        Ok((worker, told))
    }

    /// Does something on the thread, within the limits of time and memory.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce(&Environment<'static>) -> Result<T> + Send + 'static) -> Result<T> {
        let (done, outcome) = channel();
        let gauge = self.gauge;
        let job: Job = Box::new(move |environment| {
            // What a job gave away was freed by others, and is not counted back.
            gauge.reset();
            let _ = done.send(job(environment));
        });
        self.bound();
        match self.jobs.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(jobs) if jobs.send(job).is_ok() => {}
            _ => return Err(self.thread_lost()),
        }
        self.wait(&outcome)?
    }

    /// Sets the limit of memory as it is now.
    fn bound(&self) {
        let most = usize::try_from(limits::TEMPLATE_MEMORY.get()).unwrap_or(usize::MAX);
        self.gauge.set_limit(most);
    }

    /// Waits for an outcome; gives the thread up where there is none in time.
    fn wait<T>(&self, outcome: &Receiver<T>) -> Result<T> {
        let begun = Instant::now();
        let most = Duration::from_secs(limits::TEMPLATE_TIME.get());
        loop {
            match outcome.recv_timeout(LOOK) {
                Ok(outcome) => return Ok(outcome),
                Err(RecvTimeoutError::Disconnected) => return Err(self.thread_lost()),
                Err(RecvTimeoutError::Timeout) if self.gauge.has_held() => return Err(self.give_up(&limits::TEMPLATE_MEMORY)),
                Err(RecvTimeoutError::Timeout) if begun.elapsed() >= most => return Err(self.give_up(&limits::TEMPLATE_TIME)),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn give_up(&self, limit: &Limit) -> Error {
        self.gauge.hold();
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
        limit.refusal(&self.name, "more")
    }

    fn thread_lost(&self) -> Error {
        Error::value(format!("{}: its thread has ended, after an error before", self.name))
    }
}
