//! Optimizers a parameter at a time.

use crate::optim::AdamW;
use crate::real::Real;

/// One step of AdamW, letter by letter.
pub fn adamw<T: Real>(options: &AdamW, p: &mut [T], m: &mut [T], v: &mut [T], g: &[T]) {
    let [beta1, beta2] = options.betas;
    for i in 0..p.len() {
        let of = T::from_f64;
        p[i] *= of(1.0 - options.lr * options.weight_decay);
        m[i] = of(beta1) * m[i] + of(1.0 - beta1) * g[i];
        v[i] = of(beta2) * v[i] + of(1.0 - beta2) * g[i] * g[i];
        let (m_hat, v_hat) = (m[i] / of(1.0 - beta1.powi(options.step as i32)), v[i] / of(1.0 - beta2.powi(options.step as i32)));
        p[i] -= of(options.lr) * m_hat / (v_hat.sqrt() + of(options.eps));
    }
}
