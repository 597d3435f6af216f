//! How well a scene shows what it did not learn from.

use monotile::{Result, Tensor};
use monotile_kernels::ssim::{SsimRule, ssim};

use super::objective::over;
use super::pose_step::PoseStep;
use super::views::LoadedView;
use super::{ExponentialRate, PoseTraining, SEEN, SplatTrainer, target_of};

/// Means over the views that were held out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplatEvaluation {
    /// How many there are.
    pub views: usize,
    /// The mean of each picture's peak signal-to-noise ratio, in decibels; colours are cut off at 0 and 1, not rounded.
    pub psnr: f64,
    /// The mean structural similarity.
    pub ssim: f64,
    /// The first, with each view's pose refined while the scene is as it is.
    pub refined_psnr: Option<f64>,
}

/// A picture of a scene beside its truth.
#[derive(Debug, Clone)]
pub struct SplatPicture {
    /// The view's name.
    pub name: String,
    /// `(height, width, 3)`: what the scene shows.
    pub found: Tensor,
    /// What the view is.
    pub truth: Tensor,
}

/// Steps by which a pose is refined before it is measured, on pictures of each size.
const POSE_STEPS: u64 = 100;
/// The first and the last rate of these steps: on pictures of a quarter, of half and of the whole size.
const RATES: [[f64; 2]; 3] = [[2e-3, 5e-4], [5e-4, 2e-4], [2e-4, 5e-6]];

impl SplatTrainer {
    /// How well the scene shows the views that were held out; none where there are none. With poses that are refined, `refine` measures after those of these views were refined, too.
    #[track_caller]
    pub fn evaluate(&mut self, refine: bool) -> Result<Option<SplatEvaluation>> {
        let held_out = std::mem::take(&mut self.held_out);
        let measured = self.measure(&held_out, refine && self.options.poses == PoseTraining::Refine);
        self.held_out = held_out;
        measured
    }

    fn measure(&mut self, views: &[LoadedView], refine: bool) -> Result<Option<SplatEvaluation>> {
        if views.is_empty() {
            return Ok(None);
        }
        let (mut psnr, mut similarity, mut refined) = (0.0, 0.0, 0.0);
        for view in views {
            let [found, truth] = self.pair(view, &[0.0; 6])?;
            psnr += decibels(&found, &truth, view.mask.as_deref());
            let rule = SsimRule { height: view.height, width: view.width, channels: 3, within: false };
            similarity += ssim(rule, [&found, &truth])?;
            if refine {
                let twist = self.refine_pose(view)?;
                let [found, truth] = self.pair(view, &twist)?;
                refined += decibels(&found, &truth, view.mask.as_deref());
            }
        }
        let count = views.len() as f64;
        let refined_psnr = refine.then_some(refined / count);
        Ok(Some(SplatEvaluation { views: views.len(), psnr: psnr / count, ssim: similarity / count, refined_psnr }))
    }

    /// A view that was held out, beside what the scene shows there.
    #[track_caller]
    pub fn picture(&mut self, number: usize) -> Result<Option<SplatPicture>> {
        let held_out = std::mem::take(&mut self.held_out);
        let picture = held_out.get(number).map(|view| {
            let [found, truth] = self.pair(view, &[0.0; 6])?;
            let tensor = |x: Vec<f32>| Tensor::from_vec(x, &[view.height, view.width, 3]);
            Ok(SplatPicture { name: view.name.clone(), found: tensor(found)?, truth: tensor(truth)? })
        });
        self.held_out = held_out;
        picture.transpose()
    }

    /// What the scene shows of a view, cut off at 0 and 1, and what the view is.
    fn pair(&mut self, view: &LoadedView, twist: &[f64; 6]) -> Result<[Vec<f32>; 2]> {
        let background = self.options.background.measured();
        let camera = view.camera_rows(&self.rule.project, Some((twist, self.region.center)))?;
        let seen = self.scene.draw(&camera.numbers, &self.rule, [view.width, view.height])?;
        let found = seen.chunks_exact(SEEN).flat_map(|seen| over(seen, background).map(|x| x.clamp(0.0, 1.0))).collect();
        let straight = |rgba: &[f32]| -> [f32; 3] { std::array::from_fn(|k| rgba[k] * rgba[3] + (1.0 - rgba[3]) * background[k]) };
        Ok([found, view.rgba.chunks_exact(4).flat_map(straight).collect()])
    }

    /// The twist by which a view fits the scene best, sought on small pictures first.
    fn refine_pose(&mut self, view: &LoadedView) -> Result<[f64; 6]> {
        let mut twist = [0.0; 6];
        let mut smaller = vec![view.halved()];
        smaller.push(smaller[0].halved());
        for (view, [first, last]) in [(&smaller[1], RATES[0]), (&smaller[0], RATES[1]), (view, RATES[2])] {
            let rate = ExponentialRate { last, ..ExponentialRate::constant(first) };
            let target = target_of(view, self.options.background.measured());
            let (mut means, mut squares) = ([0.0; 6], [0.0; 6]);
            for step in 0..POSE_STEPS {
                let camera = view.camera_rows(&self.rule.project, Some((&twist, self.region.center)))?;
                let objective = &self.options.objective;
                let report = self.scene.run(&camera.numbers, (&self.rule, objective), &target, self.region.extent, true)?;
                let Some(gradient) = camera.twist_gradient(&report.camera)? else { break };
                let step = PoseStep {
                    rate: rate.at(step as f64, POSE_STEPS as f64),
                    radius: self.region.radius,
                    lever: view.lever(&twist, self.region.center, report.depth)?,
                    number: step + 1,
                    epsilon: self.options.epsilon,
                };
                step.apply(&mut twist, [&mut means, &mut squares], &gradient);
            }
        }
        Ok(twist)
    }
}

/// −10 log₁₀ of the mean square of differences, where a mask does not hide them.
fn decibels(found: &[f32], truth: &[f32], mask: Option<&[f32]>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (i, (x, y)) in found.chunks_exact(3).zip(truth.chunks_exact(3)).enumerate() {
        if mask.is_none_or(|mask| mask[i] > 0.0) {
            sum += x.iter().zip(y).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
            count += 3.0;
        }
    }
    -10.0 * (sum / f64::max(count, 1.0)).log10()
}
