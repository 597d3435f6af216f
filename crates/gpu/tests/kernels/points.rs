//! Distances of points, and pictures at the points of a grid, against plain loops in f64.

use monotile_gpu::{GpuOperand, GpuSampler, GpuStream, GpuType, distances, weighted_differences};
use monotile_kernels::distance::Metric;
use monotile_kernels::naive;
use monotile_kernels::sample::{SampleDims, SampleMode, SamplePadding, SampleRule};

use crate::{close, download, numbers, streams, upload};

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn there(stream: &GpuStream, x: &[f32], sizes: &[usize]) -> GpuOperand {
    GpuOperand::contiguous(&upload(stream, x), GpuType::F32, sizes).unwrap()
}

#[test]
fn samples_and_both_gradients_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        for (number, (mode, padding, align_corners)) in [
            (SampleMode::Bilinear, SamplePadding::Zeros, false),
            (SampleMode::Bilinear, SamplePadding::Border, true),
            (SampleMode::Bilinear, SamplePadding::Reflection, false),
            (SampleMode::Nearest, SamplePadding::Reflection, true),
            (SampleMode::Nearest, SamplePadding::Zeros, false),
        ]
        .into_iter()
        .enumerate()
        {
            let rule = SampleRule { mode, padding, align_corners };
            for [batch, channels, height, width, points] in [[1, 1, 1, 1, 3], [2, 3, 5, 7, 65], [1, 2, 17, 4, 600]] {
                let dims = SampleDims { batch, channels, height, width, points };
                let x = numbers(batch * channels * height * width, 1 + number as u32);
                let grid: Vec<f32> = numbers(2 * batch * points, 7).iter().map(|x| 0.8 * x).collect();
                let g = numbers(batch * channels * points, 9);
                let expected = naive::sample(dims, rule, &wide(&x), &wide(&grid), &wide(&g));
                let run = || {
                    let sampler = GpuSampler::new(&stream, dims, rule, &there(&stream, &grid, &[batch, points, 2])).unwrap();
                    let pictures = there(&stream, &x, &[batch, channels, height, width]);
                    let g = there(&stream, &g, &[batch, channels, points]);
                    let blocks = [sampler.samples(&pictures), sampler.by_pictures(&g), sampler.by_grid(&pictures, &g)];
                    blocks.map(|block| download(&stream, &block.unwrap()))
                };
                let found = run();
                let what = format!("{label}: {rule:?} {dims:?}");
                for (found, expected) in found.iter().zip(&expected) {
                    let largest = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
                    close(&what, found, expected, 2e-5 * largest);
                }
                assert_eq!(run(), found, "{what}");
            }
        }
    }
}

#[test]
fn distances_and_their_slopes_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        for [batch, rows, columns, coordinates] in [[1, 1, 1, 1], [2, 5, 7, 3], [1, 65, 33, 4], [1, 3, 0, 2]] {
            let (x, y) = (numbers(batch * rows * coordinates, 3), numbers(batch * coordinates * columns, 4));
            let w = numbers(batch * rows * columns, 5);
            let [a, b] = [there(&stream, &x, &[batch, rows, coordinates]), there(&stream, &y, &[batch, coordinates, columns])];
            let weights = there(&stream, &w, &[batch, rows, columns]);
            let delta = |n: usize, i: usize, j: usize, k: usize| {
                f64::from(x[(n * rows + i) * coordinates + k]) - f64::from(y[(n * coordinates + k) * columns + j])
            };
            for metric in [
                Metric::Squared,
                Metric::Euclidean,
                Metric::Manhattan,
                Metric::Chebyshev,
                Metric::Minkowski(3.0),
                Metric::Minkowski(0.0),
            ] {
                let distance = |n: usize, i: usize, j: usize| {
                    let all = (0..coordinates).map(|k| delta(n, i, j, k).abs());
                    match metric {
                        Metric::Squared => all.map(|d| d * d).sum(),
                        Metric::Euclidean => all.map(|d| d * d).sum::<f64>().sqrt(),
                        Metric::Manhattan => all.sum(),
                        Metric::Chebyshev => all.fold(0.0, f64::max),
                        Metric::Minkowski(0.0) => all.filter(|d| *d != 0.0).count() as f64,
                        Metric::Minkowski(p) => all.map(|d| d.powf(p)).sum::<f64>().powf(1.0 / p),
                    }
                };
                let what = format!("{label}: {metric:?} of {batch} x {rows} x {columns} x {coordinates}");
                let of = distances(&stream, metric, &a, &b).unwrap();
                let place = |at: usize| (at / (rows * columns), at / columns % rows, at % columns);
                let expected: Vec<f64> = (0..batch * rows * columns).map(place).map(|(n, i, j)| distance(n, i, j)).collect();
                close(&what, &download(&stream, &of), &expected, 1e-5);
                if matches!(metric, Metric::Chebyshev | Metric::Minkowski(0.0)) {
                    // Whether a rounded difference is the distance, and the slope of a count, are no matter of tolerance.
                    continue;
                }
                let slope = |n: usize, i: usize, j: usize, k: usize| {
                    let d = delta(n, i, j, k);
                    match metric {
                        Metric::Manhattan => d.signum(),
                        Metric::Minkowski(p) => d.signum() * (d.abs() / distance(n, i, j)).powf(p - 1.0),
                        _ => d,
                    }
                };
                let kept = GpuOperand::contiguous(&of, GpuType::F32, &[batch, rows, columns]).unwrap();
                let found = weighted_differences(&stream, metric, [&a, &b], [&weights, &kept]).unwrap();
                let sum = |at: usize| {
                    let (n, i, k) = (at / (rows * coordinates), at / coordinates % rows, at % coordinates);
                    (0..columns).map(|j| f64::from(w[(n * rows + i) * columns + j]) * slope(n, i, j, k)).sum()
                };
                let expected: Vec<f64> = (0..batch * rows * coordinates).map(sum).collect();
                close(&what, &download(&stream, &found), &expected, 1e-4);
            }
        }
        let x = there(&stream, &[0.0; 6], &[2, 3]);
        let words = distances(&stream, Metric::Squared, &x, &x).unwrap_err().to_string();
        assert!(words.starts_with("distances: points of sizes [2, 3] and [2, 3] are not"), "{words}");
    }
}
