//! The transposition of a tile into a small buffer, a square of registers at a time.

use bytemuck::{cast_slice, cast_slice_mut};

use crate::real::Element;
use crate::shape;
use crate::simd::{self, Enabled, Kernel, Lanes, Square, Vector, prefetch};

/// to[r · columns + c] = from[start + c · step + r] for the rows and columns of `size`.
///
/// # Panics
/// If one of these elements is not there.
pub(super) fn transpose_tile<A: Element>(from: &[A], start: usize, step: isize, size: (usize, usize), to: &mut [A]) {
    // Only moved, so that any four or eight bytes may go as a number.
    match size_of::<A>() {
        4 => simd::dispatch(TileTranspose::<f32>::new(cast_slice(from), start, step, size, cast_slice_mut(to))),
        8 => simd::dispatch(TileTranspose::<f64>::new(cast_slice(from), start, step, size, cast_slice_mut(to))),
        _ => TileTranspose::new(from, start, step, size, to).one_by_one((0, 0), size),
    }
}

/// A tile and its buffer, which have an element for every row and column: only [`new`](TileTranspose::new) makes it.
struct TileTranspose<'a, A> {
    from: &'a [A],
    start: usize,
    step: isize,
    size: (usize, usize),
    to: &'a mut [A],
}

impl<'a, A: Copy> TileTranspose<'a, A> {
    #[inline(always)]
    fn new(from: &'a [A], start: usize, step: isize, size: (usize, usize), to: &'a mut [A]) -> Self {
        let reach = shape::reach([(size.0, 1), (size.1, step)]);
        assert!(reach.is_some_and(|reach| shape::inside(start, reach, from.len())), "a tile lies in its operand");
        assert!(shape::count(&[size.0, size.1]) <= to.len(), "a tile fits its buffer");
        Self { from, start, step, size, to }
    }

    /// The address of row 0 of column `c`, which may be beyond the tile.
    #[inline(always)]
    fn column(&self, c: usize) -> *const A {
        self.from.as_ptr().wrapping_add(self.start).wrapping_offset(c as isize * self.step)
    }

    /// The rows and columns from the first pair to the second.
    #[inline(always)]
    fn one_by_one(&mut self, first: (usize, usize), end: (usize, usize)) {
        let columns = self.size.1;
        assert!(end.0 <= self.size.0 && end.1 <= columns, "a part of the tile");
        let to = self.to.as_mut_ptr();
        for c in first.1..end.1 {
            let column = self.column(c);
            for r in first.0..end.0 {
                // SAFETY: `new` asserted that the tile's elements are in both, and the assertion above that these are its.
                unsafe { *to.add(r * columns + c) = *column.add(r) }
            }
        }
    }

    /// Whole squares of registers of the tile; how many rows and columns these are.
    #[inline(always)]
    fn squares<V: Vector<Element = A>>(&mut self, isa: Enabled<V>) -> (usize, usize) {
        let (rows, columns) = self.size;
        let whole = (rows / V::LANES * V::LANES, columns / V::LANES * V::LANES);
        let to = self.to.as_mut_ptr();
        for c in (0..whole.1).step_by(V::LANES) {
            for r in (0..whole.0).step_by(V::LANES) {
                let mut square = Square::zero(isa);
                for i in 0..V::LANES {
                    // The next tile, whose columns are too far apart for the processor to predict.
                    prefetch(self.column(c + i + columns).wrapping_add(r));
                    // SAFETY: `new` asserted that the tile's rows and columns, of which these are, are in `from`.
                    square[i] = unsafe { isa.load(self.column(c + i).add(r)) };
                }
                square.transpose();
                for i in 0..V::LANES {
                    // SAFETY: `new` asserted that the buffer has `columns` elements for each of the tile's rows.
                    unsafe { square[i].store(to.add((r + i) * columns + c)) }
                }
            }
        }
        whole
    }
}

impl<T: Lanes> Kernel<T> for TileTranspose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(mut self, isa: Enabled<V>) {
        let (rows, columns) = self.size;
        if V::LANES < 4 {
            return self.one_by_one((0, 0), (rows, columns));
        }
        let whole = self.squares(isa);
        self.one_by_one((0, whole.1), (whole.0, columns));
        self.one_by_one((whole.0, 0), (rows, columns));
    }
}
