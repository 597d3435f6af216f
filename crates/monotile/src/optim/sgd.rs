//! Stochastic gradient descent with momentum.

use monotile_kernels::number::{Formulas, Number};

use super::optimizer::{State, advance, check_fit, optimizer};
use crate::door::update;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The numbers that [`Sgd`] steps by.
#[derive(Debug, Clone, PartialEq)]
pub struct SgdOptions {
    /// The learning rate; a schedule sets it before each step.
    pub lr: f64,
    /// μ: how much of the last direction is kept; 0 for none.
    pub momentum: f64,
    /// τ: how much of a new direction is left out of v, but for the first.
    pub dampening: f64,
    /// Looks ahead along the new direction (Nesterov).
    pub nesterov: bool,
    /// λ: adds λ p to the gradient.
    pub weight_decay: f64,
}

impl Default for SgdOptions {
    fn default() -> Self {
        Self { lr: 1e-2, momentum: 0.0, dampening: 0.0, nesterov: false, weight_decay: 0.0 }
    }
}

/// Stochastic gradient descent.
///
/// d ← g + λ p;  v ← μ v + (1 − τ) d (v = d at the first step);  p ← p − lr v, or p − lr (d + μ v) with Nesterov's momentum
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
    state: State<1>,
}

impl Sgd {
    /// An optimizer that has taken no step.
    pub fn new(options: SgdOptions) -> Self {
        Self { options, state: State::default() }
    }

    /// Moves each parameter along its gradient, in place where nobody else holds its memory. The parameters are fresh leaves afterwards.
    ///
    /// # Errors
    /// If parameters, gradients and state do not fit each other, a parameter is not f32 or f64, an option is out of range, or there is no
    /// memory. No value has changed then.
    #[track_caller]
    pub fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
        self.fits(parameters, gradients)?;
        let State { step, lists: [velocities] } = &mut self.state;
        let next = SgdStep::new(&self.options, velocities.is_empty());
        if self.options.momentum == 0.0 {
            advance("sgd", parameters, gradients, [], 0.0, |p, [], g| update::advance("sgd", [p], [g], next))?;
        } else {
            advance("sgd", parameters, gradients, [velocities], 0.0, |p, [v], g| update::advance("sgd", [p, v], [g], next))?;
        }
        *step += 1;
        Ok(())
    }

    #[track_caller]
    fn fits(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
        let SgdOptions { lr, momentum, dampening, nesterov, weight_decay } = self.options;
        // Positive comparisons, so that a NaN is refused.
        let finite = lr >= 0.0 && lr.is_finite() && weight_decay >= 0.0 && weight_decay.is_finite();
        if !(finite && (0.0..1.0).contains(&momentum) && (0.0..=1.0).contains(&dampening)) {
            return Err(Error::value(format!(
                "sgd: lr {lr}, momentum {momentum}, dampening {dampening}, weight_decay {weight_decay}: none may be negative, momentum must be below 1 and dampening at most 1"
            )));
        }
        if nesterov && dampening != 0.0 {
            return Err(Error::value(format!("sgd: Nesterov's momentum has no dampening, got {dampening}")));
        }
        // Without momentum there are no velocities.
        let lists = self.state.lists();
        let held = if momentum == 0.0 || lists[0].is_empty() { &[] } else { &lists[..] };
        check_fit("sgd", parameters, gradients, self.state.step, held)
    }
}

optimizer!(Sgd, "sgd", ["v"]);

/// What one step does to a parameter, its velocity and its gradient.
#[derive(Clone, Copy)]
struct SgdStep {
    lr: f64,
    weight_decay: f64,
    /// Of the last velocity and of d in the next.
    velocity: [f64; 2],
    /// Of d and of the velocity in the direction.
    direction: [f64; 2],
}

impl SgdStep {
    fn new(options: &SgdOptions, first: bool) -> Self {
        let SgdOptions { lr, momentum, dampening, nesterov, weight_decay } = *options;
        let velocity = if first { [0.0, 1.0] } else { [momentum, 1.0 - dampening] };
        Self { lr, weight_decay, velocity, direction: if nesterov { [1.0, momentum] } else { [0.0, 1.0] } }
    }
}

impl Formulas<2, 1> for SgdStep {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [p, g]: [T; 2]) -> [T; 1] {
        [p - T::from_f64(self.lr) * (g + p * T::from_f64(self.weight_decay))]
    }
}

impl Formulas<3, 2> for SgdStep {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [p, v, g]: [T; 3]) -> [T; 2] {
        let d = g + p * T::from_f64(self.weight_decay);
        let v = v * T::from_f64(self.velocity[0]) + d * T::from_f64(self.velocity[1]);
        let direction = d * T::from_f64(self.direction[0]) + v * T::from_f64(self.direction[1]);
        [p - T::from_f64(self.lr) * direction, v]
    }
}

#[cfg(test)]
pub(super) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    let step = SgdStep::new(&SgdOptions { momentum: 0.5, nesterov: true, ..Default::default() }, false);
    let plain = super::optimizer::recorded::<2, 1>("sgd", ["p"], step);
    [plain, super::optimizer::recorded::<3, 2>("sgd_momentum", ["p", "v"], step)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::optimizer::tests::keeps_its_promises;
    use crate::{DType, Rng};

    #[test]
    fn it_keeps_the_promises_of_all_optimizers() {
        for momentum in [0.0, 0.5] {
            keeps_its_promises("sgd", || Sgd::new(SgdOptions { lr: 0.1, momentum, weight_decay: 0.5, ..Default::default() }));
        }
    }

    #[test]
    fn steps_follow_the_formula_with_every_option() {
        for (nesterov, dampening) in [(false, 0.25), (true, 0.0)] {
            let mut optimizer = Sgd::new(SgdOptions { lr: 0.1, momentum: 0.9, dampening, nesterov, weight_decay: 0.01 });
            let mut parameters = vec![Rng::new(1).normal(&[4], DType::F64).unwrap().requires_grad()];
            let (mut p, mut v) = (parameters[0].to_f64_vec().unwrap(), vec![0.0; 4]);
            for t in 0..5 {
                let g = Rng::new(10 + t).normal(&[4], DType::F64).unwrap();
                optimizer.step(&mut parameters, std::slice::from_ref(&g)).unwrap();
                for (i, g) in g.to_f64_vec().unwrap().into_iter().enumerate() {
                    let d = g + 0.01 * p[i];
                    v[i] = 0.9 * v[i] + if t == 0 { d } else { (1.0 - dampening) * d };
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
        assert_eq!(
            words,
            "sgd: lr 0.01, momentum 1, dampening 0, weight_decay 0: none may be negative, momentum must be below 1 and dampening at most 1"
        );
        optimizer.options = SgdOptions { momentum: 0.5, dampening: 0.5, nesterov: true, ..Default::default() };
        let words = optimizer.step(&mut parameters, &[Tensor::zeros(&[2], DType::F32).unwrap()]).unwrap_err().to_string();
        assert_eq!(words, "sgd: Nesterov's momentum has no dampening, got 0.5");
    }
}
