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

/// y = (x − mean(x)) / √(mean((x − mean(x))²) + ε) · w + b over rows of w.len() elements.
pub fn layer_norm<T: Real>(x: &[T], [w, b]: [&[T]; 2], eps: f64) -> Vec<T> {
    let mut y = Vec::new();
    for row in x.chunks_exact(w.len().max(1)) {
        let centred = centred(row);
        let rho = reciprocal_rms(&centred, eps);
        y.extend((0..w.len()).map(|i| centred[i] * rho * w[i] + b[i]));
    }
    y
}

/// The gradients of [`layer_norm`]: dx, and dw with db after it.
pub fn layer_norm_backward<T: Real>(x: &[T], w: &[T], eps: f64, dy: &[T]) -> (Vec<T>, Vec<T>) {
    let n = w.len();
    let (mut dx, mut dwb) = (Vec::new(), vec![T::ZERO; 2 * n]);
    let mean = |f: &dyn Fn(usize) -> T| (0..n).fold(T::ZERO, |sum, i| sum + f(i)) / T::from_f64(n as f64);
    for (x, dy) in x.chunks_exact(n.max(1)).zip(dy.chunks_exact(n.max(1))) {
        let centred = centred(x);
        let rho = reciprocal_rms(&centred, eps);
        let (a, b) = (mean(&|i| w[i] * dy[i]), mean(&|i| w[i] * dy[i] * centred[i] * rho));
        dx.extend((0..n).map(|i| rho * (w[i] * dy[i] - a - centred[i] * rho * b)));
        for i in 0..n {
            dwb[i] += dy[i] * centred[i] * rho;
            dwb[n + i] += dy[i];
        }
    }
    (dx, dwb)
}

fn centred<T: Real>(row: &[T]) -> Vec<T> {
    let mean = row.iter().fold(T::ZERO, |sum, &x| sum + x) / T::from_f64(row.len() as f64);
    row.iter().map(|&x| x - mean).collect()
}

fn reciprocal_rms<T: Real>(row: &[T], eps: f64) -> T {
    let squares = row.iter().fold(T::ZERO, |sum, &x| sum + x * x);
    T::ONE / (squares / T::from_f64(row.len() as f64) + T::from_f64(eps)).sqrt()
}
