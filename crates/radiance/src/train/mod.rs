//! Scenes of splats learned from captures.
//!
//! | file | what |
//! | --- | --- |
//! | `views` | pictures and cameras in memory |
//! | `initial` | the first splats: points, or places that all views see as covered |
//! | `cloud` | columns of numbers with Adam's averages; one function carries out a change of population |
//! | `population` | which changes there are: MCMC with a budget, or densification |
//! | `objective` | the loss as a sum of terms |
//! | `pose_step` | a step of a camera's twist |
//! | `pass` | a picture and its gradients by kernels, without the tape |
//! | `learned` | where a scene is learned: here, or on a GPU |
//! | `resident` | the columns and the pass on a GPU |
//! | `plan` | what a run takes, told beforehand |
//! | `schedule` | learning rates |
//! | `stages` | small pictures, on which poses settle |
//! | `random` | numbers by seed, step and row |
//! | `state` | a run in a file |
//! | `run` | a whole run in a folder |
//!
//! A run is a function of its options and its capture: the same bits on any number of threads, and after a kill.
//!
//! # Source
//! Kerbl, Kopanas, Leimkühler and Drettakis (2023), 3D Gaussian splatting for real-time radiance field rendering.

mod cameras;
mod cloud;
mod evaluate;
mod initial;
mod learned;
mod neighbors;
mod objective;
mod options;
mod pass;
mod plan;
mod population;
mod pose_step;
mod random;
#[cfg(feature = "gpu")]
mod resident;
mod run;
mod schedule;
mod stages;
mod state;
#[cfg(test)]
mod tests;
mod views;

use monotile::{Device, Error, Result};
use monotile_kernels::adam::{AdamColumns, AdamRule, adam};

use crate::capture::{Capture, CaptureSplit, PointCloud};
use crate::splats::Splats;

use cloud::Cloud;
use learned::LearnedSplats;
use objective::{SEEN, TargetPicture};
use pass::DrawRule;
use pose_step::PoseStep;
use random::{Purpose, RandomDraws};
use stages::Stage;
use views::{LoadedView, Region, ViewCone};

pub use cloud::{PopulationChange, SplatEdit};
pub use evaluate::{SplatEvaluation, SplatPicture};
pub use initial::InitialSplats;
pub use objective::{SplatLoss, SplatObjective};
pub use options::{AppearanceTraining, PoseTraining, SplatTrainOptions, TrainBackground};
pub use plan::SplatTrainPlan;
pub use population::{Densify, Mcmc, SplatStrategy, relocation};
pub use run::{LOG, STATE, SplatProgress, SplatRun};
pub use schedule::{ExponentialRate, SplatRates};

