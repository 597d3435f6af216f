//! Rows of a triangular system, a tile at a time in registers.
//!
//! ```text
//!         k < i        i ‥ i+R
//!      ┌──────────┬───────────┐  ┌───────────┐ k < i
//! i ‥  │  T[i, k] │ ◣ T[i, i] │  │   X[k]    │           X[i] = T[i, i]⁻¹ (B[i] − Σ T[i, k] X[k])
//!      └──────────┴───────────┘  ├───────────┤
//!                                │ B[i]→X[i] │ i ‥ i+R
//!                                └───────────┘
//! ```
//!
//! R rows of a few registers keep their sums in registers while k runs. Cholesky's factor and the factors L U are
//! made of the same step, with the triangle that they have found so far.

use std::ops::Range;

use super::matrix::Matrix;
use super::rows::{Factor, Rows, Strip};
use crate::simd::{Enabled, Isa, Kernel, Lanes, Vector, dispatch_on};
use crate::threads;

/// Σ T[i + r, k] X[k] − B[i + r] over k below `depth`, for R rows from i on.
#[inline(always)]
pub(super) fn residual<V: Vector, const R: usize, const N: usize>(
    t: Factor<'_, V::Element>,
    x: Strip<'_, V, N>,
    i: usize,
    depth: usize,
) -> [[V; N]; R] {
    let isa = x.isa();
    let mut sums = [[isa.zero(); N]; R];
    let b = x.part(i, R);
    for r in 0..R {
        let row = b.load(r);
        for v in 0..N {
            sums[r][v] = -row[v];
        }
    }
    let (t, x) = (t.block([i, 0], [R, depth]), x.part(0, depth));
    for k in 0..depth {
        let (row, column) = (x.load(k), t.column::<R>(k));
        for r in 0..R {
            let factor = isa.splat(column[r]);
            for v in 0..N {
                sums[r][v] = factor.mul_add(row[v], sums[r][v]);
            }
        }
    }
    sums
}

/// What the diagonal of T does.
#[derive(Clone, Copy)]
pub(super) enum Diagonal<'a, T> {
    /// −1 / T[i, i], of each i.
    Inverses(&'a [T]),
    /// An inverse is not finite where the quotient may be.
    Divides,
}

/// Writes R rows of X from `row` on, where those before are known.
#[inline(always)]
fn solve_tile<V: Vector, const R: usize, const N: usize>(
    t: Factor<'_, V::Element>,
    x: Strip<'_, V, N>,
    row: usize,
    diagonal: Diagonal<'_, V::Element>,
) {
    let isa = x.isa();
    let mut sums = residual::<V, R, N>(t, x, row, row);
    let (t, x) = (t.block([row, row], [R, R]), x.part(row, R));
    for r in 0..R {
        for q in 0..r {
            // SAFETY: t was cut to R rows and columns.
            let factor = isa.splat(unsafe { t.at_unchecked(r, q) });
            for v in 0..N {
                sums[r][v] = factor.mul_add(sums[q][v], sums[r][v]);
            }
        }
        match diagonal {
            Diagonal::Inverses(inverses) => {
                let inverse = isa.splat(inverses[row + r]);
                for v in 0..N {
                    sums[r][v] *= inverse;
                }
            }
            Diagonal::Divides => {
                // SAFETY: t was cut to R rows and columns.
                let divisor = isa.splat(-unsafe { t.at_unchecked(r, r) });
                for v in 0..N {
                    sums[r][v] = sums[r][v] / divisor;
                }
            }
        }
        x.store(r, sums[r]);
    }
}

/// Rows `rows` of X in the columns `columns`, where those before are known.
#[inline(always)]
pub(super) fn solve_rows<V: Vector>(
    isa: Enabled<V>,
    t: Factor<'_, V::Element>,
    x: Rows<'_, V::Element>,
    rows: Range<usize>,
    columns: Range<usize>,
    diagonal: Diagonal<'_, V::Element>,
) {
    // As many sums as leave registers for what they are made of.
    if V::REGISTERS >= 32 {
        solve_tiles::<V, 8, 3>(isa, t, x, rows, columns, diagonal);
    } else {
        solve_tiles::<V, 4, 2>(isa, t, x, rows, columns, diagonal);
    }
}

