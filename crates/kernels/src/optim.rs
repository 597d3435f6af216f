//! Steps of optimizers: one pass over parameters, their state and their gradients.

use crate::compiled::compiled;
use crate::real::Real;
use crate::rows::split;
use crate::{simd, threads};

/// Nanoseconds an element: seven numbers read or written, a root and a division.
const NS_PER_ELEMENT: f64 = 1.0;

/// The numbers of one step of AdamW.
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    /// The learning rate.
    pub lr: f64,
    /// The decay of the averages of gradients and of their squares.
    pub betas: [f64; 2],
    /// What is added to the root of the latter.
    pub eps: f64,
    /// The part of a parameter that is taken off, before it is multiplied by the learning rate.
    pub weight_decay: f64,
    /// The number of this step: 1 for the first.
    pub step: u64,
}

compiled! {
    /// p ← p (1 − lr λ); m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; p ← p − lr m̂ / (√v̂ + ε)
    ///
    /// with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) (Loshchilov and Hutter 2019, algorithm 2, its schedule multiplier in lr).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn adamw<T: Real>(options: &AdamW, p: &mut [T], m: &mut [T], v: &mut [T], g: &[T]) {
        let n = g.len();
        assert!([p.len(), m.len(), v.len()] == [n; 3], "arrays of one length");
        let AdamW { lr, betas: [beta1, beta2], eps, weight_decay, step } = *options;
        let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powf(step as f64));
        let keep = T::from_f64(1.0 - lr * weight_decay);
        let (new1, beta2, new2) = (T::from_f64(1.0 - beta1), T::from_f64(beta2), T::from_f64(1.0 - beta2));
        let (rate, root, eps) = (T::from_f64(lr / corrections[0]), T::from_f64(1.0 / corrections[1].sqrt()), T::from_f64(eps));
        split(n, threads::parts(n, NS_PER_ELEMENT), [p, m, v], |range, [p, m, v]| {
            let g = &g[range];
            simd::run(
                #[inline(always)]
                || {
                    for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(g) {
                        *m += (g - *m) * new1;
                        *v = *v * beta2 + g * g * new2;
                        *p = *p * keep - rate * (*m / (v.sqrt() * root + eps));
                    }
                },
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    #[test]
    fn steps_agree_with_the_twin_at_odd_sizes() {
        for n in [0, 1, 33, 100_001] {
            let number = |i: usize, seed: usize| ((i * 7919 + seed) % 1009) as f64 / 500.0 - 1.0;
            let mut p: Vec<f64> = (0..n).map(|i| number(i, 0)).collect();
            let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
            let (mut p2, mut m2, mut v2) = (p.clone(), m.clone(), v.clone());
            for step in 1..4 {
                let options = AdamW { lr: 0.1, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.1, step };
                let g: Vec<f64> = (0..n).map(|i| number(i, 300 * step as usize)).collect();
                adamw(&options, &mut p, &mut m, &mut v, &g);
                naive::adamw(&options, &mut p2, &mut m2, &mut v2, &g);
            }
            let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-13);
            assert!(close(&p, &p2) && close(&m, &m2) && close(&v, &v2), "{n} elements");
        }
    }
}
