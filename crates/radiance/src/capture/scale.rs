//! Pictures turned, and scaled by the mean over each pixel's area.

use monotile::Result;
use monotile_kernels::threads;

use super::decode::Pixels;

/// What a number of the result takes, to choose how many threads work.
const NUMBER_NS: f64 = 4.0;

/// Pixels of one line that a pixel of the result covers: the first, and the weight of each.
struct Cover {
    first: usize,
    weights: Vec<f32>,
}

/// Weights by which `to` pixels are means of `from`.
fn covers(from: usize, to: usize) -> Vec<Cover> {
    let ratio = from as f64 / to as f64;
    let cover = |i: usize| {
        let (start, end) = (i as f64 * ratio, (i + 1) as f64 * ratio);
        let first = (start.floor() as usize).min(from - 1);
        let last = (end.ceil() as usize).clamp(first + 1, from);
        let part = |k: usize| ((end.min((k + 1) as f64) - start.max(k as f64)).max(0.0) / ratio) as f32;
        Cover { first, weights: (first..last).map(part).collect() }
    };
    (0..to).map(cover).collect()
}

impl Pixels {
    /// The picture in another size. Colours count by their alpha.
    pub fn scaled(mut self, [width, height]: [usize; 2]) -> Result<Self> {
        if [width, height] == [self.width, self.height] {
            return Ok(self);
        }
        self.rgba.chunks_exact_mut(4).for_each(|p| (0..3).for_each(|k| p[k] *= p[3]));
        let (columns, rows) = (covers(self.width, width), covers(self.height, height));
        let mut narrow = Self::zeros([width, self.height])?;
        each_row(&mut narrow, |y, out| {
            let line = &self.rgba[4 * self.width * y..][..4 * self.width];
            for (cover, out) in columns.iter().zip(out.chunks_exact_mut(4)) {
                for (weight, pixel) in cover.weights.iter().zip(line[4 * cover.first..].chunks_exact(4)) {
                    (0..4).for_each(|k| out[k] += weight * pixel[k]);
                }
            }
        });
        let mut scaled = Self::zeros([width, height])?;
        each_row(&mut scaled, |y, out| {
            for (weight, line) in rows[y].weights.iter().zip(narrow.rgba[4 * width * rows[y].first..].chunks_exact(4 * width)) {
                out.iter_mut().zip(line).for_each(|(out, x)| *out += weight * x);
            }
            straight(out);
        });
        Ok(scaled)
    }

    /// The picture as Exif's orientation says that it is to be shown.
    pub fn turned(self, orientation: u8) -> Result<Self> {
        if orientation <= 1 {
            return Ok(self);
        }
        let (w, h) = (self.width, self.height);
        let mut turned = Self::zeros(if orientation >= 5 { [h, w] } else { [w, h] })?;
        each_row(&mut turned, |y, out| {
            for (x, out) in out.chunks_exact_mut(4).enumerate() {
                let (column, row) = match orientation {
                    2 => (w - 1 - x, y),
                    3 => (w - 1 - x, h - 1 - y),
                    4 => (x, h - 1 - y),
                    5 => (y, x),
                    6 => (y, h - 1 - x),
                    7 => (w - 1 - y, h - 1 - x),
                    _ => (w - 1 - y, x),
                };
                out.copy_from_slice(&self.rgba[4 * (row * w + column)..][..4]);
            }
        });
        Ok(turned)
    }
}

/// What weights whose sum is 1 may lack of it.
const ROUNDING: f32 = 1e-5;

/// Straight alpha of premultiplied pixels; what is opaque but for a rounding is opaque.
pub(super) fn straight(pixels: &mut [f32]) {
    for p in pixels.chunks_exact_mut(4) {
        let alpha = p[3];
        (0..3).for_each(|k| p[k] = if alpha > 0.0 { p[k] / alpha } else { 0.0 });
        p[3] = if alpha >= 1.0 - ROUNDING { 1.0 } else { alpha };
    }
}

/// Calls `work` with each row's number and pixels, on as many threads as pay.
pub(super) fn each_row(pixels: &mut Pixels, work: impl Fn(usize, &mut [f32]) + Sync) {
    let wide = 4 * pixels.width;
    let parts = threads::parts(pixels.rgba.len(), NUMBER_NS);
    threads::split_mut(&mut pixels.rgba, wide, parts, |start, out| {
        for (y, row) in (start / wide..).zip(out.chunks_exact_mut(wide)) {
            work(y, row);
        }
    });
}
