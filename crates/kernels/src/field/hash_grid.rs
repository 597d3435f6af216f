//! Points of the unit cube as features: on each level those of the eight vertices around a point, weighted by how near they are.
//!
//! As many points as a register has lanes are computed together; pairs of features are gathered. The gradient by the table is added a level a thread, each
//! point after the one before it, so that its bits do not depend on the number of threads.

use super::levels::HashLevel;
use crate::compiled::compiled;
use crate::number::Number;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Enabled, Kernel, Lanes, MAX_LANES, Vector};
use crate::threads::{self, SharedSlice};

/// Nanoseconds a point and level, by which work is split.
const LEVEL_NS: f64 = 10.0;
/// Points that pass through all levels together.
const BLOCK: usize = 512;

/// The numbers of a level that a table must have, of `features` numbers a row.
fn span(level: &HashLevel, features: usize) -> std::ops::Range<usize> {
    features * level.first..features * (level.first + level.rows as usize)
}

fn check(levels: &[HashLevel], features: usize, table: usize, points: usize) -> usize {
    assert!([1, 2, 4, 8].contains(&features) && points.is_multiple_of(3), "points of three numbers, 1, 2, 4 or 8 features");
    for level in levels {
        assert!(level.dense || level.rows.is_power_of_two(), "hashed rows are a power of two");
        assert!(level.rows > 0 && (level.rows as usize) < 1 << 27 && span(level, features).end <= table, "a table of all rows");
    }
    points / 3
}

/// Runs a kernel over rows of so many features, which `check` found to be 1, 2, 4 or 8.
macro_rules! dispatch_features {
    ($features:expr, $kernel:ident { $($field:tt)* }) => {
        match $features {
            1 => simd::dispatch($kernel::<_, 1> { $($field)* }),
            2 => simd::dispatch($kernel::<_, 2> { $($field)* }),
            4 => simd::dispatch($kernel::<_, 4> { $($field)* }),
            _ => simd::dispatch($kernel::<_, 8> { $($field)* }),
        }
    };
}

compiled! {
    /// The features `(B, L F)` of points `(B, 3)`, those of the first level first.
    ///
    /// A coordinate outside of the unit cube goes on with the cells of its border.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn hash_grid<T: Lanes>(levels: &[HashLevel], features: usize, points: &[T], table: &[T], out: &mut [T]) {
        let n = check(levels, features, table.len(), points.len());
        let wide = levels.len() * features;
        assert!(out.len() == count(&[n, wide]), "features of all points");
        let parts = threads::parts(n * levels.len(), LEVEL_NS);
        let out = SharedSlice::new(out);
        threads::run(parts, |part| {
            let range = threads::range(n, MAX_LANES, parts, part);
            // SAFETY: parts differ in their points.
            let out = unsafe { out.part(wide * range.start..wide * range.end) };
            let points = &points[3 * range.start..3 * range.end];
            dispatch_features!(features, Encode { levels, points, table, out });
        });
    }

    /// The gradient of [`hash_grid`] by the table, of the features' cotangent `(B, L F)`; all of `out` is written.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn hash_grid_table_gradient<T: Lanes>(levels: &[HashLevel], features: usize, points: &[T], bar: &[T], out: &mut [T]) {
        let n = check(levels, features, out.len(), points.len());
        let wide = levels.len() * features;
        assert!(bar.len() == count(&[n, wide]), "a cotangent of all features");
        let parts = threads::parts(2 * n * levels.len() + out.len() / 8, LEVEL_NS).min(levels.len());
        out.fill(T::ZERO);
        let out = SharedSlice::new(out);
        threads::run(if parts > 1 { levels.len() } else { 1 }, |part| {
            let range = if parts > 1 { part..part + 1 } else { 0..levels.len() };
            for l in range {
                // SAFETY: `check` found the rows in the slice; levels have rows of their own, and each is one thread's.
                let out = unsafe { out.part(span(&levels[l], features)) };
                let (level, at) = (&levels[l], l * features);
                dispatch_features!(features, Scatter { level, points, bar: (bar, wide, at), out });
            }
        });
    }

    /// The gradient of [`hash_grid`] by the points `(B, 3)`: that of the cell in which a point is.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn hash_grid_points_gradient<T: Lanes>(
        levels: &[HashLevel],
        features: usize,
        points: &[T],
        table: &[T],
        bar: &[T],
        out: &mut [T],
    ) {
        let n = check(levels, features, table.len(), points.len());
        let wide = levels.len() * features;
        assert!(bar.len() == count(&[n, wide]) && out.len() == points.len(), "a cotangent of all features, a gradient of all points");
        let parts = threads::parts(2 * n * levels.len(), LEVEL_NS);
        let out = SharedSlice::new(out);
        threads::run(parts, |part| {
            let range = threads::range(n, MAX_LANES, parts, part);
            // SAFETY: parts differ in their points.
            let out = unsafe { out.part(3 * range.start..3 * range.end) };
            let points = &points[3 * range.start..3 * range.end];
            let bar = &bar[wide * range.start..wide * range.end];
            dispatch_features!(features, Move { levels, points, table, bar, out });
        });
    }
}

