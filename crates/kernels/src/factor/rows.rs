//! Rows of a matrix that are read and written in registers, and the triangle that works on them, which may be part of them.
//!
//! Both were found to lie in their data. A part of them is checked when it is taken, so that a loop over all of the part
//! has nothing left to check.

use std::cell::Cell;
use std::marker::PhantomData;

use super::matrix::Matrix;
use crate::simd::{Enabled, Vector};

/// Whether `count` places from `start` on lie before `end`.
#[inline(always)]
fn within(start: usize, count: usize, end: usize) -> bool {
    start <= end && count <= end - start
}

/// m rows of n columns: element (i, j) at `at + i · stride + j`.
///
/// Like cells, copies may change the same elements, but in one thread alone.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    at: *mut T,
    stride: isize,
    m: usize,
    n: usize,
    of: PhantomData<&'a [Cell<T>]>,
}

impl<'a, T: Copy> Rows<'a, T> {
    /// m rows of n neighbours that lie `stride` apart.
    ///
    /// # Panics
    /// If rows overlap or do not lie in `data`.
    pub fn new(data: &'a mut [T], [m, n]: [usize; 2], stride: usize) -> Self {
        let end = m.saturating_sub(1).saturating_mul(stride).saturating_add(n);
        assert!(m == 0 || n <= stride && end <= data.len(), "rows within their data");
        Self { at: data.as_mut_ptr(), stride: stride as isize, m, n, of: PhantomData }
    }

    /// The last row first.
    pub fn reversed(self) -> Self {
        let last = self.m.saturating_sub(1) as isize;
        Self { at: self.at.wrapping_offset(last * self.stride), stride: -self.stride, ..self }
    }

    /// The same elements, to be read.
    #[inline(always)]
    pub fn factor(self) -> Factor<'a, T> {
        Factor { at: self.at.cast_const(), strides: [self.stride, 1], sizes: [self.m, self.n], of: PhantomData }
    }

    /// Element (i, j).
    #[inline(always)]
    pub fn cell(self, i: usize, j: usize) -> &'a Cell<T> {
        assert!(i < self.m && j < self.n, "an element of the rows");
        // SAFETY: rows below m have n elements, for 'a; they are used through pointers and cells alone.
        unsafe { &*self.at.offset(i as isize * self.stride + j as isize).cast() }
    }

    /// `count` rows from `first` on.
    #[inline(always)]
    fn part(self, first: usize, count: usize) -> Self {
        assert!(within(first, count, self.m), "some of the rows");
        Self { at: self.at.wrapping_offset(first as isize * self.stride), m: count, ..self }
    }

    /// N registers of each row, from `column` on, of which `last` lanes of the last are columns.
    #[inline(always)]
    pub fn strip<V: Vector<Element = T>, const N: usize>(self, isa: Enabled<V>, column: usize, last: usize) -> Strip<'a, V, N> {
        let n = (N - 1) * V::LANES + last;
        assert!(last <= V::LANES && within(column, n, self.n), "some of the columns");
        Strip { isa, rows: Rows { at: self.at.wrapping_add(column), n, ..self }, last }
    }

    /// Exchanges rows i and j in some columns.
    #[inline(always)]
    pub fn exchange<V: Vector<Element = T>>(self, isa: Enabled<V>, [i, j]: [usize; 2], columns: std::ops::Range<usize>) {
        assert!(i < self.m && j < self.m && columns.end <= self.n, "rows and columns to exchange");
        for column in columns.clone().step_by(V::LANES) {
            let count = V::LANES.min(columns.end - column);
            // SAFETY: both rows have these columns, as was checked above, and all are read before one is written.
            unsafe {
                let x = self.at.offset(i as isize * self.stride).add(column);
                let y = self.at.offset(j as isize * self.stride).add(column);
                if count == V::LANES {
                    let (a, b) = (isa.load(x), isa.load(y));
                    b.store(x);
                    a.store(y);
                } else {
                    let (a, b) = (isa.load_first(x, count), isa.load_first(y, count));
                    b.store_first(x, count);
                    a.store_first(y, count);
                }
            }
        }
    }
}

/// N registers side by side in every row, of which the last may be partial.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a, V: Vector, const N: usize> {
    isa: Enabled<V>,
    /// Rows of as many columns as the registers have.
    rows: Rows<'a, V::Element>,
    /// Lanes of the last register that are columns.
    last: usize,
}

impl<V: Vector, const N: usize> Strip<'_, V, N> {
    #[inline(always)]
    pub fn isa(self) -> Enabled<V> {
        self.isa
    }

    /// How many rows there are.
    #[inline(always)]
    pub fn height(self) -> usize {
        self.rows.m
    }

    /// `count` rows from `first` on.
    #[inline(always)]
    pub fn part(self, first: usize, count: usize) -> Self {
        Self { rows: self.rows.part(first, count), ..self }
    }

    /// The registers of row i.
    #[inline(always)]
    pub fn load(self, i: usize) -> [V; N] {
        assert!(i < self.rows.m, "a row of the strip");
        let mut row = [self.isa.zero(); N];
        for v in 0..N {
            let partial = v + 1 == N && self.last < V::LANES;
            // SAFETY: the row is one of m, and each has all lanes of these registers, the last `last` of them: see `Rows::strip`.
            unsafe {
                let from = self.rows.at.offset(i as isize * self.rows.stride).add(v * V::LANES);
                row[v] = if partial { self.isa.load_first(from, self.last) } else { self.isa.load(from) };
            }
        }
        row
    }

    /// Writes the registers of row i.
    #[inline(always)]
    pub fn store(self, i: usize, row: [V; N]) {
        assert!(i < self.rows.m, "a row of the strip");
        for v in 0..N {
            let partial = v + 1 == N && self.last < V::LANES;
            // SAFETY: the row is one of m, and each has all lanes of these registers, the last `last` of them: see `Rows::strip`.
            unsafe {
                let to = self.rows.at.offset(i as isize * self.rows.stride).add(v * V::LANES);
                if partial { row[v].store_first(to, self.last) } else { row[v].store(to) }
            }
        }
    }
}

