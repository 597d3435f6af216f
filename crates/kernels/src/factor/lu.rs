//! P A = L U with partial pivoting, recursively by halves of the columns (Toledo 1997).

use crate::compiled::compiled;
use std::sync::{Mutex, PoisonError};

use super::Failure;
use super::batch::{each, load, matrix, sizes};
use super::columns::magnitude;
use super::crout;
use super::matrix::{Matrix, Target, multiply};
use super::triangular::{self, Triangle};
use crate::buffer::{Block, OutOfMemory, list};
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Lanes, isa};
use crate::view::View;

/// What halves are multiples of.
const UNIT: usize = 32;

const LOWER: Triangle = Triangle { upper: false, unit: true };
const UPPER: Triangle = Triangle { upper: true, unit: false };

compiled! {
    /// L below the diagonal (whose own is ones) and U on and above it, row by row, in `factors`; row i of L U is row
    /// `order[i]` of A. A pivot is the largest of its column; where that is 0, U has a 0 on its diagonal.
    ///
    /// # Errors
    /// If there is no memory to work in.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn lu<T: Lanes>(a: View<'_, T>, factors: &mut [T], order: &mut [i64]) -> Result<(), Failure> {
        let [batch, m, n] = sizes(a);
        assert!(factors.len() == count(&[batch, m, n]) && order.len() == count(&[batch, m]), "a result for each matrix");
        if m == 0 || batch == 0 {
            return Ok(());
        }
        let mut orders = list(batch)?;
        orders.extend(order.chunks_mut(m).map(Mutex::new));
        let ns_each = 0.1 * (m * n * m.min(n)) as f64 + 4.0 * (m * n) as f64;
        each(batch, ns_each, [factors], |i, [factors]| {
            let mut order = orders[i].lock().unwrap_or_else(PoisonError::into_inner);
            order.iter_mut().enumerate().for_each(|(i, x)| *x = i as i64);
            load(matrix(a, i).t(), factors);
            if !magnitude(factors).is_finite() {
                factors.fill(T::NAN);
                return Ok(());
            }
            let mut pivots = list(m.min(n))?;
            pivots.resize(m.min(n), 0);
            factor(factors, m, n, n, &mut pivots)?;
            pivots.iter().enumerate().for_each(|(i, &p)| order.swap(i, p));
            Ok(())
        })
    }
}

/// Factors m rows of n columns that lie `stride` apart. Step i exchanged rows i and `pivots[i]`, for i below min(m, n).
fn factor<T: Lanes>(a: &mut [T], m: usize, n: usize, stride: usize, pivots: &mut [usize]) -> Result<(), OutOfMemory> {
    let steps = m.min(n);
    debug_assert_eq!(pivots.len(), steps);
    if n <= crout::LARGEST {
        return leaf(a, m, n, stride, pivots);
    }
    let half = (steps / 2).next_multiple_of(UNIT).min(steps);
    let rest = n - half;
    let (first, second) = pivots.split_at_mut(half);
    factor(a, m, half, stride, first)?;
    exchange(&mut a[half..], rest, stride, first);

    let (top, bottom) = a.split_at_mut((half * stride).min(a.len()));
    // U₁₂ = L₁₁⁻¹ A₁₂
    let l11 = copied(top, half, half, stride)?;
    triangular::solve(Matrix::of_rows(&l11, half, half, half), LOWER, &mut top[half..], rest, stride)?;
    if m == half {
        return Ok(());
    }
    let l21 = copied(bottom, m - half, half, stride)?;
    let u12 = Matrix { at: half, ..Matrix::of_rows(top, half, rest, stride) };
    let a22 = Target { data: &mut bottom[half..], row: stride, column: 1 };
    multiply(-T::ONE, Matrix::of_rows(&l21, m - half, half, half), u12, a22, true)?;
    factor(&mut bottom[half..], m - half, rest, stride, second)?;
    exchange(bottom, half, stride, second);
    second.iter_mut().for_each(|p| *p += half);
    Ok(())
}

