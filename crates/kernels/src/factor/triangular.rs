//! Triangular systems T X = B.
//!
//! B = [B₁; B₂] lies row by row, so that its halves are two slices: with T lower, X₁ = T₁₁⁻¹ B₁ and
//! X₂ = T₂₂⁻¹ (B₂ − T₂₁ X₁), each half again so, down to blocks that fit in the first cache.

use super::Failure;
use super::batch::{each, matrix, sizes};
use super::matrix::{Matrix, Target, multiply};
use crate::real::Real;
use crate::simd::{self, Lanes};
use crate::view::View;

/// The order of a triangle that is solved row by row.
const LEAF: usize = 32;
/// Columns that are solved together: eight of the widest registers of f64.
const WIDE: usize = 64;

/// Which triangle of a matrix is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Triangle {
    /// The one above the diagonal, else the one below.
    pub upper: bool,
    /// The diagonal is not read but taken as ones.
    pub unit: bool,
}

/// Overwrites B with T⁻¹ B, where T is a triangle of `t`, `(…, n, n)`, and B is `(batch, n, k)` row by row. The other triangle
/// of `t` is not read.
///
/// # Errors
/// The first element of the diagonal that is 0.
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
        solve(t, triangle, b, k, k);
        Ok(())
    })
}

/// Refuses a diagonal with a 0 on it, with its position counted from 1.
pub(super) fn regular<T: Real>(t: Matrix<'_, T>, triangle: Triangle) -> Result<(), usize> {
    match (0..t.rows).find(|&i| !triangle.unit && t.at(i, i) == T::ZERO) {
        Some(i) => Err(i + 1),
        None => Ok(()),
    }
}

/// Overwrites B, t.rows rows of `k` neighbours that lie `stride` apart, with T⁻¹ B.
pub(super) fn solve<T: Lanes>(t: Matrix<'_, T>, triangle: Triangle, b: &mut [T], k: usize, stride: usize) {
    let n = t.rows;
    if n <= LEAF {
        return leaf(t, triangle, b, k, stride);
    }
    let half = (n / 2).next_multiple_of(LEAF).min(n - 1);
    let (first, second) = b.split_at_mut(half * stride);
    let rest = n - half;
    let (t11, t22) = (t.block(0, 0, half, half), t.block(half, half, rest, rest));
    if triangle.upper {
        solve(t22, triangle, second, k, stride);
        let x2 = Matrix::of_rows(second, rest, k, stride);
        multiply(-T::ONE, t.block(0, half, half, rest), x2, Target { data: first, row: stride, column: 1 }, true);
        solve(t11, triangle, first, k, stride);
    } else {
        solve(t11, triangle, first, k, stride);
        let x1 = Matrix::of_rows(first, half, k, stride);
        multiply(-T::ONE, t.block(half, 0, rest, half), x1, Target { data: second, row: stride, column: 1 }, true);
        solve(t22, triangle, second, k, stride);
    }
}

/// A small triangle as the loops read it: −T below the diagonal, and what to multiply by for the diagonal.
struct Leaf<T> {
    below: [[T; LEAF]; LEAF],
    inverse: [T; LEAF],
    diagonal: [T; LEAF],
}

fn leaf<T: Lanes>(t: Matrix<'_, T>, triangle: Triangle, b: &mut [T], k: usize, stride: usize) {
    let n = t.rows;
    // An upper triangle is a lower one from its last row up.
    let row = |i: usize| if triangle.upper { n - 1 - i } else { i };
    let mut small = Leaf { below: [[T::ZERO; LEAF]; LEAF], inverse: [T::ONE; LEAF], diagonal: [T::ONE; LEAF] };
    for i in 0..n {
        (0..i).for_each(|j| small.below[i][j] = -t.at(row(i), row(j)));
        if !triangle.unit {
            small.diagonal[i] = t.at(row(i), row(i));
            small.inverse[i] = T::ONE / small.diagonal[i];
        }
    }
    let upper = triangle.upper;
    simd::run_fused(
        (&small, b),
        #[inline(always)]
        |(small, b)| {
            let small = Leaf {
                below: small.below.map(|row| row.map(T::fused)),
                inverse: small.inverse.map(T::fused),
                diagonal: small.diagonal.map(T::fused),
            };
            solve_leaf::<T::Fused>(&small, n, upper, bytemuck::cast_slice_mut(b), k, stride);
        },
        #[inline(always)]
        |(small, b)| solve_leaf(small, n, upper, b, k, stride),
    );
}

#[inline(always)]
fn solve_leaf<T: Real>(small: &Leaf<T>, n: usize, upper: bool, b: &mut [T], k: usize, stride: usize) {
    let mut at = 0;
    while at + WIDE <= k {
        solve_columns::<T, WIDE>(small, n, upper, &mut b[at..], stride);
        at += WIDE;
    }
    while at + 8 <= k {
        solve_columns::<T, 8>(small, n, upper, &mut b[at..], stride);
        at += 8;
    }
    while at < k {
        solve_columns::<T, 1>(small, n, upper, &mut b[at..], stride);
        at += 1;
    }
}

/// The first W columns.
#[inline(always)]
fn solve_columns<T: Real, const W: usize>(small: &Leaf<T>, n: usize, upper: bool, b: &mut [T], stride: usize) {
    for i in 0..n {
        let start = |i: usize| (if upper { n - 1 - i } else { i }) * stride;
        let mut x: [T; W] = std::array::from_fn(|c| b[start(i) + c]);
        for j in 0..i {
            let (t, solved) = (small.below[i][j], &b[start(j)..][..W]);
            (0..W).for_each(|c| x[c] = solved[c].mul_add(t, x[c]));
        }
        // The inverse of a subnormal number may be infinite where the quotient is not.
        if small.inverse[i].is_finite() {
            x.iter_mut().for_each(|x| *x *= small.inverse[i]);
        } else {
            x.iter_mut().for_each(|x| *x = *x / small.diagonal[i]);
        }
        b[start(i)..][..W].copy_from_slice(&x);
    }
}