/// The eight vertices around the points of a register, on one level. Bit a of a corner's number is its side along axis a.
struct Corners<V> {
    /// Rows of the level, all below its number of rows.
    rows: [[u32; MAX_LANES]; 8],
    /// How far points are from the lower side of their cell, in cells.
    from: [V; 3],
}

impl<V: Vector> Corners<V> {
    #[inline(always)]
    fn new(isa: Enabled<V>, level: &HashLevel, x: [V; 3]) -> Self {
        let (scale, shift) = (isa.constant(level.scale), isa.constant(level.shift));
        let last = isa.constant(f64::from(level.side - 1));
        let mut from = x;
        let mut cells = [[0_u32; MAX_LANES]; 3];
        for a in 0..3 {
            let at = x[a].mul_add(scale, shift);
            let near = at.round();
            let cell = near - at.where_less(near, isa.constant(1.0), isa.zero());
            from[a] = at - cell;
            let mut lanes = [V::Element::ZERO; MAX_LANES];
            // NaN becomes 0: the second operand is taken where one is.
            cell.max(isa.zero()).min(last).write(&mut lanes);
            for lane in 0..MAX_LANES {
                cells[a][lane] = lanes[lane].to_f64() as i32 as u32;
            }
        }
        let mut rows = [[0; MAX_LANES]; 8];
        for lane in 0..MAX_LANES {
            let [i, j, k] = cells.map(|cell| cell[lane]);
            let (j, k) = ([level.second(j), level.second(j + 1)], [level.third(k), level.third(k + 1)]);
            for corner in 0..8 {
                rows[corner][lane] = level.combine([i + (corner & 1) as u32, j[corner >> 1 & 1], k[corner >> 2]]);
            }
        }
        Self { rows, from }
    }

    /// How much each vertex counts: the product of its nearness along the axes.
    #[inline(always)]
    fn weights(&self, isa: Enabled<V>) -> [V; 8] {
        let near = self.from.map(|from| [isa.constant(1.0) - from, from]);
        let mut weights = [isa.zero(); 8];
        for pair in 0..4 {
            let both = near[1][pair & 1] * near[2][pair >> 1];
            weights[2 * pair] = near[0][0] * both;
            weights[2 * pair + 1] = near[0][1] * both;
        }
        weights
    }

    /// The features of a corner's vertices.
    #[inline(always)]
    fn features<const F: usize>(&self, isa: Enabled<V>, level: &HashLevel, table: &[V::Element], corner: usize) -> [V; F] {
        assert!(table.len() >= F * level.rows as usize, "all rows of the level");
        let mut found = [isa.zero(); F];
        let rows = &self.rows[corner];
        if F == 1 {
            let mut lanes = [V::Element::ZERO; MAX_LANES];
            for lane in 0..V::LANES {
                lanes[lane] = table[rows[lane] as usize];
            }
            found[0] = isa.read(&lanes);
            return found;
        }
        for f in (0..F).step_by(2) {
            let places = rows.map(|row| row * F as u32 + f as u32);
            // SAFETY: `HashLevel::combine` gave rows below the level's number of rows, which the table was found to have; with F even, f + 1 is
            // still in the row. `check` bounds rows by 2²⁷, so that places are below 2³⁰.
            let (first, second) = unsafe { V::gather_pairs(isa, table.as_ptr(), &places) };
            (found[f], found[f + 1]) = (first, second);
        }
        found
    }
}

/// The coordinates of up to `LANES` points, 0 in lanes without one.
#[inline(always)]
fn coordinates<V: Vector>(isa: Enabled<V>, points: &[V::Element]) -> [V; 3] {
    let mut lanes = [[V::Element::ZERO; MAX_LANES]; 3];
    for (lane, point) in points.chunks_exact(3).take(V::LANES).enumerate() {
        for a in 0..3 {
            lanes[a][lane] = point[a];
        }
    }
    [isa.read(&lanes[0]), isa.read(&lanes[1]), isa.read(&lanes[2])]
}

/// Features of some points.
struct Encode<'a, T, const F: usize> {
    levels: &'a [HashLevel],
    points: &'a [T],
    table: &'a [T],
    out: &'a mut [T],
}

