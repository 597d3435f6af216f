//! A⁻¹.

use super::pack::{Enabled, Pack, elements};
use super::{Algorithm, Fault, Outputs, each};
use crate::simd::{Lanes, Vector};

/// The inverse of every n × n matrix of `a`.
///
/// Returns the matrices that are singular, each with the number, from 1, of the step whose pivot was 0; their results are
/// unspecified.
///
/// # Panics
/// If `inverse` is not as long as `a`.
pub fn inverse<T: Lanes>(a: &[T], n: usize, inverse: &mut [T]) -> Vec<Fault> {
    each(&Inverse { n }, a, [inverse, &mut [], &mut []])
}

pub(super) struct Inverse {
    pub n: usize,
}

impl<T: Lanes> Algorithm<T> for Inverse {
    fn sizes(&self) -> (usize, [usize; 3]) {
        (self.n * self.n, [self.n * self.n, 0, 0])
    }
    /// Which row each step took its pivot from.
    fn scratch(&self) -> usize {
        self.n
    }
    fn ns(&self) -> f64 {
        let n = self.n as f64;
        n * n * (0.5 + 0.05 * n)
    }

    // In place, a step for each column k: exchange rows so that the pivot is the largest of the rest of the column;
    // row k is divided by it, and row i loses a_ik times row k, where column k becomes the inverse's. In the end the
    // exchanges of rows are undone as exchanges of columns, in reverse order.
    #[inline(always)]
    fn run<V: Vector<Element = T>>(
        &self,
        isa: Enabled<V>,
        a: &mut Vec<Pack<V>>,
        out: &mut Outputs<V>,
        pivots: &mut [Pack<V>],
    ) -> Pack<V> {
        let n = self.n;
        let (zero, one) = (isa.splat(0.0), isa.splat(1.0));
        let mut status = zero;
        for k in 0..n {
            pivots[k] = pivot_row(isa, a, n, k);
            for (lane, row) in pivots[k].lanes().enumerate() {
                exchange_rows::<V>(a, n, [k, row.to_f64() as usize], lane);
            }
            let pivot = a[k * n + k];
            let failed = zero.where_less(pivot.abs(), zero, isa.splat((k + 1) as f64));
            status = zero.where_less(status, status, failed);
            let reciprocal = one / pivot;
            let (above, rest) = a.split_at_mut(k * n);
            let (row, below) = rest.split_at_mut(n);
            row[k] = one;
            for x in row.iter_mut() {
                *x *= reciprocal;
            }
            for other in above.chunks_mut(n).chain(below.chunks_mut(n)) {
                let factor = -other[k];
                other[k] = zero;
                for (x, y) in other.iter_mut().zip(&*row) {
                    *x = factor.mul_add(*y, *x);
                }
            }
        }
        for k in (0..n).rev() {
            for (lane, column) in pivots[k].lanes().enumerate() {
                exchange_columns::<V>(a, n, [k, column.to_f64() as usize], lane);
            }
        }
        std::mem::swap(a, &mut out.packs[0]);
        status
    }
}

/// The row from k on whose element in column k is the largest, in each lane.
#[inline(always)]
fn pivot_row<V: Vector>(isa: Enabled<V>, a: &[Pack<V>], n: usize, k: usize) -> Pack<V> {
    let (mut best, mut row) = (a[k * n + k].abs(), isa.splat(k as f64));
    for i in k + 1..n {
        let size = a[i * n + k].abs();
        row = best.where_less(size, isa.splat(i as f64), row);
        best = best.where_less(size, size, best);
    }
    row
}

/// Exchanges two rows, the first not below the second, of one lane.
#[inline(always)]
fn exchange_rows<V: Vector>(a: &mut [Pack<V>], n: usize, [i, j]: [usize; 2], lane: usize) {
    if i == j {
        return;
    }
    let row = n * V::LANES;
    let (head, tail) = elements(a).split_at_mut(j * row);
    let upper = head[i * row + lane..(i + 1) * row].iter_mut().step_by(V::LANES);
    upper.zip(tail[lane..row].iter_mut().step_by(V::LANES)).for_each(|(x, y)| std::mem::swap(x, y));
}

/// Exchanges two columns of one lane.
#[inline(always)]
fn exchange_columns<V: Vector>(a: &mut [Pack<V>], n: usize, [i, j]: [usize; 2], lane: usize) {
    if i == j {
        return;
    }
    for row in elements(a).chunks_exact_mut(n * V::LANES) {
        row.swap(i * V::LANES + lane, j * V::LANES + lane);
    }
}
