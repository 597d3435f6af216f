//! Copies of operands in the order that tiles read them in.

use std::ops::Range;

use super::Head;
use super::tile::RegisterTile;
use crate::product::transpose;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Kernel, Lanes, Vector, dispatch_on, prefetch};
use crate::threads;

/// Copies `rows` rows of `dim` elements, multiplied by `scale`, into rows of `width` elements, and fills what is left of each
/// row, and the rows up to `padded`, with 0.
pub(super) fn rows<T: Real>(from: Head<T>, rows: Range<usize>, to: &mut [T], shape: PackedShape<T>) {
    let PackedShape { dim, width, padded, scale } = shape;
    let (filled, rest) = to[..padded * width].split_at_mut(rows.len() * width);
    rest.fill(T::ZERO);
    if dim == 0 {
        return filled.fill(T::ZERO);
    }
    for (i, to) in rows.zip(filled.chunks_exact_mut(width)) {
        let (to, rest) = to.split_at_mut(dim);
        rest.fill(T::ZERO);
        let row = from.row(i);
        if from.element == 1 {
            // SAFETY: the view that `from` came from has row `i`, of `dim` elements one after another.
            let row = unsafe { std::slice::from_raw_parts(row, dim) };
            simd::run(
                #[inline(always)]
                || to.iter_mut().zip(row).for_each(|(y, &x)| *y = x * scale),
            );
        } else {
            for (c, y) in to.iter_mut().enumerate() {
                // SAFETY: the view has the element `c` of row `i`.
                *y = unsafe { *row.offset(c as isize * from.element) } * scale;
            }
        }
    }
}

/// The shape of a copy made by [`rows`].
#[derive(Clone, Copy)]
pub(super) struct PackedShape<T> {
    /// Elements of a row.
    pub dim: usize,
    /// Elements of a row of the copy, at least `dim`.
    pub width: usize,
    /// Rows of the copy, at least as many as are copied.
    pub padded: usize,
    /// What elements are multiplied by.
    pub scale: T,
}

/// Elements that [`panels`] writes for `keys` rows of `dim` elements.
pub(super) fn panels_len(keys: usize, dim: usize, nr: usize) -> usize {
    count(&[keys.next_multiple_of(nr), dim])
}

/// Transposes rows `keys` into panels of `nr`: element c of key j goes to panel j / nr, at c · nr + j % nr; missing keys are 0.
pub(super) fn panels<T: Lanes>(from: Head<T>, keys: Range<usize>, dim: usize, shape: RegisterTile, to: &mut [T]) {
    let nr = shape.nr;
    if dim == 0 {
        return;
    }
    for (p, panel) in to[..panels_len(keys.len(), dim, nr)].chunks_exact_mut(nr * dim).enumerate() {
        let first = keys.start + p * nr;
        let here = nr.min(keys.end - first);
        if from.element == 1 {
            dispatch_on(shape.isa, TransposePanel { from: from.row(first), row: from.row, keys: here, dim, nr, to: panel });
            continue;
        }
        for (c, to) in panel.chunks_exact_mut(nr).enumerate() {
            let start = from.row(first).wrapping_offset(c as isize * from.element);
            let (to, rest) = to.split_at_mut(here);
            rest.fill(T::ZERO);
            if from.row == 1 {
                // SAFETY: the view that `from` came from has rows `first` to `first + here`, with an element `c`, which lie
                // one after another.
                to.copy_from_slice(unsafe { std::slice::from_raw_parts(start, here) });
                continue;
            }
            for (j, y) in to.iter_mut().enumerate() {
                // SAFETY: as above, but for the distance.
                *y = unsafe { *start.wrapping_offset(j as isize * from.row) };
            }
        }
    }
}

/// One panel of [`panels`], from `keys` rows of `dim` elements that lie one after another: squares of registers are
/// transposed.
struct TransposePanel<'a, T> {
    from: *const T,
    row: isize,
    keys: usize,
    dim: usize,
    nr: usize,
    to: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for TransposePanel<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        // SAFETY: `dispatch_on` enabled `V`.
        unsafe {
            match V::LANES {
                16 => self.squares::<V, 16>(),
                8 => self.squares::<V, 8>(),
                4 => self.squares::<V, 4>(),
                2 => self.squares::<V, 2>(),
                _ => self.squares::<V, 1>(),
            }
        }
    }
}

impl<T: Lanes> TransposePanel<'_, T> {
    /// # Safety
    /// The instruction set of `V` must be enabled, and `L` be its lanes.
    #[inline(always)]
    unsafe fn squares<V: Vector<Element = T>, const L: usize>(self) {
        let Self { from, row, keys, dim, nr, to } = self;
        let address = |j: usize, c: usize| from.wrapping_offset(j as isize * row).wrapping_add(c);
        for j in (0..nr).step_by(L) {
            for c in (0..dim).step_by(L) {
                // SAFETY: the view has rows to `keys` with elements to `dim`; slices have the length of a register; the rest
                // is the caller's duty.
                unsafe {
                    let mut square = [V::splat(T::ZERO); L];
                    if j + L <= keys && c + L <= dim {
                        for i in 0..L {
                            prefetch(address(j + L + i, c));
                            square[i] = V::load(address(j + i, c));
                        }
                    } else {
                        for i in 0..L.min(keys.saturating_sub(j)) {
                            square[i] = V::load_first(address(j + i, c), L.min(dim - c));
                        }
                    }
                    transpose(&mut square);
                    for i in 0..L.min(dim - c) {
                        square[i].store(to[(c + i) * nr + j..][..L].as_mut_ptr());
                    }
                }
            }
        }
    }
}

/// How many parts to cut the copying of `elements` into.
pub(super) fn parts(elements: usize) -> usize {
    threads::parts(elements, 0.6)
}