/// Numbers of each view that are learned, with Adam's averages.
#[derive(Debug, Clone, Default, PartialEq)]
struct ViewNumbers {
    values: Vec<f64>,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl ViewNumbers {
    fn new(values: Vec<f64>) -> Self {
        Self { means: vec![0.0; values.len()], squares: vec![0.0; values.len()], values }
    }

    /// A step of a view; then what all views have in common beyond `rest` is taken away.
    fn step<const N: usize>(&mut self, (view, rule): (usize, AdamRule), gradient: &[f64; N], rates: &[f64; N], rest: &[f64; N]) {
        let row = view * N..(view + 1) * N;
        let of = AdamColumns {
            values: &mut self.values[row.clone()],
            means: &mut self.means[row.clone()],
            squares: &mut self.squares[row],
        };
        adam(rule, rates, gradient, of);
        self.hold(rest);
    }

    /// A step of a view's twist, with the mean of all held at 0.
    fn step_pose(&mut self, view: usize, step: &PoseStep, gradient: &[f64; 6]) {
        let row = view * 6..(view + 1) * 6;
        let averages = [&mut self.means[row.clone()], &mut self.squares[row.clone()]];
        step.apply(&mut self.values[row], averages, gradient);
        self.hold(&[0.0; 6]);
    }

    /// Takes from all views what they have in common beyond `rest`.
    fn hold<const N: usize>(&mut self, rest: &[f64; N]) {
        let count = (self.values.len() / N) as f64;
        for k in 0..N {
            let mean = self.values.iter().skip(k).step_by(N).sum::<f64>() / count - rest[k];
            self.values.iter_mut().skip(k).step_by(N).for_each(|x| *x -= mean);
        }
    }

    fn row<const N: usize>(&self, view: usize) -> [f64; N] {
        std::array::from_fn(|k| self.values[view * N + k])
    }
}

/// The map that changes no colour.
const NO_MAP: [f64; 12] = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplatStep {
    /// How many steps are done.
    pub number: u64,
    /// The loss of the view that it took, before the step. On a GPU it is read with every tenth step, and is the mean of these; in between it is the last one that was read.
    pub loss: SplatLoss,
    /// Of how many steps `loss` is the mean; 0 if it was not read.
    pub measured: usize,
    /// How many splats there are now.
    pub splats: usize,
    /// How many of them the view saw; 0 on a GPU, which would wait to count them.
    pub visible: usize,
    /// Pairs of a splat and a tile of 8 x 8 pixels, or of 16 x 16 on a GPU.
    pub pairs: usize,
}

/// A scene that is being learned.
pub struct SplatTrainer {
    options: SplatTrainOptions,
    plan: SplatTrainPlan,
    rule: DrawRule,
    views: Vec<LoadedView>,
    /// The views on pictures of half the size, a quarter and so on, if poses settle on them.
    coarse: Vec<Vec<LoadedView>>,
    held_out: Vec<LoadedView>,
    points: Option<PointCloud>,
    region: Region,
    scene: LearnedSplats,
    step: u64,
    /// Pictures that were looked at: one a step, but more where they are small.
    pictures: u64,
    /// The number of the part that the run is in, and how many pictures were looked at before it.
    stage: usize,
    begun: u64,
    twists: ViewNumbers,
    maps: ViewNumbers,
    /// Steps that each view had.
    visits: Vec<f64>,
    epoch: Option<(u64, Vec<usize>)>,
}

impl std::fmt::Debug for SplatTrainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SplatTrainer({} views, {} splats, {} steps)", self.views.len(), self.scene.len(), self.step)
    }
}

impl SplatTrainer {
    /// The beginning of a run on the training views of a capture; its test views, else its validation views, are held out.
    ///
    /// # Errors
    /// If an option makes no sense, there is nothing to train on, a picture cannot be read, no view sees a splat, or more memory is expected than allowed.
    #[track_caller]
    pub fn new(capture: &Capture, options: SplatTrainOptions) -> Result<Self> {
        options.check()?;
        let plan = SplatTrainPlan::new(capture, &options);
        plan.check(&options)?;
        let of = |split: CaptureSplit, first: usize| {
            capture.of(split).enumerate().map(|(k, view)| LoadedView::read(view, first + k)).collect::<Result<Vec<_>>>()
        };
        let views = of(CaptureSplit::Train, 0)?;
        if views.is_empty() {
            return Err(Error::value("splat train: the capture has no views to train on; those held out are not learned from"));
        }
        let mut held_out = of(CaptureSplit::Test, views.len())?;
        if held_out.is_empty() {
            held_out = of(CaptureSplit::Validation, views.len())?;
        }
        let sights = views.iter().map(LoadedView::sight).collect::<Result<Vec<ViewCone>>>()?;
        let region = Region::of(&sights);
        let side = views.iter().map(|view| view.width.max(view.height)).min().unwrap_or(0);
        let mut coarse: Vec<Vec<LoadedView>> = Vec::new();
        for _ in 0..Stage::halvings(options.poses, side) {
            coarse.push(coarse.last().unwrap_or(&views).iter().map(LoadedView::halved).collect());
        }
        let rule = DrawRule { project: options.project.clone(), ..DrawRule::default() };
        let count = views.len();
        let mut trainer = Self {
            plan,
            rule,
            region,
            scene: LearnedSplats::new(Cloud::default()),
            points: capture.points.clone().filter(|points| !points.positions.is_empty()),
            step: 0,
            pictures: 0,
            stage: usize::MAX,
            begun: 0,
            twists: ViewNumbers::new(vec![0.0; 6 * count]),
            maps: ViewNumbers::new(NO_MAP.repeat(count)),
            visits: vec![0.0; count],
            epoch: None,
            views,
            coarse,
            held_out,
            options,
        };
        trainer.enter(0.0)?;
        let seen = |point: &[f32]| sights.iter().any(|s| s.project([0, 1, 2].map(|k| f64::from(point[k]))).is_some_and(inside));
        if !trainer.scene.read()?.columns[0].values.chunks_exact(3).any(seen) {
            return Err(Error::value("splat train: no view sees any of the first splats; cameras and points are apart"));
        }
        Ok(trainer)
    }

