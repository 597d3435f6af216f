//! A pool of allocations.
//!
//! The operating system hands out fresh pages zeroed one by one, which costs as much as the arithmetic of many
//! kernels. Memory of at least 64 KiB is therefore kept when it is given back, and handed out again to requests of the same
//! size class. Beyond [`retained_limit`] bytes, what has lain there longest goes back to the system. Of smaller memory, whose
//! alignment takes the system's allocator longer than a small kernel runs, every thread keeps the few pieces that it gave
//! back last.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::process::fallible;

/// A cache line, and the widest vector register.
const ALIGN: usize = 64;
/// The smallest allocation that threads share; of smaller ones each keeps a few itself.
const POOLED: usize = 64 << 10;
/// The most pieces of small memory that a thread keeps, and the most bytes of them.
const KEPT: usize = 32;
const KEPT_BYTES: usize = 512 << 10;
/// A large page of memory: from this size on, memory is asked for in such pages where the system has them.
const HUGE_PAGE: usize = 2 << 20;

/// Memory of at least so many bytes is asked for only where the system says that it has as much: many systems promise more,
/// and end a process that uses what was promised.
const ASKED: usize = 1 << 30;

static LIMIT: AtomicUsize = AtomicUsize::new(1 << 30);
static FREE: Mutex<Free> = Mutex::new(Free { bytes: 0, returns: 0, classes: BTreeMap::new() });

/// Bytes of large memory in use, and the most there were since [`reset_peak`].
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// Memory that cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// How many bytes were asked for; `usize::MAX` where they are more than can be counted.
    pub bytes: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of memory cannot be had", self.bytes)
    }
}

impl std::error::Error for OutOfMemory {}

/// Large memory that nobody uses.
struct Free {
    bytes: usize,
    /// How many times memory has come back so far.
    returns: u64,
    /// Each with the return that brought it, oldest first.
    classes: BTreeMap<usize, VecDeque<(u64, Memory)>>,
}

impl Free {
    fn clear(&mut self) {
        self.bytes = 0;
        self.classes.clear();
    }

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
    /// Memory of this size class, which is above 0; `None` where there is none.
    #[cold]
    #[inline(never)]
    fn new(class: usize) -> Option<Self> {
        if class >= ASKED && available().is_some_and(|available| available < class) {
            return None;
        }
        if class >= HUGE_PAGE
            && let Some(memory) = Self::map(class)
        {
            return Some(memory);
        }
        let layout = layout(class)?;
        // SAFETY: `layout` is of a size above 0.
        let address = NonNull::new(fallible(|| unsafe { alloc_zeroed(layout) }))?;
        Some(Self { address, class, mapped: None })
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
        if self.mapped.is_none()
            && let Some(layout) = layout(self.class)
        {
            // SAFETY: `new` allocated this address with this very layout, and its one owner gives it up.
            unsafe { dealloc(self.address.as_ptr(), layout) }
        }
    }
}

/// Memory of at least the bytes asked for, which goes back to the pool when dropped.
pub(crate) struct Pooled(Option<Memory>);

