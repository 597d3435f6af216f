//! More splats where pictures pull at them, fewer where they are faint.

use super::{logit, opacity, rotation};
use crate::train::cloud::{Cloud, PopulationChange, SplatEdit};
use crate::train::random::RandomDraws;

/// Splats are doubled, split and removed, after Kerbl and others (2023), 3D Gaussian splatting for real-time radiance field rendering.
#[derive(Debug, Clone, PartialEq)]
pub struct Densify {
    /// Steps before the first change.
    pub first: u64,
    /// Steps between changes.
    pub every: u64,
    /// The part of a run after which nothing changes any more.
    pub until: f64,
    /// The mean length of the gradient by a place on the screen, in half widths and half heights, above which a splat is doubled or split.
    pub gradient: f64,
    /// The scale, in units of the cameras' extent, above which it is split.
    pub large: f64,
    /// The scale, in the same units, above which it is removed once opacities were reset.
    pub too_large: f64,
    /// Splats fainter than this are removed.
    pub least_opacity: f64,
    /// Steps between resets of opacities; 0 for none.
    pub reset_every: u64,
}

impl Default for Densify {
    fn default() -> Self {
        Self {
            first: 500,
            every: 100,
            until: 0.5,
            gradient: 2e-4,
            large: 0.01,
            too_large: 0.1,
            least_opacity: 0.005,
            reset_every: 3000,
        }
    }
}

/// What a split divides scales by.
const SHRINK: f32 = 1.6;
/// What opacities are reset to.
const RESET_OPACITY: f64 = 0.01;

/// Lengths of gradients by places on the screen, and by how many views they were seen, since the last change.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ScreenMotion {
    pub lengths: Vec<f32>,
    pub views: Vec<f32>,
}

impl ScreenMotion {
    /// Adds the gradients of a picture by the places of its splats in pixels, of those that have a depth.
    pub(crate) fn add(&mut self, positions: &[f32], depths: &[f32], [width, height]: [usize; 2]) {
        self.lengths.resize(depths.len(), 0.0);
        self.views.resize(depths.len(), 0.0);
        let half = [width, height].map(|side| 0.5 * side as f32);
        for (i, g) in positions.chunks_exact(2).enumerate().filter(|(i, _)| depths[*i] > 0.0) {
            self.lengths[i] += ((g[0] * half[0]).powi(2) + (g[1] * half[1]).powi(2)).sqrt();
            self.views[i] += 1.0;
        }
    }
}

impl Densify {
    /// What is doubled, split, removed and reset, with at most `most` splats then.
    pub(crate) fn change(
        &self,
        cloud: &Cloud,
        seen: &ScreenMotion,
        (step, extent): (u64, f64),
        most: usize,
        draws: &RandomDraws,
    ) -> PopulationChange {
        let n = cloud.len();
        let scale = |row: usize| cloud.columns[2].row(row).iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x));
        let is_over = |row: usize, share: f64| f64::from(scale(row)).exp() > share * extent;
        let was_reset = self.reset_every > 0 && step > self.reset_every;
        let stays = |row: usize| {
            let faint = opacity(cloud.columns[3].values[row]) < self.least_opacity;
            let too_large = was_reset && is_over(row, self.too_large);
            !(faint || too_large)
        };
        let mean = |row: usize| {
            let views = seen.views.get(row).copied().unwrap_or(0.0);
            if views > 0.0 { f64::from(seen.lengths[row] / views) } else { 0.0 }
        };
        let kept: Vec<usize> = (0..n).filter(|&row| stays(row)).collect();
        let mut moving: Vec<(usize, usize)> =
            kept.iter().copied().enumerate().filter(|&(_, row)| mean(row) > self.gradient).collect();
        // Where there is no room for all, those that move most.
        let room = most.saturating_sub(kept.len());
        if moving.len() > room {
            moving.sort_by(|a, b| mean(b.1).total_cmp(&mean(a.1)).then(a.0.cmp(&b.0)));
            moving.truncate(room);
            moving.sort_unstable();
        }
        let mut change = PopulationChange { kept, ..PopulationChange::default() };
        for &(at, row) in &moving {
            let born = change.kept.len() + change.births.len();
            change.births.push(row);
            if is_over(row, self.large) {
                change.restarted.push(at);
                change.edits.extend([at, born].map(|at| self.half(cloud, row, at, draws)));
            }
        }
        let reset = self.reset_every > 0 && step.is_multiple_of(self.reset_every);
        change.most_logit = reset.then(|| logit(RESET_OPACITY) as f32);
        change
    }

    /// One of the two that a splat is split into: somewhere in it, and smaller.
    fn half(&self, cloud: &Cloud, row: usize, at: usize, draws: &RandomDraws) -> SplatEdit {
        let (mean, scales) = (cloud.columns[0].row(row), cloud.columns[2].row(row));
        let (r, xi) = (rotation(cloud.columns[1].row(row)), draws.normal3(at));
        let along = [0, 1, 2].map(|k| f64::from(scales[k]).exp() * xi[k]);
        SplatEdit {
            row: at,
            mean: std::array::from_fn(|i| mean[i] + (0..3).map(|k| r[i][k] * along[k]).sum::<f64>() as f32),
            log_scales: std::array::from_fn(|k| scales[k] - SHRINK.ln()),
            logit: cloud.columns[3].values[row],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::cloud::Column;
    use crate::train::random::Purpose;

    #[test]
    fn what_moves_is_doubled_or_split_and_what_is_faint_removed() {
        let column = |wide: usize, value: f32| Column::new(wide, vec![value; 4 * wide]);
        let mut cloud = Cloud { columns: [column(3, 0.5), column(4, 1.0), column(3, -6.0), column(1, 1.0), column(3, 0.1)] };
        cloud.columns[3].values[0] = -9.0;
        cloud.columns[2].values[6..9].fill(-1.0);
        let mut seen = ScreenMotion::default();
        let gradient = 1e-3 / 50.0;
        seen.add(&[gradient, 0.0, gradient, 0.0, gradient, 0.0, 0.0, 0.0], &[1.0, 1.0, 1.0, 0.0], [100, 100]);
        let densify = Densify { reset_every: 600, ..Densify::default() };
        let draws = RandomDraws::new(1, 2, Purpose::Test);
        let change = densify.change(&cloud, &seen, (600, 1.0), 100, &draws);
        assert_eq!((&change.kept[..], &change.births[..]), (&[1, 2, 3][..], &[1, 2][..]));
        assert_eq!(change.edits.iter().map(|edit| edit.row).collect::<Vec<_>>(), [1, 4]);
        assert!(change.edits.iter().all(|edit| edit.log_scales[0] < -1.4 && edit.mean != [0.5; 3]));
        assert!((opacity(change.most_logit.unwrap()) - 0.01).abs() < 1e-6);
        // Room for one: the first of two that move as much.
        assert_eq!(densify.change(&cloud, &seen, (700, 1.0), 4, &draws).births, [1]);
    }
}
