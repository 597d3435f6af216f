//! Distances of all pairs of two sets of points, and their gradients. The differences of coordinates are never in memory.
//!
//! Points of the second set lie in columns, `(batch, coordinates, columns)`, so that a register holds one coordinate of many.

mod tile;
mod weighted;

use crate::compiled::compiled;
use crate::params::params;
use crate::real::Real;
use crate::row_partition::{LANES, pairwise};
use crate::shape::count;
use crate::simd::{Isa, Lanes, dispatch_on, isa};
use crate::threads;
use tile::{Chebyshev, Euclidean, Manhattan, Squared, Tiles};
use weighted::{Difference, Sign, WeightedTiles};

/// How many points there are.
#[derive(Debug, Clone, Copy)]
pub struct PairDims {
    /// Pairs of sets.
    pub batch: usize,
    /// Points of each first set.
    pub rows: usize,
    /// Points of each second set.
    pub columns: usize,
    /// Coordinates of a point.
    pub coordinates: usize,
}

/// What is computed of the differences δ of the coordinates of two points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Metric {
    /// Σ δ²
    Squared,
    /// √Σ δ²
    Euclidean,
    /// Σ |δ|
    Manhattan,
    /// max |δ|
    Chebyshev,
    /// (Σ |δ|ᵖ)^(1/p) for p above 0; how many differ for p = 0.
    Minkowski(f64),
}

/// The part of one pair of sets that a thread works on: consecutive rows of the first, and all of the second.
struct Part<'a, T> {
    /// `(rows, coordinates)`
    x: &'a [T],
    /// `(coordinates, columns)`
    y: &'a [T],
    columns: usize,
    coordinates: usize,
}

compiled! {
    /// `out[b, i, j]` is the distance of `x[b, i, :]` from `y[b, :, j]`. NaN in a coordinate is NaN in its distances.
    ///
    /// # Panics
    /// If a length is not its shape's.
    pub fn distances<T: Lanes>(dims: PairDims, metric: Metric, x: &[T], y: &[T], out: &mut [T]) {
        distances_on(isa(), dims, metric, x, y, out);
    }
}

fn distances_on<T: Lanes>(isa: Isa, dims: PairDims, metric: Metric, x: &[T], y: &[T], out: &mut [T]) {
    let PairDims { batch, rows, columns, .. } = dims;
    assert!(out.len() == count(&[batch, rows, columns]), "a distance for each pair");
    each_part(dims, [x, y], columns, out, |part, _, out| match metric {
        Metric::Squared => dispatch_on(isa, Tiles { part, out, term: Squared }),
        Metric::Euclidean => dispatch_on(isa, Tiles { part, out, term: Euclidean }),
        Metric::Manhattan => dispatch_on(isa, Tiles { part, out, term: Manhattan }),
        Metric::Chebyshev => dispatch_on(isa, Tiles { part, out, term: Chebyshev }),
        Metric::Minkowski(p) => minkowski(&part, T::from_f64(p), out),
    });
}

compiled! {
    /// `out[b, i, k] = Σⱼ w[b, i, j] · s(x[b, i, k] − y[b, k, j])`, where s is what the gradient of the metric has of a difference δ: δ itself
    /// for both of squares, its sign for Manhattan, its sign where |δ| is the distance for Chebyshev, and sign δ (|δ| / distance)ᵖ⁻¹ for Minkowski.
    /// The last two read `distances`, of the shape of w; the others take none.
    ///
    /// # Panics
    /// If a length is not its shape's.
    pub fn weighted_differences<T: Lanes>(dims: PairDims, metric: Metric, x: &[T], y: &[T], w: &[T], distances: &[T], out: &mut [T]) {
        weighted_on(isa(), dims, metric, [x, y], [w, distances], out);
    }
}

fn weighted_on<T: Lanes>(isa: Isa, dims: PairDims, metric: Metric, points: [&[T]; 2], [w, distances]: [&[T]; 2], out: &mut [T]) {
    let PairDims { batch, rows, columns, coordinates } = dims;
    let pairs = count(&[batch, rows, columns]);
    let reads = matches!(metric, Metric::Chebyshev | Metric::Minkowski(_));
    assert!(w.len() == pairs && distances.len() == if reads { pairs } else { 0 }, "a weight for each pair");
    assert!(out.len() == count(&[batch, rows, coordinates]), "a sum for each coordinate");
    each_part(dims, points, coordinates, out, |part, first, out| {
        let pairs = first * columns..(first + out.len() / coordinates) * columns;
        let w = &w[pairs.clone()];
        match metric {
            Metric::Squared | Metric::Euclidean => dispatch_on(isa, WeightedTiles { part, w, out, slope: Difference }),
            Metric::Manhattan => dispatch_on(isa, WeightedTiles { part, w, out, slope: Sign }),
            Metric::Chebyshev => {
                let slope = |delta: T, reach: T| if delta.abs() == reach { sign(delta) } else { T::ZERO };
                weighted_by(&part, [w, &distances[pairs]], out, slope);
            }
            Metric::Minkowski(p) => {
                let power = T::from_f64(p - 1.0);
                let slope = |delta: T, reach: T| {
                    if delta == T::ZERO { T::ZERO } else { sign(delta) * (delta.abs() / reach).exact_powf(power) }
                };
                weighted_by(&part, [w, &distances[pairs]], out, slope);
            }
        }
    });
}

