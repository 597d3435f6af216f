//! P A = L U with partial pivoting, recursively by halves of the columns (Toledo 1997).

use std::sync::{Mutex, PoisonError};

use super::Failure;
use super::batch::{each, load, matrix, sizes};
use super::columns::{add_scaled, magnitude, scale};
use super::matrix::{Matrix, Target, multiply};
use super::triangular::{self, Triangle};
use crate::buffer::Block;
use crate::real::Real;
use crate::simd::Lanes;
use crate::view::View;

/// Columns that are factored one by one.
const LEAF: usize = 8;

const LOWER: Triangle = Triangle { upper: false, unit: true };
const UPPER: Triangle = Triangle { upper: true, unit: false };

/// L below the diagonal (whose own is ones) and U on and above it, column by column, in `factors`; row i of L U is row
/// `order[i]` of A. A pivot is the largest of its column; where that is 0, U has a 0 on its diagonal.
///
/// # Panics
/// If the sizes do not fit.
pub fn lu<T: Lanes>(a: View<'_, T>, factors: &mut [T], order: &mut [i64]) {
    let [batch, m, n] = sizes(a);
    assert!(factors.len() == batch * m * n && order.len() == batch * m, "a result for each matrix");
    if m == 0 || batch == 0 {
        return;
    }
    let orders: Vec<_> = order.chunks_mut(m).map(Mutex::new).collect();
    let ns_each = 0.1 * (m * n * m.min(n)) as f64 + 4.0 * (m * n) as f64;
    let done = each(batch, ns_each, [factors], |i, [factors]| {
        let mut order = orders[i].lock().unwrap_or_else(PoisonError::into_inner);
        order.iter_mut().enumerate().for_each(|(i, x)| *x = i as i64);
        load(matrix(a, i), factors);
        if !magnitude(factors).is_finite() {
            factors.fill(T::NAN);
            return Ok(());
        }
        let mut pivots = vec![0; m.min(n)];
        factor(factors, m, n, m, &mut pivots);
        pivots.iter().enumerate().for_each(|(i, &p)| order.swap(i, p));
        Ok(())
    });
    debug_assert!(done.is_ok());
}

/// Factors `n` columns of `m`, `stride` apart. Step i swapped rows i and `pivots[i]`, for i below min(m, n).
fn factor<T: Lanes>(a: &mut [T], m: usize, n: usize, stride: usize, pivots: &mut [usize]) {
    let steps = m.min(n);
    debug_assert_eq!(pivots.len(), steps);
    if n <= LEAF || steps <= 1 {
        return leaf(a, m, n, stride, pivots);
    }
    let half = (steps / 2).next_multiple_of(if steps > 2 * LEAF { LEAF } else { 1 }).min(steps - 1);
    let rest = n - half;
    let (first, second) = pivots.split_at_mut(half);
    factor(a, m, half, stride, first);
    let (left, right) = a.split_at_mut(half * stride);
    swap_rows(right, rest, stride, first);

    // U₁₂ = L₁₁⁻¹ A₁₂, row by row.
    let mut u12 = Block::new(half * rest);
    for j in 0..rest {
        (0..half).for_each(|i| u12[i * rest + j] = right[j * stride + i]);
    }
    let left_columns = Matrix::of_columns(left, m, half, stride);
    triangular::solve(left_columns.block(0, 0, half, half), LOWER, &mut u12, rest, rest);
    for j in 0..rest {
        (0..half).for_each(|i| right[j * stride + i] = u12[i * rest + j]);
    }
    let l21 = left_columns.block(half, 0, m - half, half);
    let a22 = &mut right[half..];
    multiply(-T::ONE, l21, Matrix::of_rows(&u12, half, rest, rest), Target { data: a22, row: 1, column: stride }, true);
    factor(a22, m - half, rest, stride, second);
    swap_rows(&mut left[half..], half, stride, second);
    second.iter_mut().for_each(|p| *p += half);
}