#[inline(always)]
fn solve_tiles<V: Vector, const R: usize, const N: usize>(
    isa: Enabled<V>,
    t: Factor<'_, V::Element>,
    x: Rows<'_, V::Element>,
    rows: Range<usize>,
    columns: Range<usize>,
    diagonal: Diagonal<'_, V::Element>,
) {
    let mut column = columns.start;
    while column < columns.end {
        let left = columns.end - column;
        let full = left / V::LANES;
        if full >= N && full != N + 1 {
            solve_strip::<V, R, N>(t, x.strip(isa, column, V::LANES), rows.clone(), diagonal);
            column += N * V::LANES;
        } else if full >= 2 {
            solve_strip::<V, R, 2>(t, x.strip(isa, column, V::LANES), rows.clone(), diagonal);
            column += 2 * V::LANES;
        } else {
            solve_strip::<V, R, 1>(t, x.strip(isa, column, left.min(V::LANES)), rows.clone(), diagonal);
            column += V::LANES;
        }
    }
}

#[inline(always)]
fn solve_strip<V: Vector, const R: usize, const N: usize>(
    t: Factor<'_, V::Element>,
    x: Strip<'_, V, N>,
    rows: Range<usize>,
    diagonal: Diagonal<'_, V::Element>,
) {
    let mut row = rows.start;
    while row + R <= rows.end {
        solve_tile::<V, R, N>(t, x, row, diagonal);
        row += R;
    }
    while row < rows.end {
        solve_tile::<V, 1, N>(t, x, row, diagonal);
        row += 1;
    }
}

/// The largest triangle that [`solve`] takes.
pub(super) const LARGEST: usize = 128;

/// A triangle and right-hand sides that fit it.
struct Solve<'a, T> {
    t: Factor<'a, T>,
    x: Rows<'a, T>,
    n: usize,
    columns: usize,
    diagonal: Diagonal<'a, T>,
}

// SAFETY: only `run` shares it. There each thread solves for columns of its own, of rows that `Rows::new` found not to
// overlap. Nobody writes the triangle.
unsafe impl<T: Send + Sync> Sync for Solve<'_, T> {}

impl<T: Lanes> Kernel<T> for Solve<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { n, columns, .. } = self;
        // A multiply-add a lane and cycle.
        let parts = threads::brief_parts(columns.div_ceil(V::LANES), 0.15 * (n * n) as f64 + n as f64);
        let it = &self;
        threads::run(parts, |part| {
            let columns = threads::range(columns, V::LANES, parts, part);
            isa.enter(
                #[inline(always)]
                || solve_rows(isa, it.t, it.x, 0..n, columns, it.diagonal),
            );
        });
    }
}

/// Overwrites B, t.rows rows of `columns` neighbours that lie `stride` apart, with T⁻¹ B, where T is the upper triangle of `t`
/// or else the lower, with ones on its diagonal where `unit`.
///
/// # Panics
/// If the triangle is too large or B too short.
pub(super) fn solve<T: Lanes>(isa: Isa, t: Matrix<'_, T>, [upper, unit]: [bool; 2], b: &mut [T], columns: usize, stride: usize) {
    let n = t.rows;
    assert!(n <= LARGEST && t.columns == n, "a square that is not too large");
    let (factor, x) = (Factor::new(t), Rows::new(b, [n, columns], stride));
    if n == 0 || columns == 0 {
        return;
    }
    let mut inverses = [-T::ONE; LARGEST];
    if !unit {
        for (i, inverse) in inverses.iter_mut().enumerate().take(n) {
            let i = if upper { n - 1 - i } else { i };
            *inverse = -T::ONE / t.at(i, i);
        }
    }
    let finite = inverses.iter().all(|x| x.is_finite());
    let diagonal = if finite { Diagonal::Inverses(&inverses) } else { Diagonal::Divides };
    // An upper triangle is a lower one from its last row up.
    let (t, x) = if upper { (factor.reversed(), x.reversed()) } else { (factor, x) };
    dispatch_on(isa, Solve { t, x, n, columns, diagonal });
}
