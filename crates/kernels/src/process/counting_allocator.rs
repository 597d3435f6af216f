//! An allocator that counts what a thread takes, and holds a thread that takes too much.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How much memory the threads that [count](MemoryCounter::count) on it have taken, and how much they may take.
///
/// A thread that would take more is held for good at that moment: it does not come back, and its memory stays as it is. So a
/// program in an interpreter that knows no bound of its own can be bounded from outside, by whoever waits for it. Nothing is
/// counted unless the program's allocator is [`CountingAllocator`].
#[derive(Debug)]
pub struct MemoryCounter {
    most: AtomicUsize,
    taken: AtomicUsize,
    held: AtomicBool,
}

thread_local! {
    static COUNTS: Cell<Option<&'static MemoryCounter>> = const { Cell::new(None) };
}

impl MemoryCounter {
    /// A counter with a limit of as many bytes. It lives as long as the process, as what refers to it does.
    pub fn new(most: usize) -> &'static Self {
        Box::leak(Box::new(Self { most: AtomicUsize::new(most), taken: AtomicUsize::new(0), held: AtomicBool::new(false) }))
    }

    /// From now on what the calling thread takes is counted here.
    pub fn count(&'static self) {
        COUNTS.set(Some(self));
    }

    /// Counts from nothing again.
    pub fn reset(&self) {
        self.taken.store(0, Ordering::Relaxed);
    }

    /// Another bound from now on.
    pub fn set_limit(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// Bytes that are taken and not given back.
    pub fn allocated(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether a thread was held.
    pub fn has_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Holds the thread at its next allocation, whatever it asks for.
    pub fn hold(&self) {
        self.set_limit(0);
    }

    fn take(&self, bytes: usize) {
        let taken = self.taken.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if taken > self.most.load(Ordering::Relaxed) {
            self.held.store(true, Ordering::Release);
            loop {
                std::thread::sleep(std::time::Duration::from_secs(3600));
            }
        }
    }

    /// What another thread took may be given back here, so that there may be less than that.
    fn give_back(&self, bytes: usize) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken.saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// The system's allocator, counting for threads that ask for it; for `#[global_allocator]` of a program.
///
/// Its refusals are the end of a process that has called [`exit_without_memory`](super::exit_without_memory).
///
/// # Example
/// ```
/// use monotile_kernels::process::{CountingAllocator, MemoryCounter};
/// #[global_allocator]
/// static MEMORY: CountingAllocator = CountingAllocator;
///
/// # fn main() {
/// let gauge = MemoryCounter::new(1 << 20);
/// let greedy = move || {
///     gauge.count();
///     vec![1_u8; 2 << 20].len()
/// };
/// std::thread::spawn(greedy);
/// while !gauge.has_held() {
///     std::thread::yield_now();
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct CountingAllocator;

/// The gauge of this thread; none while it ends.
#[inline]
fn gauge() -> Option<&'static MemoryCounter> {
    COUNTS.try_with(Cell::get).ok().flatten()
}

/// The same answer of the system; where it is a refusal, the process may end here.
#[inline]
fn checked(answer: *mut u8, bytes: usize) -> *mut u8 {
    if answer.is_null() {
        super::memory::refused(bytes);
    }
    answer
}

// SAFETY: every call is handed to `System` with the same arguments, and its answer handed back. Counting takes no memory,
// does not unwind, and changes nothing but numbers; a thread that is held never returns from the call, nor does a refusal
// that ends the process.
unsafe impl GlobalAlloc for CountingAllocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(gauge) = gauge() {
            gauge.take(layout.size());
        }
        // SAFETY: the caller's promises are those that `System` asks for.
        checked(unsafe { System.alloc(layout) }, layout.size())
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if let Some(gauge) = gauge() {
            gauge.take(layout.size());
        }
        // SAFETY: as in `alloc`.
        checked(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if let Some(gauge) = gauge() {
            // Both may be there for a moment.
            gauge.take(size);
            gauge.give_back(layout.size());
        }
        // SAFETY: as in `alloc`.
        checked(unsafe { System.realloc(pointer, layout, size) }, size)
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if let Some(gauge) = gauge() {
            gauge.give_back(layout.size());
        }
        // SAFETY: as in `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}
