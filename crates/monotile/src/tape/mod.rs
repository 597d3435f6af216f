//! The tape: how tensors remember where they came from, and how gradients flow back.
//!
//! An operation computes its result, then calls [`Tensor::record`](crate::Tensor::record) with its inputs and its [`Gradient`] rule. Where no
//! input is on the tape nothing is kept. [`Tensor::backward`](crate::Tensor::backward), [`grad`] and [`vjp`] walk the recorded nodes from the last
//! to the first. Rules are written with differentiable operations, so that a walk that records ([`BackwardMode::Recorded`])
//! gives gradients that can be differentiated again. Such a walk refuses a rule that has left the tape, or is marked
//! [`once_differentiable`](Gradient::once_differentiable). [`checkpoint()`] trades memory for a second computation.
//! [`jacobian`], [`hessian`], [`jvp`] and [`hvp`] take a function and give its derivatives, [`batch_jacobian`] those of each row. [`vmap`] calls a
//! function for each slice.

// The page of `Tensor` has its parts in the order of these lines; blank ones keep rustfmt from sorting them.
mod backward;
mod node;

mod batched;
mod check;
mod checkpoint;
mod dependence;
mod functional;

pub use backward::{BackwardMode, Gradients, grad, grad_recorded, vjp};
pub use batched::{batch_jacobian, vmap};
pub use check::{CheckGradientOptions, check_gradient};
pub use checkpoint::checkpoint;
pub(crate) use dependence::note_read;
pub(crate) use functional::{columns, rows};
pub use functional::{hessian, hvp, jacobian, jacobian_forward, jvp};
pub(crate) use node::Origin;
pub use node::{Gradient, Saved};
