//! Counts, strides and extents, all of them: the one place where sizes are multiplied, and where nothing wraps.
//!
//! A [`Shape`] has at most [`MAX_ELEMENTS`] elements, sizes of 0 left out. So the product of any of its sizes is exact, its
//! bytes fit `isize` in every element type, and so do its row-major strides. Sizes that are not yet known to be a shape's are
//! multiplied by [`count`], which stops at `usize::MAX`: no slice has as many elements, and no memory is given for them.

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

/// The most elements of a shape, sizes of 0 left out: of the widest element type, as many bytes as `isize` counts.
pub const MAX_ELEMENTS: usize = isize::MAX as usize / 8;

/// Sizes of dimensions, outermost first.
pub type Dims = SmallVec<[usize; 6]>;
/// Elements that a step along each dimension moves.
pub type Strides = SmallVec<[isize; 6]>;

/// Sizes of dimensions, outermost first, whose product without sizes of 0 is at most [`MAX_ELEMENTS`].
///
/// # Example
/// ```
/// use monotile_kernels::shape::Shape;
/// assert_eq!(Shape::new(&[2, 3, 4]).unwrap().elements(), 24);
/// assert_eq!(Shape::new(&[1 << 40, 0]).unwrap().elements(), 0);
/// assert!(Shape::new(&[1 << 40, 0, 1 << 40]).is_none());
/// ```
#[derive(PartialEq, Eq, Default)]
pub struct Shape(Dims);

impl Clone for Shape {
    // One copy of memory, where that of a list goes from element to element.
    #[inline]
    fn clone(&self) -> Self {
        Self(Dims::from_slice(&self.0))
    }
}

impl Shape {
    /// The shape of these sizes; `None` where it has too many elements.
    #[inline]
    pub fn new(sizes: &[usize]) -> Option<Self> {
        fits(sizes).then(|| Self(Dims::from_slice(sizes)))
    }

    /// The shape of these sizes, without copying them; `None` where it has too many elements.
    #[inline]
    pub fn from_dims(sizes: Dims) -> Option<Self> {
        fits(&sizes).then_some(Self(sizes))
    }

    /// The number of elements. (Its `len`, as that of every slice of sizes, is the number of dimensions.)
    #[inline]
    pub fn elements(&self) -> usize {
        count(self)
    }

    /// The number of dimensions.
    #[inline]
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The same but for the size of one dimension, which becomes no larger.
    ///
    /// # Panics
    /// If there is no such dimension, or it would become larger.
    #[must_use]
    pub fn narrowed(mut self, dimension: usize, size: usize) -> Self {
        assert!(size <= self.0[dimension], "dimension {dimension} of {self:?} cannot become {size}");
        self.0[dimension] = size;
        self
    }

    /// The sizes at these dimensions, in this order: fewer than all, or another order, have no more elements.
    ///
    /// # Panics
    /// If there is no such dimension, or one is named twice.
    #[must_use]
    pub fn at(&self, dimensions: &[usize]) -> Self {
        let named = |d: &usize| dimensions.iter().filter(|other| *other == d).count() == 1;
        assert!(dimensions.iter().all(named), "dimensions {dimensions:?} of a shape, each once");
        Self(dimensions.iter().map(|&d| self.0[d]).collect())
    }

    /// The strides of elements that lie one after another, the last dimension fastest.
    #[inline]
    pub fn row_major(&self) -> Strides {
        let mut strides = Strides::from_elem(1, self.0.len());
        for d in (1..self.0.len()).rev() {
            strides[d - 1] = strides[d] * self.0[d].max(1) as isize;
        }
        strides
    }
}

impl Deref for Shape {
    type Target = [usize];

