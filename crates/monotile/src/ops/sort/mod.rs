//! Sorting, selecting and counting. Everywhere here NaN comes after all numbers and is one value, -0 equals 0, and equal elements keep their order.

// The page of `Tensor` has its parts in the order of these lines; blank ones keep rustfmt from sorting them.
mod order;

mod extremes;
mod quantile;

mod search;

mod mask;

mod histogram;
mod unique;

use crate::error::{Error, Result};
use crate::tensor::Tensor;
pub use quantile::QuantileLevels;
pub use unique::Unique;

/// The elements unrecorded and contiguous, with an axis exchanged for the last one.
#[track_caller]
fn rows(op: &str, x: &Tensor, axis: usize) -> Result<Tensor> {
    exchanged(&x.detach(), axis)?.contiguous_detached(op)
}

/// A view with an axis exchanged for the last one.
#[track_caller]
fn exchanged(x: &Tensor, axis: usize) -> Result<Tensor> {
    x.transpose(axis as isize, -1)
}

/// Refuses an axis without elements.
#[track_caller]
fn not_empty(op: &str, x: &Tensor, axis: usize) -> Result<()> {
    if x.shape()[axis] > 0 {
        return Ok(());
    }
    Err(Error::shape(format!("{op}: axis {axis} of shape {:?} has no elements to choose from", x.shape())))
}

/// The elements of an axis at places that have size 1 there, and the places; the axis stays or not.
#[track_caller]
fn picked(x: &Tensor, axis: usize, places: &Tensor, keepdim: bool) -> Result<(Tensor, Tensor)> {
    let axis = axis as isize;
    let value = x.gather(axis, places)?;
    Ok(if keepdim { (value, places.clone()) } else { (value.squeeze(axis)?, places.squeeze(axis)?) })
}

/// The specs of every operation here.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all =
        [extremes::specs(), histogram::specs(), mask::specs(), order::specs(), quantile::specs(), search::specs(), unique::specs()];
    all.into_iter().flatten().collect()
}