/// `m` rows of n columns one after another.
fn copied<T: Lanes>(a: &[T], m: usize, n: usize, stride: usize) -> Result<Block<T>, OutOfMemory> {
    let mut rows = Block::new(count(&[m, n]))?;
    for (to, from) in rows.chunks_exact_mut(n).zip(a.chunks(stride)) {
        to.copy_from_slice(&from[..n]);
    }
    Ok(rows)
}

/// Exchanges the first n elements of rows i and `pivots[i]`, for i from 0 up.
fn exchange<T: Real>(a: &mut [T], n: usize, stride: usize, pivots: &[usize]) {
    for (i, &p) in pivots.iter().enumerate().filter(|&(i, &p)| i != p) {
        let (before, from) = a.split_at_mut(p * stride);
        before[i * stride..][..n].swap_with_slice(&mut from[..n]);
    }
}

/// Few columns, packed where rows of powers of two would share sets of the caches.
fn leaf<T: Lanes>(a: &mut [T], m: usize, n: usize, stride: usize, pivots: &mut [usize]) -> Result<(), OutOfMemory> {
    if n == stride || m <= crout::LARGEST {
        return crout::factor(isa(), a, m, n, stride, pivots);
    }
    let mut packed = copied(a, m, n, stride)?;
    crout::factor(isa(), &mut packed, m, n, n, pivots)?;
    for (to, from) in a.chunks_mut(stride).zip(packed.chunks_exact(n)) {
        to[..n].copy_from_slice(from);
    }
    Ok(())
}

/// The factors of square matrices, as [`lu`] wrote them.
#[derive(Clone, Copy)]
pub struct Factored<'a, T> {
    /// L and U, row by row.
    pub factors: &'a [T],
    /// Which row of A each row of L U is.
    pub order: &'a [i64],
    /// Rows and columns of each matrix.
    pub n: usize,
}

compiled! {
    /// Writes X with A X = B, or Aᵀ X = B where `transposed`; B and X are `(batch, n, k)` row by row.
    ///
    /// # Errors
    /// That there is no memory, or the first matrix whose U has a 0 on its diagonal, and where.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn lu_solve<T: Lanes>(a: Factored<'_, T>, transposed: bool, b: &[T], x: &mut [T]) -> Result<(), Failure> {
        let n = a.n;
        assert!(a.factors.len() == count(&[a.order.len(), n]) && b.len() == x.len(), "factors and right-hand sides of one batch");
        if x.is_empty() {
            return Ok(());
        }
        let batch = a.order.len() / n;
        assert!(b.len().is_multiple_of(batch * n), "right-hand sides for each matrix");
        let k = b.len() / (batch * n);
        each(batch, 0.2 * (n * n * k) as f64 + 200.0, [x], |i, [x]| {
            let factors = Matrix::of_rows(&a.factors[i * n * n..][..n * n], n, n, n);
            let (order, b) = (&a.order[i * n..][..n], &b[i * n * k..][..n * k]);
            triangular::regular(factors, UPPER)?;
            if !transposed {
                for (x, &from) in x.chunks_exact_mut(k).zip(order) {
                    x.copy_from_slice(&b[from as usize * k..][..k]);
                }
                triangular::solve(factors, LOWER, x, k, k)?;
                return Ok(triangular::solve(factors, UPPER, x, k, k)?);
            }
            // Aᵀ = Uᵀ Lᵀ P
            let mut y = Block::copied(b)?;
            triangular::solve(factors.t(), Triangle { upper: false, unit: false }, &mut y, k, k)?;
            triangular::solve(factors.t(), Triangle { upper: true, unit: true }, &mut y, k, k)?;
            for (y, &to) in y.chunks_exact(k).zip(order) {
                x[to as usize * k..][..k].copy_from_slice(y);
            }
            Ok(())
        })
    }
}
