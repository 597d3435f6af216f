//! A step of Adam on rows of numbers, whose columns have learning rates of their own.
//!
//! ```text
//! m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²        x ← x − rate · m / (1 − β₁ᵗ) / (√(v / (1 − β₂ᵗ)) + ε)
//! ```
//!
//! # Source
//! Kingma and Ba (2015), Adam: a method for stochastic optimization.

use crate::compiled::compiled;
use crate::number::Number;
use crate::real::Real;
use crate::simd::{self, Enabled, Kernel, Lanes, MAX_LANES, Vector};
use crate::threads::{self, SharedSlice};

/// Nanoseconds a number, by which work is split.
const NUMBER_NS: f64 = 0.8;

/// What is the same for all numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamRule {
    /// The decays of both averages.
    pub betas: [f64; 2],
    /// What is added to the root.
    pub epsilon: f64,
    /// The number of the step, from 1 on.
    pub step: u64,
}

/// What a step changes.
#[derive(Debug)]
pub struct AdamColumns<'a, T> {
    /// `(N, wide)`
    pub values: &'a mut [T],
    /// The averages of gradients.
    pub means: &'a mut [T],
    /// The averages of their squares.
    pub squares: &'a mut [T],
}

compiled! {
    /// A step along gradients `(N, wide)`, with a rate for each of the `wide` columns.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn adam<T: Lanes>(rule: AdamRule, rates: &[f64], gradients: &[T], of: AdamColumns<'_, T>) {
        let n = gradients.len();
        let AdamColumns { values, means, squares } = of;
        assert!(values.len() == n && means.len() == n && squares.len() == n, "a gradient for each number");
        if n == 0 {
            return;
        }
        let wide = rates.len();
        assert!(wide > 0 && n.is_multiple_of(wide), "a rate for each column");
        let powers = rule.betas.map(|beta| 1.0 - beta.powf(rule.step as f64));
        // As many rows as registers have lanes repeat their rates.
        let rates: Vec<T> = (0..wide * MAX_LANES).map(|k| T::from_f64(rates[k % wide] / powers[0])).collect();
        let inverse = 1.0 / powers[1];
        let unit = rates.len();
        let parts = threads::parts(n, NUMBER_NS).min(n.div_ceil(unit));
        let all = [values, means, squares].map(SharedSlice::new);
        threads::run(parts, |part| {
            let range = threads::range(n, unit, parts, part);
            // SAFETY: parts differ in their numbers.
            let [values, means, squares] = unsafe { all.each_ref().map(|x| x.part(range.clone())) };
            let of = AdamColumns { values, means, squares };
            simd::dispatch(Adam { rule, inverse, rates: &rates, gradients: &gradients[range], of });
        });
    }
}

/// [`adam()`] of one number, as a formula: x, m and v after a step along g. A shader is made of it, and the plain twin of the kernel.
pub fn adam_formula<T: Number>(rule: AdamRule, rate: T, [x, m, v, g]: [T; 4]) -> [T; 3] {
    let number = T::from_f64;
    let [b1, b2] = rule.betas;
    let powers = rule.betas.map(|beta| 1.0 - beta.powf(rule.step as f64));
    let m = number(b1) * m + number(1.0 - b1) * g;
    let v = number(b2) * v + number(1.0 - b2) * (g * g);
    let length = (v * number(1.0 / powers[1])).sqrt() + number(rule.epsilon);
    [x - rate * (m * number(1.0 / powers[0])) / length, m, v]
}

/// One register of x, m and v after a step along g.
#[inline(always)]
fn step<V: Vector>([b1, b2, n1, n2, inverse, epsilon]: [V; 6], rate: V, (g, x, m, v): (V, V, V, V)) -> (V, V, V) {
    let m = n1.mul_add(g, b1 * m);
    let v = n2.mul_add(g * g, b2 * v);
    (x - rate * m / ((v * inverse).sqrt() + epsilon), m, v)
}

struct Adam<'a, T> {
    rule: AdamRule,
    inverse: f64,
    rates: &'a [T],
    gradients: &'a [T],
    of: AdamColumns<'a, T>,
}

impl<T: Real> Kernel<T> for Adam<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { rule: AdamRule { betas, epsilon, .. }, inverse, rates, gradients, of } = self;
        let AdamColumns { values, means, squares } = of;
        let [b1, b2] = betas.map(|beta| isa.constant(beta));
        let [n1, n2] = betas.map(|beta| isa.constant(1.0 - beta));
        let (inverse, epsilon) = (isa.constant(inverse), isa.constant(epsilon));
        let unit = rates.len();
        let constants = [b1, b2, n1, n2, inverse, epsilon];
        for start in (0..gradients.len()).step_by(unit) {
            let end = gradients.len().min(start + unit);
            let chunk = start..end;
            let (g, x) = (&gradients[chunk.clone()], &mut values[chunk.clone()]);
            let (m, v) = (&mut means[chunk.clone()], &mut squares[chunk]);
            for i in (0..end - start).step_by(V::LANES) {
                let here = V::LANES.min(end - start - i);
                if here == V::LANES {
                    let read = (isa.read(&g[i..]), isa.read(&x[i..]), isa.read(&m[i..]), isa.read(&v[i..]));
                    let (next, mean, square) = step(constants, isa.read(&rates[i..]), read);
                    next.write(&mut x[i..]);
                    mean.write(&mut m[i..]);
                    square.write(&mut v[i..]);
                } else {
                    let some = i..i + here;
                    let read = (
                        isa.read_first(&g[some.clone()]),
                        isa.read_first(&x[some.clone()]),
                        isa.read_first(&m[some.clone()]),
                        isa.read_first(&v[some.clone()]),
                    );
                    let (next, mean, square) = step(constants, isa.read(&rates[i..]), read);
                    next.write_first(&mut x[some.clone()]);
                    mean.write_first(&mut m[some.clone()]);
                    square.write_first(&mut v[some]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    #[test]
    fn steps_agree_with_the_twin_at_odd_widths_and_on_any_number_of_threads() {
        for (rows, wide) in [(1, 1), (3, 3), (17, 48), (20_000, 3), (5000, 7)] {
            let number = |i: usize, k: usize| ((i * 7919 + k * 104_729) % 2003) as f64 / 1001.0 - 1.0;
            let n = rows * wide;
            let start: [Vec<f64>; 3] = [0, 1, 2].map(|k| (0..n).map(|i| number(i, k).abs() * 0.1).collect());
            let gradients: Vec<f64> = (0..n).map(|i| if i % 11 == 0 { 0.0 } else { number(i, 4) }).collect();
            let rates: Vec<f64> = (0..wide).map(|k| 1e-3 * (k + 1) as f64).collect();
            let rule = AdamRule { betas: [0.9, 0.999], epsilon: 1e-15, step: 3 };
            let mut expected = start.clone();
            naive::adam(rule, &rates, &gradients, &mut expected);
            let mut bits = Vec::new();
            for count in [1, 2, 3] {
                let [mut values, mut means, mut squares] = start.clone();
                let of = AdamColumns { values: &mut values, means: &mut means, squares: &mut squares };
                threads::with_count(count, || adam(rule, &rates, &gradients, of));
                for (found, expected) in [&values, &means, &squares].into_iter().zip(&expected) {
                    assert!(found.iter().zip(expected).all(|(x, y)| (x - y).abs() <= 1e-15), "{rows} rows of {wide}");
                }
                bits.push(values);
            }
            assert!(bits[0] == bits[1] && bits[1] == bits[2]);
        }
    }
}
