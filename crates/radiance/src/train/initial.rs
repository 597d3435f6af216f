//! The splats that a run begins with.

use super::cloud::{Cloud, Column};
use super::neighbors;
use super::population::logit;
use super::random::{Purpose, RandomDraws};
use super::views::{LoadedView, Region, ViewCone};
use crate::capture::PointCloud;
use monotile_kernels::splat::stated::COLOR_OFFSET;
use monotile_kernels::splat::stated::harmonics::Y0;

/// How splats begin.
#[derive(Debug, Clone, PartialEq)]
pub struct InitialSplats {
    /// How many where a capture has no points.
    pub count: usize,
    /// Their opacity.
    pub opacity: f64,
    /// Their scale, as a multiple of the root of the mean squared distance to the three nearest.
    pub scale: f64,
}

impl Default for InitialSplats {
    fn default() -> Self {
        Self { count: 20_000, opacity: 0.1, scale: 1.0 }
    }
}

/// Places tried for each splat.
const TRIES: usize = 64;

impl InitialSplats {
    /// The splats of points.
    pub(super) fn of_points(&self, points: &PointCloud, most: usize) -> Cloud {
        let n = points.positions.len();
        // Points that are left out are spread over all.
        let rows: Vec<usize> = (0..n.min(most)).map(|i| if n > most { i * n / most } else { i }).collect();
        let positions: Vec<[f64; 3]> = rows.iter().map(|&i| points.positions[i]).collect();
        let color = |i: usize| points.colors.get(i).map_or([0.5; 3], |c| c.map(|c| f64::from(c) / 255.0));
        self.cloud(&positions, &rows.iter().map(|&i| color(i)).collect::<Vec<_>>())
    }

    /// Splats at random where views see something: within the shape that all of them cover, or anywhere about what they look at where nothing is transparent.
    pub(super) fn of_views(&self, views: &[LoadedView], sights: &[ViewCone], (region, most, seed): (&Region, usize, u64)) -> Cloud {
        let count = self.count.min(most);
        let draws = RandomDraws::new(seed, 0, Purpose::Initial);
        let carved = views.iter().any(|view| !view.opaque);
        let (mut positions, mut colors) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for row in 0..count.saturating_mul(TRIES) {
            if positions.len() == count {
                break;
            }
            let place = draws.uniform3(row);
            let point = [0, 1, 2].map(|k| region.center[k] + region.radius * (2.0 * place[k] - 1.0));
            let (mut sum, mut seen, mut outside) = ([0.0; 3], 0.0, false);
            for (view, sight) in views.iter().zip(sights) {
                let Some([x, y]) = sight.project(point) else { continue };
                let (column, line) = (0.5 * (x + 1.0) * view.width as f64, 0.5 * (1.0 - y) * view.height as f64);
                if !(column >= 0.0 && line >= 0.0 && column < view.width as f64 && line < view.height as f64) {
                    continue;
                }
                let pixel = line as usize * view.width + column as usize;
                if view.mask.as_ref().is_some_and(|mask| mask[pixel] <= 0.0) {
                    continue;
                }
                let rgba = &view.rgba[4 * pixel..][..4];
                outside |= rgba[3] <= 0.0;
                if outside {
                    break;
                }
                seen += 1.0;
                (0..3).for_each(|k| sum[k] += f64::from(rgba[k]));
            }
            if seen > 0.0 && !(carved && outside) {
                positions.push(point);
                colors.push(sum.map(|x| x / seen));
            }
        }
        self.cloud(&positions, &colors)
    }

    fn cloud(&self, positions: &[[f64; 3]], colors: &[[f64; 3]]) -> Cloud {
        let n = positions.len();
        let wider = self.scale.ln();
        let scales = neighbors::log_scales(positions, 1e-7);
        let flat = |rows: Vec<[f64; 3]>| rows.iter().flatten().map(|&x| x as f32).collect::<Vec<_>>();
        let of_colors = colors.iter().map(|c| c.map(|c| (c - COLOR_OFFSET) / Y0)).collect();
        Cloud {
            columns: [
                Column::new(3, flat(positions.to_vec())),
                Column::new(4, [0.0, 0.0, 0.0, 1.0].repeat(n)),
                Column::new(3, flat(scales.iter().map(|&s| [s + wider; 3]).collect())),
                Column::new(1, vec![logit(self.opacity) as f32; n]),
                Column::new(3, flat(of_colors)),
            ],
        }
    }
}
