//! Addresses that threads share.

use std::marker::PhantomData;
use std::ops::Range;

/// An address that threads may hand to each other. To read or write there is another matter: each block of `unsafe` that does says
/// what makes it one thread's at a time.
pub(crate) struct SyncPtr<T>(*mut T);

// SAFETY: an address is a number; nothing is read or written by sending it.
unsafe impl<T> Send for SyncPtr<T> {}
// SAFETY: as for `Send`.
unsafe impl<T> Sync for SyncPtr<T> {}

impl<T> Clone for SyncPtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SyncPtr<T> {}

impl<T> SyncPtr<T> {
    pub(crate) fn new(address: *mut T) -> Self {
        Self(address)
    }

    pub(crate) fn get(self) -> *mut T {
        self.0
    }

    /// The address so many elements further on, which need not be one's.
    pub(crate) fn at(self, offset: isize) -> *mut T {
        self.0.wrapping_offset(offset)
    }
}

/// A slice that threads share, each of which writes other elements of it.
pub(crate) struct SharedSlice<'a, T> {
    start: SyncPtr<T>,
    len: usize,
    of: PhantomData<&'a mut [T]>,
}

impl<T> Clone for SharedSlice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedSlice<'_, T> {}

#[cold]
#[inline(never)]
fn beyond(range: Range<usize>, len: usize) -> ! {
    panic!("{range:?} of {len} elements")
}

impl<'a, T: Send> SharedSlice<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: SyncPtr(slice.as_mut_ptr()), len: slice.len(), of: PhantomData }
    }

    /// The elements of a range.
    ///
    /// # Panics
    /// If the slice does not have them.
    ///
    /// # Safety
    /// As long as the part is used, nobody else uses a part that shares an element with it.
    // Within loops over registers, which a call would have written to memory.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the parts are disjoint, the caller's duty")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        if range.start > range.end || range.end > self.len {
            beyond(range, self.len);
        }
        // SAFETY: the range lies in the slice that `new` borrowed; that it is nobody else's is the caller's duty.
        unsafe { std::slice::from_raw_parts_mut(self.start.0.add(range.start), range.len()) }
    }

    /// The address of the element at `offset`, which need not be one of the slice's.
    pub(crate) fn at(self, offset: isize) -> *mut T {
        self.start.at(offset)
    }
}
