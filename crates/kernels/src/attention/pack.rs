//! Copies of operands in the order that tiles read them in.

use super::Head;
use crate::real::Real;
use crate::{simd, threads};

/// Copies `rows` rows of `dim` elements, multiplied by `scale`, into rows of `width` elements, and fills what is left of each
/// row, and the rows up to `padded`, with 0.
pub(super) fn rows<T: Real>(from: Head<T>, rows: std::ops::Range<usize>, to: &mut [T], shape: Rows<T>) {
    let Rows { dim, width, padded, scale } = shape;
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
pub(super) struct Rows<T> {
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
    keys.next_multiple_of(nr) * dim
}

/// Transposes rows `keys` into panels of `nr`: element c of key j goes to panel j / nr, at c · nr + j % nr; missing keys are 0.
pub(super) fn panels<T: Real>(from: Head<T>, keys: std::ops::Range<usize>, dim: usize, nr: usize, to: &mut [T]) {
    if dim == 0 {
        return;
    }
    for (p, panel) in to[..panels_len(keys.len(), dim, nr)].chunks_exact_mut(nr * dim).enumerate() {
        let first = keys.start + p * nr;
        let here = nr.min(keys.end - first);
        for (c, to) in panel.chunks_exact_mut(nr).enumerate() {
            let start = from.row(first).wrapping_offset(c as isize * from.element);
            for (j, y) in to[..here].iter_mut().enumerate() {
                // SAFETY: the view that `from` came from has row `first + j`, with an element `c`.
                *y = unsafe { *start.wrapping_offset(j as isize * from.row) };
            }
            to[here..].fill(T::ZERO);
        }
    }
}

/// How many parts to cut the copying of `elements` into.
pub(super) fn parts(elements: usize) -> usize {
    threads::parts(elements, 0.6)
}
