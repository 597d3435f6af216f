//! A large matrix on both sides of vectors in one pass over memory: what reducing it to bidiagonal form takes of it.
//!
//! The row that is reflected next follows from Aᵀ v column by column, so that A times it can be summed while a column is still in the
//! cache (Howell, Demmel, Fulton, Hammarling and Marmol 2008, "Cache efficient bidiagonalization using BLAS 2.5 operators"):
//!
//! ```text
//! for every four columns a of A:
//!     y ← τ (aᵀ v − z)       reads the columns from memory
//!     w += a (r − y)         reads them from the cache
//! ```

use super::columns::add_scaled;
use crate::buffer::{Block, OutOfMemory};
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, MAX_LANES};
use crate::threads;

/// Columns that pass together.
const COLUMNS: usize = 4;
/// Sums of a column that run beside each other.
const SUMS: usize = 16;

/// A part of a matrix of columns, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct StridedColumns<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub stride: usize,
}

/// What is multiplied: v from the left, of as many numbers as rows; and for each column z and r.
#[derive(Clone, Copy)]
pub(super) struct GemvtVectors<'a, T> {
    pub v: &'a [T],
    pub tau: T,
    pub z: &'a [T],
    pub r: &'a [T],
}

/// y = τ (Aᵀ v − z), a number for each column, and w = A (r − y) without its first row.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn both<T: Real>(a: StridedColumns<'_, T>, x: GemvtVectors<'_, T>, y: &mut [T], w: &mut [T]) -> Result<(), OutOfMemory> {
    let (n, rows) = (y.len(), a.rows);
    let fits = x.v.len() == rows && x.z.len() == n && x.r.len() == n && w.len() + 1 == rows;
    assert!(fits && (n == 0 || a.data.len() >= count(&[n - 1, a.stride]) + rows), "vectors of a matrix");
    let area = (n * rows * size_of::<T>()) as f64;
    let parts = threads::brief_parts(n.div_ceil(COLUMNS), area * params().factor.bidiagonal_ns / n.div_ceil(COLUMNS).max(1) as f64);
    if parts < 2 {
        w.fill(T::ZERO);
        pass(a, x, 0, y, w);
        return Ok(());
    }
    // Each part has its own columns, and a sum of its own.
    let each = n.div_ceil(parts).next_multiple_of(COLUMNS);
    let apart = (each + rows).next_multiple_of(MAX_LANES) + MAX_LANES;
    let mut results = Block::filled(count(&[parts, apart]), T::ZERO)?;
    let first = |part: usize| (part * each).min(n);
    threads::split_mut(&mut results, apart, parts, |start, result| {
        let part = start / apart;
        let (y, w) = result.split_at_mut(each);
        pass(a, x, first(part), &mut y[..first(part + 1) - first(part)], &mut w[..rows - 1]);
    });
    w.fill(T::ZERO);
    for (part, result) in results.chunks_exact(apart).enumerate() {
        let columns = first(part)..first(part + 1);
        y[columns.clone()].copy_from_slice(&result[..columns.len()]);
        add_scaled(T::ONE, &result[each..each + rows - 1], w);
    }
    Ok(())
}

/// [`both`] of columns from `first` on, as many as numbers in y; adds to w.
fn pass<T: Real>(a: StridedColumns<'_, T>, x: GemvtVectors<'_, T>, first: usize, y: &mut [T], w: &mut [T]) {
    simd::run_fused(
        (y, w),
        #[inline(always)]
        |(y, w)| pass_in::<T, T::Fused>(a, x, first, y, w),
        #[inline(always)]
        |(y, w)| pass_in::<T, T>(a, x, first, y, w),
    );
}

