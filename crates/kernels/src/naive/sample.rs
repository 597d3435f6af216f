//! Pictures sampled a point at a time, in f64.

use crate::sample::{SampleDims, SampleMode, SamplePadding, SampleRule};

/// A coordinate of a grid as one of pixels, and its derivative.
fn pixel(c: f64, size: usize, rule: &SampleRule) -> (f64, f64) {
    let last = size as f64 - 1.0;
    let scale = if rule.align_corners { last / 2.0 } else { size as f64 / 2.0 };
    let (mut at, mut slope) = ((c + 1.0) * scale - if rule.align_corners { 0.0 } else { 0.5 }, scale);
    if rule.padding == SamplePadding::Zeros {
        return (at, slope);
    }
    if rule.padding == SamplePadding::Reflection {
        let (low, high) = if rule.align_corners { (0.0, last) } else { (-0.5, last + 0.5) };
        if low == high {
            return (0.0, 0.0);
        }
        while at < low || at > high {
            at = if at < low { 2.0 * low - at } else { 2.0 * high - at };
            slope = -slope;
        }
    }
    if at <= 0.0 || at >= last { (at.clamp(0.0, last), 0.0) } else { (at, slope) }
}

/// The samples, and with cotangents `g` the gradients of the pictures and of the grid.
pub fn sample(dims: SampleDims, rule: SampleRule, x: &[f64], grid: &[f64], g: &[f64]) -> [Vec<f64>; 3] {
    let SampleDims { batch, channels, height, width, points } = dims;
    let (mut out, mut by_x, mut by_grid) = (vec![0.0; batch * channels * points], vec![0.0; x.len()], vec![0.0; grid.len()]);
    for n in 0..batch {
        for p in 0..points {
            let at = (n * points + p) * 2;
            let ((px, sx), (py, sy)) = (pixel(grid[at], width, &rule), pixel(grid[at + 1], height, &rule));
            let (left, upper) = (px.floor(), py.floor());
            // Weight, and derivatives of it along x and y, of each element around.
            let mut terms = Vec::new();
            if rule.mode == SampleMode::Nearest {
                terms.push((px.round_ties_even(), py.round_ties_even(), 1.0, 0.0, 0.0));
            } else {
                let (tx, ty) = (px - left, py - upper);
                terms.push((left, upper, (1.0 - tx) * (1.0 - ty), ty - 1.0, tx - 1.0));
                terms.push((left + 1.0, upper, tx * (1.0 - ty), 1.0 - ty, -tx));
                terms.push((left, upper + 1.0, (1.0 - tx) * ty, -ty, 1.0 - tx));
                terms.push((left + 1.0, upper + 1.0, tx * ty, ty, tx));
            }
            for (cx, cy, weight, along_x, along_y) in terms {
                if cx < 0.0 || cy < 0.0 || cx >= width as f64 || cy >= height as f64 {
                    continue;
                }
                for c in n * channels..(n + 1) * channels {
                    let place = (c * height + cy as usize) * width + cx as usize;
                    out[c * points + p] += weight * x[place];
                    by_x[place] += weight * g[c * points + p];
                    by_grid[at] += along_x * sx * x[place] * g[c * points + p];
                    by_grid[at + 1] += along_y * sy * x[place] * g[c * points + p];
                }
            }
        }
    }
    [out, by_x, by_grid]
}
