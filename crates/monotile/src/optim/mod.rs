//! Optimizers: what turns gradients into the next parameters, schedules of their rates, and clipping; minimizers of functions.

pub(crate) mod adamw;
mod clip;
mod lbfgs;
mod levenberg_marquardt;
mod minimize;
mod schedule;
mod sgd;

pub use adamw::{AdamW, AdamWOptions, AdamWState};
pub use clip::{clip_gradient_values, clip_gradients, gradient_norm};
pub use lbfgs::{LbfgsOptions, lbfgs};
pub use levenberg_marquardt::{LevenbergMarquardtOptions, levenberg_marquardt};
pub use minimize::{MinimizeStep, MinimizeStop, Minimized};
pub use schedule::{Decay, Schedule};
pub use sgd::{Sgd, SgdOptions};
