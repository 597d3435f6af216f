//! What the minimizers share: their events, their results, and parameters as one list of numbers on the host.

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// A step that a minimizer has taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinimizeStep {
    /// The steps so far, 1 for the first.
    pub step: usize,
    /// The function's value after the step.
    pub value: f64,
    /// The largest part of the gradient after the step.
    pub largest_gradient: f64,
    /// The evaluations of the function so far.
    pub evaluations: usize,
}

/// Why a minimizer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinimizeStop {
    /// No part of the gradient exceeds the tolerance.
    Gradient,
    /// The last step changed the value or the parameters by less than the tolerance.
    Change,
    /// All steps are taken; the minimum may lie further on.
    Steps,
    /// No step goes down: rounding hides the descent, or the gradient is wrong.
    NoDescent,
    /// The caller has stopped it.
    Caller,
}

/// Where a minimizer ended.
#[derive(Clone)]
pub struct Minimized {
    /// Plain tensors like those of the start.
    pub parameters: Vec<Tensor>,
    /// The function's value there.
    pub value: f64,
    /// The largest part of the gradient there.
    pub largest_gradient: f64,
    /// The steps taken.
    pub steps: usize,
    /// The evaluations of the function.
    pub evaluations: usize,
    /// Why it ended.
    pub stop: MinimizeStop,
}

/// The shapes and dtypes of parameters, whose values lie one after another in a list.
pub(super) struct ListedParameters<'a>(&'a [Tensor]);

impl<'a> ListedParameters<'a> {
    /// Refuses parameters that are not f32 or f64.
    #[track_caller]
    pub fn new(op: &str, start: &'a [Tensor]) -> Result<Self> {
        if let Some((i, x)) = start.iter().enumerate().find(|(_, x)| !matches!(x.dtype(), DType::F32 | DType::F64)) {
            return Err(Error::dtype(format!("{op}: parameter {i} is {}; minimize over f32 or f64", x.dtype())));
        }
        Ok(Self(start))
    }

    /// The values at the start.
    #[track_caller]
    pub fn start(&self) -> Result<Vec<f64>> {
        flat(self.0)
    }

    /// Tensors of these values.
    #[track_caller]
    pub fn tensors(&self, x: &[f64]) -> Result<Vec<Tensor>> {
        let mut rest = x;
        let mut tensors = Vec::with_capacity(self.0.len());
        for like in self.0 {
            let (own, others) = rest.split_at(like.len());
            rest = others;
            tensors.push(Tensor::from_slice(own, like.shape())?.to_dtype(like.dtype())?);
        }
        Ok(tensors)
    }
}

/// The values of all tensors, one after another.
#[track_caller]
pub(super) fn flat(tensors: &[Tensor]) -> Result<Vec<f64>> {
    let mut values = Vec::new();
    for x in tensors {
        values.extend(x.to_f64_vec()?);
    }
    Ok(values)
}

/// The single number that a function returned.
#[track_caller]
pub(super) fn number(op: &str, y: &Tensor) -> Result<f64> {
    if y.len() != 1 || !y.dtype().is_float() {
        let (dtype, shape) = (y.dtype(), y.shape());
        return Err(Error::shape(format!(
            "{op}: the function must return a single floating-point number, got {dtype} of shape {shape:?}"
        )));
    }
    Ok(y.to_f64_vec()?[0])
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The largest absolute value; NaN if there is one.
pub(super) fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m: f64, x| if m.is_nan() || x.is_nan() { f64::NAN } else { m.max(x.abs()) })
}
