//! Strided matrices and their products: what the blocked algorithms are written in.

use crate::buffer::OutOfMemory;
use crate::product::{Axes, Axis, Group, Operand, Stored, add_product, product};
use crate::simd::Lanes;

/// A matrix that is read.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a, T> {
    pub data: &'a [T],
    /// The position of the first element.
    pub at: usize,
    pub rows: usize,
    pub columns: usize,
    /// Elements that a step to the next row moves.
    pub row: isize,
    /// Elements that a step to the next column moves.
    pub column: isize,
}

impl<'a, T: Copy> Matrix<'a, T> {
    /// Columns of `rows` neighbours, `stride` apart.
    pub fn of_columns(data: &'a [T], rows: usize, columns: usize, stride: usize) -> Self {
        Self { data, at: 0, rows, columns, row: 1, column: stride as isize }
    }

    /// Rows of `columns` neighbours, `stride` apart.
    pub fn of_rows(data: &'a [T], rows: usize, columns: usize, stride: usize) -> Self {
        Self { data, at: 0, rows, columns, row: stride as isize, column: 1 }
    }

    #[inline(always)]
    pub fn at(&self, i: usize, j: usize) -> T {
        self.data[self.at.wrapping_add_signed(i as isize * self.row + j as isize * self.column)]
    }

    pub fn t(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row: self.column, column: self.row, ..self }
    }

    /// `rows` rows from `i` on of `columns` columns from `j` on.
    pub fn block(self, i: usize, j: usize, rows: usize, columns: usize) -> Self {
        debug_assert!(i + rows <= self.rows && j + columns <= self.columns);
        let at = self.at.wrapping_add_signed(i as isize * self.row + j as isize * self.column);
        Self { at, rows, columns, ..self }
    }
}

/// A matrix that is written: its first element comes first.
pub(super) struct Target<'a, T> {
    pub data: &'a mut [T],
    /// Elements that a step to the next row moves.
    pub row: usize,
    /// Elements that a step to the next column moves.
    pub column: usize,
}

/// C = α A B, or C += α A B where `add`.
pub(super) fn multiply<T: Lanes>(
    alpha: T,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: Target<'_, T>,
    add: bool,
) -> Result<(), OutOfMemory> {
    debug_assert!(a.columns == b.rows);
    if a.rows == 0 || b.columns == 0 || (a.columns == 0 && add) {
        return Ok(());
    }
    let one = |size, a, b, c: usize| Group::from_iter([Axis { size, a, b, c: c as isize }]);
    let axes = Axes {
        batch: Group::new(),
        rows: one(a.rows, a.row, 0, c.row),
        columns: one(b.columns, 0, b.column, c.column),
        contracted: one(a.columns, a.column, b.row, 0),
    };
    let (x, y) = (operand(a), operand(b));
    if add { add_product(alpha, x, y, c.data, &axes) } else { product(alpha, x, y, c.data, &axes) }
}

fn operand<T>(x: Matrix<'_, T>) -> Operand<'_, T> {
    Operand { data: Stored::Real(x.data), offset: x.at }
}
