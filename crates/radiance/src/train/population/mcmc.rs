//! A population of a given size as samples of a distribution: faint splats are moved onto others, and walk at random.

use monotile_kernels::threads;

use super::{logit, opacity, rotation};
use crate::train::cloud::{Cloud, PopulationChange, SplatEdit};
use crate::train::random::RandomDraws;

/// Splats as samples of a distribution, after Kheradmand and others (2024), 3D Gaussian splatting as Markov chain Monte Carlo.
#[derive(Debug, Clone, PartialEq)]
pub struct Mcmc {
    /// Steps before the first change.
    pub first: u64,
    /// Steps between changes.
    pub every: u64,
    /// The part of a run after which nothing changes any more.
    pub until: f64,
    /// By what a population grows at a change, up to its budget.
    pub growth: f64,
    /// Splats of this opacity or less are moved.
    pub least_opacity: f64,
    /// How far faint splats walk at random, as a multiple of the means' learning rate.
    pub noise: f64,
}

impl Default for Mcmc {
    fn default() -> Self {
        Self { first: 100, every: 100, until: 5.0 / 6.0, growth: 1.05, least_opacity: 0.005, noise: 5e5 }
    }
}

/// The most splats that one becomes.
const MOST_COPIES: usize = 51;
/// The largest opacity that a splat gets.
const MOST_OPACITY: f64 = 1.0 - 1.0 / (1 << 23) as f64;
/// Walks shorter than this part of a splat's own variance are not made.
const LEAST_WALK: f64 = 1e-4;

/// What the opacity of a splat becomes that is replaced by `copies` at its place, and what its scales are multiplied with, so that they look alike.
///
/// ```text
/// o′ = 1 − (1 − o)^(1/n)        s′ / s = o / Σₖ (−1)ᵏ C(n, k + 1) o′ᵏ⁺¹ / √(k + 1) over k = 0 … n − 1
/// ```
///
/// The published formula has a sum over i ≤ n of C(i − 1, k), which is C(n, k + 1).
///
/// # Example
/// ```
/// use monotile_radiance::train::relocation;
/// let [opacity, ratio] = relocation(0.75, 2);
/// assert_eq!(opacity, 0.5);
/// assert!((ratio - 0.75 / (2.0 * 0.5 - 0.25 / 2.0_f64.sqrt())).abs() < 1e-15);
/// ```
///
/// # Source
/// Kheradmand and others (2024), 3D Gaussian splatting as Markov chain Monte Carlo, equation 9.
pub fn relocation(opacity: f64, copies: usize) -> [f64; 2] {
    let n = copies.clamp(1, MOST_COPIES);
    let part = -((-opacity).ln_1p() / n as f64).exp_m1();
    let (mut sum, mut term) = (0.0, 1.0);
    for k in 0..n {
        // (−1)ᵏ C(n, k + 1) o′ᵏ⁺¹, from the one before.
        term *= part * (n - k) as f64 / (k + 1) as f64;
        sum += if k % 2 == 0 { term } else { -term } / ((k + 1) as f64).sqrt();
    }
    [part, opacity / sum]
}

