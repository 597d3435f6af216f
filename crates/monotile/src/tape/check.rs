//! The gradient checker: derivatives by rule against central differences.

use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tape::{BackwardMode, vjp};
use crate::tensor::{DType, Tensor};

/// How [`check_gradient`] compares.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckGradientOptions {
    /// Random directions that are tried.
    pub directions: usize,
    /// The largest difference accepted, relative to max(1, |derivative|).
    pub tolerance: f64,
    /// 1 to check the rule, 2 to check the rule of the rule as well.
    pub order: usize,
    /// Of the random directions.
    pub seed: u64,
}

impl Default for CheckGradientOptions {
    fn default() -> Self {
        Self { directions: 3, tolerance: 1e-6, order: 1, seed: 0 }
    }
}

/// Compares the gradient of `f` at `inputs` (f64) with central differences along random directions.
///
/// With random cotangents w and directions v, d/dt Σ ⟨w, f(x + t v)⟩ at t = 0 is taken by difference,
/// (φ(h) - φ(-h)) / 2h with h = ε^(1/3), and as ⟨vjp(w), v⟩. Order 2 checks the vjp itself in the same way, with a tolerance
/// a hundred times wider, because the difference quotient is then of a quantity with more rounding.
///
/// Order 1 tells nothing of a rule that computes off the tape. Order 2 does: the recorded walk refuses such a rule, as it refuses one that is
/// marked [`once_differentiable`](super::Gradient::once_differentiable).
///
/// Inputs that are not floating point are held fixed.
///
/// # Errors
/// The first disagreement, with both derivatives; or what `f` returns.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::{check_gradient, CheckGradientOptions}};
/// let x = Tensor::from_vec(vec![0.5_f64, 2.0], &[2])?;
/// check_gradient(|x| Ok(vec![x[0].ln()?]), &[x], &CheckGradientOptions { order: 2, ..Default::default() })?;
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "gradcheck")]
#[doc(alias = "gradgradcheck")]
#[track_caller]
pub fn check_gradient(
    f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    inputs: &[Tensor],
    options: &CheckGradientOptions,
) -> Result<()> {
    check_order(&f, inputs, options, 1)
}

#[track_caller]
fn check_order(
    f: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    inputs: &[Tensor],
    options: &CheckGradientOptions,
    order: usize,
) -> Result<()> {
    let mut rng = Rng::new(options.seed).fork(order as u64);
    if let Some(x) = inputs.iter().find(|x| x.dtype().is_float() && x.dtype() != DType::F64) {
        return Err(Error::dtype(format!("check_gradient: differences need f64, got an input of {}", x.dtype())));
    }
    let outputs = f(inputs)?;
    let mut weights = Vec::new();
    for y in &outputs {
        weights.push(rng.normal(y.shape(), DType::F64)?);
    }
    // φ(x) = Σ ⟨w, f(x)⟩
    let phi = |x: &[Tensor]| -> Result<f64> {
        f(x)?.iter().zip(&weights).filter(|(y, _)| y.dtype().is_float()).map(|(y, w)| inner(y, w)).sum()
    };
    let pulled = directional_vjp(f, inputs, &weights, BackwardMode::Plain)?;

    for direction in 0..options.directions {
        let mut by_rule = 0.0;
        let (mut ahead, mut behind) = (Vec::new(), Vec::new());
        let mut largest = 1.0_f64;
        for x in inputs.iter().filter(|x| x.dtype() == DType::F64) {
            largest = x.to_f64_vec()?.iter().fold(largest, |m, x| m.max(x.abs()));
        }
        let h = f64::EPSILON.cbrt() * largest;
        for (x, gradient) in inputs.iter().zip(&pulled) {
            if x.dtype() != DType::F64 {
                ahead.push(x.clone());
                behind.push(x.clone());
                continue;
            }
            let v = rng.normal(x.shape(), DType::F64)?;
            if let Some(g) = gradient {
                by_rule += inner(g, &v)?;
            }
            ahead.push(x.add(&v.mul_scalar(h)?)?);
            behind.push(x.sub(&v.mul_scalar(h)?)?);
        }
        let by_difference = (phi(&ahead)? - phi(&behind)?) / (2.0 * h);
        let tolerance = if order == 1 { options.tolerance } else { options.tolerance * 100.0 };
        let difference = (by_rule - by_difference).abs();
        // Positive comparison, so that a NaN fails.
        if !(difference <= tolerance * by_difference.abs().max(1.0)) {
            let which = if order == 1 { "gradient" } else { "second gradient" };
            return Err(Error::value(format!(
                "check_gradient: along direction {direction} the {which} is {by_rule:.9e} by its rule and {by_difference:.9e} by difference"
            )));
        }
    }

    if order < options.order {
        let rule = |x: &[Tensor]| -> Result<Vec<Tensor>> {
            let recorded = x.iter().any(Tensor::is_recorded);
            let pulled = directional_vjp(f, x, &weights, if recorded { BackwardMode::Recorded } else { BackwardMode::Plain })?;
            let zero = |x: &Tensor| x.zeros_like();
            Ok(pulled
                .into_iter()
                .zip(x)
                .filter(|(_, x)| x.dtype() == DType::F64)
                .map(|(g, x)| g.unwrap_or_else(|| zero(x)))
                .collect())
        };
        check_order(&rule, inputs, options, order + 1)?;
    }
    Ok(())
}

/// ⟨x, y⟩
#[track_caller]
fn inner(x: &Tensor, y: &Tensor) -> Result<f64> {
    Ok(x.to_f64_vec()?.iter().zip(y.to_f64_vec()?).map(|(x, y)| x * y).sum())
}

/// The gradients of Σ ⟨w, f(x)⟩ with respect to each floating-point x.
#[track_caller]
fn directional_vjp(
    f: &dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>,
    inputs: &[Tensor],
    weights: &[Tensor],
    walk: BackwardMode,
) -> Result<Vec<Option<Tensor>>> {
    let leaf = |x: &Tensor| if x.dtype() == DType::F64 && !x.is_recorded() { x.requires_grad() } else { x.clone() };
    let leaves: Vec<Tensor> = inputs.iter().map(leaf).collect();
    let outputs = f(&leaves)?;
    let pairs: Vec<_> = outputs.iter().zip(weights).filter(|(y, _)| y.dtype().is_float()).collect();
    let floats: Vec<&Tensor> = leaves.iter().filter(|x| x.dtype() == DType::F64).collect();
    let mut found = vjp(&pairs, &floats, walk)?.into_iter();
    Ok(leaves.iter().map(|x| if x.dtype() == DType::F64 { found.next().flatten() } else { None }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{Gradient, Saved};

    /// x², with a rule that is wrong by a factor.
    struct Wrong(f64);

    impl Gradient for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }
        fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
            Ok(vec![cotangents[0].as_ref().map(|g| &(&saved.input(0) * g) * self.0)])
        }
    }

    #[test]
    fn a_wrong_rule_is_found_and_a_right_one_passes() {
        let x = Tensor::from_slice(&[0.3, -1.2, 2.0], &[3]).unwrap();
        let square = |factor: f64| move |x: &[Tensor]| Ok(vec![Tensor::record(&x[0] * &x[0], &[&x[0]], Wrong(factor))]);
        let options = CheckGradientOptions { order: 2, ..Default::default() };
        check_gradient(square(2.0), std::slice::from_ref(&x), &options).unwrap();
        let error = check_gradient(square(2.001), &[x], &options).unwrap_err().to_string();
        assert!(error.starts_with("check_gradient: along direction 0 the gradient is"), "{error}");
    }
}
