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
use crate::number::Number;
use crate::params::params;
use crate::shape::count;
use crate::simd::{self, Enabled, Kernel, Lanes, MAX_LANES, Vector};
use crate::threads;

/// Columns that pass together.
const COLUMNS: usize = 4;

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
pub(super) fn both<T: Lanes>(
    a: StridedColumns<'_, T>,
    x: GemvtVectors<'_, T>,
    y: &mut [T],
    w: &mut [T],
) -> Result<(), OutOfMemory> {
    let (n, rows) = (y.len(), a.rows);
    let fits = x.v.len() == rows && x.z.len() == n && x.r.len() == n && w.len() + 1 == rows;
    assert!(fits && (n == 0 || a.data.len() >= count(&[n - 1, a.stride]) + rows), "vectors of a matrix");
    let area = (n * rows * size_of::<T>()) as f64;
    let parts = threads::brief_parts(n.div_ceil(COLUMNS), area * params().factor.bidiagonal_ns / n.div_ceil(COLUMNS).max(1) as f64);
    if parts < 2 {
        w.fill(T::ZERO);
        simd::dispatch(Pass { a, x, first: 0, y, w });
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
        let (y, w) = (&mut y[..first(part + 1) - first(part)], &mut w[..rows - 1]);
        simd::dispatch(Pass { a, x, first: first(part), y, w });
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
struct Pass<'a, T> {
    a: StridedColumns<'a, T>,
    x: GemvtVectors<'a, T>,
    first: usize,
    y: &'a mut [T],
    w: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for Pass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { a, x, first, y, w } = self;
        let n = y.len();
        let mut c = 0;
        while c + COLUMNS <= n {
            let mut columns = [&a.data[..0]; COLUMNS];
            for (k, column) in columns.iter_mut().enumerate() {
                *column = &a.data[(first + c + k) * a.stride..][..a.rows];
            }
            let sums = dots(isa, columns, x.v);
            let mut factors = [isa.zero(); COLUMNS];
            for k in 0..COLUMNS {
                y[c + k] = x.tau * (sums[k] - x.z[first + c + k]);
                factors[k] = isa.splat(x.r[first + c + k] - y[c + k]);
            }
            add(isa, factors, columns, w);
            c += COLUMNS;
        }
        for c in c..n {
            let column = [&a.data[(first + c) * a.stride..][..a.rows]];
            y[c] = x.tau * (dots(isa, column, x.v)[0] - x.z[first + c]);
            add(isa, [isa.splat(x.r[first + c] - y[c])], column, w);
        }
    }
}

/// Σ a[i] v[i] of each column.
#[inline(always)]
fn dots<V: Vector, const N: usize>(isa: Enabled<V>, columns: [&[V::Element]; N], v: &[V::Element]) -> [V::Element; N] {
    // Two sums of each column, so that additions do not wait for each other.
    let mut sums = [[isa.zero(); 2]; N];
    let pairs = v.chunks_exact(2 * V::LANES);
    let rest = v.len() - pairs.remainder().len();
    for (i, v) in pairs.enumerate() {
        let at = i * 2 * V::LANES;
        let v = [isa.read(v), isa.read(&v[V::LANES..])];
        for k in 0..N {
            let a = &columns[k][at..at + 2 * V::LANES];
            sums[k][0] = v[0].mul_add(isa.read(a), sums[k][0]);
            sums[k][1] = v[1].mul_add(isa.read(&a[V::LANES..]), sums[k][1]);
        }
    }
    for (i, v) in v[rest..].chunks(V::LANES).enumerate() {
        let (at, count) = (rest + i * V::LANES, v.len());
        let v = isa.read_first(v);
        for k in 0..N {
            sums[k][i] = v.mul_add(isa.read_first(&columns[k][at..at + count]), sums[k][i]);
        }
    }
    let mut totals = [V::Element::ZERO; N];
    for k in 0..N {
        totals[k] = (sums[k][0] + sums[k][1]).sum();
    }
    totals
}

/// w += Σ factor · a of columns without their first rows.
#[inline(always)]
fn add<V: Vector, const N: usize>(isa: Enabled<V>, factors: [V; N], columns: [&[V::Element]; N], w: &mut [V::Element]) {
    let mut whole = w.chunks_exact_mut(V::LANES);
    let mut at = 1;
    for w in &mut whole {
        let mut sum = isa.read(w);
        for k in 0..N {
            sum = factors[k].mul_add(isa.read(&columns[k][at..at + V::LANES]), sum);
        }
        sum.write(w);
        at += V::LANES;
    }
    let rest = whole.into_remainder();
    if !rest.is_empty() {
        let mut sum = isa.read_first(rest);
        for k in 0..N {
            sum = factors[k].mul_add(isa.read_first(&columns[k][at..at + rest.len()]), sum);
        }
        sum.write_first(rest);
    }
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
