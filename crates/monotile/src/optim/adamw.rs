//! AdamW: Adam with weight decay apart from the gradient.

use monotile_kernels::number::{Formulas, Number};

use super::optimizer::{FromLists, advance, check_fit, optimizer};
use crate::door::update;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The numbers that [`AdamW`] steps by; the defaults are PyTorch's.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamWOptions {
    /// The learning rate; a schedule sets it before each step.
    pub lr: f64,
    /// The decay of the averages of gradients and of their squares.
    pub betas: (f64, f64),
    /// What is added to the root of the latter.
    pub eps: f64,
    /// λ: every step first multiplies parameters by 1 − lr λ.
    pub weight_decay: f64,
    /// Parameters of fewer dimensions are not decayed: 0 decays all, 2 spares biases and the weights of norms.
    pub decay_from_rank: usize,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { lr: 1e-3, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 1e-2, decay_from_rank: 0 }
    }
}

/// What [`AdamW`] remembers between steps: saved and given back, a run goes on as if it had not stopped.
#[doc(alias = "state_dict")]
#[derive(Clone, Default)]
pub struct AdamWState {
    /// The steps taken.
    pub step: u64,
    /// The averages of gradients, one a parameter; empty before the first step.
    pub m: Vec<Tensor>,
    /// The averages of squares of gradients.
    pub v: Vec<Tensor>,
}

/// Adam with decoupled weight decay.
///
/// p ← p (1 − lr λ);  m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  p ← p − lr m̂ / (√v̂ + ε)
///
/// with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) at step t.
///
/// # Source
/// Kingma and Ba (2015), arXiv 1412.6980; Loshchilov and Hutter (2019), arXiv 1711.05101, with λ multiplied by the learning rate.
///
/// # Example
/// The first step is as long as the learning rate, whatever the gradient's size:
/// ```
/// use monotile::{Tensor, optim::{AdamW, AdamWOptions}};
/// let mut optimizer = AdamW::new(AdamWOptions { lr: 0.1, weight_decay: 0.0, ..Default::default() });
/// let mut parameters = vec![Tensor::scalar(3.0_f64).requires_grad()];
/// let loss = &parameters[0] * &parameters[0];
/// let gradient = loss.backward()?.take(&parameters[0]).unwrap();
/// optimizer.step(&mut parameters, &[gradient])?;
/// assert!((parameters[0].item::<f64>()? - 2.9).abs() < 1e-8);
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct AdamW {
    /// May change between steps.
    pub options: AdamWOptions,
    state: AdamWState,
}

impl AdamW {
    /// An optimizer that has taken no step.
    pub fn new(options: AdamWOptions) -> Self {
        Self::resume(options, AdamWState::default())
    }

    /// An optimizer that goes on from this state.
    pub fn resume(options: AdamWOptions, state: AdamWState) -> Self {
        Self { options, state }
    }

    /// What is needed to go on.
    pub fn state(&self) -> &AdamWState {
        &self.state
    }

    /// Moves each parameter along its gradient. The parameters are fresh leaves afterwards.
    ///
    /// Memory that nobody else holds is written in place; a parameter that something else holds, a loss that still
    /// lives for instance, gets memory of its own, and the other keeps its values.
    ///
    /// # Errors
    /// If parameters, gradients and state do not fit each other, a parameter is not f32 or f64, an option is out of
    /// range, or there is no memory for a copy of what something else holds. No value has changed then.
    #[track_caller]
    pub fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
        self.fits(parameters, gradients)?;
        let AdamWOptions { lr, betas, eps, weight_decay, decay_from_rank } = self.options;
        let AdamWState { step, m, v } = &mut self.state;
        let t = *step + 1;
        advance("adamw", parameters, gradients, [m, v], 0.0, |p, [m, v], g| {
            let weight_decay = if p.rank() >= decay_from_rank { weight_decay } else { 0.0 };
            update::advance("adamw", [p, m, v], [g], AdamWStep::new(lr, betas, eps, weight_decay, t))
        })?;
        *step = t;
        Ok(())
    }

    #[track_caller]
    fn fits(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
        let AdamWOptions { lr, betas: (beta1, beta2), eps, weight_decay, .. } = self.options;
        let decays = (0.0..1.0).contains(&beta1) && (0.0..1.0).contains(&beta2);
        if !(lr >= 0.0 && lr.is_finite() && decays && eps >= 0.0 && weight_decay >= 0.0 && weight_decay.is_finite()) {
            return Err(Error::value(format!(
                "adamw: lr {lr}, betas ({beta1}, {beta2}), eps {eps}, weight_decay {weight_decay}: none may be negative, and betas must be below 1"
            )));
        }
        check_fit("adamw", parameters, gradients, self.state.step, &self.state.lists())
    }
}