impl Pooled {
    /// Takes memory of at least `bytes`, recycled where there is some of that size.
    pub(crate) fn take(bytes: usize) -> Result<Self, OutOfMemory> {
        let class = size_class(bytes).ok_or(OutOfMemory { bytes })?;
        if class < POOLED {
            // A thread that is ending keeps nothing any more.
            let recycled = SMALL.try_with(|small| small.borrow_mut().take(class)).ok().flatten();
            return Ok(Self(Some(recycled.or_else(|| Memory::new(class)).ok_or(OutOfMemory { bytes })?)));
        }
        // What is kept for later use has to go where there is no other memory.
        let recycled = free().take(class);
        let memory = recycled.or_else(|| Memory::new(class)).or_else(|| {
            free().clear();
            Memory::new(class)
        });
        let memory = memory.ok_or(OutOfMemory { bytes })?;
        PEAK.fetch_max(IN_USE.fetch_add(class, Ordering::Relaxed) + class, Ordering::Relaxed);
        Ok(Self(Some(memory)))
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

/// The most bytes that were in use at the same time since the last [`reset_peak`], in blocks of 64 KiB or more.
pub fn peak() -> usize {
    PEAK.load(Ordering::Relaxed)
}

/// Counts the [peak] from now on; returns the bytes that are in use.
pub fn reset_peak() -> usize {
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
    free().clear();
}

/// `bytes` rounded up to an eighth of its power of two, so that at most an eighth is wasted and sizes repeat. `None` where no
/// allocation is so large.
fn size_class(bytes: usize) -> Option<usize> {
    let bytes = bytes.max(1);
    // A power of two, so that nothing is divided.
    let unit = (bytes.checked_next_power_of_two()? / 16).max(ALIGN);
    let class = bytes.checked_add(unit - 1)? & !(unit - 1);
    (class <= isize::MAX as usize - (ALIGN - 1)).then_some(class)
}

/// How memory of a size class above 0 is allocated.
fn layout(class: usize) -> Option<Layout> {
    Layout::from_size_align(class, ALIGN).ok().filter(|layout| layout.size() > 0)
}

/// The bytes that can still be used without another process being ended for them, where the system tells.
#[cfg(all(target_os = "linux", not(miri)))]
fn available() -> Option<usize> {
    let all = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| {
        let line = all.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()
    };
    kib("MemAvailable:")?.checked_add(kib("SwapFree:").unwrap_or(0))?.checked_mul(1024)
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn available() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_waste_at_most_an_eighth() {
        for bytes in [1, 63, 64, 65, POOLED - 1, POOLED, POOLED + 1, 1_000_000, (1 << 30) + 1] {
            let class = size_class(bytes).unwrap();
            assert!(class >= bytes && class.is_multiple_of(ALIGN));
            assert!(bytes < 512 || class as f64 <= bytes as f64 * 1.13, "{bytes} became {class}");
        }
    }

    #[test]
    fn a_thread_gets_back_the_small_memory_that_it_gave_up_and_keeps_little_of_it() {
        let first = Pooled::take(1000).unwrap();
        let address = first.as_ptr();
        drop(first);
        assert_eq!(Pooled::take(1010).unwrap().as_ptr(), address);
        for round in 1..4 {
            drop((0..3 * KEPT).map(|i| Pooled::take(round * 64 * (i + 1)).unwrap()).collect::<Vec<_>>());
            SMALL.with_borrow(|small| {
                assert!(small.kept.len() <= KEPT && small.bytes <= KEPT_BYTES);
                assert_eq!(small.bytes, small.kept.iter().map(|memory| memory.class).sum());
            });
        }
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    #[cfg_attr(miri, ignore = "Miri ends where there is no memory")]
    fn memory_that_cannot_be_had_is_an_error_and_is_not_counted() {
        for bytes in
            [usize::MAX, usize::MAX - 63, usize::MAX / 2 + 1, isize::MAX as usize, isize::MAX as usize - 63, 1 << 62, 1 << 47]
        {
            assert_eq!(Pooled::take(bytes).err(), Some(OutOfMemory { bytes }));
        }
        assert!(peak() < 1 << 47);
        #[cfg(target_os = "linux")]
        if let Some(available) = available() {
            // A system that promises more than it has would end the process once it is used.
            assert!(Pooled::take(available + (4 << 30)).is_err());
        }
    }

    #[test]
    fn what_is_in_use_is_counted() {
        // Other tests of this process use memory too, but not this much.
        let bytes = 1 << 30;
        drop(Pooled::take(bytes).unwrap());
        assert!(peak() >= bytes);
        assert!(reset_peak() < bytes && peak() < bytes);
    }

    #[test]
    fn what_has_lain_longest_makes_room() {
        let mut free = Free { bytes: 0, returns: 0, classes: BTreeMap::new() };
        let limit = 4 * POOLED;
        for class in [2 * POOLED, POOLED, POOLED] {
            assert!(free.give_back(Memory::new(class).unwrap(), limit).is_empty());
        }
        let newest = free.take(POOLED).unwrap();
        let left: Vec<usize> = free.give_back(Memory::new(3 * POOLED).unwrap(), limit).iter().map(|memory| memory.class).collect();
        assert_eq!((left, free.bytes), (vec![2 * POOLED], limit));
        assert!(free.take(2 * POOLED).is_none() && free.take(3 * POOLED).is_some());
        assert_eq!(free.give_back(Memory::new(5 * POOLED).unwrap(), limit).len(), 2);
        drop(newest);
    }

    #[test]
    fn large_memory_is_zero_and_aligned_like_any_other() {
        for bytes in [POOLED, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 1, 5 * HUGE_PAGE + 77] {
            let memory = Memory::new(size_class(bytes).unwrap()).unwrap();
            // SAFETY: `new` returns this many initialized bytes, which nobody else reaches.
            let all = unsafe { std::slice::from_raw_parts_mut(memory.address.as_ptr(), memory.class) };
            // An interpreter looks at some.
            let mut some = all.iter().step_by(if cfg!(miri) { 100_003 } else { 1 });
            assert!(some.all(|&x| x == 0) && (all.as_ptr() as usize).is_multiple_of(ALIGN) && all.len() >= bytes);
            all.fill(1);
        }
    }
}
