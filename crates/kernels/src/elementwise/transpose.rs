//! The transposition of a tile into a small buffer, a square of registers at a time.

use std::marker::PhantomData;

use crate::product::transpose;
use crate::real::Element;
use crate::simd::{self, Kernel, Lanes, Vector, prefetch};

/// to[r · columns + c] = from[c · step + r] for the rows and columns of `size`.
///
/// # Safety
/// All these elements can be read.
pub(super) unsafe fn transpose_tile<A: Element>(from: *const A, step: isize, size: (usize, usize), to: &mut [A]) {
    assert!(size.0 * size.1 <= to.len(), "a tile fits its buffer");
    let to = to.as_mut_ptr();
    // Only moved, so that any four or eight bytes may go as a number.
    match size_of::<A>() {
        4 => simd::dispatch(TileTranspose::<f32> { from: from.cast(), step, size, to: to.cast(), number: PhantomData }),
        8 => simd::dispatch(TileTranspose::<f64> { from: from.cast(), step, size, to: to.cast(), number: PhantomData }),
        // SAFETY: the caller's duty; the assertion above.
        _ => unsafe { one_by_one(from, step, (0, 0), size, size.1, to) },
    }
}

struct TileTranspose<T> {
    from: *const T,
    step: isize,
    size: (usize, usize),
    to: *mut T,
    number: PhantomData<T>,
}

impl<T: Lanes> Kernel<T> for TileTranspose<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        // SAFETY: the caller enabled the instruction set; `transpose_tile` has checked the rest.
        unsafe {
            match V::LANES {
                16 => squares::<V, 16>(&self),
                8 => squares::<V, 8>(&self),
                4 => squares::<V, 4>(&self),
                _ => one_by_one(self.from, self.step, (0, 0), self.size, self.size.1, self.to),
            }
        }
    }
}

/// Whole squares of `L` registers of `L` lanes, then what is left of the tile.
#[inline(always)]
unsafe fn squares<V: Vector, const L: usize>(tile: &TileTranspose<V::Element>) {
    let &TileTranspose { from, step, size: (rows, columns), to, .. } = tile;
    let (whole_rows, whole_columns) = (rows / L * L, columns / L * L);
    // SAFETY: the caller's duty, for elements within the tile.
    unsafe {
        for c in (0..whole_columns).step_by(L) {
            for r in (0..whole_rows).step_by(L) {
                let from = from.wrapping_offset(c as isize * step).wrapping_add(r);
                let mut square: [V; L] = std::array::from_fn(
                    #[inline(always)]
                    |i| {
                        // The next tile, whose columns are too far apart for the processor to predict.
                        prefetch(from.wrapping_offset((i + columns) as isize * step));
                        V::load(from.wrapping_offset(i as isize * step))
                    },
                );
                transpose(&mut square);
                for i in 0..L {
                    square[i].store(to.add((r + i) * columns + c));
                }
            }
        }
        one_by_one(from, step, (0, whole_columns), (whole_rows, columns), columns, to);
        one_by_one(from, step, (whole_rows, 0), (rows, columns), columns, to);
    }
}

/// The rows and columns from the first pair to the second.
#[inline(always)]
unsafe fn one_by_one<A: Copy>(from: *const A, step: isize, first: (usize, usize), end: (usize, usize), columns: usize, to: *mut A) {
    for c in first.1..end.1 {
        for r in first.0..end.0 {
            // SAFETY: the caller's duty, for elements within the tile.
            unsafe { *to.add(r * columns + c) = *from.wrapping_offset(c as isize * step).wrapping_add(r) }
        }
    }
}