impl Mcmc {
    /// Faint splats become copies of others, which are drawn by their opacities, and so do as many as the population may grow by.
    pub(crate) fn change(&self, cloud: &Cloud, most: usize, draws: &RandomDraws) -> PopulationChange {
        let n = cloud.len();
        let opacities: Vec<f64> = cloud.columns[3].values.iter().map(|&x| opacity(x)).collect();
        let is_alive = |row: &usize| opacities[*row] > self.least_opacity;
        let kept: Vec<usize> = (0..n).filter(is_alive).collect();
        if kept.is_empty() {
            // Nobody is there to be copied.
            return PopulationChange { kept: (0..n).collect(), ..PopulationChange::default() };
        }
        let grown = ((n as f64 * self.growth) as usize).min(most).max(n.min(most));
        let mut sums = Vec::with_capacity(kept.len());
        let mut sum = 0.0;
        for &row in &kept {
            sum += opacities[row];
            sums.push(sum);
        }
        // How many copies of each there are, itself among them.
        let mut copies = vec![1; kept.len()];
        for birth in 0..grown.saturating_sub(kept.len()) {
            let at = sums.partition_point(|&s| s <= draws.uniform(birth)[0] * sum).min(kept.len() - 1);
            copies[at] = (copies[at] + 1).min(MOST_COPIES);
        }
        let mut change = PopulationChange::default();
        let (mut births, mut edits, mut restarted) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (&row, &copies)) in kept.iter().zip(&copies).enumerate().filter(|(_, (_, copies))| **copies > 1) {
            let [part, ratio] = relocation(opacities[row], copies);
            let wider = ratio.ln() as f32;
            let scales = cloud.columns[2].row(row);
            let edit = SplatEdit {
                row: at,
                mean: std::array::from_fn(|k| cloud.columns[0].row(row)[k]),
                log_scales: std::array::from_fn(|k| scales[k] + wider),
                logit: logit(part.clamp(self.least_opacity, MOST_OPACITY)) as f32,
            };
            edits.push(edit);
            restarted.push(at);
            for _ in 1..copies {
                edits.push(SplatEdit { row: kept.len() + births.len(), ..edit });
                births.push(row);
            }
        }
        (change.kept, change.births, change.edits, change.restarted) = (kept, births, edits, restarted);
        change
    }

    /// Above this logit the logistic factor of a walk is below 1e-9.
    fn most_walking(&self) -> f64 {
        logit((self.least_opacity + 0.2).min(0.999))
    }

    /// What a GPU is told of the same walk.
    #[cfg(feature = "gpu")]
    pub(crate) fn device_walk(&self, rate: f64, draws: &RandomDraws) -> monotile_gpu::GpuWalk {
        let (key, counters) = draws.words();
        let (far, least_opacity, most_logit) = (rate * self.noise, self.least_opacity, self.most_walking());
        monotile_gpu::GpuWalk { key, counters, far, least_opacity, most_logit, least_walk: LEAST_WALK }
    }

    /// Moves faint splats at random, by Σ ξ of the covariance Σ and normal ξ.
    pub(crate) fn walk(&self, cloud: &mut Cloud, rate: f64, draws: &RandomDraws) {
        let [means, rotations, log_scales, logits, _] = &mut cloud.columns;
        let n = logits.values.len();
        let parts = threads::parts(n, 10.0);
        let most = self.most_walking() as f32;
        threads::split_mut(&mut means.values, 3, parts, |start, means| {
            for (row, mean) in (start / 3..).zip(means.chunks_exact_mut(3)) {
                if logits.values[row] > most {
                    continue;
                }
                let exponent = 100.0 * (opacity(logits.values[row]) - self.least_opacity);
                let far = rate * self.noise / (1.0 + exponent.exp());
                let scales = log_scales.row(row);
                let variances = [0, 1, 2].map(|k| (2.0 * f64::from(scales[k])).exp());
                if far * variances.iter().fold(0.0, |m: f64, x| m.max(*x)).sqrt() < LEAST_WALK {
                    continue;
                }
                let (r, xi) = (rotation(rotations.row(row)), draws.normal3(row));
                for k in 0..3 {
                    let along = (0..3).map(|i| r[i][k] * xi[i]).sum::<f64>() * variances[k] * far;
                    for i in 0..3 {
                        mean[i] += (r[i][k] * along) as f32;
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::cloud::Column;
    use crate::train::random::Purpose;

    fn cloud(logits: Vec<f32>) -> Cloud {
        let n = logits.len();
        let column = |wide: usize, value: f32| Column::new(wide, vec![value; n * wide]);
        Cloud { columns: [column(3, 0.5), column(4, 1.0), column(3, -2.0), Column::new(1, logits), column(3, 0.1)] }
    }

    #[test]
    fn faint_splats_become_copies_and_the_population_grows_to_its_budget() {
        let mut logits = vec![1.0; 100];
        logits[..10].fill(-9.0);
        let mut cloud = cloud(logits);
        let draws = RandomDraws::new(3, 1, Purpose::Test);
        let change = Mcmc::default().change(&cloud, 103, &draws);
        assert_eq!((change.kept.len(), change.births.len()), (90, 13));
        cloud.apply(&change);
        assert_eq!(cloud.len(), 103);
        for (row, &source) in change.births.iter().enumerate() {
            let kept = change.kept.iter().position(|&k| k == source).unwrap();
            assert_eq!(cloud.columns[3].row(90 + row), cloud.columns[3].row(kept));
            assert!(cloud.columns[3].row(kept)[0] < 1.0 && change.restarted.contains(&kept));
        }
    }

    #[test]
    fn opaque_splats_stay_where_they_are() {
        let mut cloud = cloud(vec![-7.0, 3.0]);
        Mcmc::default().walk(&mut cloud, 1e-4, &RandomDraws::new(3, 1, Purpose::Test));
        assert!(cloud.columns[0].row(0) != [0.5; 3] && cloud.columns[0].row(1) == [0.5; 3]);
    }
}
