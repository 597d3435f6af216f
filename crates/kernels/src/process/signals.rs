//! Handlers of signals. Each calls nothing but what POSIX allows in one: `write`, `sigaction`, `_exit`, and atomic loads.

use std::io::IsTerminal;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use libc::{c_int, c_void, sigaction, siginfo_t};

use super::mapped::name_at;

/// Whether a line on standard error may have to begin anew, since a bar of progress stands there.
static TERMINAL: AtomicBool = AtomicBool::new(false);
/// What handled SIGBUS before.
static BEFORE: OnceLock<sigaction> = OnceLock::new();
/// How many signals asked the process to stop.
static STOPS: AtomicUsize = AtomicUsize::new(0);

/// A handler that is told where the fault was.
type Informed = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// What a signal does now.
fn current(signal: c_int) -> Option<sigaction> {
    let mut found = MaybeUninit::<sigaction>::uninit();
    // SAFETY: a null pointer for the new action asks for the present one alone, which is written to `found`.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), found.as_mut_ptr()) };
    // SAFETY: the call succeeded and has written all of it.
    (asked == 0).then(|| unsafe { found.assume_init() })
}

/// Sets a handler of this module.
fn install(signal: c_int, handler: Informed) {
    let mut action = MaybeUninit::<sigaction>::zeroed();
    // SAFETY: zero bytes are a valid `sigaction`: integers, a set of signals, and function pointers that may be null.
    let action = unsafe { action.assume_init_mut() };
    action.sa_sigaction = handler as usize;
    // On the stack that the thread keeps for signals, where it has one: its own may be at its end.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    // SAFETY: `action` is whole, and `handler` has the type that SA_SIGINFO asks for and calls async-signal-safe functions only.
    unsafe { libc::sigaction(signal, action, std::ptr::null_mut()) };
}

pub(super) fn exit_on_bus_error() {
    TERMINAL.store(std::io::stderr().is_terminal(), Ordering::Relaxed);
    // A second call must not take this handler for the one before.
    if let Some(before) = current(libc::SIGBUS)
        && BEFORE.set(before).is_ok()
    {
        install(libc::SIGBUS, lost_page);
    }
}

pub(super) fn ignore_size_signal() {
    let mut action = MaybeUninit::<sigaction>::zeroed();
    // SAFETY: zero bytes are a valid `sigaction`: integers, a set of signals, and function pointers that may be null.
    let action = unsafe { action.assume_init_mut() };
    action.sa_sigaction = libc::SIG_IGN;
    // SAFETY: `action` is whole, and SIG_IGN calls nothing.
    unsafe { libc::sigaction(libc::SIGXFSZ, action, std::ptr::null_mut()) };
}

pub(super) fn count_stop_signals() {
    TERMINAL.store(std::io::stderr().is_terminal(), Ordering::Relaxed);
    install(libc::SIGINT, stop);
    install(libc::SIGTERM, stop);
    // `nohup` asks for this one to be ignored.
    if current(libc::SIGHUP).is_some_and(|now| now.sa_sigaction != libc::SIG_IGN) {
        install(libc::SIGHUP, stop);
    }
}

pub(super) fn stop_signals() -> usize {
    STOPS.load(Ordering::Relaxed)
}

pub(super) fn exit_at_once(status: c_int) -> ! {
    // SAFETY: `_exit` takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// Ends the process with these words on a line of standard error that is their own. Takes no memory.
pub(super) fn end(words: &[&[u8]]) -> ! {
    let mut line = [0_u8; 512];
    let mut length = 0;
    for part in [fresh()].iter().chain(words) {
        let room = (line.len() - length).min(part.len());
        line[length..length + room].copy_from_slice(&part[..room]);
        length += room;
    }
    // SAFETY: the bytes are initialized and as many as the call is told. `_exit` takes a number and does not return.
    unsafe {
        let _ = libc::write(2, line.as_ptr().cast(), length);
        libc::_exit(1)
    }
}

/// Moves to a new line of a terminal, on which a bar of progress may stand.
fn fresh() -> &'static [u8] {
    if TERMINAL.load(Ordering::Relaxed) { b"\r\x1b[K" } else { b"" }
}

extern "C" fn lost_page(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the system calls a handler with SA_SIGINFO with the fault's information, in which SIGBUS has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    let mut name = [0_u8; 240];
    if let Some(length) = name_at(address, &mut name) {
        let what = b": the file was cut short while it was being read, or its disk failed (reading)\n";
        end(&[b"error: ", &name[..length], what]);
    }
    match BEFORE.get() {
        Some(before) if before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN => {
            if before.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: the address is that of a handler which was installed with SA_SIGINFO, and so has this type.
                let handler = unsafe { std::mem::transmute::<usize, Informed>(before.sa_sigaction) };
                handler(signal, info, context);
            } else {
                // SAFETY: the address is that of a handler which was installed without SA_SIGINFO, and so has this type.
                let handler = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int)>(before.sa_sigaction) };
                handler(signal);
            }
        }
        _ => {
            let action = MaybeUninit::<sigaction>::zeroed();
            // SAFETY: zero bytes are a valid `sigaction`, that of SIG_DFL. The fault comes again and ends the process.
            unsafe { libc::sigaction(signal, action.as_ptr(), std::ptr::null_mut()) };
        }
    }
}

extern "C" fn stop(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    if STOPS.fetch_add(1, Ordering::Relaxed) > 0 {
        end(&[b"error: stopped at once, by a second signal; what was saved before is kept\n"]);
    }
}
