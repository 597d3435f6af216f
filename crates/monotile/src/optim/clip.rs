//! Shortening gradients that are too long.

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// The length of all gradients together: √Σ g² over every element of each.
///
/// One read of two numbers a gradient.
///
/// # Errors
/// For integers and booleans.
#[doc(alias = "get_total_norm")]
#[track_caller]
pub fn gradient_norm(gradients: &[Tensor]) -> Result<f64> {
    // The largest is taken out, so that squares neither overflow nor vanish.
    let mut parts = Vec::with_capacity(2 * gradients.len());
    for g in gradients.iter().filter(|g| !g.is_empty()) {
        let g = g.detach().to_compute_dtype("gradient_norm")?;
        let largest = g.abs()?.max(&[], false)?;
        let scaled = g.div(&largest)?.square()?.sum(&[], false)?;
        parts.extend([largest, scaled].map(|x| x.to_dtype(DType::F64)));
    }
    if parts.is_empty() {
        return Ok(0.0);
    }
    let parts = parts.into_iter().collect::<Result<Vec<_>>>()?;
    let numbers = Tensor::stack(&parts.iter().collect::<Vec<_>>(), 0)?.to_f64_vec()?;
    let mut sum = 0.0;
    for pair in numbers.chunks_exact(2) {
        match [pair[0], pair[1]] {
            // 0 / 0 is no number.
            [0.0, _] => {}
            [largest, _] if !largest.is_finite() => return Ok(largest),
            [largest, scaled] => sum += scaled * largest * largest,
        }
    }
    Ok(sum.sqrt())
}

/// Shortens the gradients together to length `limit` where they are longer, and returns their length before.
///
/// Each is multiplied by limit / length, which keeps the direction. A length that is infinite or NaN is returned and the
/// gradients stay as they are: there is no direction to keep.
///
/// # Errors
/// If `limit` is not above 0; for integers and booleans.
///
/// # Source
/// Pascanu, Mikolov and Bengio (2013), section 3.2.
///
/// # Example
/// ```
/// use monotile::{Tensor, optim::clip_gradients};
/// let mut gradients = vec![Tensor::from_slice(&[3.0_f64, 0.0], &[2])?, Tensor::scalar(4.0_f64)];
/// assert_eq!(clip_gradients(&mut gradients, 1.0)?, 5.0);
/// assert!((gradients[0].to_vec::<f64>()?[0] - 0.6).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "clip_grad_norm_")]
#[track_caller]
pub fn clip_gradients(gradients: &mut [Tensor], limit: f64) -> Result<f64> {
    // Positive comparison, so that a NaN is refused.
    if !(limit > 0.0) {
        return Err(Error::value(format!("clip_gradients: the limit must be above 0, got {limit}")));
    }
    let norm = gradient_norm(gradients)?;
    if norm > limit && norm.is_finite() {
        let shortened = gradients.iter().map(|g| g.mul_scalar(limit / norm)).collect::<Result<Vec<_>>>()?;
        gradients.clone_from_slice(&shortened);
    }
    Ok(norm)
}

/// Limits every element of the gradients to between −`limit` and `limit`, which may change their direction. NaN stays.
///
/// # Errors
/// If `limit` is not above 0; for booleans. No gradient has changed then.
///
/// # Example
/// ```
/// use monotile::{Tensor, optim::clip_gradient_values};
/// let mut gradients = vec![Tensor::from_slice(&[3.0_f64, -0.5], &[2])?, Tensor::scalar(-4.0_f64)];
/// clip_gradient_values(&mut gradients, 1.0)?;
/// assert_eq!(gradients[0].to_vec::<f64>()?, [1.0, -0.5]);
/// assert_eq!(gradients[1].item::<f64>()?, -1.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "clip_grad_value_")]
#[track_caller]
pub fn clip_gradient_values(gradients: &mut [Tensor], limit: f64) -> Result<()> {
    // Positive comparison, so that a NaN is refused.
    if !(limit > 0.0) {
        return Err(Error::value(format!("clip_gradient_values: the limit must be above 0, got {limit}")));
    }
    let clamped = gradients.iter().map(|g| g.clamp(-limit, limit)).collect::<Result<Vec<_>>>()?;
    gradients.clone_from_slice(&clamped);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_gradients_stay_and_long_ones_keep_their_direction() {
        let mut gradients = vec![Tensor::from_slice(&[0.3, 0.4], &[2]).unwrap()];
        assert!((clip_gradients(&mut gradients, 1.0).unwrap() - 0.5).abs() < 1e-15);
        assert_eq!(gradients[0].to_f64_vec().unwrap(), [0.3, 0.4]);
        clip_gradients(&mut gradients, 0.25).unwrap();
        assert!(gradients[0].to_f64_vec().unwrap().iter().zip([0.15, 0.2]).all(|(a, b)| (a - b).abs() < 1e-15));
    }

    #[test]
    fn lengths_neither_overflow_nor_vanish() {
        for size in [1e30_f32, 1e-30] {
            let g = Tensor::full(&[4], size).unwrap();
            assert!((gradient_norm(&[g]).unwrap() / (2.0 * f64::from(size)) - 1.0).abs() < 1e-6);
        }
        assert_eq!(
            gradient_norm(&[Tensor::zeros(&[3], DType::F32).unwrap(), Tensor::zeros(&[0], DType::F32).unwrap()]).unwrap(),
            0.0
        );
    }

    #[test]
    fn gradients_without_a_direction_are_left_alone() {
        let mut gradients = vec![Tensor::from_slice(&[f64::NAN, 1.0], &[2]).unwrap()];
        assert!(clip_gradients(&mut gradients, 1.0).unwrap().is_nan());
        assert_eq!(gradients[0].to_f64_vec().unwrap()[1], 1.0);
        let words = clip_gradients(&mut gradients, 0.0).unwrap_err().to_string();
        assert_eq!(words, "clip_gradients: the limit must be above 0, got 0");
    }

    #[test]
    fn elements_are_limited_one_by_one_and_nan_stays() {
        let mut gradients = vec![Tensor::from_slice(&[f32::NAN, 2.0, -9.0, 0.5, f32::INFINITY], &[5]).unwrap()];
        clip_gradient_values(&mut gradients, 1.0).unwrap();
        let clipped = gradients[0].to_f64_vec().unwrap();
        assert!(clipped[0].is_nan() && gradients[0].dtype() == DType::F32);
        assert_eq!(clipped[1..], [1.0, -1.0, 0.5, 1.0]);
        let words = clip_gradient_values(&mut gradients, f64::NAN).unwrap_err().to_string();
        assert_eq!(words, "clip_gradient_values: the limit must be above 0, got NaN");
    }
}
