//! Radiance fields one sample and one vertex at a time.

use crate::field::{CompositeRule, HashLevel, RaySamples};

/// The pixels of rays and the weights of samples, each T a product of all before it.
pub fn composite(rule: CompositeRule, samples: RaySamples<'_, f64>) -> (Vec<f64>, Vec<f64>) {
    let c = rule.channels;
    let (mut out, mut weights) = (Vec::new(), Vec::new());
    for ends in samples.offsets.windows(2) {
        let range = ends[0] as usize..ends[1] as usize;
        let opacity = |i: usize| 1.0 - (-samples.densities[i] * (samples.ends[i] - samples.starts[i])).exp();
        let mut pixel = vec![0.0; rule.wide()];
        for i in range.clone() {
            let t: f64 = (range.start..i).map(|j| 1.0 - opacity(j)).product();
            let w = if t < rule.stop { 0.0 } else { t * opacity(i) };
            weights.push(w);
            for k in 0..c {
                pixel[k] += w * samples.colors[c * i + k];
            }
            pixel[c] += w;
            pixel[c + 1] += w * (samples.starts[i] + samples.ends[i]) / 2.0;
        }
        pixel[c + 2] = 1.0 - pixel[c];
        out.extend(pixel);
    }
    (out, weights)
}

/// The features of points: `f(row, number of the point and level, weight, its derivatives)` is called for each vertex around each point.
fn vertices(levels: &[HashLevel], points: &[f64], mut f: impl FnMut(usize, [usize; 2], f64, [f64; 3])) {
    for (b, x) in points.chunks_exact(3).enumerate() {
        for (l, level) in levels.iter().enumerate() {
            let at = [0, 1, 2].map(|a| x[a] * level.scale + level.shift);
            let cell = at.map(f64::floor);
            for corner in 0..8_usize {
                let side = [0, 1, 2].map(|a| corner >> a & 1);
                let near = [0, 1, 2].map(|a| if side[a] == 1 { at[a] - cell[a] } else { 1.0 - (at[a] - cell[a]) });
                let slope = [0, 1, 2].map(|a| if side[a] == 1 { level.scale } else { -level.scale });
                let [i, j, k] = [0, 1, 2].map(|a| cell[a] as u64 + side[a] as u64);
                let (wide, rows) = (u64::from(level.side), u64::from(level.rows));
                let row = if level.dense {
                    (i + wide * (j + wide * k)) % rows
                } else {
                    let hash = (i ^ (j * 2_654_435_761) ^ (k * 805_459_861)) & 0xffff_ffff;
                    hash % rows
                };
                let weight = near[0] * near[1] * near[2];
                let by = [slope[0] * near[1] * near[2], near[0] * slope[1] * near[2], near[0] * near[1] * slope[2]];
                f(level.first + row as usize, [b, l], weight, by);
            }
        }
    }
}

/// The features of points in the unit cube.
pub fn hash_grid(levels: &[HashLevel], features: usize, points: &[f64], table: &[f64]) -> Vec<f64> {
    let wide = levels.len() * features;
    let mut out = vec![0.0; points.len() / 3 * wide];
    vertices(levels, points, |row, [b, l], weight, _| {
        for f in 0..features {
            out[b * wide + l * features + f] += weight * table[row * features + f];
        }
    });
    out
}

/// The gradients by the table and by the points.
pub fn hash_grid_gradients(
    levels: &[HashLevel],
    features: usize,
    points: &[f64],
    table: &[f64],
    bar: &[f64],
) -> (Vec<f64>, Vec<f64>) {
    let wide = levels.len() * features;
    let (mut of_table, mut of_points) = (vec![0.0; table.len()], vec![0.0; points.len()]);
    vertices(levels, points, |row, [b, l], weight, by| {
        for f in 0..features {
            let g = bar[b * wide + l * features + f];
            of_table[row * features + f] += weight * g;
            for a in 0..3 {
                of_points[3 * b + a] += by[a] * table[row * features + f] * g;
            }
        }
    });
    (of_table, of_points)
}
