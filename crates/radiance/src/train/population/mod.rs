//! How many splats there are, and where: a change is computed as data, which [`Cloud::apply`](super::cloud::Cloud) carries out.

mod densify;
mod mcmc;

pub use densify::Densify;
pub use mcmc::{Mcmc, relocation};

pub(crate) use densify::ScreenMotion;

/// The logistic function's inverse.
pub(crate) fn logit(opacity: f64) -> f64 {
    (opacity / (1.0 - opacity)).ln()
}

/// The logistic function.
pub(crate) fn opacity(logit: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(logit)).exp())
}

/// Rows of the matrix of a quaternion x, y, z, w.
pub(crate) fn rotation(q: &[f32]) -> [[f64; 3]; 3] {
    let [x, y, z, w] = [0, 1, 2, 3].map(|k| f64::from(q[k]));
    let scale = 2.0 / (x * x + y * y + z * z + w * w);
    [
        [1.0 - scale * (y * y + z * z), scale * (x * y - w * z), scale * (x * z + w * y)],
        [scale * (x * y + w * z), 1.0 - scale * (x * x + z * z), scale * (y * z - w * x)],
        [scale * (x * z - w * y), scale * (y * z + w * x), 1.0 - scale * (x * x + y * y)],
    ]
}

/// How a population changes in the course of training.
#[derive(Debug, Clone, PartialEq)]
pub enum SplatStrategy {
    /// A budget, within which faint splats are moved to where others are.
    Mcmc(Mcmc),
    /// Splats that move much are doubled or split, faint ones removed.
    Densify(Densify),
}

impl Default for SplatStrategy {
    fn default() -> Self {
        Self::Mcmc(Mcmc::default())
    }
}

impl SplatStrategy {
    /// Whether the population changes after this many steps.
    pub(crate) fn is_due(&self, step: u64, progress: f64) -> bool {
        let (first, every, until) = match self {
            Self::Mcmc(Mcmc { first, every, until, .. }) => (*first, *every, *until),
            Self::Densify(Densify { first, every, until, .. }) => (*first, *every, *until),
        };
        every > 0 && step >= first && step.is_multiple_of(every) && progress < until
    }
}
