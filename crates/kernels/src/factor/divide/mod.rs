//! Vectors and values of a tridiagonal or bidiagonal matrix by divide and conquer (Cuppen 1981; Gu and Eisenstat 1995, "A
//! divide-and-conquer algorithm for the bidiagonal SVD").
//!
//! The matrix is cut in two where one number (tridiagonal) or one row (bidiagonal) holds its halves together. In the halves' vectors it is
//! diagonal but for that: D + ρ z zᵀ, or a diagonal matrix D with z for its first row. What z does not reach stays as it is; the values of the
//! others are roots of a secular equation, and their vectors those of the halves times S, two products:
//!
//! ```text
//! solve(rows):
//!     few rows: a QR iteration, of a tridiagonal matrix all such parts side by side
//!     solve(upper rows), solve(lower rows)
//!     z ← row of the halves' Q at the cut      [·  ·        ]       [·  ·  ·]
//!     columns z does not reach leave           [·  ·        ]       [·  ·  ·]
//!     equal values: rotated until one leaves   [       ·  · ]  · S  [·  ·  ·]  =  Q
//!     λ ← roots of the secular equation        [       ·  · ]       [·  ·  ·]
//!     S ← ẑⱼ / (pⱼ − λᵢ), unit columns
//! ```
//!
//! Columns that are zero in one half are kept together, so that the products leave those zeros out. The first and last row of each Q, which
//! make z, are kept in f64, and values with them, whatever the vectors are stored in.

mod merge;
#[cfg(test)]
mod tests;
mod units;

use std::ops::Range;

use super::golub_kahan::Bidiagonal;
use super::lanes::{TridiagonalPart, tridiagonal_parts};
use crate::buffer::{Block, OutOfMemory, list};
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Lanes};
use merge::{Merging, Reach};

/// The largest order that is not cut.
const LEAF: usize = 16;

/// Eigenvalues of the tridiagonal matrix with this diagonal and `off` beside it, in increasing order, and their vectors, column by column; whether
/// that converged.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn tridiagonal<T: Lanes>([diagonal, off]: [&[T]; 2], values: &mut [T], vectors: &mut [T]) -> Result<bool, OutOfMemory> {
    let n = diagonal.len();
    assert!(off.len() + 1 == n && values.len() == n && vectors.len() == count(&[n, n]), "vectors of a matrix");
    let mut q = Block::filled(count(&[n, n]), T::ZERO)?;
    let (matrix, factor) = scaled([diagonal, off])?;
    let mut problem = Problem::<T, false>::new(matrix, [&mut q, &mut []], vectors, T::EPSILON.to_f64())?;
    let converged = problem.leaves()? && problem.solve(0..n, 0)?;
    let Problem { d, order, .. } = problem;
    for (to, &from) in order.iter().enumerate() {
        values[to] = T::from_f64(d[from] * factor);
        vectors[to * n..][..n].copy_from_slice(&q[from * n..][..n]);
    }
    Ok(converged)
}

/// Singular values of the upper bidiagonal matrix with this diagonal and `off` beside it, in decreasing order, and the vectors of
/// either side, column by column; whether that converged.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn bidiagonal<T: Lanes>(
    [diagonal, off]: [&[T]; 2],
    values: &mut [T],
    vectors: [&mut [T]; 2],
) -> Result<bool, OutOfMemory> {
    let n = diagonal.len();
    let [u, v] = vectors;
    let fits = u.len() == count(&[n, n]) && v.len() == u.len();
    assert!(off.len() + 1 == n && values.len() == n && fits, "vectors of a matrix");
    let (mut left, mut right) = (Block::filled(u.len(), T::ZERO)?, Block::filled(v.len(), T::ZERO)?);
    let (matrix, factor) = scaled([diagonal, off])?;
    let mut problem = Problem::<T, true>::new(matrix, [&mut right, &mut left], v, T::EPSILON.to_f64())?;
    let converged = problem.solve(0..n, 0)?;
    let Problem { d, order, .. } = problem;
    for (to, &from) in order.iter().rev().enumerate() {
        values[to] = T::from_f64(d[from] * factor);
        u[to * n..][..n].copy_from_slice(&left[from * n..][..n]);
        v[to * n..][..n].copy_from_slice(&right[from * n..][..n]);
    }
    Ok(converged)
}

/// The matrix divided by a number that makes its largest element about 1, and that number.
fn scaled<T: Real>(matrix: [&[T]; 2]) -> Result<([Vec<f64>; 2], f64), OutOfMemory> {
    let largest = matrix.iter().copied().flatten().fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
    let factor = if largest > 0.0 { largest.log2().floor().exp2() } else { 1.0 };
    let part = |x: &[T]| -> Result<Vec<f64>, OutOfMemory> {
        let mut scaled = list(x.len())?;
        scaled.extend(x.iter().map(|x| x.to_f64() / factor));
        Ok(scaled)
    };
    Ok(([part(matrix[0])?, part(matrix[1])?], factor))
}

/// A matrix on its way: bidiagonal, with vectors on both sides, where `SQUARES`, else tridiagonal.
struct Problem<'a, T, const SQUARES: bool> {
    /// The diagonal, and what is beside it.
    matrix: [Vec<f64>; 2],
    /// Vectors on the right side, and on the left where those are others: columns of n.
    sides: [&'a mut [T]; 2],
    /// As much memory as one side's.
    work: &'a mut [T],
    /// The rounding of a number.
    epsilon: f64,
    /// A column's value, and its first and last element in the part of the matrix that it belongs to.
    d: Vec<f64>,
    ends: Vec<[f64; 2]>,
    /// The columns of each part that is solved, by increasing values.
    order: Vec<usize>,
    /// A column's share of z, and where it is not zero.
    z: Vec<f64>,
    reach: Vec<Reach>,
    merging: Merging,
}