/// A triangle that is read: T[i, k] at `at + i · strides[0] + k · strides[1]`, for i and k below `sizes`.
#[derive(Clone, Copy)]
pub(super) struct Factor<'a, T> {
    at: *const T,
    strides: [isize; 2],
    sizes: [usize; 2],
    of: PhantomData<&'a [Cell<T>]>,
}

impl<'a, T: Copy> Factor<'a, T> {
    /// # Panics
    /// If the matrix does not lie in its data.
    pub fn new(of: Matrix<'a, T>) -> Self {
        let corner = |i: usize, k: usize| {
            let down = isize::try_from(i).ok()?.checked_mul(of.row)?;
            let along = isize::try_from(k).ok()?.checked_mul(of.column)?;
            of.at.checked_add_signed(down.checked_add(along)?)
        };
        // Between the corners lies what is between their positions.
        let inside = |i: usize, k: usize| corner(i, k).is_some_and(|at| at < of.data.len());
        let [i, k] = [of.rows, of.columns].map(|size| size.saturating_sub(1));
        let empty = of.rows == 0 || of.columns == 0;
        assert!(empty || inside(0, 0) && inside(0, k) && inside(i, 0) && inside(i, k), "a triangle within its data");
        let at = of.data.as_ptr().wrapping_add(of.at);
        Self { at, strides: [of.row, of.column], sizes: [of.rows, of.columns], of: PhantomData }
    }

    /// The transpose.
    #[inline(always)]
    pub fn t(self) -> Self {
        let ([row, column], [rows, columns]) = (self.strides, self.sizes);
        Self { strides: [column, row], sizes: [columns, rows], ..self }
    }

    /// The last row and the last column first.
    pub fn reversed(self) -> Self {
        let [last_row, last_column] = self.sizes.map(|size| size.saturating_sub(1));
        let [row, column] = self.strides;
        Self {
            at: self.at.wrapping_offset(last_row as isize * row + last_column as isize * column),
            strides: [-row, -column],
            ..self
        }
    }

    /// Some rows of some columns, from element (i, k) on.
    #[inline(always)]
    pub fn block(self, [i, k]: [usize; 2], [rows, columns]: [usize; 2]) -> Self {
        assert!(within(i, rows, self.sizes[0]) && within(k, columns, self.sizes[1]), "a block of the triangle");
        let offset = i as isize * self.strides[0] + k as isize * self.strides[1];
        Self { at: self.at.wrapping_offset(offset), sizes: [rows, columns], ..self }
    }

    /// Element (i, k).
    ///
    /// # Safety
    /// i and k are below the sizes: of a [`block`](Self::block), those that it was cut to.
    #[inline(always)]
    pub unsafe fn at_unchecked(self, i: usize, k: usize) -> T {
        debug_assert!(i < self.sizes[0] && k < self.sizes[1], "an element of the triangle");
        // SAFETY: rows and columns below `sizes` lie in the data, for 'a: `new` or `Rows::new` checked the whole of them.
        unsafe { *self.at.offset(i as isize * self.strides[0] + k as isize * self.strides[1]) }
    }

    /// Column k of R rows.
    #[inline(always)]
    pub fn column<const R: usize>(self, k: usize) -> [T; R] {
        assert!(R == self.sizes[0] && k < self.sizes[1], "a column of the triangle");
        std::array::from_fn(
            #[inline(always)]
            // SAFETY: rows and columns below `sizes` lie in the data, for 'a: `new` or `Rows::new` checked the whole of them.
            |r| unsafe { *self.at.offset(r as isize * self.strides[0] + k as isize * self.strides[1]) },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_what_the_whole_holds() {
        let mut data: [f64; 12] = std::array::from_fn(|i| i as f64);
        let rows = Rows::new(&mut data, [3, 3], 4);
        rows.reversed().cell(0, 2).set(20.0);
        assert_eq!(rows.factor().block([1, 1], [2, 2]).column::<2>(1), [6.0, 20.0]);
        assert_eq!(rows.factor().t().block([1, 0], [1, 3]).column::<1>(2), [9.0]);
        let matrix = Matrix { at: 1, ..Matrix::of_columns(&data, 3, 2, 4) };
        assert_eq!(Factor::new(matrix).reversed().column::<3>(1), [3.0, 2.0, 1.0]);
    }

    #[test]
    #[should_panic(expected = "rows within their data")]
    fn rows_lie_in_their_data() {
        Rows::new(&mut [0.0; 10], [3, 3], 4);
    }

    #[test]
    #[should_panic(expected = "a triangle within its data")]
    fn a_triangle_lies_in_its_data() {
        Factor::new(Matrix { at: 3, ..Matrix::of_rows(&[0.0; 12], 3, 3, 4) });
    }

    #[test]
    #[should_panic(expected = "a block of the triangle")]
    fn a_block_lies_in_its_triangle() {
        Rows::new(&mut [0.0; 12], [3, 3], 4).factor().block([1, 0], [3, 1]);
    }
}
