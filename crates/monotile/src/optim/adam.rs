//! Adam: steps by averages of gradients and of their squares.

use monotile_kernels::number::{Formulas, Number};

use super::optimizer::{State, advance, check_fit, optimizer};
use crate::door::update;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The numbers that [`Adam`] steps by; the defaults are PyTorch's.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamOptions {
    /// The learning rate; a schedule sets it before each step.
    pub lr: f64,
    /// The decay of the averages of gradients and of their squares.
    pub betas: (f64, f64),
    /// What is added to the root of the latter.
    pub eps: f64,
    /// λ: adds λ p to the gradient, which the averages then hold; [`AdamW`](super::AdamW) keeps decay apart.
    pub weight_decay: f64,
}

impl Default for AdamOptions {
    fn default() -> Self {
        Self { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0 }
    }
}

/// Adam, with weight decay as a part of the gradient.
///
/// d ← g + λ p;  m ← β₁ m + (1 − β₁) d;  v ← β₂ v + (1 − β₂) d²;  p ← p − lr m̂ / (√v̂ + ε)
///
/// with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) at step t.
///
/// # Source
/// Kingma and Ba (2015), arXiv 1412.6980.
///
/// # Example
/// The first step is as long as the learning rate, whatever the gradient's size:
/// ```
/// use monotile::{Tensor, optim::{Adam, AdamOptions}};
/// let mut optimizer = Adam::new(AdamOptions { lr: 0.1, ..Default::default() });
/// let mut parameters = vec![Tensor::scalar(3.0_f64)];
/// optimizer.step(&mut parameters, &[Tensor::scalar(600.0_f64)])?;
/// assert!((parameters[0].item::<f64>()? - 2.9).abs() < 1e-8);
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Adam {
    /// May change between steps.
    pub options: AdamOptions,
    state: State<2>,
}

impl Adam {
    /// An optimizer that has taken no step.
    pub fn new(options: AdamOptions) -> Self {
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
        let State { step, lists: [m, v] } = &mut self.state;
        let next = AdamStep::new(&self.options, *step + 1);
        advance("adam", parameters, gradients, [m, v], 0.0, |p, [m, v], g| update::advance("adam", [p, m, v], [g], next))?;
        *step += 1;
        Ok(())
    }

    #[track_caller]
    fn fits(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
        let AdamOptions { lr, betas: (beta1, beta2), eps, weight_decay } = self.options;
        let decays = (0.0..1.0).contains(&beta1) && (0.0..1.0).contains(&beta2);
        if !(lr >= 0.0 && lr.is_finite() && decays && eps >= 0.0 && weight_decay >= 0.0 && weight_decay.is_finite()) {
            return Err(Error::value(format!(
                "adam: lr {lr}, betas ({beta1}, {beta2}), eps {eps}, weight_decay {weight_decay}: none may be negative, and betas must be below 1"
            )));
        }
        check_fit("adam", parameters, gradients, self.state.step, &self.state.lists())
    }
}

optimizer!(Adam, "adam", ["m", "v"]);

/// What one step does to a parameter, its averages and its gradient.
#[derive(Clone, Copy)]
struct AdamStep {
    weight_decay: f64,
    /// 1 − β₁ and 1 − β₂
    new: [f64; 2],
    beta2: f64,
    /// lr / (1 − β₁ᵗ)
    rate: f64,
    /// (1 − β₂ᵗ)^(−1/2)
    root: f64,
    eps: f64,
}

impl AdamStep {
    fn new(options: &AdamOptions, step: u64) -> Self {
        let AdamOptions { lr, betas: (beta1, beta2), eps, weight_decay } = *options;
        let [first, second] = [beta1, beta2].map(|beta: f64| 1.0 - beta.powf(step as f64));
        Self { weight_decay, new: [1.0 - beta1, 1.0 - beta2], beta2, rate: lr / first, root: 1.0 / second.sqrt(), eps }
    }
}

impl Formulas<4, 3> for AdamStep {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [p, m, v, g]: [T; 4]) -> [T; 3] {
        let d = g + p * T::from_f64(self.weight_decay);
        let m = m + (d - m) * T::from_f64(self.new[0]);
        let v = v * T::from_f64(self.beta2) + d * d * T::from_f64(self.new[1]);
        let length = v.sqrt() * T::from_f64(self.root) + T::from_f64(self.eps);
        [p - T::from_f64(self.rate) * (m / length), m, v]
    }
}

#[cfg(test)]
pub(super) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    super::optimizer::recorded("adam", ["p", "m", "v"], AdamStep::new(&AdamOptions::default(), 3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::optimizer::tests::{keeps_its_promises, numbers};

    #[test]
    fn it_keeps_the_promises_of_all_optimizers() {
        keeps_its_promises("adam", || Adam::new(AdamOptions { lr: 0.1, weight_decay: 0.5, ..Default::default() }));
    }

    /// Without decay both are the same formula.
    #[test]
    fn without_decay_it_is_adamw() {
        use crate::optim::{AdamW, AdamWOptions};
        let mut adam = Adam::new(AdamOptions { lr: 0.1, ..Default::default() });
        let mut adamw = AdamW::new(AdamWOptions { lr: 0.1, weight_decay: 0.0, ..Default::default() });
        let (mut a, mut b) = (vec![numbers(1)], vec![numbers(1)]);
        for t in 0..5 {
            adam.step(&mut a, &[numbers(10 + t)]).unwrap();
            adamw.step(&mut b, &[numbers(10 + t)]).unwrap();
        }
        let pairs = a[0].to_f64_vec().unwrap().into_iter().zip(b[0].to_f64_vec().unwrap());
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-15 * b.abs().max(1.0)));
    }

    #[test]
    fn options_out_of_range_are_refused_with_words() {
        let mut optimizer = Adam::new(AdamOptions { betas: (0.9, 1.0), ..Default::default() });
        assert_eq!(
            optimizer.step(&mut [numbers(1)], &[numbers(2)]).unwrap_err().to_string(),
            "adam: lr 0.001, betas (0.9, 1), eps 0.00000001, weight_decay 0: none may be negative, and betas must be below 1"
        );
    }
}
