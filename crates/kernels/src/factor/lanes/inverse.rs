//! A⁻¹.

use super::{Algorithm, Order, Outputs, each, first};
use crate::factor::Failure;
use crate::real::Real;
use crate::simd::{Enabled, Lanes, Vector};
use crate::view::View;

/// [`inverse`](crate::factor::inverse::inverse) of matrices that [`suit`](super::suit).
pub fn inverse<T: Lanes>(a: View<'_, T>, inverse: &mut [T]) -> Result<(), Failure> {
    let n = a.shape()[a.shape().len() - 1];
    first(&each(&Inverse { n }, a, [inverse, &mut [], &mut []])?)
}

pub(super) struct Inverse {
    pub n: usize,
}

/// Columns that are eliminated at a time.
const PANEL: usize = 4;

impl<T: Lanes> Algorithm<T> for Inverse {
    fn sizes(&self) -> ([usize; 2], [[usize; 2]; 3]) {
        ([self.n; 2], [[self.n; 2], [0; 2], [0; 2]])
    }
    /// Which row each step exchanged with its own.
    fn scratch(&self) -> usize {
        self.n
    }
    fn ns(&self) -> f64 {
        let n = self.n as f64;
        n * n * (0.4 + 0.03 * n)
    }

    #[inline(always)]
    fn run<V: Vector<Element = T>>(&self, isa: Enabled<V>, a: &mut Vec<V>, out: &mut Outputs<V>, pivots: &mut [V]) -> V {
        // The orders of graphics as constants: the compiler unrolls every loop.
        let (status, exchanged) = match self.n {
            3 => invert(isa, 3, a, pivots),
            4 => invert(isa, 4, a, pivots),
            n => invert(isa, n, a, pivots),
        };
        std::mem::swap(a, &mut out.packs[0]);
        out.order = exchanged.then(|| order(pivots));
        status
    }
}

// In place, by panels of columns. Step s of a panel brings the largest element of its column, of the rows from s on, to the diagonal by an
// exchange of rows, and eliminates the column from the rest of the panel. The panel is then the part T of the panel's
// transformation that is not the identity, and the other columns follow at once: with k … the panel's rows,
// x_i ← x_i + Σ T_im x_(k+m), where x_i counts as 0 in the panel's rows. What exchanges of rows did to A, exchanges of columns do to the inverse.
#[inline(always)]
fn invert<V: Vector>(isa: Enabled<V>, n: usize, a: &mut [V], pivots: &mut [V]) -> (V, bool) {
    let zero = isa.constant(0.0);
    let (mut status, mut exchanged) = (zero, false);
    let mut k = 0;
    while k < n {
        let width = if k + PANEL <= n { PANEL } else { 1 };
        for s in k..k + width {
            pivots[s] = largest(isa, a, n, s);
            exchanged |= exchange(isa, a, n, s, pivots[s]);
            let failed = zero.where_less(a[s * n + s].abs(), zero, isa.constant((s + 1) as f64));
            status = zero.where_less(status, status, failed);
            if width == PANEL { eliminate::<V, PANEL>(isa, a, n, k, s) } else { eliminate::<V, 1>(isa, a, n, k, s) }
        }
        if width == PANEL {
            follow::<V, PANEL>(isa, a, n, k)
        } else {
            follow::<V, 1>(isa, a, n, k)
        }
        k += width;
    }
    (status, exchanged)
}

/// The row from s on whose element in column s is the largest, in each lane.
#[inline(always)]
fn largest<V: Vector>(isa: Enabled<V>, a: &[V], n: usize, s: usize) -> V {
    let (mut best, mut row) = (a[s * n + s].abs(), isa.constant(s as f64));
    for i in s + 1..n {
        let size = a[i * n + s].abs();
        row = best.where_less(size, isa.constant(i as f64), row);
        best = best.where_less(size, size, best);
    }
    row
}

