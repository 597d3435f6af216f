//! Splats one at a time, and every splat at every pixel: matrices as they stand in the formulas, no tiles, no bounds.

use crate::splat::stated::harmonics::{Y0, Y1, Y2, Y20, Y30, Y31, Y32, Y33};
use crate::splat::stated::{COLOR_OFFSET, LEAST_COMPENSATION};
use crate::splat::{BlendRule, CameraRows, ProjectRule};

/// Splats on the screen: rows of position, conic, depth and opacity, 0 where a splat is not drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NaiveScreen {
    /// `(N, 2)`
    pub positions: Vec<f64>,
    /// `(N, 3)`
    pub conics: Vec<f64>,
    /// `(N)`
    pub depths: Vec<f64>,
    /// `(N)`
    pub opacities: Vec<f64>,
}

type M3 = [[f64; 3]; 3];

fn times(a: &M3, b: &M3) -> M3 {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..3).map(|k| a[i][k] * b[k][j]).sum()))
}

fn transposed(a: &M3) -> M3 {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

/// The matrix of a quaternion x, y, z, w of any length.
fn rotation(q: &[f64]) -> M3 {
    let length = q.iter().map(|x| x * x).sum::<f64>().sqrt();
    let [x, y, z, w] = [0, 1, 2, 3].map(|k| q[k] / length);
    [
        [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
        [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
        [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
    ]
}

/// Means, rotations, log scales and logits on the screen, by Σ = T R S Sᵀ Rᵀ Tᵀ + blur I.
pub fn project(rule: ProjectRule, camera: &CameraRows, splats: [&[f64]; 4]) -> NaiveScreen {
    let [means, rotations, log_scales, logits] = splats;
    let mut screen = NaiveScreen::default();
    for i in 0..logits.len() {
        let mean = &means[3 * i..][..3];
        let of = |row: usize| (0..3).map(|k| camera[4 * row + k] * mean[k]).sum::<f64>() + camera[4 * row + 3];
        let (w, depth) = (of(2), of(3));
        let ndc = [of(0) / w, of(1) / w];
        let half = [0.5 * rule.width as f64, -0.5 * rule.height as f64];
        let t: M3 = std::array::from_fn(|i| {
            std::array::from_fn(|k| match i {
                0 | 1 => {
                    let held = ndc[i].clamp(camera[20 + 2 * i], camera[21 + 2 * i]);
                    half[i] * (camera[4 * i + k] - held * camera[8 + k]) / w
                }
                _ => 0.0,
            })
        });
        let r = rotation(&rotations[4 * i..][..4]);
        let variances: M3 =
            std::array::from_fn(|i2| std::array::from_fn(|j| if i2 == j { (2.0 * log_scales[3 * i + j]).exp() } else { 0.0 }));
        let world = times(&times(&r, &variances), &transposed(&r));
        let sharp = times(&times(&t, &world), &transposed(&t));
        let (a, b, c) = (sharp[0][0], sharp[0][1], sharp[1][1]);
        let (before, after) = (a * c - b * b, (a + rule.blur) * (c + rule.blur) - b * b);
        let compensation = if rule.antialiased { (before / after).max(LEAST_COMPENSATION.powi(2)).sqrt() } else { 1.0 };
        let opacity = compensation / (1.0 + (-logits[i]).exp());
        let row = [
            (ndc[0] + 1.0) * 0.5 * rule.width as f64,
            (1.0 - ndc[1]) * 0.5 * rule.height as f64,
            (c + rule.blur) / after,
            -b / after,
            (a + rule.blur) / after,
            depth,
            opacity,
        ];
        let drawn = row.iter().all(|x| x.is_finite()) && depth > rule.near && w > 0.0;
        let row = if drawn { row } else { [0.0; 7] };
        screen.positions.extend(&row[..2]);
        screen.conics.extend(&row[2..5]);
        screen.depths.push(row[5]);
        screen.opacities.push(row[6]);
    }
    screen
}

/// Colours of the splats whose depth is above 0.
pub fn splat_colors(camera: &CameraRows, means: &[f64], coefficients: &[f64], depths: &[f64]) -> Vec<f64> {
    let mut colors = Vec::new();
    for i in 0..depths.len() {
        let v = [0, 1, 2].map(|k| camera[19] * means[3 * i + k] - camera[16 + k]);
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let y = harmonics(v.map(|x| x / length));
        let wide = coefficients.len() / depths.len();
        for c in 0..3 {
            let sum: f64 = (0..wide / 3).map(|k| y[k] * coefficients[i * wide + 3 * k + c]).sum();
            colors.push(if depths[i] > 0.0 { (COLOR_OFFSET + sum).max(0.0) } else { 0.0 });
        }
    }
    colors
}

fn harmonics([x, y, z]: [f64; 3]) -> [f64; 16] {
    [
        Y0,
        -Y1 * y,
        Y1 * z,
        -Y1 * x,
        Y2 * x * y,
        -Y2 * y * z,
        Y20 * (2.0 * z * z - x * x - y * y),
        -Y2 * x * z,
        0.5 * Y2 * (x * x - y * y),
        -Y33 * y * (3.0 * x * x - y * y),
        Y32 * x * y * z,
        -Y31 * y * (4.0 * z * z - x * x - y * y),
        Y30 * z * (2.0 * z * z - 3.0 * x * x - 3.0 * y * y),
        -Y31 * x * (4.0 * z * z - x * x - y * y),
        0.5 * Y32 * z * (x * x - y * y),
        -Y33 * x * (x * x - 3.0 * y * y),
    ]
}

/// A splat that a pixel is made of.
struct Blended {
    splat: usize,
    /// Pixel less position.
    d: [f64; 2],
    alpha: f64,
    /// T before it.
    t: f64,
    capped: bool,
}

/// What each pixel is made of, front to back, and T behind all.
fn each_pixel(rule: &BlendRule, screen: &NaiveScreen, mut each: impl FnMut(usize, &[Blended], f64)) {
    let mut order: Vec<usize> = (0..screen.depths.len()).filter(|&i| screen.opacities[i] > 0.0).collect();
    order.sort_by(|&i, &j| screen.depths[i].total_cmp(&screen.depths[j]));
    for pixel in 0..rule.width * rule.height {
        let center = [(pixel % rule.width) as f64 + 0.5, (pixel / rule.width) as f64 + 0.5];
        let (mut blended, mut t) = (Vec::new(), 1.0);
        for &splat in &order {
            let d = [center[0] - screen.positions[2 * splat], center[1] - screen.positions[2 * splat + 1]];
            let [a, b, c] = [0, 1, 2].map(|k| screen.conics[3 * splat + k]);
            let whole = screen.opacities[splat] * (-0.5 * (a * d[0] * d[0] + 2.0 * b * d[0] * d[1] + c * d[1] * d[1])).exp();
            let alpha = whole.min(rule.most);
            if !(alpha >= rule.least) {
                continue;
            }
            if t * (1.0 - alpha) <= rule.stop {
                break;
            }
            blended.push(Blended { splat, d, alpha, t, capped: whole > rule.most });
            t *= 1.0 - alpha;
        }
        each(pixel, &blended, t);
    }
}

/// The picture `(height, width, channels + 2)`.
pub fn blend(rule: &BlendRule, screen: &NaiveScreen, colors: &[f64]) -> Vec<f64> {
    let wide = rule.wide();
    let mut picture = vec![0.0; rule.width * rule.height * wide];
    each_pixel(rule, screen, |pixel, blended, t| {
        let to = &mut picture[pixel * wide..][..wide];
        for of in blended {
            let weight = of.alpha * of.t;
            for c in 0..rule.channels {
                to[c] += weight * colors[of.splat * rule.channels + c];
            }
            to[rule.channels + 1] += weight * screen.depths[of.splat];
        }
        to[rule.channels] = 1.0 - t;
    });
    picture
}

/// The gradients of [`blend`], each pixel from back to front: of what is on the screen, and of the colours.
pub fn blend_gradient(rule: &BlendRule, screen: &NaiveScreen, colors: &[f64], cotangent: &[f64]) -> (NaiveScreen, Vec<f64>) {
    let mut bar = NaiveScreen {
        positions: vec![0.0; screen.positions.len()],
        conics: vec![0.0; screen.conics.len()],
        depths: vec![0.0; screen.depths.len()],
        opacities: vec![0.0; screen.opacities.len()],
    };
    let mut colors_bar = vec![0.0; colors.len()];
    let channels = rule.channels;
    each_pixel(rule, screen, |pixel, blended, t| {
        let g = &cotangent[pixel * rule.wide()..][..rule.wide()];
        // What a change of T behind the splat at hand changes.
        let mut t_bar = -g[channels];
        let _ = t;
        for of in blended.iter().rev() {
            let (i, weight) = (of.splat, of.alpha * of.t);
            let mut value = g[channels + 1] * screen.depths[i];
            for c in 0..channels {
                value += g[c] * colors[i * channels + c];
                colors_bar[i * channels + c] += weight * g[c];
            }
            bar.depths[i] += weight * g[channels + 1];
            let alpha_bar = of.t * (value - t_bar);
            t_bar = of.alpha * value + (1.0 - of.alpha) * t_bar;
            if of.capped {
                continue;
            }
            let sigma = -of.alpha * alpha_bar;
            let [a, b, c] = [0, 1, 2].map(|k| screen.conics[3 * i + k]);
            let [x, y] = of.d;
            bar.opacities[i] += of.alpha / screen.opacities[i] * alpha_bar;
            bar.positions[2 * i] -= sigma * (a * x + b * y);
            bar.positions[2 * i + 1] -= sigma * (b * x + c * y);
            for (k, d) in [0.5 * x * x, x * y, 0.5 * y * y].into_iter().enumerate() {
                bar.conics[3 * i + k] += sigma * d;
            }
        }
    });
    (bar, colors_bar)
}
