//! A pool of allocations.
//!
//! The operating system hands out fresh pages zeroed one by one, which costs as much as the arithmetic of many
//! kernels. Memory of at least 64 KiB is therefore kept when it is given back, and handed out again to requests of the same
//! size class. Beyond [`retained_limit`] bytes, what has lain there longest goes back to the system. Of smaller memory, whose
//! alignment takes the system's allocator longer than a small kernel runs, every thread keeps the few pieces that it gave
//! back last.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// A cache line, and the widest vector register.
const ALIGN: usize = 64;
/// The smallest allocation that threads share; of smaller ones each keeps a few itself.
const POOLED: usize = 64 << 10;
/// The most pieces of small memory that a thread keeps, and the most bytes of them.
const KEPT: usize = 32;
const KEPT_BYTES: usize = 512 << 10;
/// A large page of memory: from this size on, memory is asked for in such pages where the system has them.
const HUGE_PAGE: usize = 2 << 20;

static LIMIT: AtomicUsize = AtomicUsize::new(1 << 30);
static FREE: Mutex<Free> = Mutex::new(Free { bytes: 0, returns: 0, classes: BTreeMap::new() });

/// Bytes of large memory in use, and the most there were since [`forget_peak`].
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Large memory that nobody uses.
struct Free {
    bytes: usize,
    /// How many times memory has come back so far.
    returns: u64,
    /// Each with the return that brought it, oldest first.
    classes: BTreeMap<usize, VecDeque<(u64, Memory)>>,
}

impl Free {
    fn take(&mut self, class: usize) -> Option<Memory> {
        let (_, memory) = self.classes.get_mut(&class)?.pop_back()?;
        self.bytes -= class;
        Some(memory)
    }

    /// Keeps this memory; what has to leave for it, the memory itself where it alone is too large.
    fn give_back(&mut self, memory: Memory, limit: usize) -> Vec<Memory> {
        self.bytes += memory.class;
        self.returns += 1;
        self.classes.entry(memory.class).or_default().push_back((self.returns, memory));
        let mut leaving = Vec::new();
        while self.bytes > limit
            && let Some(list) = self.classes.values_mut().filter(|list| !list.is_empty()).min_by_key(|list| list[0].0)
            && let Some((_, memory)) = list.pop_front()
        {
            self.bytes -= memory.class;
            leaving.push(memory);
        }
        leaving
    }
}

fn free() -> MutexGuard<'static, Free> {
    FREE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

thread_local! {
    static SMALL: RefCell<Small> = const { RefCell::new(Small { bytes: 0, kept: Vec::new() }) };
}

/// Small memory that this thread gave back, the latest last.
struct Small {
    bytes: usize,
    kept: Vec<Memory>,
}

impl Small {
    fn take(&mut self, class: usize) -> Option<Memory> {
        let i = self.kept.iter().rposition(|memory| memory.class == class)?;
        self.bytes -= class;
        Some(self.kept.remove(i))
    }

    fn keep(&mut self, memory: Memory) {
        while self.kept.len() == KEPT || (self.bytes + memory.class > KEPT_BYTES && !self.kept.is_empty()) {
            self.bytes -= self.kept.remove(0).class;
        }
        self.bytes += memory.class;
        self.kept.push(memory);
    }
}

/// Initialized memory of a size class, aligned to 64 bytes.
struct Memory {
    address: NonNull<u8>,
    class: usize,
    /// What the memory is part of, where it is not the allocator's.
    mapped: Option<Mapped>,
}

#[cfg(all(target_os = "linux", not(miri)))]
type Mapped = memmap2::MmapMut;
#[cfg(not(all(target_os = "linux", not(miri))))]
type Mapped = std::convert::Infallible;

// SAFETY: `Memory` owns its allocation alone, and hands out its address only through borrows of `Block`.
unsafe impl Send for Memory {}
// SAFETY: as above; a shared `Memory` is only read.
unsafe impl Sync for Memory {}

impl Memory {
    fn new(class: usize) -> Self {
        if class >= HUGE_PAGE
            && let Some(memory) = Self::map(class)
        {
            return memory;
        }
        let layout = layout(class);
        // SAFETY: `size_class` never returns 0, so the layout has a size.
        let address = unsafe { alloc_zeroed(layout) };
        let address = NonNull::new(address).unwrap_or_else(|| handle_alloc_error(layout));
        Self { address, class, mapped: None }
    }

    /// Memory in large pages, where the system has them: a kernel that strides over memory asks for the translation of an
    /// address a page, which takes longer than reading it.
    #[cfg(all(target_os = "linux", not(miri)))]
    fn map(class: usize) -> Option<Self> {
        let mut mapped = Mapped::map_anon(class.checked_add(HUGE_PAGE)?).ok()?;
        let start = mapped.as_ptr().align_offset(HUGE_PAGE);
        // Whole large pages alone: the rest costs no more than is written to. A system that refuses gives small ones.
        let _ = mapped.advise_range(memmap2::Advice::HugePage, start, class / HUGE_PAGE * HUGE_PAGE);
        let address = NonNull::new(mapped.get_mut(start..start + class)?.as_mut_ptr())?;
        Some(Self { address, class, mapped: Some(mapped) })
    }

