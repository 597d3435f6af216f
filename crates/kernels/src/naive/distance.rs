//! Distances a pair at a time.

use crate::distance::{Metric, PairDims};

/// The coordinates of point i of a first set and point j of a second, side by side.
fn pair<'a>(dims: PairDims, [x, y]: [&'a [f64]; 2], b: usize, i: usize, j: usize) -> impl Iterator<Item = (f64, f64)> + 'a {
    let d = dims.coordinates;
    (0..d).map(move |k| (x[(b * dims.rows + i) * d + k], y[(b * d + k) * dims.columns + j]))
}

/// `out[b, i, j]` is the distance of `x[b, i, :]` from `y[b, :, j]`.
pub fn distances(dims: PairDims, metric: Metric, x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut out = Vec::new();
    for (b, i, j) in indices([dims.batch, dims.rows, dims.columns]) {
        let differences = pair(dims, [x, y], b, i, j).map(|(x, y)| (x - y).abs());
        out.push(match metric {
            Metric::Squared => differences.map(|delta| delta * delta).sum(),
            Metric::Euclidean => differences.map(|delta| delta * delta).sum::<f64>().sqrt(),
            Metric::Manhattan => differences.sum(),
            Metric::Chebyshev => differences.fold(0.0, f64::max),
            Metric::Minkowski(0.0) => differences.filter(|&delta| delta != 0.0).count() as f64,
            Metric::Minkowski(p) => differences.map(|delta| delta.powf(p)).sum::<f64>().powf(1.0 / p),
        });
    }
    out
}

/// `out[b, i, k] = Σⱼ w[b, i, j] s(x[b, i, k] − y[b, k, j])` with the s of the metric.
pub fn weighted_differences(dims: PairDims, metric: Metric, points: [&[f64]; 2], [w, distances]: [&[f64]; 2]) -> Vec<f64> {
    let mut out = vec![0.0; dims.batch * dims.rows * dims.coordinates];
    for (at, (b, i, j)) in indices([dims.batch, dims.rows, dims.columns]).enumerate() {
        for (k, (x, y)) in pair(dims, points, b, i, j).enumerate() {
            let delta = x - y;
            let sign = if delta == 0.0 { 0.0 } else { delta.signum() };
            let slope = match metric {
                Metric::Squared | Metric::Euclidean => delta,
                Metric::Manhattan => sign,
                Metric::Chebyshev => sign * f64::from(u8::from(delta.abs() == distances[at])),
                Metric::Minkowski(_) if delta == 0.0 => 0.0,
                Metric::Minkowski(p) => sign * (delta.abs() / distances[at]).powf(p - 1.0),
            };
            out[(b * dims.rows + i) * dims.coordinates + k] += w[at] * slope;
        }
    }
    out
}

fn indices([batch, rows, columns]: [usize; 3]) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..batch).flat_map(move |b| (0..rows).flat_map(move |i| (0..columns).map(move |j| (b, i, j))))
}