optimizer!(AdamW, "adamw", ["m", "v"]);

impl AdamWState {
    fn lists(&self) -> [&[Tensor]; 2] {
        [&self.m, &self.v]
    }
}

impl FromLists<2> for AdamWState {
    fn from_lists(step: u64, [m, v]: [Vec<Tensor>; 2]) -> Self {
        Self { step, m, v }
    }
}

/// What one step does to a parameter, its averages and its gradient.
#[derive(Clone, Copy)]
struct AdamWStep {
    /// 1 − lr λ
    keep: f64,
    /// 1 − β₁ and 1 − β₂
    new: [f64; 2],
    beta2: f64,
    /// lr / (1 − β₁ᵗ)
    rate: f64,
    /// (1 − β₂ᵗ)^(−1/2)
    root: f64,
    eps: f64,
}

impl AdamWStep {
    fn new(lr: f64, betas: (f64, f64), eps: f64, weight_decay: f64, step: u64) -> Self {
        let [beta1, beta2] = betas.into();
        let [first, second] = [beta1, beta2].map(|beta: f64| 1.0 - beta.powf(step as f64));
        let new = [1.0 - beta1, 1.0 - beta2];
        Self { keep: 1.0 - lr * weight_decay, new, beta2, rate: lr / first, root: 1.0 / second.sqrt(), eps }
    }
}

impl Formulas<4, 3> for AdamWStep {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [p, m, v, g]: [T; 4]) -> [T; 3] {
        let m = m + (g - m) * T::from_f64(self.new[0]);
        let v = v * T::from_f64(self.beta2) + g * g * T::from_f64(self.new[1]);
        let length = v.sqrt() * T::from_f64(self.root) + T::from_f64(self.eps);
        [p * T::from_f64(self.keep) - T::from_f64(self.rate) * (m / length), m, v]
    }
}

