//! One slice, written by several threads.

use std::marker::PhantomData;
use std::ops::Range;

/// A slice that threads share, each of which writes other elements of it.
pub(crate) struct SharedSlice<'a, T> {
    start: *mut T,
    len: usize,
    of: PhantomData<&'a mut [T]>,
}

// SAFETY: the slice is borrowed exclusively, and `part` leaves it to its caller that no two threads have the same element.
unsafe impl<T: Send> Send for SharedSlice<'_, T> {}
// SAFETY: as for `Send`.
unsafe impl<T: Send> Sync for SharedSlice<'_, T> {}

impl<T> Clone for SharedSlice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedSlice<'_, T> {}

impl<'a, T> SharedSlice<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), of: PhantomData }
    }

    /// The elements of a range.
    ///
    /// # Panics
    /// If the slice does not have them.
    ///
    /// # Safety
    /// As long as the part is used, nobody else uses a part that shares an element with it.
    #[expect(clippy::mut_from_ref, reason = "the parts are disjoint, the caller's duty")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len, "{range:?} of {} elements", self.len);
        // SAFETY: the range lies in the slice that `new` borrowed; that it is nobody else's is the caller's duty.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The address of the element at `offset`, which need not be one of the slice's.
    pub(crate) fn at(self, offset: isize) -> *mut T {
        self.start.wrapping_offset(offset)
    }
}