/// Swaps rows i and `pivots[i]` of n columns, for i from 0 up.
fn swap_rows<T: Real>(a: &mut [T], n: usize, stride: usize, pivots: &[usize]) {
    for j in 0..n {
        let column = &mut a[j * stride..];
        pivots.iter().enumerate().for_each(|(i, &p)| column.swap(i, p));
    }
}

fn leaf<T: Lanes>(a: &mut [T], m: usize, n: usize, stride: usize, pivots: &mut [usize]) {
    for j in 0..m.min(n) {
        let column = &a[j * stride..][..m];
        let largest = magnitude(&column[j..]);
        // Nothing below is as large where the arithmetic left the range of the numbers.
        let pivot = column[j..].iter().position(|x| x.abs() == largest).map_or(j, |at| j + at);
        pivots[j] = pivot;
        if pivot != j {
            (0..n).for_each(|c| a.swap(c * stride + j, c * stride + pivot));
        }
        let (done, rest) = a.split_at_mut(((j + 1) * stride).min(a.len()));
        let column = &mut done[j * stride..][..m];
        if largest == T::ZERO {
            continue;
        }
        let inverse = T::ONE / column[j];
        if inverse.is_finite() {
            scale(&mut column[j + 1..], inverse);
        } else {
            let pivot = column[j];
            column[j + 1..].iter_mut().for_each(|x| *x = *x / pivot);
        }
        for c in j + 1..n {
            let to = &mut rest[(c - j - 1) * stride..][..m];
            let factor = -to[j];
            add_scaled(factor, &column[j + 1..], &mut to[j + 1..]);
        }
    }
}

/// The factors of square matrices, as [`lu`] wrote them.
#[derive(Clone, Copy)]
pub struct Factored<'a, T> {
    /// L and U, column by column.
    pub factors: &'a [T],
    /// Which row of A each row of L U is.
    pub order: &'a [i64],
    /// Rows and columns of each matrix.
    pub n: usize,
}

/// Writes X with A X = B, or Aᵀ X = B where `transposed`; B and X are `(batch, n, k)` row by row.
///
/// # Errors
/// The first matrix whose U has a 0 on its diagonal, and where.
///
/// # Panics
/// If the sizes do not fit.
pub fn lu_solve<T: Lanes>(a: Factored<'_, T>, transposed: bool, b: &[T], x: &mut [T]) -> Result<(), Failure> {
    let n = a.n;
    assert!(a.factors.len() == a.order.len() * n && b.len() == x.len(), "factors and right-hand sides of one batch");
    if x.is_empty() {
        return Ok(());
    }
    let batch = a.order.len() / n;
    assert!(b.len().is_multiple_of(batch * n), "right-hand sides for each matrix");
    let k = b.len() / (batch * n);
    each(batch, 0.2 * (n * n * k) as f64 + 200.0, [x], |i, [x]| {
        let factors = Matrix::of_columns(&a.factors[i * n * n..][..n * n], n, n, n);
        let (order, b) = (&a.order[i * n..][..n], &b[i * n * k..][..n * k]);
        triangular::regular(factors, UPPER)?;
        if !transposed {
            for (x, &from) in x.chunks_exact_mut(k).zip(order) {
                x.copy_from_slice(&b[from as usize * k..][..k]);
            }
            triangular::solve(factors, LOWER, x, k, k);
            triangular::solve(factors, UPPER, x, k, k);
            return Ok(());
        }
        // Aᵀ = Uᵀ Lᵀ P
        let mut y = Block::copied(b);
        triangular::solve(factors.t(), Triangle { upper: false, unit: false }, &mut y, k, k);
        triangular::solve(factors.t(), Triangle { upper: true, unit: true }, &mut y, k, k);
        for (y, &to) in y.chunks_exact(k).zip(order) {
            x[to as usize * k..][..k].copy_from_slice(y);
        }
        Ok(())
    })
}
