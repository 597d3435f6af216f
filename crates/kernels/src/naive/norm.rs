//! Norms a row at a time.

use crate::real::Real;

/// y = x / √(mean(x²) + ε) · w over rows of w.len() elements.
pub fn rms_norm<T: Real>(x: &[T], w: &[T], eps: f64) -> Vec<T> {
    let mut y = Vec::new();
    for row in x.chunks_exact(w.len().max(1)) {
        let rho = reciprocal_rms(row, eps);
        y.extend(row.iter().zip(w).map(|(&x, &w)| x * rho * w));
    }
    y
}

/// The gradients (dx, dw) of [`rms_norm`].
pub fn rms_norm_backward<T: Real>(x: &[T], w: &[T], eps: f64, dy: &[T]) -> (Vec<T>, Vec<T>) {
    let n = w.len();
    let (mut dx, mut dw) = (Vec::new(), vec![T::ZERO; n]);
    for (x, dy) in x.chunks_exact(n.max(1)).zip(dy.chunks_exact(n.max(1))) {
        let rho = reciprocal_rms(x, eps);
        let mean = (0..n).fold(T::ZERO, |sum, i| sum + w[i] * dy[i] * x[i] * rho) / T::from_f64(n as f64);
        dx.extend((0..n).map(|i| rho * (w[i] * dy[i] - x[i] * rho * mean)));
        (0..n).for_each(|i| dw[i] += dy[i] * x[i] * rho);
    }
    (dx, dw)
}

fn reciprocal_rms<T: Real>(row: &[T], eps: f64) -> T {
    let squares = row.iter().fold(T::ZERO, |sum, &x| sum + x * x);
    T::ONE / (squares / T::from_f64(row.len() as f64) + T::from_f64(eps)).sqrt()
}
