//! A pool of large allocations.
//!
//! The operating system hands out fresh pages zeroed one by one, which costs as much as the arithmetic of many
//! kernels. Memory of at least 64 KiB is therefore kept when it is given back, up to [`retained_limit`] bytes,
//! and handed out again to requests of the same size class.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A cache line, and the widest vector register.
const ALIGN: usize = 64;
/// The smallest allocation worth keeping: below this the system's allocator keeps memory itself.
const POOLED: usize = 64 << 10;

static LIMIT: AtomicUsize = AtomicUsize::new(1 << 30);
/// Bytes of pooled sizes that are handed out, and the most that ever were since the last [`forget_peak`].
static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static FREE: Mutex<Free> = Mutex::new(Free { bytes: 0, classes: BTreeMap::new() });

struct Free {
    bytes: usize,
    classes: BTreeMap<usize, Vec<Address>>,
}

/// The address of memory that nobody uses.
struct Address(NonNull<u8>);

// SAFETY: an `Address` in the pool owns its memory alone; owning memory does not depend on the thread.
unsafe impl Send for Address {}

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
            PEAK.fetch_max(HELD.fetch_add(class, Ordering::Relaxed) + class, Ordering::Relaxed);
            let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(Address(address)) = free.classes.get_mut(&class).and_then(Vec::pop) {
                free.bytes -= class;
                return Self { address, class };
            }
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
            HELD.fetch_sub(self.class, Ordering::Relaxed);
            let mut free = FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if free.bytes + self.class <= retained_limit() {
                free.bytes += self.class;
                free.classes.entry(self.class).or_default().push(Address(self.address));
                return;
            }
        }
        release(self.address, self.class);
    }
}

/// The most bytes that were in use at the same time since the last [`forget_peak`], in blocks of 64 KiB or more.
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Counts the [peak] from now on; returns the bytes that are in use.
pub fn forget_peak() -> usize {
    let held = HELD.load(Ordering::Relaxed);
    PEAK.store(held, Ordering::Relaxed);
    held
}

/// The most bytes that the pool keeps for later use (1 GiB unless set).
pub fn retained_limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// Sets the most bytes that the pool keeps for later use, and gives back everything it holds now.
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
    if bytes < POOLED {
        return bytes.max(1).next_multiple_of(ALIGN);
    }
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
}
