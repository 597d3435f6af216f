//! Triangular systems T X = B.
//!
//! B = [B₁; B₂] lies row by row, so that its halves are two slices: with T lower, X₁ = T₁₁⁻¹ B₁ and
//! X₂ = T₂₂⁻¹ (B₂ − T₂₁ X₁), each half again so, down to triangles whose rows are solved in registers.

use super::Failure;
use super::batch::{each, matrix, sizes};
use super::matrix::{Matrix, Target, multiply};
use super::{Fault, substitute};
use crate::buffer::OutOfMemory;
use crate::compiled::compiled;
use crate::real::Real;
use crate::simd::{Lanes, isa};
use crate::view::View;

/// The order of a triangle that is not split.
const LEAF: usize = 128;

/// Which triangle of a matrix is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triangle {
    /// The one above the diagonal, else the one below.
    pub upper: bool,
    /// The diagonal is not read but taken as ones.
    pub unit: bool,
}

compiled! {
    /// Overwrites B with T⁻¹ B, where T is a triangle of `t`, `(…, n, n)`, and B is `(batch, n, k)` row by row. The other triangle
    /// of `t` is not read.
    ///
    /// # Errors
    /// That there is no memory, or the first element of the diagonal that is 0.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn solve_triangular<T: Lanes>(t: View<'_, T>, b: &mut [T], triangle: Triangle) -> Result<(), Failure> {
        let [batch, n, columns] = sizes(t);
        assert!(
            n == columns && (batch * n == 0 && b.is_empty() || b.len().is_multiple_of(batch * n)),
            "a square matrix for each right-hand side"
        );
        if b.is_empty() {
            return Ok(());
        }
        let k = b.len() / (batch * n);
        let ns_each = 0.1 * (n * n * k) as f64 + 100.0;
        each(batch, ns_each, [b], |i, [b]| {
            let t = matrix(t, i);
            regular(t, triangle)?;
            Ok(solve(t, triangle, b, k, k)?)
        })
    }
}

/// Refuses a diagonal with a 0 on it, with its position counted from 1.
pub(super) fn regular<T: Real>(t: Matrix<'_, T>, triangle: Triangle) -> Result<(), Fault> {
    match (0..t.rows).find(|&i| !triangle.unit && t.at(i, i) == T::ZERO) {
        Some(i) => Err(Fault::Order(i + 1)),
        None => Ok(()),
    }
}

/// Overwrites B, t.rows rows of `k` neighbours that lie `stride` apart, with T⁻¹ B.
pub(super) fn solve<T: Lanes>(
    t: Matrix<'_, T>,
    triangle: Triangle,
    b: &mut [T],
    k: usize,
    stride: usize,
) -> Result<(), OutOfMemory> {
    let n = t.rows;
    if n <= LEAF {
        substitute::solve(isa(), t, [triangle.upper, triangle.unit], b, k, stride);
        return Ok(());
    }
    let half = (n / 2).next_multiple_of(LEAF).min(n - 1);
    let (first, second) = b.split_at_mut(half * stride);
    let rest = n - half;
    let (t11, t22) = (t.block(0, 0, half, half), t.block(half, half, rest, rest));
    if triangle.upper {
        solve(t22, triangle, second, k, stride)?;
        let x2 = Matrix::of_rows(second, rest, k, stride);
        multiply(-T::ONE, t.block(0, half, half, rest), x2, Target { data: first, row: stride, column: 1 }, true)?;
        solve(t11, triangle, first, k, stride)
    } else {
        solve(t11, triangle, first, k, stride)?;
        let x1 = Matrix::of_rows(first, half, k, stride);
        multiply(-T::ONE, t.block(half, 0, rest, half), x1, Target { data: second, row: stride, column: 1 }, true)?;
        solve(t22, triangle, second, k, stride)
    }
}
