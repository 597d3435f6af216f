//! What training makes small: a sum of terms, with its gradient by a picture.

use monotile::{Error, Result};
use monotile_kernels::buffer::Block;
use monotile_kernels::ssim::{SsimRule, ssim_gradient};
use monotile_kernels::threads;

/// The weights of the terms.
///
/// ```text
/// l1 · mean |x − y| + ssim · (1 − SSIM(x, y)) + coverage · mean |c − α| + opacity · mean o + scale · mean s
/// ```
///
/// with x what is seen over a background, y the picture over the same one, c and α what they cover, o opacities and s scales of the splats.
#[derive(Debug, Clone, PartialEq)]
pub struct SplatObjective {
    /// Of differences of colours.
    pub l1: f64,
    /// Of structural dissimilarity.
    pub ssim: f64,
    /// Of differences of coverage, for pictures that have it.
    pub coverage: f64,
    /// Of opacities.
    pub opacity: f64,
    /// Of scales, in units of the cameras' extent.
    pub scale: f64,
}

impl Default for SplatObjective {
    /// 0.8 and 0.2, as Kerbl and others (2023) have them, and no other terms.
    fn default() -> Self {
        Self { l1: 0.8, ssim: 0.2, coverage: 0.0, opacity: 0.0, scale: 0.0 }
    }
}

/// The terms before their weights.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SplatLoss {
    /// The weighted sum.
    pub total: f64,
    /// mean |x − y|
    pub l1: f64,
    /// 1 − SSIM
    pub ssim: f64,
    /// mean |c − α|
    pub coverage: f64,
    /// mean o
    pub opacity: f64,
    /// mean s
    pub scale: f64,
}

/// What a picture is compared with.
pub(crate) struct TargetPicture<'a> {
    pub width: usize,
    pub height: usize,
    /// `(height, width, 4)`: straight colours and what they cover.
    pub rgba: &'a [f32],
    /// Whether everything is covered.
    pub opaque: bool,
    /// `(height, width)`: 0 where nothing is compared.
    pub mask: Option<&'a [f32]>,
    pub background: [f32; 3],
    /// Rows of a map of colours r, g, b, 1.
    pub colors: Option<[[f32; 4]; 3]>,
    /// Which view of the run it is of.
    pub view: usize,
}

impl TargetPicture<'_> {
    /// What no other picture of the run has: the view, and the size that it was brought to.
    #[cfg(feature = "gpu")]
    pub fn key(&self) -> [usize; 3] {
        [self.view, self.width, self.height]
    }
}

/// Numbers of a pixel that was blended: three colours, coverage, depth.
pub(crate) const SEEN: usize = 5;
/// Nanoseconds a pixel, by which work is split.
const PIXEL_NS: f64 = 6.0;

impl SplatObjective {
    #[track_caller]
    pub(crate) fn check(&self) -> Result<()> {
        let Self { l1, ssim, coverage, opacity, scale } = *self;
        let terms = [("l1", l1), ("ssim", ssim), ("coverage", coverage), ("opacity", opacity), ("scale", scale)];
        match terms.into_iter().find(|(_, weight)| !(*weight >= 0.0 && weight.is_finite())) {
            Some((name, weight)) => Err(Error::value(format!("splat train: the weight of {name} is 0 or above, not {weight}"))),
            None if l1 == 0.0 && ssim == 0.0 => Err(Error::value("splat train: the weight of l1 or of ssim is above 0")),
            None => Ok(()),
        }
    }

    /// The mean loss of so many steps from the sums of its terms: l1, ssim, coverage, opacity, scale.
    #[cfg(feature = "gpu")]
    pub(crate) fn of_terms(&self, sums: &[f64], steps: usize) -> SplatLoss {
        let [l1, ssim, coverage, opacity, scale] = [0, 1, 2, 3, 4].map(|k| sums[k] / steps as f64);
        let total = self.l1 * l1 + self.ssim * ssim + self.coverage * coverage + self.opacity * opacity + self.scale * scale;
        SplatLoss { total, l1, ssim, coverage, opacity, scale }
    }