    #[cfg(not(all(target_os = "linux", not(miri))))]
    fn map(_: usize) -> Option<Self> {
        None
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.mapped.is_none() {
            // SAFETY: `new` allocated this address with this very layout, and its one owner gives it up.
            unsafe { dealloc(self.address.as_ptr(), layout(self.class)) }
        }
    }
}

/// Memory of at least the bytes asked for, which goes back to the pool when dropped.
pub(crate) struct Pooled(Option<Memory>);

impl Pooled {
    /// Takes memory of at least `bytes`, recycled where there is some of that size.
    pub(crate) fn take(bytes: usize) -> Self {
        let class = size_class(bytes);
        let recycled = if class >= POOLED {
            PEAK.fetch_max(IN_USE.fetch_add(class, Ordering::Relaxed) + class, Ordering::Relaxed);
            free().take(class)
        } else {
            // A thread that is ending keeps nothing any more.
            SMALL.try_with(|small| small.borrow_mut().take(class)).ok().flatten()
        };
        Self(Some(recycled.unwrap_or_else(|| Memory::new(class))))
    }

    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.0.as_ref().expect("there until it is dropped").address.as_ptr()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let Some(memory) = self.0.take() else { return };
        if memory.class >= POOLED {
            IN_USE.fetch_sub(memory.class, Ordering::Relaxed);
            let leaving = free().give_back(memory, retained_limit());
            drop(leaving);
        } else {
            let _ = SMALL.try_with(|small| small.borrow_mut().keep(memory));
        }
    }
}

/// The most bytes that were in use at the same time since the last [`forget_peak`], in blocks of 64 KiB or more.
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Counts the [peak] from now on; returns the bytes that are in use.
pub fn forget_peak() -> usize {
    let in_use = IN_USE.load(Ordering::Relaxed);
    PEAK.store(in_use, Ordering::Relaxed);
    in_use
}

/// The most bytes that the pool keeps for later use (1 GiB unless set).
pub fn retained_limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// Sets the most bytes that the pool keeps for later use, and gives back everything that it holds now; the small memory
/// that threads keep, at most 512 KiB each, stays with them.
pub fn set_retained_limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
    let mut free = free();
    free.bytes = 0;
    free.classes.clear();
}

/// `bytes` rounded up to an eighth of its power of two, so that at most an eighth is wasted and sizes repeat.
fn size_class(bytes: usize) -> usize {
    let bytes = bytes.max(1);
    bytes.next_multiple_of((bytes.next_power_of_two() / 16).max(ALIGN))
}

fn layout(class: usize) -> Layout {
    Layout::from_size_align(class, ALIGN).expect("a size class within the address space")
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
        let first = Pooled::take(1000);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(Pooled::take(1010).as_ptr(), address);
        for round in 1..4 {
            drop((0..3 * KEPT).map(|i| Pooled::take(round * 64 * (i + 1))).collect::<Vec<_>>());
            SMALL.with_borrow(|small| {
                assert!(small.kept.len() <= KEPT && small.bytes <= KEPT_BYTES);
                assert_eq!(small.bytes, small.kept.iter().map(|memory| memory.class).sum());
            });
        }
    }

    #[test]
    fn what_is_in_use_is_counted() {
        // Other tests of this process use memory too, but not this much.
        let bytes = 1 << 30;
        drop(Pooled::take(bytes));
        assert!(peak() >= bytes);
        assert!(forget_peak() < bytes && peak() < bytes);
    }

    #[test]
    fn what_has_lain_longest_makes_room() {
        let mut free = Free { bytes: 0, returns: 0, classes: BTreeMap::new() };
        let limit = 4 * POOLED;
        for class in [2 * POOLED, POOLED, POOLED] {
            assert!(free.give_back(Memory::new(class), limit).is_empty());
        }
        let newest = free.take(POOLED).unwrap();
        let left: Vec<usize> = free.give_back(Memory::new(3 * POOLED), limit).iter().map(|memory| memory.class).collect();
        assert_eq!((left, free.bytes), (vec![2 * POOLED], limit));
        assert!(free.take(2 * POOLED).is_none() && free.take(3 * POOLED).is_some());
        assert_eq!(free.give_back(Memory::new(5 * POOLED), limit).len(), 2);
        drop(newest);
    }

    #[test]
    fn large_memory_is_zero_and_aligned_like_any_other() {
        for bytes in [POOLED, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 1, 5 * HUGE_PAGE + 77] {
            let memory = Memory::new(size_class(bytes));
            // SAFETY: `new` returns this many initialized bytes, which nobody else reaches.
            let all = unsafe { std::slice::from_raw_parts_mut(memory.address.as_ptr(), memory.class) };
            assert!(all.iter().all(|&x| x == 0) && (all.as_ptr() as usize).is_multiple_of(ALIGN) && all.len() >= bytes);
            all.fill(1);
        }
    }
}
