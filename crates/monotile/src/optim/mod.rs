//! Optimizers: what turns gradients into the next parameters.

mod adamw;

pub use adamw::{AdamW, AdamWOptions, AdamWState};
