//! Copies of operands in the order that tiles read them in.

use std::ops::Range;

use super::Head;
use super::tile::RegisterTile;
use crate::real::Real;
use crate::shape::{count, inside, reach};
use crate::simd::{self, Enabled, Kernel, Lanes, Square, Vector, dispatch_on, prefetch};
use crate::threads;

/// Copies `rows` rows of `dim` elements, multiplied by `scale`, into rows of `width` elements, and fills what is left of each
/// row, and the rows up to `padded`, with 0.
pub(super) fn rows<T: Real>(from: Head<'_, T>, rows: Range<usize>, to: &mut [T], shape: PackedShape<T>) {
    let PackedShape { dim, width, padded, scale } = shape;
    let (filled, rest) = to[..padded * width].split_at_mut(rows.len() * width);
    rest.fill(T::ZERO);
    if dim == 0 {
        return filled.fill(T::ZERO);
    }
    for (i, to) in rows.zip(filled.chunks_exact_mut(width)) {
        let (to, rest) = to.split_at_mut(dim);
        rest.fill(T::ZERO);
        if from.element == 1 {
            let row = from.stretch(i, 0, dim);
            simd::run(
                #[inline(always)]
                || to.iter_mut().zip(row).for_each(|(y, &x)| *y = x * scale),
            );
        } else {
            for (c, y) in to.iter_mut().enumerate() {
                *y = from.at(i, c) * scale;
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
pub(super) fn panels<T: Lanes>(from: Head<'_, T>, keys: Range<usize>, dim: usize, shape: RegisterTile, to: &mut [T]) {
    let nr = shape.nr;
    if dim == 0 {
        return;
    }
    for (p, panel) in to[..panels_len(keys.len(), dim, nr)].chunks_exact_mut(nr * dim).enumerate() {
        let first = keys.start + p * nr;
        let here = nr.min(keys.end - first);
        if from.element == 1 {
            dispatch_on(shape.isa, TransposePanel { from, first, keys: here, dim, nr, to: panel });
            continue;
        }
        for (c, to) in panel.chunks_exact_mut(nr).enumerate() {
            let (to, rest) = to.split_at_mut(here);
            rest.fill(T::ZERO);
            if from.row == 1 {
                to.copy_from_slice(from.stretch(first, c, here));
                continue;
            }
            for (j, y) in to.iter_mut().enumerate() {
                *y = from.at(first + j, c);
            }
        }
    }
}

/// One panel of [`panels`], from `keys` rows of `dim` elements that lie one after another: squares of registers are
/// transposed.
struct TransposePanel<'a, T> {
    from: Head<'a, T>,
    /// The first of the rows.
    first: usize,
    keys: usize,
    dim: usize,
    nr: usize,
    to: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for TransposePanel<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { from, first, keys, dim, nr, to } = self;
        let (start, row) = (from.position(first, 0), from.row);
        let reach = reach([(keys, row), (dim, 1)]);
        assert!(reach.is_some_and(|reach| inside(start, reach, from.data.len())), "rows of an operand");
        let from = from.data.as_ptr().wrapping_add(start);
        let address = |j: usize, c: usize| from.wrapping_offset(j as isize * row).wrapping_add(c);
        for j in (0..nr).step_by(V::LANES) {
            for c in (0..dim).step_by(V::LANES) {
                let mut square = Square::zero(isa);
                let (here, width) = (V::LANES.min(keys.saturating_sub(j)), V::LANES.min(dim - c));
                // SAFETY: these are rows below `keys` and elements below `dim`, all asserted to be inside the data.
                unsafe {
                    if here == V::LANES && width == V::LANES {
                        for i in 0..V::LANES {
                            prefetch(address(j + V::LANES + i, c));
                            square[i] = isa.load(address(j + i, c));
                        }
                    } else {
                        for i in 0..here {
                            square[i] = isa.load_first(address(j + i, c), width);
                        }
                    }
                }
                square.transpose();
                for i in 0..width {
                    square[i].write(&mut to[(c + i) * nr + j..]);
                }
            }
        }
    }
}

/// How many parts to cut the copying of `elements` into.
pub(super) fn parts(elements: usize) -> usize {
    threads::parts(elements, 0.6)
}
