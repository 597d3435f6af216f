//! A view's dimensions, and its elements gathered one row after another.

use crate::shape::product;
use crate::view::View;

/// A view's dimensions, merged where memory walks on from one to the next.
pub(super) struct StridedWalk<'a, A> {
    view: View<'a, A>,
    /// How many elements there are.
    len: usize,
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
        Self { view, len: view.len(), outer, row }
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

    /// All elements that the view is on.
    pub(super) fn data(&self) -> &'a [A] {
        self.view.data().0
    }

    /// The position in the data of element number `at` in row-major order.
    pub(super) fn position(&self, at: usize) -> usize {
        self.row_position(at / self.row.0).wrapping_add_signed((at % self.row.0) as isize * self.row.1)
    }

    /// The position of the first element of row `row`.
    fn row_position(&self, mut row: usize) -> usize {
        let mut offset = 0;
        for &(size, step) in self.outer.iter().rev() {
            offset += (row % size) as isize * step;
            row /= size;
        }
        self.view.data().1.wrapping_add_signed(offset)
    }

    /// The `len` elements from number `start` on, where they lie one after another in one row.
    pub(super) fn run(&self, start: usize, len: usize) -> Option<&'a [A]> {
        let (size, step) = self.row;
        (step == 1 && start % size + len <= size).then(|| &self.data()[self.position(start)..][..len])
    }

    /// Copies the elements from number `start` on.
    pub(super) fn gather(&self, start: usize, out: &mut [A]) {
        assert!(start <= self.len && out.len() <= self.len - start, "elements of a view");
        let (data, (size, step)) = (self.data(), self.row);
        let (mut row, mut within) = (start / size, start % size);
        // Short rows are many: from one to the next is an addition until the dimension around them ends.
        let (rows, row_step) = self.outer.last().copied().unwrap_or((1, 0));
        let mut position = self.row_position(row);
        let mut rest = out;
        while !rest.is_empty() {
            let (here, tail) = rest.split_at_mut(rest.len().min(size - within));
            let from = position.wrapping_add_signed(within as isize * step);
            match step {
                1 => here.copy_from_slice(&data[from..][..here.len()]),
                0 => here.fill(data[from]),
                _ => {
                    let from = data.as_ptr().wrapping_add(from);
                    // SAFETY: these are elements of the view, as asserted, and `View::new` checked every position.
                    here.iter_mut().enumerate().for_each(|(i, y)| *y = unsafe { *from.wrapping_offset(i as isize * step) });
                }
            }
            (rest, row, within) = (tail, row + 1, 0);
            position = if row.is_multiple_of(rows) { self.row_position(row) } else { position.wrapping_add_signed(row_step) };
        }
    }
}