#[inline(always)]
fn pass_in<T: Real, C: Real>(a: StridedColumns<'_, T>, x: GemvtVectors<'_, T>, first: usize, y: &mut [T], w: &mut [T]) {
    let (data, v, w): (&[C], &[C], &mut [C]) =
        (bytemuck::cast_slice(a.data), bytemuck::cast_slice(x.v), bytemuck::cast_slice_mut(w));
    let n = y.len();
    let column = |c: usize| &data[(first + c) * a.stride..][..a.rows];
    let mut c = 0;
    while c + COLUMNS <= n {
        let columns = [column(c), column(c + 1), column(c + 2), column(c + 3)];
        let sums = dots(columns, v);
        let mut factors = [C::ZERO; COLUMNS];
        for k in 0..COLUMNS {
            y[c + k] = x.tau * (bytemuck::cast::<C, T>(sums[k]) - x.z[first + c + k]);
            factors[k] = bytemuck::cast(x.r[first + c + k] - y[c + k]);
        }
        let [a0, a1, a2, a3] = columns.map(|column| &column[1..]);
        let lines = w.iter_mut().zip(a0.iter().zip(a1)).zip(a2.iter().zip(a3));
        for ((w, (&a0, &a1)), (&a2, &a3)) in lines {
            let low = a0.mul_add(factors[0], a1 * factors[1]);
            *w = a2.mul_add(factors[2], a3.mul_add(factors[3], *w + low));
        }
        c += COLUMNS;
    }
    while c < n {
        let a = column(c);
        y[c] = x.tau * (bytemuck::cast::<C, T>(dots([a; 1], v)[0]) - x.z[first + c]);
        let factor: C = bytemuck::cast(x.r[first + c] - y[c]);
        w.iter_mut().zip(&a[1..]).for_each(|(w, &a)| *w = a.mul_add(factor, *w));
        c += 1;
    }
}

/// Σ a[i] v[i] of each column.
#[inline(always)]
fn dots<C: Real, const N: usize>(columns: [&[C]; N], v: &[C]) -> [C; N] {
    let mut sums = [[C::ZERO; SUMS]; N];
    let whole = v.len() / SUMS * SUMS;
    let mut at = 0;
    while at < whole {
        let v: &[C; SUMS] = v[at..at + SUMS].try_into().expect("a slice of SUMS numbers");
        for k in 0..N {
            let a: &[C; SUMS] = columns[k][at..at + SUMS].try_into().expect("a slice of SUMS numbers");
            for i in 0..SUMS {
                sums[k][i] = a[i].mul_add(v[i], sums[k][i]);
            }
        }
        at += SUMS;
    }
    let mut totals = [C::ZERO; N];
    for k in 0..N {
        let mut half = SUMS / 2;
        while half > 0 {
            for i in 0..half {
                sums[k][i] += sums[k][i + half];
            }
            half /= 2;
        }
        totals[k] = sums[k][0];
        for i in whole..v.len() {
            totals[k] = columns[k][i].mul_add(v[i], totals[k]);
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree_with_their_formulas() {
        for (rows, n) in [(1, 0), (1, 3), (17, 4), (50, 7), (300, 301), (1500, 1490)] {
            let stride = rows + 3;
            let number = |i: usize, seed: usize| ((i * 7919 + seed) % 1009) as f64 / 500.0 - 1.0;
            let numbers = |n: usize, seed: usize| -> Vec<f64> { (0..n).map(|i| number(i, seed)).collect() };
            let data = numbers(n.max(1) * stride, 1);
            let (v, z, r, tau) = (numbers(rows, 2), numbers(n, 3), numbers(n, 4), 1.25);
            let (mut y, mut w) = (vec![9.0; n], vec![9.0; rows - 1]);
            both(StridedColumns { data: &data, rows, stride }, GemvtVectors { v: &v, tau, z: &z, r: &r }, &mut y, &mut w).unwrap();
            let a = |i: usize, c: usize| data[c * stride + i];
            for c in 0..n {
                let expected = tau * ((0..rows).map(|i| a(i, c) * v[i]).sum::<f64>() - z[c]);
                assert!((y[c] - expected).abs() < 1e-11, "{rows} x {n}: {} for {expected}", y[c]);
            }
            for i in 1..rows {
                let expected: f64 = (0..n).map(|c| a(i, c) * (r[c] - y[c])).sum();
                assert!((w[i - 1] - expected).abs() < 1e-9, "{rows} x {n}: {} for {expected}", w[i - 1]);
            }
        }
    }
}
