//! Softmax a row at a time.

use crate::real::Real;

/// exp(x) / Σ exp(x) over rows of n elements, the largest taken off first.
pub fn softmax<T: Real>(x: &[T], n: usize) -> Vec<T> {
    let mut y = Vec::new();
    for row in x.chunks_exact(n) {
        let m = row.iter().fold(T::NEG_INFINITY, |m, &x| m.maximum(x));
        let l = row.iter().fold(T::ZERO, |l, &x| l + (x - m).exp());
        y.extend(row.iter().map(|&x| (x - m).exp() / l));
    }
    y
}

/// dx from dy and p = softmax(x): that of p, or of ln p where `logarithm`, whose cotangent reaches p divided by it.
pub fn softmax_backward<T: Real>(p: &[T], dy: &[T], n: usize, logarithm: bool) -> Vec<T> {
    let mut dx = Vec::new();
    for (p, dy) in p.chunks_exact(n).zip(dy.chunks_exact(n)) {
        // pᵢ · dpᵢ, of which dx = p dp − p Σ p dp.
        let weighted: Vec<T> = p.iter().zip(dy).map(|(&p, &dy)| if logarithm { dy } else { p * dy }).collect();
        let total = weighted.iter().fold(T::ZERO, |sum, &x| sum + x);
        dx.extend(p.iter().zip(&weighted).map(|(&p, &w)| w - p * total));
    }
    dx
}
