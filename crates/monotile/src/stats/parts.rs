//! What the types here share: shapes of arguments, positions, roots of covariances.

use crate::check;
use crate::error::{Error, ErrorKind, Result};
use crate::linalg::{cholesky, eigh};
use crate::tensor::operand::OperandValue;
use crate::tensor::{DType, Tensor};

/// The argument, computable, if it has this shape; sizes of `None` may be anything.
#[track_caller]
pub(super) fn argument(op: &str, what: &str, x: &Tensor, shape: &[(&str, Option<usize>)]) -> Result<Tensor> {
    if x.rank() != shape.len() {
        return Err(misshapen(op, what, x, shape));
    }
    batched_argument(op, what, x, shape)
}

/// The argument, computable, if its last dimensions have this shape.
#[track_caller]
pub(super) fn batched_argument(op: &str, what: &str, x: &Tensor, shape: &[(&str, Option<usize>)]) -> Result<Tensor> {
    let last = x.rank().checked_sub(shape.len()).map(|leading| &x.shape()[leading..]);
    let fits = last.is_some_and(|last| shape.iter().zip(last).all(|((_, size), &n)| size.is_none_or(|size| size == n)));
    if fits { x.to_compute_dtype(op) } else { Err(misshapen(op, what, x, shape)) }
}

#[track_caller]
fn misshapen(op: &str, what: &str, x: &Tensor, shape: &[(&str, Option<usize>)]) -> Error {
    let sizes: Vec<String> = shape.iter().map(|(name, size)| size.map_or(name.to_string(), |n| n.to_string())).collect();
    Error::shape(format!("{op}: {what} must have shape [{}], got {:?}", sizes.join(", "), x.shape()))
}

/// Parameters of a distribution as tensors of one type: numbers take that of a tensor among them, and of numbers alone the widest, at least f32.
#[track_caller]
pub(super) fn parameters<const N: usize>(op: &str, given: [OperandValue<'_>; N]) -> Result<[Tensor; N]> {
    let tensors = given.iter().filter_map(|x| if let OperandValue::Tensor(x) = x { Some(*x) } else { None });
    let tensors: Vec<&Tensor> = tensors.collect();
    let dtype = match tensors.is_empty() {
        false => check::common_float_of(op, &tensors)?,
        true if given.iter().all(|x| matches!(x, OperandValue::Float(_, DType::F32))) => DType::F32,
        true => DType::F64,
    };
    let mut found = Vec::with_capacity(N);
    for x in given {
        found.push(x.beside(op, dtype)?.to_dtype(dtype)?);
    }
    Ok(found.try_into().unwrap_or_else(|_| unreachable!("as many as were given")))
}

/// Refuses what is not above 0, in one read of one number.
#[track_caller]
pub(super) fn check_above_zero(op: &str, what: &str, x: &Tensor) -> Result<()> {
    // Positive comparison, so that a NaN is refused.
    match least(x)? {
        Some(least) if !(least > 0.0) => Err(Error::value(format!("{op}: {what} must be above 0, got {least}"))),
        _ => Ok(()),
    }
}

/// Refuses NaN, in one read of one number.
#[track_caller]
pub(super) fn check_real(op: &str, what: &str, x: &Tensor) -> Result<()> {
    match least(x)? {
        Some(least) if least.is_nan() => Err(Error::value(format!("{op}: {what} must be a number, got NaN"))),
        _ => Ok(()),
    }
}

/// The least element, NaN if there is one; none of no elements.
#[track_caller]
pub(super) fn least(x: &Tensor) -> Result<Option<f64>> {
    if x.is_empty() { Ok(None) } else { Ok(x.detach().min(&[], false)?.to_f64_vec()?.first().copied()) }
}

/// Indices as a tensor, if each is below `n` and none stands twice.
#[track_caller]
pub(super) fn positions(op: &str, indices: &[usize], n: usize) -> Result<Tensor> {
    let mut seen = vec![false; n];
    for &i in indices {
        match seen.get_mut(i) {
            Some(seen) if !*seen => *seen = true,
            Some(_) => return Err(Error::value(format!("{op}: index {i} is named twice"))),
            None => return Err(Error::value(format!("{op}: index {i} is outside a vector of {n}"))),
        }
    }
    let indices: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
    let len = indices.len();
    Tensor::from_vec(indices, &[len])
}

/// A root L of a covariance, L Lᵀ: Cholesky's, or, where the matrix is singular, one by its eigenvectors, without a gradient.
#[track_caller]
pub(super) fn root(op: &str, what: &str, covariance: &Tensor) -> Result<Tensor> {
    match cholesky(covariance) {
        Err(error) if error.kind() == ErrorKind::NotPositiveDefinite => {
            let found = eigh(&covariance.detach())?;
            let values = found.values.to_f64_vec()?;
            let largest = values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            let rounding = 8.0 * values.len() as f64 * covariance.dtype().epsilon() * largest;
            if let Some(negative) = values.iter().find(|&&x| x < -rounding) {
                let why = format!("{op}: {what} has the negative eigenvalue {negative}; a covariance has none");
                return Err(Error::new(ErrorKind::NotPositiveDefinite, why));
            }
            found.vectors.mul(&found.values.clamp(0.0, f64::INFINITY)?.sqrt()?.unsqueeze(-2)?)
        }
        other => other.map_err(|error| error.with_context(format!("{op}: {what}"))),
    }
}

/// Numbers in the type of a computation.
#[track_caller]
pub(super) fn constant(values: &[f64], shape: &[usize], dtype: DType) -> Result<Tensor> {
    Tensor::from_slice(values, shape)?.to_dtype(dtype)
}

/// A number with this many significant digits, by a power of ten where it is very large or small.
pub(super) fn significant(x: f64, digits: usize) -> String {
    let size = if x == 0.0 { 0 } else { x.abs().log10().floor() as i32 };
    if !x.is_finite() || x == 0.0 {
        format!("{x}")
    } else if (-4..digits as i32).contains(&size) {
        format!("{x:.*}", (digits as i32 - 1 - size) as usize)
    } else {
        format!("{x:.*e}", digits - 1)
    }
}