    /// The options.
    pub fn options(&self) -> &SplatTrainOptions {
        &self.options
    }

    /// Steps that are done.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// The same run on a device: columns, averages and pictures are there, and steps read next to nothing.
    ///
    /// The same adapter makes the same bits again. Its losses differ from the processor's by what f32 rounds; a run goes on on another device than it began.
    ///
    /// # Errors
    /// If the plan of the run is beyond a limit of the device, or it has no memory for the columns.
    #[track_caller]
    pub fn to(mut self, device: &Device) -> Result<Self> {
        self.plan.check_on(device)?;
        self.scene = self.scene.to(device)?;
        Ok(self)
    }

    /// How many splats there are.
    pub fn splat_count(&self) -> usize {
        self.scene.len()
    }

    /// How many views are learned from, and how many are held out.
    pub fn view_counts(&self) -> [usize; 2] {
        [self.views.len(), self.held_out.len()]
    }

    /// The scene as it is now.
    #[track_caller]
    pub fn splats(&self) -> Result<Splats> {
        self.scene.read()?.splats()
    }

    /// The next step, of those that the options say.
    #[track_caller]
    pub fn step(&mut self) -> Result<SplatStep> {
        self.step_at(self.step as f64 / self.options.steps as f64)
    }

    /// The next step of a run of which this part is over, from 0 to 1: what learning rates depend on.
    ///
    /// # Errors
    /// If there is no memory, or the loss is not finite any more.
    #[track_caller]
    pub fn step_at(&mut self, progress: f64) -> Result<SplatStep> {
        let stage = self.enter(progress)?;
        let mut done = self.look(stage, progress)?;
        for _ in 1..stage.pictures() {
            let next = self.look(stage, progress)?;
            // On a GPU the losses of some pictures are not read at once.
            done = if next.measured > 0 { next } else { SplatStep { loss: done.loss, measured: done.measured, ..next } };
        }
        self.step += 1;
        Ok(SplatStep { number: self.step, ..done })
    }

    /// Learns from the next picture.
    fn look(&mut self, stage: Stage, progress: f64) -> Result<SplatStep> {
        let progress = stage.progress(progress);
        let at = self.next_view();
        let coefficients = self.coefficients();
        self.scene.widen(coefficients)?;
        let seed = self.options.seed;
        let views = if stage.halvings == 0 { &self.views } else { &self.coarse[stage.halvings - 1] };
        let (view, step) = (&views[at], self.pictures);
        let refines = self.options.poses == PoseTraining::Refine;
        let twist: [f64; 6] = self.twists.row(at);
        let camera = view.camera_rows(&self.rule.project, refines.then_some((&twist, self.region.center)))?;
        let background = match self.options.background {
            _ if view.opaque => [0.0; 3],
            TrainBackground::Random => RandomDraws::new(seed, step, Purpose::Background).uniform3(0).map(|x| x as f32),
            fixed => fixed.measured(),
        };
        let affine = self.options.appearance == AppearanceTraining::Affine;
        let target = TargetPicture { colors: affine.then(|| map_of(&self.maps.row(at))), ..target_of(view, background) };
        let objective = &self.options.objective;
        let report = self.scene.run(&camera.numbers, (&self.rule, objective), &target, self.region.extent, refines)?;
        let (loss, measured) = self.scene.losses(step + 1, &report, objective)?;
        if !loss.total.is_finite() {
            return Err(self.not_finite());
        }
        self.pictures += 1;
        let rates = &self.options.rates;
        let total = self.options.steps as f64;
        let rate = |of: &ExponentialRate| match of.delay_steps > 0.0 {
            true => of.at(progress * total, total),
            false => of.at(progress, 1.0),
        };
        let means = rate(&rates.means) * self.region.extent;
        let mut of_harmonics = vec![rate(&rates.harmonics); 3 * coefficients];
        of_harmonics[..3].fill(rate(&rates.colors));
        let of =
            [&[means; 3][..], &[rate(&rates.rotations); 4], &[rate(&rates.log_scales); 3], &[rate(&rates.logits)], &of_harmonics];
        let adam = AdamRule { betas: self.options.betas, epsilon: self.options.epsilon, step: self.pictures - self.begun };
        self.scene.step(adam, of)?;
        self.visits[at] += 1.0;
        let visit = AdamRule { step: self.visits[at] as u64, ..adam };
        if let Some(gradient) = camera.twist_gradient(&report.camera)? {
            let step = PoseStep {
                rate: stage.pose_rate(&rates.poses, progress),
                radius: self.region.radius,
                lever: views[at].lever(&twist, self.region.center, report.depth)?,
                number: visit.step,
                epsilon: self.options.epsilon,
            };
            self.twists.step_pose(at, &step, &gradient);
        }
        if affine {
            let gradient: [f64; 12] = std::array::from_fn(|k| report.colors[k / 4][k % 4]);
            self.maps.step((at, visit), &gradient, &[rate(&rates.appearance); 12], &NO_MAP);
        }
        self.change_population(stage, progress, means)?;
        let (visible, pairs) = (report.visible, report.pairs);
        Ok(SplatStep { number: self.step, loss, measured, splats: self.scene.len(), visible, pairs })
    }

