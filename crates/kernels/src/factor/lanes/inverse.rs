//! A⁻¹.

use super::pack::{Enabled, Pack, elements};
use super::{Algorithm, LARGEST, Outputs, each, first};
use crate::factor::Failure;
use crate::real::Real;
use crate::simd::{Lanes, MAX_LANES, Vector};
use crate::view::View;

/// [`inverse`](crate::factor::inverse::inverse) of matrices that [`suit`](super::suit).
pub fn inverse<T: Lanes>(a: View<'_, T>, inverse: &mut [T]) -> Result<(), Failure> {
    let n = a.shape()[a.shape().len() - 1];
    first(&each(&Inverse { n }, a, [inverse, &mut [], &mut []]))
}

pub(super) struct Inverse {
    pub n: usize,
}

/// Up to this order lanes pick their rows by masks, from all rows; above it, one lane after the other.
const MASKED: usize = 8;

impl<T: Lanes> Algorithm<T> for Inverse {
    fn sizes(&self) -> ([usize; 2], [[usize; 2]; 3]) {
        ([self.n; 2], [[self.n; 2], [0; 2], [0; 2]])
    }
    /// Which row each step took its pivot from, whether a row is still to be taken, and the row taken.
    fn scratch(&self) -> usize {
        3 * self.n
    }
    fn ns(&self) -> f64 {
        let n = self.n as f64;
        n * n * (0.5 + 0.03 * n)
    }

    #[inline(always)]
    fn run<V: Vector<Element = T>>(
        &self,
        isa: Enabled<V>,
        a: &mut Vec<Pack<V>>,
        out: &mut Outputs<V>,
        scratch: &mut [Pack<V>],
    ) -> Pack<V> {
        // The orders of graphics as constants: the compiler unrolls every loop.
        match self.n {
            3 => invert(isa, 3, a, &mut out.packs[0], scratch),
            4 => invert(isa, 4, a, &mut out.packs[0], scratch),
            n => invert(isa, n, a, &mut out.packs[0], scratch),
        }
    }
}

// In place, a step for each column k: the pivot is the largest element of the column in the rows not yet taken. Its row is
// divided by it, and every other row i loses a_ik times that row, where column k becomes the inverse's. No row is
// moved: with p_k the row that step k took, a_(p_k) m is in the end element (k, p_m) of the inverse.
#[inline(always)]
fn invert<V: Vector>(isa: Enabled<V>, n: usize, a: &mut [Pack<V>], out: &mut [Pack<V>], scratch: &mut [Pack<V>]) -> Pack<V> {
    let (zero, one, half) = (isa.splat(0.0), isa.splat(1.0), isa.splat(0.5));
    let (pivots, scratch) = scratch.split_at_mut(n);
    let (free, row) = scratch.split_at_mut(n);
    free.fill(one);
    let mut status = zero;
    for k in 0..n {
        pivots[k] = largest(isa, a, n, k, free);
        take(isa, a, n, pivots[k], row);
        let pivot = row[k];
        let failed = zero.where_less(pivot.abs(), zero, isa.splat((k + 1) as f64));
        status = zero.where_less(status, status, failed);
        let reciprocal = one / pivot;
        row[k] = one;
        row.iter_mut().for_each(|x| *x *= reciprocal);
        for (i, other) in a.chunks_mut(n).enumerate() {
            let distance = (pivots[k] - isa.splat(i as f64)).abs();
            // The row taken is 0 by now.
            let factor = distance.where_less(half, one, -other[k]);
            free[i] = distance.where_less(half, zero, free[i]);
            other[k] = zero;
            for (x, y) in other.iter_mut().zip(&*row) {
                *x = factor.mul_add(*y, *x);
            }
        }
    }
    order(isa, a, n, pivots, out);
    status
}

/// The free row whose element in column k is the largest, in each lane.
#[inline(always)]
fn largest<V: Vector>(isa: Enabled<V>, a: &[Pack<V>], n: usize, k: usize, free: &[Pack<V>]) -> Pack<V> {
    let (mut best, mut row) = (isa.splat(-1.0), isa.splat(0.0));
    let half = isa.splat(0.5);
    for i in 0..n {
        let size = half.where_less(free[i], a[i * n + k].abs(), isa.splat(-1.0));
        row = best.where_less(size, isa.splat(i as f64), row);
        best = best.where_less(size, size, best);
    }
    row
}

/// Moves each lane's row of this number to `row` and leaves 0 there.
#[inline(always)]
fn take<V: Vector>(isa: Enabled<V>, a: &mut [Pack<V>], n: usize, number: Pack<V>, row: &mut [Pack<V>]) {
    let (zero, half) = (isa.splat(0.0), isa.splat(0.5));
    if n <= MASKED {
        row.fill(zero);
        for (i, from) in a.chunks_mut(n).enumerate() {
            let distance = (number - isa.splat(i as f64)).abs();
            for (x, from) in row.iter_mut().zip(from) {
                *x = distance.where_less(half, *from, *x);
                *from = distance.where_less(half, zero, *from);
            }
        }
        return;
    }
    let row = elements(row);
    let a = elements(a);
    for (lane, number) in number.lanes().enumerate() {
        let from = a.chunks_exact_mut(n * V::LANES).nth(number.to_f64() as usize).into_iter().flatten();
        let to = row.iter_mut().skip(lane).step_by(V::LANES);
        to.zip(from.skip(lane).step_by(V::LANES)).for_each(|(x, from)| *x = std::mem::replace(from, V::Element::ZERO));
    }
}

/// Element (k, p_m) of `out` is element (p_k, m) of `a`.
#[inline(always)]
fn order<V: Vector>(isa: Enabled<V>, a: &mut [Pack<V>], n: usize, pivots: &[Pack<V>], out: &mut [Pack<V>]) {
    let half = isa.splat(0.5);
    if n <= MASKED {
        let mut sorted = [isa.splat(0.0); MASKED];
        for (k, out) in out.chunks_mut(n).enumerate() {
            take(isa, a, n, pivots[k], &mut sorted[..n]);
            for (m, x) in sorted[..n].iter().enumerate() {
                for (c, to) in out.iter_mut().enumerate() {
                    *to = (pivots[m] - isa.splat(c as f64)).abs().where_less(half, *x, *to);
                }
            }
        }
        return;
    }
    let (a, out) = (elements(a), elements(out));
    let mut p = [[0; LARGEST]; MAX_LANES];
    for (k, pivot) in pivots.iter().enumerate() {
        pivot.lanes().enumerate().for_each(|(lane, x)| p[lane][k] = x.to_f64() as usize);
    }
    for (lane, p) in p[..V::LANES].iter().enumerate() {
        for (&from, out) in p[..n].iter().zip(out.chunks_exact_mut(n * V::LANES)) {
            let from = &a[from * n * V::LANES..][..n * V::LANES];
            for (m, &to) in p[..n].iter().enumerate() {
                out[to * V::LANES + lane] = from[m * V::LANES + lane];
            }
        }
    }
}
