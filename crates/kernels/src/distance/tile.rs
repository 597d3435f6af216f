//! Distances in registers: a few rows by a few registers of columns at a time.

use super::Part;
use crate::buffer::Block;
use crate::simd::{Enabled, Kernel, Lanes, Vector};

/// Rows of a tile of registers.
const R: usize = 4;
/// Rows that pass over a panel of columns while it is in the first-level cache.
const ROWS: usize = 256;
/// Coordinates of a panel.
const DEPTH: usize = 128;

/// What is summed of the differences of coordinates, and what becomes of the sum.
pub(super) trait Term: Copy + Send + Sync {
    fn add<V: Vector>(self, sum: V, difference: V) -> V;
    #[inline(always)]
    fn finish<V: Vector>(self, sum: V) -> V {
        sum
    }
}

#[derive(Clone, Copy)]
pub(super) struct Squared;
#[derive(Clone, Copy)]
pub(super) struct Euclidean;
#[derive(Clone, Copy)]
pub(super) struct Manhattan;
#[derive(Clone, Copy)]
pub(super) struct Chebyshev;

impl Term for Squared {
    #[inline(always)]
    fn add<V: Vector>(self, sum: V, difference: V) -> V {
        difference.mul_add(difference, sum)
    }
}

impl Term for Euclidean {
    #[inline(always)]
    fn add<V: Vector>(self, sum: V, difference: V) -> V {
        difference.mul_add(difference, sum)
    }
    #[inline(always)]
    fn finish<V: Vector>(self, sum: V) -> V {
        sum.sqrt()
    }
}

impl Term for Manhattan {
    #[inline(always)]
    fn add<V: Vector>(self, sum: V, difference: V) -> V {
        sum + difference.abs()
    }
}

impl Term for Chebyshev {
    #[inline(always)]
    fn add<V: Vector>(self, sum: V, difference: V) -> V {
        // `max` returns its second operand where either is NaN; no other largest difference so far is below 0.
        let larger = sum.max(difference.abs());
        sum.isa().constant(-1.0).where_less(sum, larger, sum)
    }
}

/// All distances of a part.
pub(super) struct Tiles<'a, T, M> {
    pub part: Part<'a, T>,
    pub out: &'a mut [T],
    pub term: M,
}

impl<T: Lanes, M: Term> Kernel<T> for Tiles<'_, T, M> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        if V::REGISTERS >= 32 { self.walk::<V, 4>(isa) } else { self.walk::<V, 2>(isa) }
    }
}

impl<T: Lanes, M: Term> Tiles<'_, T, M> {
    /// Blocks of rows, panels of columns, tiles.
    #[inline(always)]
    fn walk<V: Vector<Element = T>, const C: usize>(self, isa: Enabled<V>) {
        let Part { x, y, columns, coordinates: d } = self.part;
        let width = C * V::LANES;
        let mut panel = Block::<T>::small(width * d.clamp(1, DEPTH));
        panel.fill(T::ZERO);
        for (block, out) in self.out.chunks_mut(ROWS * columns).enumerate() {
            let x = &x[block * ROWS * d..];
            for column in (0..columns).step_by(width) {
                let here = width.min(columns - column);
                // One round where there are no coordinates: distances of 0.
                for depth in (0..d.max(1)).step_by(DEPTH) {
                    let end = d.min(depth + DEPTH);
                    for (k, row) in (depth..end).zip(panel.chunks_exact_mut(width)) {
                        row[..here].copy_from_slice(&y[k * columns + column..][..here]);
                    }
                    let round = Round { x, d, depth, end, columns, column, here };
                    round.tiles::<V, M, C>(isa, self.term, &panel, out);
                }
            }
        }
    }
}

/// Some rows with a panel of columns, between two coordinates.
struct Round<'a, T> {
    x: &'a [T],
    d: usize,
    depth: usize,
    end: usize,
    columns: usize,
    column: usize,
    here: usize,
}

impl<T: Lanes> Round<'_, T> {
    #[inline(always)]
    fn tiles<V: Vector<Element = T>, M: Term, const C: usize>(&self, isa: Enabled<V>, term: M, panel: &[T], out: &mut [T]) {
        let Round { x, d, depth, end, columns, column, here } = *self;
        let rows = out.len() / columns;
        for first in (0..rows).step_by(R) {
            // Beyond the last row that one is read again, and its results are left.
            let mut points = [&x[..0]; R];
            for (r, point) in points.iter_mut().enumerate() {
                *point = &x[(first + r).min(rows - 1) * d..][depth..end];
            }
            let mut sums = [[isa.zero(); C]; R];
            if depth > 0 {
                for (r, sums) in sums.iter_mut().enumerate().take(rows - first) {
                    let out = &out[(first + r) * columns + column..][..here];
                    for (c, sum) in sums.iter_mut().enumerate() {
                        *sum = isa.read_first(&out[here.min(c * V::LANES)..]);
                    }
                }
            }
            sums = tile::<V, M, C>(isa, term, points, panel, sums);
            for (r, sums) in sums.iter().enumerate().take(rows - first) {
                let out = &mut out[(first + r) * columns + column..][..here];
                for (c, &sum) in sums.iter().enumerate() {
                    let sum = if end == d { term.finish(sum) } else { sum };
                    if (c + 1) * V::LANES <= here {
                        sum.write(&mut out[c * V::LANES..]);
                    } else {
                        sum.write_first(&mut out[here.min(c * V::LANES)..]);
                    }
                }
            }
        }
    }
}

/// The sums of a tile over the coordinates of a panel.
#[inline(always)]
fn tile<V: Vector, M: Term, const C: usize>(
    isa: Enabled<V>,
    term: M,
    points: [&[V::Element]; R],
    panel: &[V::Element],
    mut sums: [[V; C]; R],
) -> [[V; C]; R] {
    let depth = points[0].len();
    let points = [&points[0][..depth], &points[1][..depth], &points[2][..depth], &points[3][..depth]];
    for (k, y) in panel.chunks_exact(C * V::LANES).enumerate().take(depth) {
        let mut columns = [isa.zero(); C];
        for (c, column) in columns.iter_mut().enumerate() {
            *column = isa.read(&y[c * V::LANES..]);
        }
        for r in 0..R {
            let x = isa.splat(points[r][k]);
            for c in 0..C {
                sums[r][c] = term.add(sums[r][c], x - columns[c]);
            }
        }
    }
    sums
}
