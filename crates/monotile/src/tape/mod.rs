//! The tape: how tensors remember where they came from, and how gradients flow back.
//!
//! An operation computes its result, then calls [`Tensor::record`](crate::Tensor::record) with its inputs and its [`Gradient`] rule. Where no
//! input is on the tape nothing is kept. [`Tensor::backward`](crate::Tensor::backward), [`grad`] and [`vjp`] walk the recorded nodes from the last
//! to the first. Rules are written with differentiable operations, so that a walk that records ([`BackwardMode::Recorded`])
//! gives gradients that can be differentiated again. Such a walk refuses a rule that has left the tape, or is marked
//! [`once_differentiable`](Gradient::once_differentiable). [`checkpoint()`] trades memory for a second computation.
//! [`jacobian`], [`hessian`], [`jvp`] and [`hvp`] take a function and give its derivatives, [`batch_jacobian`] those of each row. They are on the
//! tape where their inputs are. [`batch_vjp`] pulls many cotangents back, and [`vmap`] calls a function for each slice.

// The page of `Tensor` has its parts in the order of these lines; blank ones keep rustfmt from sorting them.
mod backward;
mod node;

mod arguments;
mod batched;
mod check;
mod checkpoint;
mod dependence;
mod functional;
mod jacobians;

pub use arguments::FunctionInputs;
pub use backward::{BackwardMode, Gradients, grad, grad_recorded, vjp};
pub use batched::{batch_jacobian, batch_vjp, vmap};
pub use check::{CheckGradientOptions, check_gradient};
pub use checkpoint::checkpoint;
pub(crate) use dependence::note_read;
pub use functional::{hessian, hvp, jacobian, jacobian_forward, jvp};
pub(crate) use jacobians::{columns, rows};
pub(crate) use node::Origin;
pub use node::{Gradient, Saved};
