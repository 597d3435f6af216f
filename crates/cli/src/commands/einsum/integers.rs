//! Contractions of integers, which are exact or refused.
//!
//! Where every operand holds integers, so does the result. It is computed in f64, which adds and multiplies integers exactly
//! up to 2^53. Every product and every partial sum, in whatever order, is at most
//!
//!     the product of the largest sizes in the operands  x  the number of terms that an element of the result sums
//!
//! so one comparison beforehand says whether the result is exact.

use monotile::{DType, Tensor};

use super::super::files::{self, EXACT};
use crate::command_error::CommandError;

/// The operands as floating-point numbers, and whether the result is to be integers again.
pub fn prepare(names: &[String], tensors: Vec<Tensor>, terms: f64) -> Result<(Vec<Tensor>, bool), CommandError> {
    let exact = tensors.iter().all(|tensor| !tensor.dtype().is_float());
    if exact {
        let mut bound = terms.max(1.0);
        for tensor in &tensors {
            bound *= files::largest(tensor)?.max(1) as f64;
        }
        if !(bound <= EXACT as f64) {
            let fault = format!("sums of these integers may reach {bound:.3e}, and only those up to 2^53 are computed exactly");
            return Err(
                CommandError::new(format!("einsum: {fault}")).hint("save one of the arrays as float64 if rounded sums will do")
            );
        }
    }
    let floating = names.iter().zip(tensors).map(|(name, tensor)| files::floating(name, tensor));
    Ok((floating.collect::<Result<_, _>>()?, exact))
}

/// The result of operands that were integers, as integers.
pub fn restore(result: Tensor, exact: bool) -> monotile::Result<Tensor> {
    if exact { result.to_dtype(DType::I64) } else { Ok(result) }
}