    fn not_finite(&self) -> Error {
        let words = format!("splat train: the loss of step {} is not finite any more: lower the learning rates", self.step + 1);
        Error::new(monotile::ErrorKind::NotConverged, words)
    }

    /// What follows a step: splats walk, move, are born and removed.
    #[track_caller]
    fn change_population(&mut self, stage: Stage, progress: f64, rate: f64) -> Result<()> {
        let (seed, step, most) = (self.options.seed, self.pictures, stage.splats(self.options.max_splats));
        let local = step - self.begun;
        let due = self.options.strategy.is_due(local, progress);
        let births = RandomDraws::new(seed, step, Purpose::Births);
        match &self.options.strategy {
            SplatStrategy::Mcmc(mcmc) => {
                if mcmc.noise > 0.0 {
                    self.scene.walk(mcmc, rate, &RandomDraws::new(seed, step, Purpose::Noise))?;
                }
                if due {
                    self.scene.change(|cloud, _| mcmc.change(cloud, most, &births))?;
                }
            }
            SplatStrategy::Densify(densify) => {
                if progress < densify.until {
                    let view = self.epoch.as_ref().map_or(0, |(_, order)| order[(step as usize - 1) % order.len()]);
                    let view = &self.views_of(stage)[view];
                    let size = [view.width, view.height];
                    self.scene.add_motion(size)?;
                }
                if due {
                    let at = (local, self.region.extent);
                    self.scene.change(|cloud, motion| densify.change(cloud, motion, at, most, &births))?;
                }
            }
        }
        Ok(())
    }

    /// The view of the next step: all of them in another order each epoch.
    fn next_view(&mut self) -> usize {
        let count = self.views.len() as u64;
        let epoch = self.pictures / count;
        if self.epoch.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let order = RandomDraws::new(self.options.seed, epoch, Purpose::Views).permutation(self.views.len());
            self.epoch = Some((epoch, order));
        }
        self.epoch.as_ref().map_or(0, |(_, order)| order[(self.pictures % count) as usize])
    }

    /// Coefficients of harmonics a channel in the next step.
    fn coefficients(&self) -> usize {
        let degree = ((self.pictures - self.begun) as usize / self.options.degree_every).min(self.options.degree);
        (degree + 1) * (degree + 1)
    }
}

fn inside([x, y]: [f64; 2]) -> bool {
    x.abs() <= 1.0 && y.abs() <= 1.0
}

fn map_of(numbers: &[f64; 12]) -> [[f32; 4]; 3] {
    std::array::from_fn(|i| std::array::from_fn(|k| numbers[4 * i + k] as f32))
}

fn target_of(view: &LoadedView, background: [f32; 3]) -> TargetPicture<'_> {
    let LoadedView { width, height, opaque, number, .. } = *view;
    let mask = view.mask.as_deref();
    TargetPicture { width, height, rgba: &view.rgba, opaque, mask, background, colors: None, view: number }
}