impl<'a, T: Lanes, const SQUARES: bool> Problem<'a, T, SQUARES> {
    fn new(matrix: [Vec<f64>; 2], sides: [&'a mut [T]; 2], work: &'a mut [T], epsilon: f64) -> Result<Self, OutOfMemory> {
        let n = matrix[0].len();
        let numbers = || -> Result<Vec<f64>, OutOfMemory> {
            let mut numbers = list(n)?;
            numbers.resize(n, 0.0);
            Ok(numbers)
        };
        let (mut ends, mut order, mut reach) = (list(n)?, list(n)?, list(n)?);
        ends.resize(n, [0.0; 2]);
        order.extend(0..n);
        reach.resize(n, Reach::Both);
        Ok(Self { matrix, sides, work, epsilon, d: numbers()?, ends, order, z: numbers()?, reach, merging: Merging::new(n)? })
    }

    /// Solves the part of these rows; whether that converged. A part of a bidiagonal matrix may have one column `more` than rows: its null
    /// vector then stands last on the right.
    fn solve(&mut self, rows: Range<usize>, more: usize) -> Result<bool, OutOfMemory> {
        if rows.len() <= LEAF {
            // All of a tridiagonal matrix's are solved by now.
            return if SQUARES { self.leaf(rows, more) } else { Ok(true) };
        }
        let middle = rows.start + rows.len() / 2;
        let converged = if SQUARES {
            // The row in the middle belongs to neither half, and the upper one has its column.
            let converged = self.solve(rows.start..middle, 1)? && self.solve(middle + 1..rows.end, more)?;
            self.sides[1][middle * self.d.len() + middle] = T::ONE;
            converged
        } else {
            self.solve(rows.start..middle, 0)? && self.solve(middle..rows.end, 0)?
        };
        if converged {
            self.merge(rows, middle, more)?;
        }
        Ok(converged)
    }

    /// By a QR iteration in f64, of a bidiagonal matrix.
    fn leaf(&mut self, rows: Range<usize>, more: usize) -> Result<bool, OutOfMemory> {
        let (n, start, order, width) = (self.d.len(), rows.start, rows.len(), rows.len() + more);
        if width == 0 {
            return Ok(true);
        }
        let (mut right, mut left) = (identity(width)?, identity(order)?);
        let [d, off] = &mut self.matrix;
        let (d, off) = (&mut d[rows.clone()], &mut off[start..start + width - 1]);
        let converged = Bidiagonal { d, off, left: &mut left, right: &mut right }.solve();
        store(&left, order, &mut self.sides[1][start * n + start..], n);
        store(&right, width, &mut self.sides[0][start * n + start..], n);
        for (ends, column) in self.ends[start..].iter_mut().zip(right.chunks_exact(width)) {
            *ends = [column[0], column[width - 1]];
        }
        self.d[rows.clone()].copy_from_slice(&self.matrix[0][rows.clone()]);
        self.order[rows].sort_by(|&i, &j| self.d[i].total_cmp(&self.d[j]));
        Ok(converged)
    }
}

impl<T: Lanes> Problem<'_, T, false> {
    /// Cuts the matrix down to parts that are not cut, and solves them in f64; whether that converged.
    fn leaves(&mut self) -> Result<bool, OutOfMemory> {
        let n = self.d.len();
        let mut ends = list(n)?;
        self.cut(0..n, &mut ends);
        self.d.copy_from_slice(&self.matrix[0]);
        let mut parts = list(ends.len())?;
        let (mut values, mut off, mut vectors, mut both) =
            (&mut self.d[..], &self.matrix[1][..], &mut *self.sides[0], &mut self.ends[..]);
        let mut start = 0;
        for &end in &ends {
            let order = end - start;
            // A part's own columns, from its first row on.
            let own = vectors.split_off_mut(..order * n).map(|own| &mut own[start..]);
            parts.extend(
                own.zip(values.split_off_mut(..order))
                    .zip(both.split_off_mut(..order))
                    .map(|((vectors, values), ends)| TridiagonalPart { values, off: &off[..order - 1], vectors, ends }),
            );
            (off, start) = (off.get(order..).unwrap_or(&[]), end);
        }
        let converged = tridiagonal_parts(simd::isa(), &mut parts, n);
        let mut start = 0;
        for end in ends {
            self.order[start..end].sort_by(|&i, &j| self.d[i].total_cmp(&self.d[j]));
            start = end;
        }
        Ok(converged)
    }

    /// Cuts the part of these rows where [`solve`](Self::solve) does; adds where each part that is not cut ends.
    fn cut(&mut self, rows: Range<usize>, ends: &mut Vec<usize>) {
        if rows.len() <= LEAF {
            ends.push(rows.end);
            return;
        }
        let middle = rows.start + rows.len() / 2;
        // A cut takes what is beside the diagonal from both sides of it.
        let off = self.matrix[1][middle - 1].abs();
        self.matrix[0][middle - 1] -= off;
        self.matrix[0][middle] -= off;
        self.cut(rows.start..middle, ends);
        self.cut(middle..rows.end, ends);
    }
}

/// Columns of the identity.
fn identity(n: usize) -> Result<Block<f64>, OutOfMemory> {
    let mut identity = Block::filled(n * n, 0.0)?;
    identity.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
    Ok(identity)
}

/// Puts columns of `height` into those that lie `stride` apart.
fn store<T: Real>(columns: &[f64], height: usize, to: &mut [T], stride: usize) {
    for (to, column) in to.chunks_mut(stride).zip(columns.chunks_exact(height.max(1))) {
        to.iter_mut().zip(column).for_each(|(to, &x)| *to = T::from_f64(x));
    }
}
