//! Numbers that are not finite, which are never written.

use monotile::{Error, Result, Tensor};

/// A number of a tensor that is not finite, if there is one; integers are.
///
/// # Errors
/// If there is no memory for a copy, where one is needed.
///
/// # Cost
/// One read. A sum that overflows has the numbers looked at one by one.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// use monotile_adapters::not_finite;
/// assert_eq!(not_finite(&Tensor::from_rows(&[[1.0_f32, -2.0]])?)?, None);
/// assert_eq!(not_finite(&Tensor::from_rows(&[[1.0_f32, f32::INFINITY]])?)?, Some(f64::INFINITY));
/// # Ok::<(), monotile::Error>(())
/// ```
pub fn not_finite(tensor: &Tensor) -> Result<Option<f64>> {
    if !tensor.dtype().is_float() || tensor.is_empty() {
        return Ok(None);
    }
    let tensor = tensor.detach();
    if tensor.sum(&[], false)?.to_f64_vec()?.iter().all(|sum| sum.is_finite()) {
        return Ok(None);
    }
    Ok(tensor.to_f64_vec()?.into_iter().find(|x| !x.is_finite()))
}

/// Refuses to store a tensor that holds what is not finite; `given` is what was rounded to it.
pub(crate) fn check_stored(name: &str, given: &Tensor, stored: &Tensor) -> Result<()> {
    let Some(odd) = not_finite(stored)? else { return Ok(()) };
    Err(match not_finite(given)? {
        Some(own) => Error::value(format!("lora: tensor {name:?} would hold {own}; make numbers finite before they are written")),
        None => overflow(name, odd, stored),
    })
}

/// The error of a tensor that holds `odd` in its element type, and would not in a wider one.
pub(crate) fn overflow(name: &str, odd: f64, stored: &Tensor) -> Error {
    let dtype = stored.dtype();
    Error::value(format!("lora: tensor {name:?} would hold {odd} as {dtype}; choose an element type of larger numbers (--dtype)"))
}
