//! Optimizers: what turns gradients into the next parameters, schedules of their rates, and clipping; minimizers of functions.

mod adagrad;
mod adam;
mod adamw;
mod clip;
mod groups;
mod lbfgs;
mod levenberg_marquardt;
mod minimize;
mod optimizer;
mod rmsprop;
mod schedule;
mod sgd;

pub use adagrad::{Adagrad, AdagradOptions};
pub use adam::{Adam, AdamOptions};
pub use adamw::{AdamW, AdamWOptions, AdamWState};
pub use clip::{clip_gradient_values, clip_gradients, gradient_norm};
pub use groups::ParameterGroups;
pub use lbfgs::{LbfgsOptions, lbfgs};
pub use levenberg_marquardt::{LevenbergMarquardtOptions, levenberg_marquardt};
pub use minimize::{MinimizeStep, MinimizeStop, Minimized};
pub use optimizer::Optimizer;
pub use rmsprop::{RmsProp, RmsPropOptions};
pub use schedule::{Decay, Schedule};
pub use sgd::{Sgd, SgdOptions};

/// What the steps of optimizers write, as recorded formulas.
#[cfg(test)]
pub(crate) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    [adagrad::formulas(), adam::formulas(), adamw::formulas(), rmsprop::formulas(), sgd::formulas()].concat()
}