/// Exchanges row s with each lane's row `other`, which is not above it. Whether any lane's is another.
#[inline(always)]
fn exchange<V: Vector>(isa: Enabled<V>, a: &mut [V], n: usize, s: usize, other: V) -> bool {
    if !(other - isa.constant(s as f64)).any() {
        return false;
    }
    // Rows that some lane exchanges, a bit each.
    let wanted = other.lanes().fold(0_u32, |bits, row| bits | 1 << row.to_f64() as u32);
    let half = isa.constant(0.5);
    let (top, below) = a[s * n..].split_at_mut(n);
    for (i, row) in below.chunks_exact_mut(n).enumerate() {
        if wanted >> (s + 1 + i) & 1 == 0 {
            continue;
        }
        let distance = (other - isa.constant((s + 1 + i) as f64)).abs();
        for (x, y) in top.iter_mut().zip(row) {
            (*x, *y) = (distance.where_less(half, *y, *x), distance.where_less(half, *x, *y));
        }
    }
    true
}

/// Eliminates column s from columns k … k + B − 1, among which it is, and leaves its part of T in it.
#[inline(always)]
fn eliminate<V: Vector, const B: usize>(isa: Enabled<V>, a: &mut [V], n: usize, k: usize, s: usize) {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    let reciprocal = one / a[s * n + s];
    a[s * n + s] = one;
    let mut top = [zero; B];
    for c in 0..B {
        top[c] = a[s * n + k + c] * reciprocal;
    }
    for (i, row) in a.chunks_exact_mut(n).enumerate() {
        if i == s {
            row[k..k + B].copy_from_slice(&top);
            continue;
        }
        let factor = -row[s];
        row[s] = zero;
        for (x, y) in row[k..k + B].iter_mut().zip(&top) {
            *x = factor.mul_add(*y, *x);
        }
    }
}

/// Brings the columns beside a panel of B columns from k on to where the panel is.
#[inline(always)]
fn follow<V: Vector, const B: usize>(isa: Enabled<V>, a: &mut [V], n: usize, k: usize) {
    for columns in [0..k, k + B..n] {
        let mut c = columns.start;
        while c + 4 <= columns.end && V::REGISTERS >= 32 {
            follow_some::<V, B, 4>(isa, a, n, k, c);
            c += 4;
        }
        while c + 2 <= columns.end {
            follow_some::<V, B, 2>(isa, a, n, k, c);
            c += 2;
        }
        if c < columns.end {
            follow_some::<V, B, 1>(isa, a, n, k, c);
        }
    }
}

/// [`follow`] of C columns from c on.
#[inline(always)]
fn follow_some<V: Vector, const B: usize, const C: usize>(isa: Enabled<V>, a: &mut [V], n: usize, k: usize, c: usize) {
    let zero = isa.constant(0.0);
    let mut tops = [[zero; C]; B];
    for (m, top) in tops.iter_mut().enumerate() {
        top.copy_from_slice(&a[(k + m) * n + c..][..C]);
    }
    for (i, row) in a.chunks_exact_mut(n).enumerate() {
        let mut factors = [zero; B];
        factors.copy_from_slice(&row[k..k + B]);
        let inside = (k..k + B).contains(&i);
        for x in 0..C {
            let mut sum = if inside { zero } else { row[c + x] };
            for m in 0..B {
                sum = factors[m].mul_add(tops[m][x], sum);
            }
            row[c + x] = sum;
        }
    }
}

/// Where exchanges of rows, one after another, take the columns of the inverse.
#[inline(always)]
fn order<V: Vector>(pivots: &[V]) -> Order {
    let mut order: Order = std::array::from_fn(|_| std::array::from_fn(|c| c as u8));
    for (s, pivot) in pivots.iter().enumerate() {
        for (order, row) in order.iter_mut().zip(pivot.lanes()) {
            order.swap(s, row.to_f64() as usize);
        }
    }
    order
}
