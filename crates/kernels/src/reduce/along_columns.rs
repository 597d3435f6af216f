//! Reductions of columns: whole rows of a matrix in memory are folded into a row of results.

use super::Sorted;
use crate::buffer::{OutOfMemory, list};
use crate::real::Element;
use crate::shape::count;
use crate::view::View;
use crate::{simd, threads};

/// Columns reduced together: their partial results stay near, and rows are read in long runs.
const COLUMNS: usize = 4096;
/// Rows folded one after another into a row of partial results, before those are merged pairwise.
const ROWS: usize = 64;
/// Several matrices of fewer columns than this are copied into rows: to call for a row would cost more than to fold it.
const NARROW: usize = 16;

/// Row-major matrices, one after another, whose columns are to be reduced.
#[derive(Clone, Copy)]
pub(super) struct RowMajorColumns<'a, T> {
    x: &'a [T],
    /// The number of elements that are reduced to one.
    pub(super) rows: usize,
    width: usize,
}

impl<'a, T: Copy> RowMajorColumns<'a, T> {
    /// The dimensions of a view as columns, where the reduced ones lie around the last of those that are kept, or around all.
    pub(super) fn from_view(x: &View<'a, T>, sorted: &Sorted) -> Option<Self> {
        let Sorted { shape, strides, kept } = sorted;
        (0..*kept).find_map(|outer| {
            let order = || (0..outer).chain(*kept..shape.len()).chain(outer..*kept);
            let width = count(&shape[outer..*kept]);
            if width < NARROW && shape[..outer].iter().any(|&n| n != 1) {
                return None;
            }
            let shape: Vec<usize> = order().map(|d| shape[d]).collect();
            let strides: Vec<isize> = order().map(|d| strides[d]).collect();
            x.with_dimensions(&shape, &strides).as_slice()?;
            let (data, offset) = x.data();
            let x = if x.is_empty() { &[] } else { &data[offset..offset + x.len()] };
            Some(Self { x, rows: sorted.counts().1, width })
        })
    }
}

/// Folds the columns: `step` takes partial results, the elements of one row that belong to them, the place of the first of these
/// among all results, and the number of the row; `start` must be neutral for `merge`.
pub(super) fn fold<T: Element, S: Copy + Send + Sync>(
    columns: RowMajorColumns<'_, T>,
    ns_per_element: f64,
    out: &mut [S],
    start: S,
    step: impl Fn(&mut [S], &[T], usize, usize) + Sync + Copy,
    merge: impl Fn(S, S) -> S + Sync + Copy,
) -> Result<(), OutOfMemory> {
    let RowMajorColumns { x, rows, width } = columns;
    if x.is_empty() {
        out.fill(start);
        return Ok(());
    }
    let (parts, matrix) = (threads::parts(x.len(), ns_per_element), rows * width);
    let whole = |first: usize| Part { x: &x[first * rows..][..matrix], width, results: first, column: 0, row: 0 };
    if out.len() / width >= parts {
        threads::split_mut(out, width, parts, |first, out| {
            for (k, out) in out.chunks_exact_mut(width).enumerate() {
                fold_part(whole(first + k * width), out, start, step, merge);
            }
        });
        return Ok(());
    }
    // Narrow matrices are one piece of columns, so that threads take rows instead.
    let pieces = width.div_ceil(COLUMNS);
    for (k, out) in out.chunks_exact_mut(width).enumerate() {
        let all = whole(k * width);
        if pieces >= parts {
            threads::split_mut(out, COLUMNS, parts, |column, out| fold_part(Part { column, ..all }, out, start, step, merge));
            continue;
        }
        let mut partial = list(count(&[width, parts]))?;
        partial.resize(width * parts, start);
        threads::split_mut(&mut partial, width, parts, |first, partial| {
            let range = threads::range(rows, 1, parts, first / width);
            let part = Part { x: &all.x[range.start * width..range.end * width], row: range.start, ..all };
            fold_part(part, partial, start, step, merge);
        });
        out.fill(start);
        for partial in partial.chunks_exact(width) {
            out.iter_mut().zip(partial).for_each(|(y, &p)| *y = merge(*y, p));
        }
    }
    Ok(())
}

/// Rows of a matrix, of which the columns from `column` on are folded.
#[derive(Clone, Copy)]
struct Part<'a, T> {
    x: &'a [T],
    width: usize,
    column: usize,
    /// The number of the first row in its matrix.
    row: usize,
    /// The place of the matrix's results among all.
    results: usize,
}

fn fold_part<T: Element, S: Copy>(
    part: Part<'_, T>,
    out: &mut [S],
    start: S,
    step: impl Fn(&mut [S], &[T], usize, usize) + Copy,
    merge: impl Fn(S, S) -> S + Copy,
) {
    let Part { x, width, column, row, results } = part;
    simd::run(
        #[inline(always)]
        || {
            for (c, out) in out.chunks_mut(COLUMNS).enumerate() {
                let at = column + c * COLUMNS;
                let n = out.len();
                // Levels of a balanced tree of partial results, as in the fold of a row.
                let mut levels: Vec<Vec<S>> = Vec::new();
                for (b, block) in x.chunks(ROWS * width).enumerate() {
                    let mut folded = vec![start; n];
                    for (r, elements) in block.chunks_exact(width).enumerate() {
                        step(&mut folded, &elements[at..at + n], results + at, row + b * ROWS + r);
                    }
                    let mut blocks = b + 1;
                    while blocks.is_multiple_of(2) {
                        if let Some(level) = levels.pop() {
                            folded.iter_mut().zip(level).for_each(|(s, x)| *s = merge(x, *s));
                        }
                        blocks /= 2;
                    }
                    levels.push(folded);
                }
                out.fill(start);
                for level in levels.iter().rev() {
                    out.iter_mut().zip(level).for_each(|(y, &x)| *y = merge(x, *y));
                }
            }
        },
    );
}
