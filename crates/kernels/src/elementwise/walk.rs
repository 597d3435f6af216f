//! A view's dimensions, and its elements gathered one row after another.

use crate::shape::product;
use crate::view::View;

/// A view's dimensions, merged where memory walks on from one to the next.
pub(super) struct StridedWalk<'a, A> {
    view: View<'a, A>,
    /// Sizes and steps of all dimensions but the innermost, outermost first.
    pub(super) outer: Vec<(usize, isize)>,
    /// The innermost dimension.
    pub(super) row: (usize, isize),
}

/// How memory lies across a result in row-major order: neighbours in memory are elements of the result that are a *slab* apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AdjacentDim {
    /// The elements of the result between such neighbours.
    pub(super) slab: usize,
    /// How many of them follow one another.
    pub(super) size: usize,
    /// The elements of the innermost dimension.
    pub(super) row: usize,
}

impl<'a, A: Copy> StridedWalk<'a, A> {
    pub(super) fn new(view: View<'a, A>) -> Self {
        let mut outer: Vec<(usize, isize)> = Vec::with_capacity(view.shape().len());
        for (&size, &step) in view.shape().iter().zip(view.strides()) {
            match outer.last_mut() {
                _ if size == 1 => {}
                Some((n, before)) if *before == step * size as isize => {
                    *n *= size;
                    *before = step;
                }
                _ => outer.push((size, step)),
            }
        }
        let row = outer.pop().unwrap_or((1, 1));
        Self { view, outer, row }
    }

    /// Where memory lies across the result, if it does.
    pub(super) fn across(&self) -> Option<AdjacentDim> {
        if self.row.1.abs() <= 1 {
            return None;
        }
        let d = self.outer.iter().rposition(|&(_, step)| step == 1)?;
        let slab = product(self.outer[d + 1..].iter().map(|&(n, _)| n).chain([self.row.0]));
        Some(AdjacentDim { slab, size: self.outer[d].0, row: self.row.0 })
    }

    /// Whether all rows are the same elements.
    pub(super) fn repeats(&self) -> bool {
        self.outer.iter().all(|&(_, step)| step == 0)
    }

    /// The address of element number `at` in row-major order.
    pub(super) fn address(&self, at: usize) -> *const A {
        self.row_address(at / self.row.0).wrapping_offset((at % self.row.0) as isize * self.row.1)
    }

    /// The address of the first element of row `row`.
    fn row_address(&self, mut row: usize) -> *const A {
        let mut offset = 0;
        for &(size, step) in self.outer.iter().rev() {
            offset += (row % size) as isize * step;
            row /= size;
        }
        self.view.as_ptr().wrapping_offset(offset)
    }

    /// The `len` elements from number `start` on, where they lie one after another in one row.
    pub(super) fn run(&self, start: usize, len: usize) -> Option<&'a [A]> {
        let (size, step) = self.row;
        // SAFETY: the row's elements lie in the view, whose constructor checked every position.
        (step == 1 && start % size + len <= size).then(|| unsafe { std::slice::from_raw_parts(self.address(start), len) })
    }

    /// Copies the elements from number `start` on.
    pub(super) fn gather(&self, start: usize, out: &mut [A]) {
        let (size, step) = self.row;
        let (mut row, mut within) = (start / size, start % size);
        // Short rows are many: from one to the next is an addition until the dimension around them ends.
        let (rows, row_step) = self.outer.last().copied().unwrap_or((1, 0));
        let mut address = self.row_address(row);
        let mut rest = out;
        while !rest.is_empty() {
            let (here, tail) = rest.split_at_mut(rest.len().min(size - within));
            let from = address.wrapping_offset(within as isize * step);
            // SAFETY: the row's elements from `within` on lie in the view, whose constructor checked every position.
            unsafe {
                match step {
                    1 => here.copy_from_slice(std::slice::from_raw_parts(from, here.len())),
                    0 => here.fill(*from),
                    _ => here.iter_mut().enumerate().for_each(|(i, y)| *y = *from.wrapping_offset(i as isize * step)),
                }
            }
            (rest, row, within) = (tail, row + 1, 0);
            address = if row.is_multiple_of(rows) { self.row_address(row) } else { address.wrapping_offset(row_step) };
        }
    }
}
