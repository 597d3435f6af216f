//! Memory that cannot be had: an error where one is awaited, and elsewhere the end of the process in one sentence.

use std::alloc::{Layout, handle_alloc_error};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a refusal that nobody awaits ends the process here.
static EXITS: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How many callers of this thread await a refusal.
    static AWAITED: Cell<usize> = const { Cell::new(0) };
}

/// From now on memory that cannot be had ends the process in one sentence on standard error and exit status 1.
///
/// Rust's own end is an abort. Refusals within [`fallible`] stay what they are. Nothing happens unless the program's
/// allocator is [`CountingAllocator`](super::CountingAllocator).
pub fn exit_without_memory() {
    EXITS.store(true, Ordering::Relaxed);
}

/// Calls a function that asks for memory and knows what to do where there is none, as `Vec::try_reserve` does.
///
/// # Example
/// ```
/// use monotile_kernels::process::fallible;
/// let mut list = Vec::<u8>::new();
/// assert!(fallible(|| list.try_reserve_exact(isize::MAX as usize)).is_err());
/// ```
#[inline]
pub fn fallible<T>(ask: impl FnOnce() -> T) -> T {
    struct Await;
    impl Drop for Await {
        fn drop(&mut self) {
            let _ = AWAITED.try_with(|awaited| awaited.set(awaited.get() - 1));
        }
    }
    // A thread that ends has no such counter any more, and awaits nothing.
    let _await = AWAITED.try_with(|awaited| awaited.set(awaited.get() + 1)).ok().map(|()| Await);
    ask()
}

/// The allocator was refused so many bytes. Takes no memory.
#[cold]
#[inline(never)]
pub(super) fn refused(bytes: usize) {
    if !EXITS.load(Ordering::Relaxed) || AWAITED.try_with(Cell::get).unwrap_or(0) > 0 {
        return;
    }
    let mut digits = [0; 20];
    super::end(&[b"error: out of memory: ", decimal(bytes, &mut digits), b" bytes more were needed, which cannot be had\n"]);
}

/// Ends the process, in one sentence where that was asked for.
pub(crate) fn give_up(wanted: Layout) -> ! {
    refused(wanted.size());
    handle_alloc_error(wanted)
}

/// The digits of a number, at the end of `room`.
fn decimal(mut number: usize, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_without_memory() {
        for number in [0, 7, 10, 65536, usize::MAX] {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
        }
    }

    #[test]
    fn a_refusal_is_awaited_within_and_no_longer() {
        let awaited = || AWAITED.with(Cell::get);
        assert_eq!(fallible(|| fallible(awaited)), 2);
        assert_eq!(awaited(), 0);
        // A panic ends a program of WebAssembly.
        #[cfg(not(target_family = "wasm"))]
        {
            let unwound = std::panic::catch_unwind(|| fallible(|| panic!("within")));
            assert!(unwound.is_err() && awaited() == 0);
        }
    }
}
