//! Optimizers: what turns gradients into the next parameters, schedules of their rates, and clipping.

pub(crate) mod adamw;
mod clip;
mod schedule;
mod sgd;

pub use adamw::{AdamW, AdamWOptions, AdamWState};
pub use clip::{clip_gradients, gradient_norm};
pub use schedule::{Decay, Schedule};
pub use sgd::{Sgd, SgdOptions};
