//! Signals that ask a run to stop: Ctrl-C, SIGTERM, and SIGHUP where it is not ignored. A second one ends the process at once.

use monotile_kernels::process;

/// Set by Ctrl-C where there are no signals.
#[cfg(not(unix))]
static ASKED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Counts signals from now on, instead of ending at the first.
pub fn listen() {
    process::count_stop_signals();
    // A second handler cannot be set; the first one serves as well.
    #[cfg(not(unix))]
    let _ = ctrlc::set_handler(|| {
        if ASKED.swap(true, std::sync::atomic::Ordering::Relaxed) {
            std::process::exit(1);
        }
    });
}

/// Whether one has come.
pub fn is_requested() -> bool {
    #[cfg(not(unix))]
    return ASKED.load(std::sync::atomic::Ordering::Relaxed);
    #[cfg(unix)]
    return process::stop_signals() > 0;
}