/// Cuts a result of `width` numbers a row over threads, and calls `work` with the points of each part, its first row and its result.
fn each_part<T: Lanes>(
    dims: PairDims,
    [x, y]: [&[T]; 2],
    width: usize,
    out: &mut [T],
    work: impl Fn(Part<'_, T>, usize, &mut [T]) + Sync,
) {
    let PairDims { batch, rows, columns, coordinates } = dims;
    assert!(x.len() == count(&[batch, rows, coordinates]), "first points of their shape");
    assert!(y.len() == count(&[batch, coordinates, columns]), "second points of their shape");
    if out.is_empty() {
        return;
    }
    let ns = columns as f64 * (coordinates as f64 + 4.0) * params().cost.distance_ns;
    threads::split_mut(out, width, threads::parts(batch * rows, ns), |start, mut out| {
        let mut row = start / width;
        while !out.is_empty() {
            let (b, here) = (row / rows, (rows - row % rows).min(out.len() / width));
            let (head, rest) = std::mem::take(&mut out).split_at_mut(here * width);
            let x = &x[row * coordinates..][..here * coordinates];
            let y = &y[b * coordinates * columns..][..coordinates * columns];
            work(Part { x, y, columns, coordinates }, row, head);
            (row, out) = (row + here, rest);
        }
    });
}

/// Distances for any p, an element at a time.
fn minkowski<T: Real>(part: &Part<'_, T>, p: T, out: &mut [T]) {
    let counts = p == T::ZERO;
    // NaN stays NaN where differences are counted.
    let term = |delta: T| match delta == T::ZERO {
        true => T::ZERO,
        false if counts => delta.abs().minimum(T::ZERO) + T::ONE,
        false => delta.abs().exact_powf(p),
    };
    for (i, out) in out.chunks_exact_mut(part.columns).enumerate() {
        out.fill(T::ZERO);
        for k in 0..part.coordinates {
            let x = part.x[i * part.coordinates + k];
            out.iter_mut().zip(&part.y[k * part.columns..]).for_each(|(out, &y)| *out += term(x - y));
        }
        if !counts {
            out.iter_mut().for_each(|out| *out = out.exact_powf(T::ONE / p));
        }
    }
}

/// Sums with a slope of the difference and the distance, an element at a time.
fn weighted_by<T: Real>(part: &Part<'_, T>, [w, distances]: [&[T]; 2], out: &mut [T], slope: impl Fn(T, T) -> T) {
    let n = part.columns;
    for (i, out) in out.chunks_exact_mut(part.coordinates).enumerate() {
        let (w, distances) = (&w[i * n..][..n], &distances[i * n..][..n]);
        for (k, out) in out.iter_mut().enumerate() {
            let (x, y) = (part.x[i * part.coordinates + k], &part.y[k * n..][..n]);
            let mut sums = [T::ZERO; LANES];
            for j in 0..n {
                sums[j % LANES] += w[j] * slope(x - y[j], distances[j]);
            }
            *out = pairwise(sums);
        }
    }
}

/// The sign of a number; 0 of 0.
fn sign<T: Real>(x: T) -> T {
    if x > T::ZERO {
        T::ONE
    } else if x < T::ZERO {
        -T::ONE
    } else {
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive::{self, close, numbers};
    use crate::simd;

    const METRICS: [Metric; 7] = [
        Metric::Squared,
        Metric::Euclidean,
        Metric::Manhattan,
        Metric::Chebyshev,
        Metric::Minkowski(3.0),
        Metric::Minkowski(0.5),
        Metric::Minkowski(0.0),
    ];

    fn dims() -> impl Iterator<Item = PairDims> {
        let sizes = [
            (1, 1, 1, 1),
            (2, 3, 5, 2),
            (1, 7, 70, 3),
            (3, 5, 33, 1),
            (1, 9, 130, 300),
            (2, 3, 4, 0),
            (1, 0, 4, 2),
            (1, 300, 17, 5),
        ];
        sizes.into_iter().map(|(batch, rows, columns, coordinates)| PairDims { batch, rows, columns, coordinates })
    }

    #[test]
    fn distances_and_weighted_differences_are_those_of_the_twin_at_odd_sizes() {
        for (dims, metric) in dims().flat_map(|d| METRICS.map(|m| (d, m))) {
            let PairDims { batch, rows, columns, coordinates } = dims;
            let x = numbers(batch * rows * coordinates, 1);
            let y = numbers(batch * columns * coordinates, 2);
            let w = numbers(batch * rows * columns, 3);
            let expected = naive::distances(dims, metric, &x, &y);
            let reads = matches!(metric, Metric::Chebyshev | Metric::Minkowski(_));
            let sums = naive::weighted_differences(dims, metric, [&x, &y], [&w, &expected]);
            for isa in simd::available() {
                let mut found = vec![7.0; expected.len()];
                distances_on(isa, dims, metric, &x, &y, &mut found);
                close(&found, &expected, 1e-13);
                let mut out = vec![7.0; sums.len()];
                // The twin's own distances: the largest difference has to be equal to its distance.
                let kept = if reads { &expected[..] } else { &[] };
                weighted_on(isa, dims, metric, [&x, &y], [&w, kept], &mut out);
                close(&out, &sums, 1e-12);
            }
        }
    }

    #[test]
    fn a_nan_is_in_every_distance_of_its_point_and_an_infinity_is_far() {
        let (x, y) = ([f64::NAN, 1.0, 1.0, 1.0, f64::INFINITY, 1.0], [0.0, 3.0, 0.0, 1.0]);
        let dims = PairDims { batch: 1, rows: 3, columns: 2, coordinates: 2 };
        for (isa, metric) in simd::available().flat_map(|isa| METRICS.map(|m| (isa, m))) {
            let mut out = [0.0; 6];
            distances_on(isa, dims, metric, &x, &y, &mut out);
            assert!(out[0].is_nan() && out[1].is_nan() && out[2..4].iter().all(|d| d.is_finite()), "{metric:?}: {out:?}");
            assert!(metric == Metric::Minkowski(0.0) || out[4..] == [f64::INFINITY; 2], "{metric:?}: {out:?}");
        }
    }
}