    /// The terms that a picture has, and their gradient by what was blended, `(height, width, 5)`; by the map of colours it is returned.
    pub(crate) fn compare(&self, seen: &[f32], target: &TargetPicture<'_>, bar: &mut [f32]) -> Result<(SplatLoss, [[f64; 4]; 3])> {
        let pixels = target.width * target.height;
        let numbers = (3 * pixels) as f64;
        let parts = threads::parts(pixels, PIXEL_NS);
        let mut mapped = Block::<f32>::new(0)?;
        if target.colors.is_some() {
            mapped = Block::new(3 * pixels)?;
            threads::split_mut(&mut mapped, 3, parts, |start, out| {
                let from = seen[start / 3 * SEEN..].chunks_exact(SEEN);
                out.chunks_exact_mut(3).zip(from).for_each(|(x, seen)| x.copy_from_slice(&over(seen, target.background)));
            });
        }
        let mut x = Block::<f32>::new(3 * pixels)?;
        threads::split_mut(&mut x, 3, parts, |start, out| {
            let from = seen[start / 3 * SEEN..].chunks_exact(SEEN);
            for (x, seen) in out.chunks_exact_mut(3).zip(from) {
                let color = over(seen, target.background);
                x.copy_from_slice(&target.colors.map_or(color, |map| times(&map, color)));
            }
        });
        let mut y = Block::<f32>::new(3 * pixels)?;
        threads::split_mut(&mut y, 3, parts, |start, out| {
            for (i, y) in (start / 3..).zip(out.chunks_exact_mut(3)) {
                let truth = &target.rgba[4 * i..4 * i + 4];
                let compared = target.mask.is_none_or(|mask| mask[i] > 0.0);
                for k in 0..3 {
                    y[k] = if compared { truth[k] * truth[3] + (1.0 - truth[3]) * target.background[k] } else { x[3 * i + k] };
                }
            }
        });
        let mut loss = SplatLoss { l1: mean_difference(&x, &y), ..SplatLoss::default() };
        let rule = SsimRule { height: target.height, width: target.width, channels: 3, within: false };
        let mut slope = Block::<f32>::new(3 * pixels)?;
        if self.ssim > 0.0 {
            loss.ssim = 1.0 - ssim_gradient(rule, [&x, &y], [&mut slope, &mut []])?;
        }
        let (of_l1, of_ssim) = ((self.l1 / numbers) as f32, -self.ssim as f32);
        let of_coverage = if target.opaque { 0.0 } else { (self.coverage / pixels as f64) as f32 };
        let transposed = |g: [f32; 3]| match &target.colors {
            Some(map) => std::array::from_fn(|k| (0..3).map(|i| map[i][k] * g[i]).sum()),
            None => g,
        };
        // What the sum of the map's gradient needs is kept in the place of the slope.
        let keeps = target.colors.is_some();
        threads::split_mut(&mut slope, 3, parts, |start, slope| {
            for (i, slope) in (start / 3..).zip(slope.chunks_exact_mut(3)) {
                let compared = target.mask.is_none_or(|mask| mask[i] > 0.0);
                for k in 0..3 {
                    let d = x[3 * i + k] - y[3 * i + k];
                    let sign = f32::from(d > 0.0) - f32::from(d < 0.0);
                    slope[k] = if compared { of_l1 * sign + of_ssim * slope[k] } else { 0.0 };
                }
            }
        });
        threads::split_mut(bar, SEEN, parts, |start, bar| {
            for (i, bar) in (start / SEEN..).zip(bar.chunks_exact_mut(SEEN)) {
                let g = transposed([0, 1, 2].map(|k| slope[3 * i + k]));
                let mut covered = 0.0;
                for k in 0..3 {
                    bar[k] = g[k];
                    covered -= g[k] * target.background[k];
                }
                let d = seen[SEEN * i + 3] - target.rgba[4 * i + 3];
                let compared = target.mask.is_none_or(|mask| mask[i] > 0.0);
                let sign = f32::from(compared && d > 0.0) - f32::from(compared && d < 0.0);
                (bar[3], bar[4]) = (covered + of_coverage * sign, 0.0);
            }
        });
        if of_coverage > 0.0 {
            let differences = seen.chunks_exact(SEEN).zip(target.rgba.chunks_exact(4)).map(|(s, t)| f64::from((s[3] - t[3]).abs()));
            loss.coverage = differences.sum::<f64>() / pixels as f64;
        }
        let mut map_bar = [[0.0; 4]; 3];
        if keeps {
            for (g, color) in slope.chunks_exact(3).zip(mapped.chunks_exact(3)) {
                for (row, g) in map_bar.iter_mut().zip(g) {
                    row.iter_mut().zip(color).for_each(|(sum, c)| *sum += f64::from(g * c));
                    row[3] += f64::from(*g);
                }
            }
        }
        loss.total = self.l1 * loss.l1 + self.ssim * loss.ssim + self.coverage * loss.coverage;
        Ok((loss, map_bar))
    }
}

/// A pixel over a background.
pub(crate) fn over(seen: &[f32], background: [f32; 3]) -> [f32; 3] {
    std::array::from_fn(|k| seen[k] + (1.0 - seen[3]) * background[k])
}

/// A colour through a map.
pub(crate) fn times(map: &[[f32; 4]; 3], color: [f32; 3]) -> [f32; 3] {
    map.map(|row| row[0] * color[0] + row[1] * color[1] + row[2] * color[2] + row[3])
}

/// The mean of |x − y|: sums of a few numbers in f32, of these in f64.
fn mean_difference(x: &[f32], y: &[f32]) -> f64 {
    let few = |(x, y): (&[f32], &[f32])| f64::from(x.iter().zip(y).map(|(x, y)| (x - y).abs()).sum::<f32>());
    x.chunks(64).zip(y.chunks(64)).map(few).sum::<f64>() / x.len().max(1) as f64
}
