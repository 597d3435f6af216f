//! Adam a number at a time.

use crate::adam::{AdamRule, adam_formula};

/// Values, means and squares after a step.
pub fn adam(rule: AdamRule, rates: &[f64], gradients: &[f64], [values, means, squares]: &mut [Vec<f64>; 3]) {
    for (i, &g) in gradients.iter().enumerate() {
        let found = adam_formula(rule, rates[i % rates.len()], [values[i], means[i], squares[i], g]);
        [values[i], means[i], squares[i]] = found;
    }
}
