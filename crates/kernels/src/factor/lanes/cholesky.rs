//! A = L Lᵀ.

use super::{Algorithm, Outputs, each, first};
use crate::factor::Failure;
use crate::simd::{Enabled, Lanes, Vector};
use crate::view::View;

/// [`cholesky`](crate::factor::cholesky::cholesky) of matrices that [`suit`](super::suit).
pub fn cholesky<T: Lanes>(a: View<'_, T>, l: &mut [T]) -> Result<(), Failure> {
    let n = a.shape()[a.shape().len() - 1];
    first(&each(&Cholesky { n }, a, [l, &mut [], &mut []])?)
}

pub(super) struct Cholesky {
    pub n: usize,
}

impl<T: Lanes> Algorithm<T> for Cholesky {
    const LOWER: bool = true;

    fn sizes(&self) -> ([usize; 2], [[usize; 2]; 3]) {
        ([self.n; 2], [[self.n; 2], [0; 2], [0; 2]])
    }
    fn scratch(&self) -> usize {
        0
    }
    fn ns(&self) -> f64 {
        let n = self.n as f64;
        n * n * (0.3 + 0.01 * n)
    }

    #[inline(always)]
    fn run<V: Vector<Element = T>>(&self, isa: Enabled<V>, a: &mut Vec<V>, out: &mut Outputs<V>, _: &mut [V]) -> V {
        // The orders of graphics as constants: the compiler unrolls every loop.
        let status = match self.n {
            3 => factor(isa, 3, a),
            4 => factor(isa, 4, a),
            n => factor(isa, n, a),
        };
        std::mem::swap(a, &mut out.packs[0]);
        status
    }
}

/// Columns that are computed at a time.
const PANEL: usize = 4;

// In place, a panel of columns after the other from those left of it. Blocks of sums stay in registers.
#[inline(always)]
fn factor<V: Vector>(isa: Enabled<V>, n: usize, a: &mut [V]) -> V {
    let zero = isa.constant(0.0);
    let mut status = zero;
    let mut j = 0;
    while j < n {
        let failed = if j + PANEL <= n { panel::<V, PANEL>(isa, n, a, j) } else { panel::<V, 1>(isa, n, a, j) };
        status = zero.where_less(status, status, failed);
        j += if j + PANEL <= n { PANEL } else { 1 };
    }
    for (i, row) in a.chunks_mut(n).enumerate() {
        row[i + 1..].fill(zero);
    }
    status
}

/// Columns j … j + B − 1 of L; 0, or the first of them, counted from 1, whose pivot is not positive.
//
//   L₁₁ L₁₁ᵀ = A₁₁ − L₁₀ L₁₀ᵀ,  L₂₁ = (A₂₁ − L₂₀ L₁₀ᵀ) L₁₁⁻ᵀ,  where 0 are the columns left of the panel, 1 its own rows.
#[inline(always)]
fn panel<V: Vector, const B: usize>(isa: Enabled<V>, n: usize, a: &mut [V], j: usize) -> V {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    let (top, below) = a[j * n..].split_at_mut(B * n);
    let mut status = zero;
    let mut l = residual::<V, B, B>(zero, n, j, top, top);
    let mut inverses = [zero; B];
    for c in 0..B {
        let failed = zero.where_less(l[c][c], zero, isa.constant((j + c + 1) as f64));
        status = zero.where_less(status, status, failed);
        l[c][c] = l[c][c].sqrt();
        inverses[c] = one / l[c][c];
        for r in c + 1..B {
            l[r][c] *= inverses[c];
            for m in c + 1..r + 1 {
                l[r][m] -= l[r][c] * l[m][c];
            }
        }
    }
    for (row, l) in top.chunks_exact_mut(n).zip(&l) {
        row[j..j + B].copy_from_slice(l);
    }
    let top = &*top;
    let mut rows = below;
    // As many sums as registers hold.
    let whole = if V::REGISTERS >= 32 { 4 } else { 2 };
    while rows.len() >= whole * n {
        let (some, rest) = rows.split_at_mut(whole * n);
        if V::REGISTERS >= 32 {
            solve::<V, 4, B>(zero, n, j, top, some, (&l, &inverses));
        } else {
            solve::<V, 2, B>(zero, n, j, top, some, (&l, &inverses));
        }
        rows = rest;
    }
    for row in rows.chunks_exact_mut(n) {
        solve::<V, 1, B>(zero, n, j, top, row, (&l, &inverses));
    }
    status
}

/// R rows of L₂₁, by L₁₁ and the inverses of its diagonal.
#[inline(always)]
fn solve<V: Vector, const R: usize, const B: usize>(
    zero: V,
    n: usize,
    j: usize,
    top: &[V],
    rows: &mut [V],
    (l, inverses): (&[[V; B]; B], &[V; B]),
) {
    let mut x = residual::<V, R, B>(zero, n, j, rows, top);
    for x in &mut x {
        for c in 0..B {
            x[c] *= inverses[c];
            for m in c + 1..B {
                x[m] -= x[c] * l[m][c];
            }
        }
    }
    for (row, x) in rows.chunks_exact_mut(n).zip(&x) {
        row[j..j + B].copy_from_slice(x);
    }
}

/// B columns of `rows` from j on less the products of their columns left of j with those of `top`.
#[inline(always)]
fn residual<V: Vector, const R: usize, const B: usize>(zero: V, n: usize, j: usize, rows: &[V], top: &[V]) -> [[V; B]; R] {
    let x: [&[V]; R] = std::array::from_fn(|r| &rows[r * n..][..j]);
    let y: [&[V]; B] = std::array::from_fn(|c| &top[c * n..][..j]);
    let mut sums = [[zero; B]; R];
    for k in 0..j {
        let mut column = [zero; B];
        for c in 0..B {
            column[c] = y[c][k];
        }
        for r in 0..R {
            for c in 0..B {
                sums[r][c] = x[r][k].mul_add(column[c], sums[r][c]);
            }
        }
    }
    for r in 0..R {
        for c in 0..B {
            sums[r][c] = rows[r * n + j + c] - sums[r][c];
        }
    }
    sums
}