    #[inline]
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl AsRef<[usize]> for Shape {
    fn as_ref(&self) -> &[usize] {
        self
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of indices below these sizes: 0 where a size is 0, and `usize::MAX` where there are more.
///
/// # Example
/// ```
/// use monotile_kernels::shape::count;
/// assert_eq!((count(&[]), count(&[2, 3])), (1, 6));
/// assert_eq!(count(&[1 << 40, 1 << 40, 0]), 0);
/// assert_eq!(count(&[1 << 40, 1 << 40]), usize::MAX);
/// ```
#[inline]
pub fn count(sizes: &[usize]) -> usize {
    product(sizes.iter().copied())
}

/// [`count`] of sizes that are not in a slice.
#[inline]
pub fn product(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(1, usize::saturating_mul)
}

/// Whether these are the sizes of a [`Shape`].
#[inline]
pub fn fits(sizes: &[usize]) -> bool {
    product(sizes.iter().map(|&size| size.max(1))) <= MAX_ELEMENTS
}

/// The lowest and the highest offset over these dimensions, of which each is a size and a stride, from that of index 0…0;
/// a size of 0 counts as 1. `None` where one is more than [`MAX_ELEMENTS`] away.
///
/// # Example
/// ```
/// use monotile_kernels::shape::reach;
/// assert_eq!(reach([(3, -2), (4, 10), (0, 99)]), Some((-4, 30)));
/// assert_eq!(reach([(usize::MAX, 1)]), None);
/// ```
#[inline]
pub fn reach(dimensions: impl IntoIterator<Item = (usize, isize)>) -> Option<(isize, isize)> {
    let (mut low, mut high) = (0_isize, 0_isize);
    for (size, stride) in dimensions {
        let steps = isize::try_from(size.saturating_sub(1)).ok()?;
        let far = if steps == 0 { 0 } else { steps.checked_mul(stride)? };
        if far < 0 { low = low.checked_add(far)? } else { high = high.checked_add(far)? }
    }
    (low.unsigned_abs() <= MAX_ELEMENTS && high.unsigned_abs() <= MAX_ELEMENTS).then_some((low, high))
}

/// Whether all positions that are reached from `offset` lie in `0..len`.
#[inline]
pub fn inside(offset: usize, (low, high): (isize, isize), len: usize) -> bool {
    offset.checked_add_signed(low).is_some() && offset.checked_add_signed(high).is_some_and(|last| last < len)
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_no_more_elements_than_bytes_can_be_counted_whatever_its_sizes() {
        let most = MAX_ELEMENTS;
        for sizes in [&[][..], &[0], &[most], &[most, 1, 0], &[1 << 30, 1 << 29, 0, 0], &[0, most / 2, 2]] {
            assert!(Shape::new(sizes).is_some(), "{sizes:?}");
        }
        for sizes in [
            &[most + 1][..],
            &[usize::MAX, 0],
            &[0, most, 2],
            &[1 << 32, 1 << 32],
            &[1 << 32, 0, 1 << 32],
            &[(1 << 62) + 1, 4],
            &[1 << 21, 1 << 21, 1 << 22],
        ] {
            assert!(Shape::new(sizes).is_none(), "{sizes:?}");
        }
        assert_eq!(Shape::new(&[most]).unwrap().elements(), most);
    }

    #[test]
    fn row_major_strides_of_an_empty_shape_do_not_wrap() {
        let shape = Shape::new(&[0, 1 << 20, 0, 1 << 30, 1 << 9]).unwrap();
        assert_eq!(shape.row_major()[..], [1 << 59, 1 << 39, 1 << 39, 1 << 9, 1]);
    }

    #[test]
    fn extents_that_do_not_fit_are_none_and_steps_that_nobody_takes_do_not_count() {
        assert_eq!(reach([(1, isize::MAX), (0, isize::MIN), (2, -5)]), Some((-5, 0)));
        assert_eq!(reach([(usize::MAX, isize::MAX), (usize::MAX, isize::MAX), (2, 1 << 34)]), None);
        assert_eq!(reach([(3, isize::MAX)]), None);
        assert_eq!(reach([(MAX_ELEMENTS, 1), (2, 1), (2, 1)]), None);
        assert_eq!(reach([(usize::MAX, 0)]), None);
        assert!(inside(3, (-3, 4), 8) && !inside(3, (-4, 4), 8) && !inside(3, (-3, 5), 8) && !inside(0, (0, 0), 0));
    }

    #[test]
    #[should_panic(expected = "each once")]
    fn no_dimension_is_taken_twice() {
        let _ = Shape::new(&[1 << 40, 2]).unwrap().at(&[0, 0]);
    }
}
