//! What a process does beside computing: signals, files that change while they are mapped, and memory that is counted.
//!
//! A library installs nothing of this by itself. A program calls [`exit_on_bus_error`], [`exit_without_memory`],
//! [`ignore_size_signal`], [`count_stop_signals`] or declares [`CountingAllocator`] as its allocator where it wants to.

mod counting_allocator;
mod mapped;
mod memory;
#[cfg(all(unix, not(miri)))]
mod signals;

#[cfg(all(unix, not(miri)))]
use signals::end;

pub use counting_allocator::{CountingAllocator, MemoryCounter};
pub(crate) use mapped::RegisteredMapping;
pub use mapped::{FileIdentity, changed};
pub(crate) use memory::give_up;
pub use memory::{exit_without_memory, fallible};

/// From now on a mapped file that lost its pages ends the process in one sentence on standard error and exit status 1.
///
/// A mapped file that another program truncates, or whose disk fails, has pages that cannot be read. The system then sends
/// SIGBUS, which ends a process without a word. Faults at other addresses are left to whoever handled them before. Where
/// the system has no such signal, nothing happens.
pub fn exit_on_bus_error() {
    #[cfg(all(unix, not(miri)))]
    signals::exit_on_bus_error();
}

/// From now on a write beyond the limit on the size of files fails as other writes do.
///
/// The system also sends SIGXFSZ, which ends a process without a word. Programs that this one starts ignore it too. Where
/// the system has no such signal, nothing happens.
pub fn ignore_size_signal() {
    #[cfg(all(unix, not(miri)))]
    signals::ignore_size_signal();
}

/// From now on SIGINT, SIGTERM and SIGHUP are counted, and the second one ends the process with exit status 1.
///
/// SIGHUP stays ignored where the process was told to ignore it, as by `nohup`. Where the system has no such signals,
/// nothing is counted. [`stop_signals`] tells how many came.
pub fn count_stop_signals() {
    #[cfg(all(unix, not(miri)))]
    signals::count_stop_signals();
}

/// How many signals have asked the process to stop since [`count_stop_signals`].
pub fn stop_signals() -> usize {
    #[cfg(all(unix, not(miri)))]
    return signals::stop_signals();
    #[cfg(not(all(unix, not(miri))))]
    0
}

/// Ends the process, and runs nothing that libraries registered for its end: for a thread of theirs that still works.
///
/// What was printed is to be flushed before.
pub fn exit_at_once(status: i32) -> ! {
    #[cfg(all(unix, not(miri)))]
    signals::exit_at_once(status);
    #[cfg(not(all(unix, not(miri))))]
    std::process::exit(status)
}

/// Ends the process with these words on standard error. Takes no memory.
#[cfg(not(all(unix, not(miri))))]
fn end(words: &[&[u8]]) -> ! {
    use std::io::Write;
    // Standard error keeps nothing back. Where nobody can read it, that is no reason to stay.
    let mut out = std::io::stderr();
    let _ = words.iter().try_for_each(|part| out.write_all(part));
    std::process::exit(1)
}
