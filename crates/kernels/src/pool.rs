//! A pool of allocations.
//!
//! The operating system hands out fresh pages zeroed one by one, which costs as much as the arithmetic of many
//! kernels. Memory of at least 64 KiB is therefore kept when it is given back, up to [`retained_limit`] bytes,
//! and handed out again to requests of the same size class. Of smaller memory, whose alignment takes the system's
//! allocator longer than a small kernel runs, every thread keeps the few pieces that it gave back last.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cache line, and the widest vector register.
const ALIGN: usize = 64;
/// The smallest allocation that threads share; of smaller ones each keeps a few itself.
const POOLED: usize = 64 << 10;
/// The most pieces of small memory that a thread keeps, and the most bytes of them.
const KEPT: usize = 32;
const KEPT_BYTES: usize = 512 << 10;

static LIMIT: AtomicUsize = AtomicUsize::new(1 << 30);
static FREE: Mutex<Free> = Mutex::new(Free { bytes: 0, classes: BTreeMap::new() });

struct Free {
    bytes: usize,
    classes: BTreeMap<usize, Vec<Address>>,
}

/// The address of memory that nobody uses.
struct Address(NonNull<u8>);

// SAFETY: an `Address` in the pool owns its memory alone; owning memory does not depend on the thread.
unsafe impl Send for Address {}

thread_local! {
    static SMALL: RefCell<Small> = const { RefCell::new(Small { bytes: 0, kept: Vec::new() }) };
}

/// Small memory that this thread gave back, the latest last.
struct Small {
    bytes: usize,
    kept: Vec<(usize, Address)>,
}

impl Small {
    fn take(&mut self, class: usize) -> Option<NonNull<u8>> {
        let i = self.kept.iter().rposition(|x| x.0 == class)?;
        self.bytes -= class;
        Some(self.kept.remove(i).1.0)
    }

    fn keep(&mut self, class: usize, address: NonNull<u8>) {
        while self.kept.len() == KEPT || (self.bytes + class > KEPT_BYTES && !self.kept.is_empty()) {
            let (class, Address(oldest)) = self.kept.remove(0);
            self.bytes -= class;
            release(oldest, class);
        }
        self.bytes += class;
        self.kept.push((class, Address(address)));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        self.kept.drain(..).for_each(|(class, Address(address))| release(address, class));
    }
}

/// Initialized memory of at least the bytes asked for, aligned to 64 bytes, given back when dropped.
pub(crate) struct Memory {
    address: NonNull<u8>,
    class: usize,
}

// SAFETY: `Memory` owns its allocation alone, and hands out its address only through borrows of `Block`.
unsafe impl Send for Memory {}
// SAFETY: as above; a shared `Memory` is only read.
unsafe impl Sync for Memory {}

impl Memory {
    /// Takes memory of at least `bytes`, recycled where the pool has some of that size.
    pub(crate) fn take(bytes: usize) -> Self {
        let class = size_class(bytes);
        if class >= POOLED {
            let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(Address(address)) = free.classes.get_mut(&class).and_then(Vec::pop) {
                free.bytes -= class;
                return Self { address, class };
            }
        } else if let Ok(Some(address)) = SMALL.try_with(|small| small.borrow_mut().take(class)) {
            return Self { address, class };
        }
        let layout = layout(class);
        // SAFETY: `size_class` never returns 0, so the layout has a size.
        let address = unsafe { alloc_zeroed(layout) };
        let address = NonNull::new(address).unwrap_or_else(|| handle_alloc_error(layout));
        Self { address, class }
    }

    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.address.as_ptr()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.class >= POOLED {
            let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if free.bytes + self.class <= retained_limit() {
                free.bytes += self.class;
                free.classes.entry(self.class).or_default().push(Address(self.address));
                return;
            }
        } else if SMALL.try_with(|small| small.borrow_mut().keep(self.class, self.address)).is_ok() {
            return;
        }
        release(self.address, self.class);
    }
}

/// The most bytes that the pool keeps for later use (1 GiB unless set).
pub fn retained_limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// Sets the most bytes that the pool keeps for later use, and gives back everything that it holds now; the small memory
/// that threads keep, at most 512 KiB each, stays with them.
pub fn set_retained_limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
    let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    free.bytes = 0;
    for (class, addresses) in std::mem::take(&mut free.classes) {
        addresses.into_iter().for_each(|Address(address)| release(address, class));
    }
}

/// `bytes` rounded up to an eighth of its power of two, so that at most an eighth is wasted and sizes repeat.
fn size_class(bytes: usize) -> usize {
    let bytes = bytes.max(1);
    bytes.next_multiple_of((bytes.next_power_of_two() / 16).max(ALIGN))
}

fn layout(class: usize) -> Layout {
    Layout::from_size_align(class, ALIGN).expect("a size class within the address space")
}

fn release(address: NonNull<u8>, class: usize) {
    // SAFETY: `Memory::take` allocated this address with this very layout, and its one owner gives it up.
    unsafe { dealloc(address.as_ptr(), layout(class)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_waste_at_most_an_eighth() {
        for bytes in [1, 63, 64, 65, POOLED - 1, POOLED, POOLED + 1, 1_000_000, (1 << 30) + 1] {
            let class = size_class(bytes);
            assert!(class >= bytes && class.is_multiple_of(ALIGN));
            assert!(bytes < 512 || class as f64 <= bytes as f64 * 1.13, "{bytes} became {class}");
        }
    }

    #[test]
    fn a_thread_gets_back_the_small_memory_that_it_gave_up_and_keeps_little_of_it() {
        let first = Memory::take(1000);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(Memory::take(1010).as_ptr(), address);
        for round in 1..4 {
            drop((0..3 * KEPT).map(|i| Memory::take(round * 64 * (i + 1))).collect::<Vec<_>>());
            SMALL.with_borrow(|small| {
                assert!(small.kept.len() <= KEPT && small.bytes <= KEPT_BYTES);
                assert_eq!(small.bytes, small.kept.iter().map(|x| x.0).sum());
            });
        }
    }
}
