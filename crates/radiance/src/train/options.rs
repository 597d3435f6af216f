//! What a run is told.

use monotile::{Error, Result};

use super::initial::InitialSplats;
use super::objective::SplatObjective;
use super::population::{Densify, Mcmc, SplatStrategy};
use super::schedule::SplatRates;
use crate::project::ProjectOptions;

/// What is behind pictures that are transparent somewhere, while a scene learns from them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TrainBackground {
    /// Black: splats may hide it by nothing.
    #[default]
    Black,
    /// White.
    White,
    /// Another colour in each step, so that what is transparent is learned as such.
    Random,
}

impl TrainBackground {
    /// `black`, `white` or `random`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Black => "black",
            Self::White => "white",
            Self::Random => "random",
        }
    }

    /// What pictures are measured on: black where it is random.
    pub(crate) fn measured(self) -> [f32; 3] {
        if self == Self::White { [1.0; 3] } else { [0.0; 3] }
    }
}

/// Whether the cameras' poses are learned, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PoseTraining {
    /// They are as they are given.
    #[default]
    Fixed,
    /// Each is moved by a twist; the mean of all twists is held at 0.
    Refine,
}

/// Whether views may differ in their colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AppearanceTraining {
    /// They do not.
    #[default]
    None,
    /// Each has an affine map of colours; the mean of all maps is held at the identity.
    Affine,
}

/// How a scene of splats is learned.
#[derive(Debug, Clone, PartialEq)]
pub struct SplatTrainOptions {
    /// Steps, of a view each.
    pub steps: usize,
    /// The most splats there are at any time.
    pub max_splats: usize,
    /// The most bytes that a run is expected to take; more is refused before it begins.
    pub memory: Option<u64>,
    /// How the population changes.
    pub strategy: SplatStrategy,
    /// What it begins with.
    pub initial: InitialSplats,
    /// What is made small.
    pub objective: SplatObjective,
    /// By which steps.
    pub rates: SplatRates,
    /// The degree of the harmonics in the end, from 0 to 3.
    pub degree: usize,
    /// Steps after which the degree goes up by one, from 0.
    pub degree_every: usize,
    /// What is behind transparent pictures.
    pub background: TrainBackground,
    /// Whether poses are learned.
    pub poses: PoseTraining,
    /// Whether views have colours of their own.
    pub appearance: AppearanceTraining,
    /// How splats are projected.
    pub project: ProjectOptions,
    /// The decays of Adam's averages.
    pub betas: [f64; 2],
    /// What Adam adds to the root of the second one.
    pub epsilon: f64,
    /// Of all that is random.
    pub seed: u64,
}

impl Default for SplatTrainOptions {
    fn default() -> Self {
        Self {
            steps: 7000,
            max_splats: 20_000,
            memory: None,
            strategy: SplatStrategy::default(),
            initial: InitialSplats::default(),
            objective: SplatObjective::default(),
            rates: SplatRates::default(),
            degree: 3,
            degree_every: 1000,
            background: TrainBackground::default(),
            poses: PoseTraining::default(),
            appearance: AppearanceTraining::default(),
            project: ProjectOptions::mip(),
            betas: [0.9, 0.999],
            epsilon: 1e-15,
            seed: 0,
        }
    }
}

/// The fewest splats that a budget may name.
const LEAST_SPLATS: usize = 8;

impl SplatTrainOptions {
    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// `Value`, naming the first that does not.
    #[track_caller]
    pub fn check(&self) -> Result<()> {
        let refuse = |words: String| Err(Error::value(format!("splat train: {words}")));
        if self.steps == 0 {
            return refuse("takes 1 step or more, not 0".into());
        }
        if self.max_splats < LEAST_SPLATS || self.max_splats >= 1 << 31 {
            let most = self.max_splats;
            return refuse(format!("the budget is {LEAST_SPLATS} splats or more and fewer than 2^31, not {most}"));
        }
        if self.degree > 3 {
            return refuse(format!("harmonics have a degree of 0 to 3, not {}", self.degree));
        }
        if self.degree_every == 0 {
            return refuse("the degree goes up after 1 step or more, not 0".into());
        }
        let InitialSplats { count, opacity, scale } = self.initial;
        if count == 0 {
            return refuse("begins with 1 splat or more, not 0".into());
        }
        if !(opacity > 0.0 && opacity < 1.0 && scale > 0.0 && scale.is_finite()) {
            return refuse(format!("splats begin with an opacity between 0 and 1 and a scale above 0, not {opacity} and {scale}"));
        }
        let fit = self.betas.iter().all(|beta| (0.0..1.0).contains(beta)) && self.epsilon > 0.0 && self.epsilon.is_finite();
        if !fit {
            let (betas, epsilon) = (self.betas, self.epsilon);
            return refuse(format!("betas are at least 0 and below 1 and epsilon is above 0, not {betas:?} and {epsilon:e}"));
        }
        match &self.strategy {
            SplatStrategy::Mcmc(Mcmc { growth, least_opacity, noise, .. })
                if !(*growth >= 1.0 && (0.0..1.0).contains(least_opacity) && *noise >= 0.0) =>
            {
                return refuse(format!(
                    "mcmc has a growth of 1 or more, a least opacity from 0 to below 1 and noise of 0 or more, not {growth}, {least_opacity} and {noise}"
                ));
            }
            SplatStrategy::Densify(Densify { gradient, .. }) if gradient.is_nan() || *gradient < 0.0 => {
                return refuse(format!("densify has a gradient of 0 or more, not {gradient}"));
            }
            _ => {}
        }
        self.objective.check()
    }

    /// All that must be the same where a run is resumed, as text.
    pub(crate) fn settings(&self) -> String {
        // Memory bounds a run and changes nothing in it.
        format!("{:?}", Self { memory: None, ..self.clone() })
    }
}
