//! Shortening gradients that are too long.

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// The length of all gradients together, √Σ g² over every element of each: a scalar, f64 where one of them is and f32 else.
///
/// It is infinite or NaN where an element is. Nothing is read back: a step that only clips never waits for its device.
///
/// # Errors
/// For integers and booleans.
#[doc(alias = "get_total_norm")]
#[track_caller]
pub fn gradient_norm(gradients: &[Tensor]) -> Result<Tensor> {
    let dtype = if gradients.iter().any(|g| g.dtype() == DType::F64) { DType::F64 } else { DType::F32 };
    let (mut largest, mut squares) = (Vec::with_capacity(gradients.len()), Vec::with_capacity(gradients.len()));
    for g in gradients.iter().filter(|g| !g.is_empty()) {
        // The largest is taken out, so that squares neither overflow nor vanish.
        let g = g.detach().to_compute_dtype("gradient_norm")?;
        let top = g.abs()?.max(&[], false)?;
        squares.push(g.div(&top)?.square()?.sum(&[], false)?.to_dtype(dtype)?);
        largest.push(top.to_dtype(dtype)?);
    }
    if largest.is_empty() {
        return Tensor::zeros(&[], dtype);
    }
    let [largest, squares] = [largest, squares].map(|x| Tensor::stack(&x.iter().collect::<Vec<_>>(), 0));
    let (largest, squares, zero) = (largest?, squares?, Tensor::scalar_as(0.0, dtype));
    let top = largest.max(&[], false)?;
    // 0 / 0 is no number: a gradient of zeros adds nothing.
    let terms = squares.mul(&largest.div(&top)?.square()?)?;
    let sum = largest.eq(&zero)?.where_(&zero, &terms)?.sum(&[], false)?;
    let finite = top.isfinite()?.where_(&sum.sqrt()?.mul(&top)?, &top)?;
    top.eq(&zero)?.where_(&zero, &finite)
}

/// Shortens the gradients together to length `limit` where they are longer, and returns their length before, a scalar.
///
/// Each is multiplied by limit / length, which keeps the direction. Where that length is infinite or NaN the gradients stay as they
/// are: there is no direction to keep. Nothing is read back, so that a step on another device goes on; `item` reads the length.
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
/// assert_eq!(clip_gradients(&mut gradients, 1.0)?.item::<f64>()?, 5.0);
/// assert!((gradients[0].to_vec::<f64>()?[0] - 0.6).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "clip_grad_norm_")]
#[track_caller]
pub fn clip_gradients(gradients: &mut [Tensor], limit: f64) -> Result<Tensor> {
    // Positive comparison, so that a NaN is refused.
    if !(limit > 0.0) {
        return Err(Error::value(format!("clip_gradients: the limit must be above 0, got {limit}")));
    }
    let norm = gradient_norm(gradients)?;
    let [limit, one] = [limit, 1.0].map(|x| Tensor::scalar_as(x, norm.dtype()));
    let long = norm.gt(&limit)?.and(&norm.isfinite()?)?;
    let factor = long.where_(&limit.div(&norm)?, &one)?;
    let shortened = gradients.iter().map(|g| g.mul(factor.to_dtype(g.dtype())?)).collect::<Result<Vec<_>>>()?;
    gradients.clone_from_slice(&shortened);
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
        assert!((clip_gradients(&mut gradients, 1.0).unwrap().item::<f64>().unwrap() - 0.5).abs() < 1e-15);
        assert_eq!(gradients[0].to_f64_vec().unwrap(), [0.3, 0.4]);
        clip_gradients(&mut gradients, 0.25).unwrap();
        assert!(gradients[0].to_f64_vec().unwrap().iter().zip([0.15, 0.2]).all(|(a, b)| (a - b).abs() < 1e-15));
    }

    #[test]
    fn lengths_neither_overflow_nor_vanish() {
        for size in [1e30_f32, 1e-30] {
            let g = Tensor::full(&[4], size).unwrap();
            let norm = gradient_norm(&[g]).unwrap().item::<f32>().unwrap();
            assert!((norm / (2.0 * size) - 1.0).abs() < 1e-6);
        }
        // The shorter of two is far below the square root of what f32 holds, and counts nothing; zeros count nothing.
        let mixed =
            [Tensor::full(&[4], 1e30_f32), Tensor::full(&[4], 1e-30_f32), Tensor::zeros(&[3], DType::F32)].map(Result::unwrap);
        assert!((gradient_norm(&mixed).unwrap().item::<f32>().unwrap() / 2e30 - 1.0).abs() < 1e-6);
        let none = [Tensor::zeros(&[3], DType::F32).unwrap(), Tensor::zeros(&[0], DType::F32).unwrap()];
        assert_eq!(gradient_norm(&none).unwrap().item::<f32>().unwrap(), 0.0);
        assert_eq!(gradient_norm(&[]).unwrap().item::<f32>().unwrap(), 0.0);
    }

    #[test]
    fn gradients_without_a_direction_are_left_alone() {
        let mut gradients = vec![Tensor::from_slice(&[f64::NAN, 1.0], &[2]).unwrap()];
        assert!(clip_gradients(&mut gradients, 1.0).unwrap().item::<f64>().unwrap().is_nan());
        assert_eq!(gradients[0].to_f64_vec().unwrap()[1], 1.0);
        let mut gradients = [vec![f32::INFINITY, -2.0], vec![1.0, 3.0]].map(|x| Tensor::from_vec(x, &[2]).unwrap());
        assert_eq!(clip_gradients(&mut gradients, 1.0).unwrap().item::<f32>().unwrap(), f32::INFINITY);
        assert_eq!(gradients[0].to_f64_vec().unwrap(), [f64::INFINITY, -2.0]);
        assert_eq!(gradients[1].to_f64_vec().unwrap(), [1.0, 3.0]);
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
