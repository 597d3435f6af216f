//! RMSprop: steps divided by a running root mean square of gradients.

use monotile_kernels::number::{Formulas, Number};

use super::optimizer::{State, advance, check_fit, optimizer};
use crate::door::update;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The numbers that [`RmsProp`] steps by; the defaults are PyTorch's.
#[derive(Debug, Clone, PartialEq)]
pub struct RmsPropOptions {
    /// The learning rate; a schedule sets it before each step.
    pub lr: f64,
    /// α: the decay of the average of squared gradients.
    pub alpha: f64,
    /// What is added to its root.
    pub eps: f64,
    /// λ: adds λ p to the gradient.
    pub weight_decay: f64,
    /// μ: how much of the last direction is kept; 0 for none.
    pub momentum: f64,
    /// Divides by the deviation of gradients from their average, instead of their root mean square.
    pub centered: bool,
}

impl Default for RmsPropOptions {
    fn default() -> Self {
        Self { lr: 1e-2, alpha: 0.99, eps: 1e-8, weight_decay: 0.0, momentum: 0.0, centered: false }
    }
}

/// RMSprop.
///
/// d ← g + λ p;  v ← α v + (1 − α) d²;  a ← α a + (1 − α) d;  b ← μ b + d / (√(v − a²) + ε);  p ← p − lr b
///
/// where a² counts if it is centered. Without that and without momentum neither a nor b is held.
///
/// # Source
/// Hinton (2012), Neural Networks for Machine Learning, lecture 6e; Graves (2013), arXiv 1308.0850, for the centered form, with ε outside the
/// root as in PyTorch.
///
/// # Example
/// ```
/// use monotile::{Tensor, optim::{RmsProp, RmsPropOptions}};
/// let mut optimizer = RmsProp::new(RmsPropOptions { lr: 0.5, alpha: 0.75, ..Default::default() });
/// let mut parameters = vec![Tensor::scalar(3.0_f64)];
/// // The average starts from 0, so that the first root is √(1 − α) |g|.
/// optimizer.step(&mut parameters, &[Tensor::scalar(4.0_f64)])?;
/// assert!((parameters[0].item::<f64>()? - 2.0).abs() < 1e-8);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "RMSprop")]
pub struct RmsProp {
    /// May change between steps. A run that began with neither centering nor momentum is refused both later.
    pub options: RmsPropOptions,
    /// v, a and b.
    state: State<3>,
}

impl RmsProp {
    /// An optimizer that has taken no step.
    pub fn new(options: RmsPropOptions) -> Self {
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
        let next = RmsPropStep::new(&self.options);
        let plain = self.is_plain();
        let State { step, lists: [v, a, b] } = &mut self.state;
        if plain {
            advance("rmsprop", parameters, gradients, [v], 0.0, |p, [v], g| update::advance("rmsprop", [p, v], [g], next))?;
        } else {
            advance("rmsprop", parameters, gradients, [v, a, b], 0.0, |p, [v, a, b], g| {
                update::advance("rmsprop", [p, v, a, b], [g], next)
            })?;
        }
        *step += 1;
        Ok(())
    }

    fn is_plain(&self) -> bool {
        !self.options.centered && self.options.momentum == 0.0
    }

    #[track_caller]
    fn fits(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
        let RmsPropOptions { lr, alpha, eps, weight_decay, momentum, .. } = self.options;
        let decays = (0.0..1.0).contains(&alpha) && (0.0..1.0).contains(&momentum);
        if !([lr, eps, weight_decay].iter().all(|x| *x >= 0.0 && x.is_finite()) && decays) {
            return Err(Error::value(format!(
                "rmsprop: lr {lr}, alpha {alpha}, eps {eps}, weight_decay {weight_decay}, momentum {momentum}: none may be negative, alpha and momentum must be below 1"
            )));
        }
        let lists = self.state.lists();
        check_fit("rmsprop", parameters, gradients, self.state.step, if self.is_plain() { &lists[..1] } else { &lists })
    }
}

optimizer!(RmsProp, "rmsprop", ["v", "a", "b"]);

/// What one step does to a parameter, its averages and its gradient.
#[derive(Clone, Copy)]
struct RmsPropStep {
    lr: f64,
    alpha: f64,
    new: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    /// 1 if a² counts, else 0.
    centered: f64,
}

impl RmsPropStep {
    fn new(options: &RmsPropOptions) -> Self {
        let RmsPropOptions { lr, alpha, eps, weight_decay, momentum, centered } = *options;
        Self { lr, alpha, new: 1.0 - alpha, eps, weight_decay, momentum, centered: if centered { 1.0 } else { 0.0 } }
    }

    /// d and the next v.
    #[inline(always)]
    fn square<T: Number>(self, p: T, v: T, g: T) -> [T; 2] {
        let d = g + p * T::from_f64(self.weight_decay);
        [d, v * T::from_f64(self.alpha) + d * d * T::from_f64(self.new)]
    }
}

impl Formulas<3, 2> for RmsPropStep {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [p, v, g]: [T; 3]) -> [T; 2] {
        let [d, v] = self.square(p, v, g);
        [p - T::from_f64(self.lr) * (d / (v.sqrt() + T::from_f64(self.eps))), v]
    }
}

impl Formulas<5, 4> for RmsPropStep {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [p, v, a, b, g]: [T; 5]) -> [T; 4] {
        let [d, v] = self.square(p, v, g);
        let a = a + (d - a) * T::from_f64(self.new);
        let root = (v - a * a * T::from_f64(self.centered)).sqrt();
        let b = b * T::from_f64(self.momentum) + d / (root + T::from_f64(self.eps));
        [p - T::from_f64(self.lr) * b, v, a, b]
    }
}

#[cfg(test)]
pub(super) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    let step = RmsPropStep::new(&RmsPropOptions { centered: true, momentum: 0.5, ..Default::default() });
    let plain = super::optimizer::recorded::<3, 2>("rmsprop", ["p", "v"], step);
    [plain, super::optimizer::recorded::<5, 4>("rmsprop_centered", ["p", "v", "a", "b"], step)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::optimizer::tests::{keeps_its_promises, numbers};

    #[test]
    fn it_keeps_the_promises_of_all_optimizers() {
        for (momentum, centered) in [(0.0, false), (0.5, false), (0.0, true), (0.5, true)] {
            let options = RmsPropOptions { lr: 0.1, alpha: 0.75, weight_decay: 0.5, momentum, centered, ..Default::default() };
            keeps_its_promises("rmsprop", || RmsProp::new(options.clone()));
        }
    }

    #[test]
    fn options_out_of_range_are_refused_with_words() {
        let mut optimizer = RmsProp::new(RmsPropOptions { alpha: 1.0, ..Default::default() });
        assert_eq!(
            optimizer.step(&mut [numbers(1)], &[numbers(2)]).unwrap_err().to_string(),
            "rmsprop: lr 0.01, alpha 1, eps 0.00000001, weight_decay 0, momentum 0: none may be negative, alpha and momentum must be below 1"
        );
        optimizer.options.alpha = 0.5;
        optimizer.step(&mut [numbers(1)], &[numbers(2)]).unwrap();
        optimizer.options.centered = true;
        let words = optimizer.step(&mut [numbers(1)], &[numbers(2)]).unwrap_err().to_string();
        assert_eq!(words, "rmsprop: 1 parameters with the state of 0");
    }
}
