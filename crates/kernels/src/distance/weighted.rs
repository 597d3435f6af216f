//! Sums of weighted differences in registers: a few rows by two coordinates at a time.

use super::Part;
use crate::simd::{Enabled, Kernel, Lanes, Vector};

/// Coordinates of a tile.
const K: usize = 2;

/// What is weighted of a difference.
pub(super) trait Slope: Copy + Send + Sync {
    fn of<V: Vector>(self, difference: V) -> V;
}

#[derive(Clone, Copy)]
pub(super) struct Difference;
#[derive(Clone, Copy)]
pub(super) struct Sign;

impl Slope for Difference {
    #[inline(always)]
    fn of<V: Vector>(self, difference: V) -> V {
        difference
    }
}

impl Slope for Sign {
    #[inline(always)]
    fn of<V: Vector>(self, difference: V) -> V {
        let isa = difference.isa();
        // What is neither below nor above 0 is 0 or NaN.
        let above = isa.zero().where_less(difference, isa.constant(1.0), difference);
        difference.where_less(isa.zero(), isa.constant(-1.0), above)
    }
}

/// All sums of a part.
pub(super) struct WeightedTiles<'a, T, S> {
    pub part: Part<'a, T>,
    /// `(rows, columns)`
    pub w: &'a [T],
    pub out: &'a mut [T],
    pub slope: S,
}

impl<T: Lanes, S: Slope> Kernel<T> for WeightedTiles<'_, T, S> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        if V::REGISTERS >= 32 { self.walk::<V, 4>(isa) } else { self.walk::<V, 2>(isa) }
    }
}

impl<T: Lanes, S: Slope> WeightedTiles<'_, T, S> {
    #[inline(always)]
    fn walk<V: Vector<Element = T>, const R: usize>(self, isa: Enabled<V>) {
        let Part { x, y, columns, coordinates: d } = self.part;
        let rows = self.out.len() / d;
        // Beyond the last row and coordinate those are read again, and the results are left.
        for first in (0..rows).step_by(R) {
            let mut w = [&self.w[..0]; R];
            for (r, w) in w.iter_mut().enumerate() {
                *w = &self.w[(first + r).min(rows - 1) * columns..][..columns];
            }
            for start in (0..d).step_by(K) {
                let coordinate = |k: usize| (start + k).min(d - 1);
                let mut y_rows = [&y[..0]; K];
                let mut points = [[isa.zero(); K]; R];
                for k in 0..K {
                    y_rows[k] = &y[coordinate(k) * columns..][..columns];
                    for (r, point) in points.iter_mut().enumerate() {
                        point[k] = isa.splat(x[(first + r).min(rows - 1) * d + coordinate(k)]);
                    }
                }
                let sums = tile(isa, self.slope, w, y_rows, points);
                for (r, sums) in sums.iter().enumerate().take(rows - first) {
                    for (k, sum) in sums.iter().enumerate().take(d - start) {
                        self.out[(first + r) * d + start + k] = sum.sum();
                    }
                }
            }
        }
    }
}

/// The sums over all columns, a register of them at a time.
#[inline(always)]
fn tile<V: Vector, S: Slope, const R: usize>(
    isa: Enabled<V>,
    slope: S,
    w: [&[V::Element]; R],
    y: [&[V::Element]; K],
    points: [[V; K]; R],
) -> [[V; K]; R] {
    let mut sums = [[isa.zero(); K]; R];
    let n = w[0].len();
    let whole = n / V::LANES * V::LANES;
    for at in (0..whole).step_by(V::LANES) {
        let (y0, y1) = (isa.read(&y[0][at..]), isa.read(&y[1][at..]));
        for r in 0..R {
            let w = isa.read(&w[r][at..]);
            sums[r][0] = w.mul_add(slope.of(points[r][0] - y0), sums[r][0]);
            sums[r][1] = w.mul_add(slope.of(points[r][1] - y1), sums[r][1]);
        }
    }
    if whole < n {
        // Lanes beyond the last column weigh 0.
        let (y0, y1) = (isa.read_first(&y[0][whole..]), isa.read_first(&y[1][whole..]));
        for r in 0..R {
            let w = isa.read_first(&w[r][whole..]);
            sums[r][0] = w.mul_add(slope.of(points[r][0] - y0), sums[r][0]);
            sums[r][1] = w.mul_add(slope.of(points[r][1] - y1), sums[r][1]);
        }
    }
    sums
}
