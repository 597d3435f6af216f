//! Adam a number at a time.

use crate::adam::AdamRule;

/// Values, means and squares after a step.
pub fn adam(rule: AdamRule, rates: &[f64], gradients: &[f64], [values, means, squares]: &mut [Vec<f64>; 3]) {
    let [b1, b2] = rule.betas;
    let of = |beta: f64| 1.0 - beta.powi(rule.step as i32);
    for (i, &g) in gradients.iter().enumerate() {
        means[i] = b1 * means[i] + (1.0 - b1) * g;
        squares[i] = b2 * squares[i] + (1.0 - b2) * g * g;
        values[i] -= rates[i % rates.len()] * (means[i] / of(b1)) / ((squares[i] / of(b2)).sqrt() + rule.epsilon);
    }
}
