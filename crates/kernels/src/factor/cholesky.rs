//! A = L Lᵀ, recursively by halves: L₁₁, then L₂₁ = A₂₁ L₁₁⁻ᵀ, then A₂₂ − L₂₁ L₂₁ᵀ.

use super::Failure;
use super::batch::{each, load, matrix, sizes};
use super::lanes;
use super::matrix::{Matrix, Target, multiply};
use super::triangular::{self, Triangle};
use crate::buffer::Block;
use crate::real::Real;
use crate::simd::{self, Lanes};
use crate::view::View;

/// The order of a block that is factored column by column.
const LEAF: usize = 32;
/// The order of a block on the diagonal that a trailing update computes whole, though half of it is not needed.
const TILE: usize = 128;

/// The lower triangular L with A = L Lᵀ and a positive diagonal, column by column, from the lower triangle of A.
///
/// # Errors
/// The first matrix that is not positive definite, and the order of its first leading minor that is not positive.
///
/// # Panics
/// If the sizes do not fit.
pub fn cholesky<T: Lanes>(a: View<'_, T>, l: &mut [T]) -> Result<(), Failure> {
    let [batch, n, columns] = sizes(a);
    assert!(n == columns && l.len() == batch * n * n, "a square result for each square matrix");
    if l.is_empty() {
        return Ok(());
    }
    if lanes::suit(a) {
        return lanes::cholesky(a, l);
    }
    each(batch, 0.05 * (n * n * n) as f64 + 2.0 * (n * n) as f64, [l], |i, [l]| {
        load(matrix(a, i), l);
        let finite = (0..n).all(|j| l[j * n + j..(j + 1) * n].iter().all(|x| x.is_finite()));
        if !finite {
            l.fill(T::NAN);
            return Ok(());
        }
        factor(l, n, n)?;
        (0..n).for_each(|j| l[j * n..j * n + j].fill(T::ZERO));
        Ok(())
    })
}

/// Factors the lower triangle of n columns that lie `stride` apart; what is above it is not kept.
fn factor<T: Lanes>(a: &mut [T], n: usize, stride: usize) -> Result<(), usize> {
    if n <= LEAF {
        return leaf(a, n, stride);
    }
    let half = (n / 2).next_multiple_of(LEAF).min(n - 1);
    let rest = n - half;
    factor(a, half, stride)?;
    let (left, right) = a.split_at_mut(half * stride);
    // L₁₁ lies in the same columns as A₂₁, whose transpose lies row by row.
    let mut l11 = Block::new(half * half);
    for j in 0..half {
        l11[j * half + j..(j + 1) * half].copy_from_slice(&left[j * stride + j..j * stride + half]);
    }
    let lower = Triangle { upper: false, unit: false };
    triangular::solve(Matrix::of_columns(&l11, half, half, half), lower, &mut left[half..], rest, stride);
    let l21 = Matrix { at: half, ..Matrix::of_columns(left, rest, half, stride) };
    subtract_square(l21, &mut right[half..], stride);
    factor(&mut right[half..], rest, stride).map_err(|order| half + order)
}

/// The lower triangle of C − L Lᵀ.
fn subtract_square<T: Lanes>(l: Matrix<'_, T>, c: &mut [T], stride: usize) {
    let (n, k) = (l.rows, l.columns);
    if n <= TILE {
        return multiply(-T::ONE, l, l.t(), Target { data: c, row: 1, column: stride }, true);
    }
    let half = (n / 2).next_multiple_of(LEAF);
    let (top, bottom) = (l.block(0, 0, half, k), l.block(half, 0, n - half, k));
    subtract_square(top, c, stride);
    multiply(-T::ONE, bottom, top.t(), Target { data: &mut c[half..], row: 1, column: stride }, true);
    subtract_square(bottom, &mut c[half * stride + half..], stride);
}

fn leaf<T: Lanes>(a: &mut [T], n: usize, stride: usize) -> Result<(), usize> {
    let mut small = [[T::ZERO; LEAF]; LEAF];
    for j in 0..n {
        small[j][j..n].copy_from_slice(&a[j * stride + j..j * stride + n]);
    }
    let outcome = simd::run_fused(
        &mut small,
        #[inline(always)]
        |small| factor_leaf::<T::Fused>(bytemuck::cast_slice_mut(small.as_flattened_mut()), n),
        #[inline(always)]
        |small| factor_leaf(small.as_flattened_mut(), n),
    );
    for j in 0..n {
        a[j * stride + j..j * stride + n].copy_from_slice(&small[j][j..n]);
    }
    outcome
}

/// Columns of LEAF, whose parts above the diagonal take part in the updates, unread.
#[inline(always)]
fn factor_leaf<T: Real>(a: &mut [T], n: usize) -> Result<(), usize> {
    let (columns, _) = a.as_chunks_mut::<LEAF>();
    for j in 0..n {
        let pivot = columns[j][j];
        // Positive comparison, so that a NaN is refused.
        if !(pivot > T::ZERO) {
            return Err(j + 1);
        }
        let root = pivot.sqrt();
        let inverse = T::ONE / root;
        let (done, rest) = columns.split_at_mut(j + 1);
        let column = &mut done[j];
        column.iter_mut().for_each(|x| *x *= inverse);
        column[j] = root;
        for (c, to) in rest[..n - j - 1].iter_mut().enumerate() {
            let factor = -column[j + 1 + c];
            (0..LEAF).for_each(|i| to[i] = column[i].mul_add(factor, to[i]));
        }
    }
    Ok(())
}