impl<T: Lanes, const F: usize> Kernel<T> for Encode<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { levels, points, table, out } = self;
        let wide = levels.len() * F;
        for (points, out) in points.chunks(3 * BLOCK).zip(out.chunks_mut(wide * BLOCK)) {
            for (l, level) in levels.iter().enumerate() {
                let table = &table[span(level, F)];
                for (points, out) in points.chunks(3 * V::LANES).zip(out.chunks_mut(wide * V::LANES)) {
                    let corners = Corners::new(isa, level, coordinates(isa, points));
                    let weights = corners.weights(isa);
                    let mut sums = [isa.zero(); F];
                    for corner in 0..8 {
                        let found = corners.features::<F>(isa, level, table, corner);
                        for f in 0..F {
                            sums[f] = weights[corner].mul_add(found[f], sums[f]);
                        }
                    }
                    let mut lanes = [[T::ZERO; MAX_LANES]; F];
                    for f in 0..F {
                        sums[f].write(&mut lanes[f]);
                    }
                    for (lane, row) in out.chunks_exact_mut(wide).enumerate() {
                        for f in 0..F {
                            row[l * F + f] = lanes[f][lane];
                        }
                    }
                }
            }
        }
    }
}

/// The cotangent of one level's features in registers: those of up to `LANES` rows of `wide` numbers, from the number `at` on.
#[inline(always)]
fn cotangents<V: Vector, const F: usize>(isa: Enabled<V>, bar: &[V::Element], wide: usize, at: usize) -> [V; F] {
    let mut lanes = [[V::Element::ZERO; MAX_LANES]; F];
    for (lane, row) in bar.chunks_exact(wide).take(V::LANES).enumerate() {
        for f in 0..F {
            lanes[f][lane] = row[at + f];
        }
    }
    let mut registers = [isa.zero(); F];
    for f in 0..F {
        registers[f] = isa.read(&lanes[f]);
    }
    registers
}

/// What all points add to the table of a level.
struct Scatter<'a, T, const F: usize> {
    level: &'a HashLevel,
    points: &'a [T],
    /// The cotangent, numbers a row, and the first of this level.
    bar: (&'a [T], usize, usize),
    out: &'a mut [T],
}

impl<T: Lanes, const F: usize> Kernel<T> for Scatter<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { level, points, bar: (bar, wide, at), out } = self;
        for (points, bar) in points.chunks(3 * V::LANES).zip(bar.chunks(wide * V::LANES)) {
            let corners = Corners::new(isa, level, coordinates(isa, points));
            let (weights, g) = (corners.weights(isa), cotangents::<V, F>(isa, bar, wide, at));
            let mut parts = [[[T::ZERO; MAX_LANES]; F]; 8];
            for corner in 0..8 {
                for f in 0..F {
                    (weights[corner] * g[f]).write(&mut parts[corner][f]);
                }
            }
            for lane in 0..points.len() / 3 {
                for corner in 0..8 {
                    let row = &mut out[F * corners.rows[corner][lane] as usize..][..F];
                    for f in 0..F {
                        row[f] += parts[corner][f][lane];
                    }
                }
            }
        }
    }
}

/// Gradients by some points.
struct Move<'a, T, const F: usize> {
    levels: &'a [HashLevel],
    points: &'a [T],
    table: &'a [T],
    bar: &'a [T],
    out: &'a mut [T],
}

impl<T: Lanes, const F: usize> Kernel<T> for Move<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { levels, points, table, bar, out } = self;
        let wide = levels.len() * F;
        let rows = points.chunks(3 * V::LANES).zip(bar.chunks(wide * V::LANES)).zip(out.chunks_mut(3 * V::LANES));
        for ((points, bar), out) in rows {
            let x = coordinates(isa, points);
            let mut sums = [isa.zero(); 3];
            for (l, level) in levels.iter().enumerate() {
                let table = &table[span(level, F)];
                let corners = Corners::new(isa, level, x);
                let g = cotangents::<V, F>(isa, bar, wide, l * F);
                let near = corners.from.map(|from| [isa.constant(1.0) - from, from]);
                let scale = isa.constant(level.scale);
                for corner in 0..8 {
                    let found = corners.features::<F>(isa, level, table, corner);
                    let mut worth = isa.zero();
                    for f in 0..F {
                        worth = g[f].mul_add(found[f], worth);
                    }
                    worth *= scale;
                    let side = [corner & 1, corner >> 1 & 1, corner >> 2];
                    for a in 0..3 {
                        let (b, c) = ((a + 1) % 3, (a + 2) % 3);
                        let step = near[b][side[b]] * near[c][side[c]] * worth;
                        if side[a] == 1 { sums[a] += step } else { sums[a] -= step }
                    }
                }
            }
            let mut lanes = [[T::ZERO; MAX_LANES]; 3];
            for a in 0..3 {
                sums[a].write(&mut lanes[a]);
            }
            for (lane, row) in out.chunks_exact_mut(3).enumerate() {
                for a in 0..3 {
                    row[a] = lanes[a][lane];
                }
            }
        }
    }
}
