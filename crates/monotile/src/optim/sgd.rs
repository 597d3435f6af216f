//! Stochastic gradient descent with momentum.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The numbers that [`Sgd`] steps by.
#[derive(Debug, Clone, PartialEq)]
pub struct SgdOptions {
    /// The learning rate; a schedule sets it before each step.
    pub lr: f64,
    /// μ: how much of the last direction is kept; 0 for none.
    pub momentum: f64,
    /// Looks ahead along the new direction (Nesterov).
    pub nesterov: bool,
    /// λ: adds λ p to the gradient.
    pub weight_decay: f64,
}

impl Default for SgdOptions {
    fn default() -> Self {
        Self { lr: 1e-2, momentum: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

/// Stochastic gradient descent.
///
/// d ← g + λ p;  v ← μ v + d (v = d at the first step);  p ← p - lr v, or p - lr (d + μ v) with Nesterov's momentum
///
/// # Source
/// Sutskever, Martens, Dahl and Hinton (2013), with the learning rate outside v as in PyTorch.
///
/// # Example
/// ```
/// use monotile::{Tensor, optim::{Sgd, SgdOptions}};
/// let mut optimizer = Sgd::new(SgdOptions { lr: 0.25, ..Default::default() });
/// let mut parameters = vec![Tensor::scalar(3.0_f64).requires_grad()];
/// let loss = &parameters[0] * &parameters[0];
/// let gradient = loss.backward()?.take(&parameters[0]).unwrap();
/// optimizer.step(&mut parameters, &[gradient])?;
/// assert_eq!(parameters[0].item::<f64>()?, 1.5);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "SGD")]
pub struct Sgd {
    /// May change between steps.
    pub options: SgdOptions,
    velocities: Vec<Tensor>,
}

impl Sgd {
    /// An optimizer that has taken no step.
    pub fn new(options: SgdOptions) -> Self {
        Self { options, velocities: Vec::new() }
    }

    /// Moves each parameter along its gradient. The parameters are fresh leaves afterwards.
    ///
    /// # Errors
    /// If parameters and gradients do not fit each other, or an option is out of range. Nothing has changed then.
    #[track_caller]
    pub fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
        self.check(parameters, gradients)?;
        let SgdOptions { lr, momentum, nesterov, weight_decay } = self.options;
        let (mut next, mut velocities) = (Vec::with_capacity(parameters.len()), Vec::with_capacity(parameters.len()));
        for (i, (p, g)) in parameters.iter().zip(gradients).enumerate() {
            let (p, g) = (p.detach(), g.detach());
            let d = if weight_decay == 0.0 { g } else { g.add(&p.mul_scalar(weight_decay)?)? };
            let v = match self.velocities.get(i) {
                Some(v) if momentum != 0.0 => v.mul_scalar(momentum)?.add(&d)?,
                _ => d.clone(),
            };
            let direction = if nesterov { d.add(&v.mul_scalar(momentum)?)? } else { v.clone() };
            next.push(p.sub(&direction.mul_scalar(lr)?)?.to_dtype(p.dtype())?.requires_grad());
            velocities.push(v);
        }
        parameters.clone_from_slice(&next);
        self.velocities = velocities;
        Ok(())
    }

    #[track_caller]
    fn check(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
        let SgdOptions { lr, momentum, weight_decay, .. } = self.options;
        // Positive comparisons, so that a NaN is refused.
        if !(lr >= 0.0 && lr.is_finite() && (0.0..1.0).contains(&momentum) && weight_decay >= 0.0 && weight_decay.is_finite()) {
            return Err(Error::value(format!(
                "sgd: lr {lr}, momentum {momentum}, weight_decay {weight_decay}: none may be negative, and momentum must be below 1"
            )));
        }
        if parameters.len() != gradients.len() {
            return Err(Error::value(format!("sgd: {} parameters with {} gradients", parameters.len(), gradients.len())));
        }
        if !self.velocities.is_empty() && self.velocities.len() != parameters.len() {
            let held = self.velocities.len();
            return Err(Error::value(format!("sgd: {} parameters after steps on {held}", parameters.len())));
        }
        for (i, (p, g)) in parameters.iter().zip(gradients).enumerate() {
            let held = self.velocities.get(i).map_or(p.shape(), |v| v.shape());
            if p.shape() != g.shape() || p.shape() != held {
                let (p, g) = (p.shape(), g.shape());
                return Err(Error::shape(format!(
                    "sgd: parameter {i} of shape {p:?} has a gradient of shape {g:?}, steps so far {held:?}"
                )));
            }
            if !p.dtype().is_float() || !g.dtype().is_float() {
                let (p, g) = (p.dtype(), g.dtype());
                return Err(Error::dtype(format!("sgd: parameter {i} is {p} and its gradient {g}; both must be floating-point")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Rng};

    #[test]
    fn steps_follow_the_formula_with_every_option() {
        for nesterov in [false, true] {
            let mut optimizer = Sgd::new(SgdOptions { lr: 0.1, momentum: 0.9, nesterov, weight_decay: 0.01 });
            let mut parameters = vec![Rng::new(1).normal(&[4], DType::F64).unwrap().requires_grad()];
            let (mut p, mut v) = (parameters[0].to_f64_vec().unwrap(), vec![0.0; 4]);
            for t in 0..5 {
                let g = Rng::new(10 + t).normal(&[4], DType::F64).unwrap();
                optimizer.step(&mut parameters, std::slice::from_ref(&g)).unwrap();
                for (i, g) in g.to_f64_vec().unwrap().into_iter().enumerate() {
                    let d = g + 0.01 * p[i];
                    v[i] = 0.9 * v[i] + d;
                    p[i] -= 0.1 * if nesterov { d + 0.9 * v[i] } else { v[i] };
                }
            }
            assert!(parameters[0].to_f64_vec().unwrap().iter().zip(&p).all(|(a, b)| (a - b).abs() < 1e-14));
            assert!(parameters[0].is_recorded());
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_words() {
        let mut parameters = [Tensor::zeros(&[2], DType::F32).unwrap()];
        let mut optimizer = Sgd::new(SgdOptions::default());
        let words = optimizer.step(&mut parameters, &[]).unwrap_err().to_string();
        assert_eq!(words, "sgd: 1 parameters with 0 gradients");
        optimizer.options.momentum = 1.0;
        let words = optimizer.step(&mut parameters, &[Tensor::zeros(&[2], DType::F32).unwrap()]).unwrap_err().to_string();
        assert_eq!(words, "sgd: lr 0.01, momentum 1, weight_decay 0: none may be negative, and momentum must be below 1");
    }
}
