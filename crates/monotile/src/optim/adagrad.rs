//! Adagrad: steps that shorten with the sum of squared gradients.

use monotile_kernels::number::{Formulas, Number};

use super::optimizer::{State, advance, check_fit, optimizer};
use crate::door::update;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The numbers that [`Adagrad`] steps by; the defaults are PyTorch's.
#[derive(Debug, Clone, PartialEq)]
pub struct AdagradOptions {
    /// The learning rate; a schedule sets it before each step.
    pub lr: f64,
    /// γ: step t has the rate lr / (1 + (t − 1) γ).
    pub lr_decay: f64,
    /// λ: adds λ p to the gradient.
    pub weight_decay: f64,
    /// What the sums of squares start from.
    pub initial_accumulator: f64,
    /// What is added to their roots.
    pub eps: f64,
}

impl Default for AdagradOptions {
    fn default() -> Self {
        Self { lr: 1e-2, lr_decay: 0.0, weight_decay: 0.0, initial_accumulator: 0.0, eps: 1e-10 }
    }
}

/// Adagrad: directions that have had little gradient take longer steps.
///
/// d ← g + λ p;  s ← s + d²;  p ← p − lr / (1 + (t − 1) γ) d / (√s + ε)
///
/// # Source
/// Duchi, Hazan and Singer (2011), Adaptive subgradient methods, Journal of Machine Learning Research 12.
///
/// # Example
/// The first step is as long as the learning rate, the second gradient counts by the root of both squares:
/// ```
/// use monotile::{Tensor, optim::{Adagrad, AdagradOptions}};
/// let mut optimizer = Adagrad::new(AdagradOptions { lr: 0.5, ..Default::default() });
/// let mut parameters = vec![Tensor::scalar(3.0_f64)];
/// optimizer.step(&mut parameters, &[Tensor::scalar(3.0_f64)])?;
/// optimizer.step(&mut parameters, &[Tensor::scalar(4.0_f64)])?;
/// assert!((parameters[0].item::<f64>()? - (3.0 - 0.5 - 0.5 * 4.0 / 5.0)).abs() < 1e-9);
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Adagrad {
    /// May change between steps.
    pub options: AdagradOptions,
    state: State<1>,
}

impl Adagrad {
    /// An optimizer that has taken no step.
    pub fn new(options: AdagradOptions) -> Self {
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
        let AdagradOptions { lr, lr_decay, weight_decay, initial_accumulator, eps } = self.options;
        let State { step, lists: [sums] } = &mut self.state;
        let next = AdagradStep { weight_decay, rate: lr / (1.0 + *step as f64 * lr_decay), eps };
        advance("adagrad", parameters, gradients, [sums], initial_accumulator, |p, [s], g| {
            update::advance("adagrad", [p, s], [g], next)
        })?;
        *step += 1;
        Ok(())
    }

    #[track_caller]
    fn fits(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
        let AdagradOptions { lr, lr_decay, weight_decay, initial_accumulator, eps } = self.options;
        // Positive comparisons, so that a NaN is refused.
        if ![lr, lr_decay, weight_decay, initial_accumulator, eps].iter().all(|x| *x >= 0.0 && x.is_finite()) {
            return Err(Error::value(format!(
                "adagrad: lr {lr}, lr_decay {lr_decay}, weight_decay {weight_decay}, initial_accumulator {initial_accumulator}, eps {eps}: none may be negative or infinite"
            )));
        }
        check_fit("adagrad", parameters, gradients, self.state.step, &self.state.lists())
    }
}

optimizer!(Adagrad, "adagrad", ["s"]);

/// What one step does to a parameter, its sum of squares and its gradient.
#[derive(Clone, Copy)]
struct AdagradStep {
    weight_decay: f64,
    rate: f64,
    eps: f64,
}

impl Formulas<3, 2> for AdagradStep {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [p, s, g]: [T; 3]) -> [T; 2] {
        let d = g + p * T::from_f64(self.weight_decay);
        let s = s + d * d;
        [p - T::from_f64(self.rate) * (d / (s.sqrt() + T::from_f64(self.eps))), s]
    }
}

#[cfg(test)]
pub(super) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    super::optimizer::recorded("adagrad", ["p", "s"], AdagradStep { weight_decay: 1e-2, rate: 1e-2, eps: 1e-10 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::optimizer::tests::{keeps_its_promises, numbers};

    #[test]
    fn it_keeps_the_promises_of_all_optimizers() {
        let options = AdagradOptions { lr: 0.1, lr_decay: 0.1, weight_decay: 0.5, initial_accumulator: 0.25, eps: 1e-10 };
        keeps_its_promises("adagrad", || Adagrad::new(options.clone()));
    }

    #[test]
    fn options_out_of_range_are_refused_with_words() {
        let mut optimizer = Adagrad::new(AdagradOptions { initial_accumulator: -1.0, ..Default::default() });
        assert_eq!(
            optimizer.step(&mut [numbers(1)], &[numbers(2)]).unwrap_err().to_string(),
            "adagrad: lr 0.01, lr_decay 0, weight_decay 0, initial_accumulator -1, eps 0.0000000001: none may be negative or infinite"
        );
    }
}