#[cfg(test)]
pub(super) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    let step = AdamWStep::new(1e-3, (0.9, 0.999), 1e-8, 1e-2, 3);
    super::optimizer::recorded("adamw", ["p", "m", "v"], step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::optimizer::tests::{keeps_its_promises, numbers};
    use crate::tensor::DType;

    #[test]
    fn it_keeps_the_promises_of_all_optimizers() {
        keeps_its_promises("adamw", || AdamW::new(AdamWOptions { lr: 0.1, ..Default::default() }));
    }

    #[test]
    fn ten_steps_follow_the_formula() {
        let options = AdamWOptions { lr: 0.05, betas: (0.8, 0.95), eps: 1e-6, weight_decay: 0.1, decay_from_rank: 0 };
        let mut optimizer = AdamW::new(options);
        let mut parameters = vec![numbers(1).requires_grad()];
        let (mut p, mut m, mut v) = (numbers(1).to_f64_vec().unwrap(), vec![0.0; 15], vec![0.0; 15]);
        for t in 1..=10 {
            let g = numbers(100 + t);
            optimizer.step(&mut parameters, std::slice::from_ref(&g)).unwrap();
            for (i, g) in g.to_f64_vec().unwrap().into_iter().enumerate() {
                m[i] = 0.8 * m[i] + 0.2 * g;
                v[i] = 0.95 * v[i] + 0.05 * g * g;
                let (m_hat, v_hat) = (m[i] / (1.0 - 0.8_f64.powi(t as i32)), v[i] / (1.0 - 0.95_f64.powi(t as i32)));
                p[i] = p[i] * (1.0 - 0.05 * 0.1) - 0.05 * m_hat / (v_hat.sqrt() + 1e-6);
            }
        }
        assert!(parameters[0].to_f64_vec().unwrap().iter().zip(&p).all(|(a, b)| (a - b).abs() < 1e-13));
        assert!(parameters[0].is_recorded() && optimizer.state().step == 10);
    }

    #[test]
    fn a_parameter_that_somebody_holds_keeps_its_values_for_them() {
        let mut optimizer = AdamW::new(AdamWOptions::default());
        let mut parameters = vec![numbers(1).requires_grad()];
        let (held, view) = (parameters[0].clone(), parameters[0].slice(0, 1..2).unwrap());
        optimizer.step(&mut parameters, &[numbers(2)]).unwrap();
        assert_eq!(held.to_f64_vec().unwrap(), numbers(1).to_f64_vec().unwrap());
        assert_eq!(view.to_f64_vec().unwrap(), numbers(1).to_f64_vec().unwrap()[5..10]);
        assert_ne!(parameters[0].to_f64_vec().unwrap(), held.to_f64_vec().unwrap());
        let state = optimizer.state().clone();
        let m = state.m[0].to_f64_vec().unwrap();
        optimizer.step(&mut parameters, &[numbers(3)]).unwrap();
        assert_eq!(state.m[0].to_f64_vec().unwrap(), m);
    }

    #[test]
    fn memory_that_nobody_else_holds_is_written_in_place() {
        let mut optimizer = AdamW::new(AdamWOptions::default());
        let mut parameters = vec![numbers(1).requires_grad()];
        let address = |p: &Tensor| p.elements::<f64>().as_ptr();
        let before = address(&parameters[0]);
        optimizer.step(&mut parameters, &[numbers(2)]).unwrap();
        assert_eq!(address(&parameters[0]), before);
    }

    #[test]
    fn a_run_that_resumes_from_its_state_ends_at_the_same_bits() {
        let gradient = |t| [numbers(t)];
        let options = AdamWOptions { decay_from_rank: 2, ..Default::default() };
        let (mut whole, mut first) = (AdamW::new(options.clone()), AdamW::new(options.clone()));
        let (mut a, mut b) = (vec![numbers(1)], vec![numbers(1)]);
        (0..4).for_each(|t| whole.step(&mut a, &gradient(t)).unwrap());
        (0..2).for_each(|t| first.step(&mut b, &gradient(t)).unwrap());
        let mut second = AdamW::resume(options, first.state().clone());
        (2..4).for_each(|t| second.step(&mut b, &gradient(t)).unwrap());
        assert_eq!(a[0].to_f64_vec().unwrap(), b[0].to_f64_vec().unwrap());
    }

    #[test]
    fn memory_that_cannot_be_had_is_refused_before_any_value_changes() {
        let mut optimizer = AdamW::new(AdamWOptions::default());
        let huge = Tensor::zeros(&[1 << 46], DType::F32).unwrap();
        let mut parameters = vec![numbers(1), huge.clone()];
        let error = optimizer.step(&mut parameters, &[numbers(2), huge]).err().unwrap();
        assert_eq!(error.kind(), crate::ErrorKind::Memory, "{error}");
        assert_eq!((optimizer.state().step, parameters[0].to_f64_vec().unwrap()), (0, numbers(1).to_f64_vec().unwrap()));
        parameters.truncate(1);
        optimizer.step(&mut parameters, &[numbers(2)]).unwrap();
        assert_eq!(optimizer.state().step, 1);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_words_and_changes_nothing() {
        let words = |optimizer: &mut AdamW, p: &Tensor, g: &[Tensor]| {
            let mut parameters = [p.clone()];
            let error = optimizer.step(&mut parameters, g).err().unwrap().to_string();
            assert_eq!(parameters[0].to_f64_vec().unwrap(), p.to_f64_vec().unwrap());
            error
        };
        let mut optimizer = AdamW::new(AdamWOptions::default());
        let p = numbers(1);
        assert_eq!(words(&mut optimizer, &p, &[]), "adamw: 1 parameters with 0 gradients");
        assert_eq!(
            words(&mut optimizer, &p, &[numbers(1).reshape(&[5, 3]).unwrap()]),
            "adamw: parameter 0 of shape [3, 5] has a gradient of shape [5, 3]"
        );
        assert_eq!(
            words(&mut optimizer, &p.to_dtype(DType::BF16).unwrap(), &[numbers(1)]),
            "adamw: parameter 0 is bf16 and its gradient f64; train parameters of f32 or f64"
        );
        optimizer.options.betas.0 = 1.0;
        assert!(words(&mut optimizer, &p, &[numbers(1)]).starts_with("adamw: lr 0.001, betas (1, 0.999)"));
    }
}
