//! Norms over rows: RMS norm and layer norm, forward and backward, each reading a row from memory once.

use crate::buffer::OutOfMemory;
use crate::compiled::compiled;
use crate::number::rows;
use crate::params::params;
use crate::real::Real;
use crate::row_partition::{dot, dot3, split, split_and_sum, sum};
use crate::shape::count;
use crate::{simd, threads};

compiled! {
    /// `y[r, i] = x[r, i] · ρ[r] · w[i] with ρ[r] = (Σᵢ x[r, i]² / n + ε)^(−1/2), for rows of n = w.len() elements`.
    ///
    /// # Panics
    /// If the lengths are not those of one number of rows.
    pub fn rms_norm<T: Real>(x: &[T], w: &[T], eps: f64, y: &mut [T], rho: &mut [T]) {
        let (rows, n) = (rho.len(), w.len());
        assert!([x.len(), y.len()] == [count(&[rows, n]); 2], "rows of one length");
        if n == 0 {
            return;
        }
        split(rows, threads::parts(rows, n as f64 * params().cost.norm_ns), [y, rho], |rows, [y, rho]| {
            let x = &x[rows.start * n..rows.end * n];
            simd::run(
                #[inline(always)]
                || {
                    for ((x, y), rho) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)).zip(rho) {
                        let scale = T::from_f64(1.0 / (dot(x, x).to_f64() / n as f64 + eps).sqrt());
                        y.iter_mut().zip(x.iter().zip(w)).for_each(|(y, (&x, &w))| *y = rows::scaled(x, scale, w));
                        *rho = scale;
                    }
                },
            );
        });
    }
}

/// What the gradient of [`rms_norm`] is computed from, beside the cotangent.
#[derive(Clone, Copy)]
pub struct RmsNormSaved<'a, T> {
    /// The rows, (rows, n).
    pub x: &'a [T],
    /// The weight, n.
    pub w: &'a [T],
    /// The reciprocal root mean squares that the forward pass kept, one a row.
    pub rho: &'a [T],
}

compiled! {
    /// The gradients of [`rms_norm`]: with x̂ = ρ x, dx = ρ (w dy − x̂ · mean(w dy x̂)) and dw = Σ_r dy x̂.
    ///
    /// `dx` or `dw` may be empty where nobody wants it. dw is summed a thread at a time, then over threads in their order.
    ///
    /// # Errors
    /// If there is no memory for the sums of threads.
    ///
    /// # Panics
    /// If the lengths are not those of one number of rows.
    pub fn rms_norm_backward<T: Real>(forward: RmsNormSaved<'_, T>, dy: &[T], dx: &mut [T], dw: &mut [T]) -> Result<(), OutOfMemory> {
        let RmsNormSaved { x, w, rho } = forward;
        let (rows, n) = (rho.len(), w.len());
        assert!([x.len(), dy.len()] == [count(&[rows, n]); 2], "rows of one length");
        assert!((dx.is_empty() || dx.len() == rows * n) && (dw.is_empty() || dw.len() == n), "gradients of the inputs' lengths");
        if rows == 0 || n == 0 {
            dw.fill(T::ZERO);
            return Ok(());
        }
        let parts = threads::parts(rows, 2.0 * n as f64 * params().cost.norm_ns);
        split_and_sum(rows, parts, [dx], dw, |rows, [dx], dw| {
            simd::run(
                #[inline(always)]
                || {
                    for (r, row) in rows.enumerate() {
                        let (x, dy, rho) = (&x[row * n..][..n], &dy[row * n..][..n], rho[row]);
                        if !dx.is_empty() {
                            let dx = &mut dx[r * n..][..n];
                            let pull = rho * rho * dot3(w, dy, x, T::ZERO) * T::from_f64(1.0 / n as f64);
                            (0..n).for_each(|i| dx[i] = rows::scaled_slope(x[i], rho, w[i], dy[i], pull));
                        }
                        if !dw.is_empty() {
                            let dw = &mut dw[..n];
                            (0..n).for_each(|i| dw[i] += rows::scaled_by_weight(x[i], rho, dy[i]));
                        }
                    }
                },
            );
        })
    }
}

compiled! {
    /// `y[r, i] = (x[r, i] − μ[r]) · ρ[r] · w[i] + b[i] with μ the mean of a row and ρ = (mean((x − μ)²) + ε)^(−1/2)`.
    ///
    /// # Panics
    /// If the lengths are not those of one number of rows.
    pub fn layer_norm<T: Real>(x: &[T], scale_and_shift: [&[T]; 2], eps: f64, y: &mut [T], moments: [&mut [T]; 2]) {
        let ([w, b], [mu, rho]) = (scale_and_shift, moments);
        let (rows, n) = (rho.len(), w.len());
        assert!(x.len() == rows * n && y.len() == rows * n && mu.len() == rows && b.len() == n, "rows of one length");
        if n == 0 {
            return;
        }
        split(rows, threads::parts(rows, 2.0 * n as f64 * params().cost.norm_ns), [y, mu, rho], |rows, [y, mu, rho]| {
            let x = &x[rows.start * n..rows.end * n];
            simd::run(
                #[inline(always)]
                || {
                    for (r, (x, y)) in x.chunks_exact(n).zip(y.chunks_exact_mut(n)).enumerate() {
                        let mean = sum(x) * T::from_f64(1.0 / n as f64);
                        y.iter_mut().zip(x).for_each(|(y, &x)| *y = x - mean);
                        let scale = T::from_f64(1.0 / (dot(y, y).to_f64() / n as f64 + eps).sqrt());
                        y.iter_mut().zip(w.iter().zip(b)).for_each(|(y, (&w, &b))| *y = rows::standardized(*y, scale, w, b));
                        (mu[r], rho[r]) = (mean, scale);
                    }
                },
            );
        });
    }
}

/// What the gradient of [`layer_norm`] is computed from, beside the cotangent.
#[derive(Clone, Copy)]
pub struct LayerNormSaved<'a, T> {
    /// The rows, (rows, n).
    pub x: &'a [T],
    /// The weight, n.
    pub w: &'a [T],
    /// The means that the forward pass kept, one a row.
    pub mu: &'a [T],
    /// The reciprocal standard deviations.
    pub rho: &'a [T],
}

compiled! {
    /// The gradients of [`layer_norm`]: with x̂ = ρ (x − μ), dx = ρ (w dy − mean(w dy) − x̂ · mean(w dy x̂)), and `dwb` holds
    /// dw = Σ_r dy x̂ and after it db = Σ_r dy.
    ///
    /// `dx` or `dwb` may be empty where nobody wants it.
    ///
    /// # Errors
    /// If there is no memory for the sums of threads.
    ///
    /// # Panics
    /// If the lengths are not those of one number of rows.
    pub fn layer_norm_backward<T: Real>(
        forward: LayerNormSaved<'_, T>,
        dy: &[T],
        dx: &mut [T],
        dwb: &mut [T],
    ) -> Result<(), OutOfMemory> {
        let LayerNormSaved { x, w, mu, rho } = forward;
        let (rows, n) = (rho.len(), w.len());
        assert!(x.len() == rows * n && dy.len() == rows * n && mu.len() == rows, "rows of one length");
        let fits = (dx.is_empty() || dx.len() == rows * n) && (dwb.is_empty() || dwb.len() == 2 * n);
        assert!(fits, "gradients of the inputs' lengths");
        if rows == 0 || n == 0 {
            dwb.fill(T::ZERO);
            return Ok(());
        }
        let parts = threads::parts(rows, 3.0 * n as f64 * params().cost.norm_ns);
        let share = T::from_f64(1.0 / n as f64);
        split_and_sum(rows, parts, [dx], dwb, |rows, [dx], dwb| {
            simd::run(
                #[inline(always)]
                || {
                    for (r, row) in rows.enumerate() {
                        let (x, dy, mu, rho) = (&x[row * n..][..n], &dy[row * n..][..n], mu[row], rho[row]);
                        if !dx.is_empty() {
                            let dx = &mut dx[r * n..][..n];
                            let mean = dot(w, dy) * share;
                            let pull = dot3(w, dy, x, mu) * share * rho * rho;
                            (0..n).for_each(|i| dx[i] = rows::standardized_slope(x[i] - mu, rho, w[i], dy[i], mean, pull));
                        }
                        if !dwb.is_empty() {
                            let (dw, db) = dwb.split_at_mut(n);
                            let dw = &mut dw[..n];
                            (0..n).for_each(|i| dw[i] += rows::scaled_by_weight(x[i] - mu, rho, dy[i]));
                            db.iter_mut().zip(dy).for_each(|(db, &dy)| *db += dy);
                        }
                    }
                },
            );
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    /// Numbers of both signs and several sizes, without a pattern that a wrong index would keep.
    fn numbers(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f64 / 300.0 - 1.6).collect()
    }

    #[test]
    fn rms_norm_and_its_gradient_agree_with_the_twin_at_odd_sizes() {
        for (rows, n) in [(1, 1), (3, 7), (2, 32), (5, 33), (0, 4), (3, 0), (700, 129)] {
            let (x, w, dy) = (numbers(rows * n, 1), numbers(n, 2), numbers(rows * n, 3));
            let (mut y, mut rho) = (vec![0.0; rows * n], vec![0.0; rows]);
            rms_norm(&x, &w, 1e-5, &mut y, &mut rho);
            let close = |a: &[f64], b: &[f64]| {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12 * b.abs().max(1.0))
            };
            assert!(close(&y, &naive::rms_norm(&x, &w, 1e-5)), "{rows} rows of {n}");
            let (mut dx, mut dw) = (vec![0.0; rows * n], vec![5.0; n]);
            let forward = RmsNormSaved { x: &x, w: &w, rho: &rho };
            rms_norm_backward(forward, &dy, &mut dx, &mut dw).unwrap();
            let (expected_dx, expected_dw) = naive::rms_norm_backward(&x, &w, 1e-5, &dy);
            // A sum over 700 rows of numbers near 1 is off by 700 ε in another order at most.
            assert!(close(&dx, &expected_dx) && close(&dw, &expected_dw), "{rows} rows of {n}");
            let (mut dx_alone, mut dw_alone) = (vec![0.0; rows * n], vec![5.0; n]);
            rms_norm_backward(forward, &dy, &mut dx_alone, &mut []).unwrap();
            rms_norm_backward(forward, &dy, &mut [], &mut dw_alone).unwrap();
            assert!(dx_alone == dx && close(&dw_alone, &dw), "{rows} rows of {n}");
        }
    }

    #[test]
    fn layer_norm_and_its_gradient_agree_with_the_twin_at_odd_sizes() {
        for (rows, n) in [(1, 1), (3, 7), (2, 32), (5, 33), (0, 4), (3, 0), (700, 129)] {
            let (x, w, b, dy) = (numbers(rows * n, 1), numbers(n, 2), numbers(n, 3), numbers(rows * n, 4));
            let (mut y, mut mu, mut rho) = (vec![0.0; rows * n], vec![0.0; rows], vec![0.0; rows]);
            layer_norm(&x, [&w, &b], 1e-5, &mut y, [&mut mu, &mut rho]);
            let close = |a: &[f64], b: &[f64], unit: f64| {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12 * unit * b.abs().max(1.0))
            };
            assert!(close(&y, &naive::layer_norm(&x, [&w, &b], 1e-5), 1.0), "{rows} rows of {n}");
            let (mut dx, mut dwb) = (vec![0.0; rows * n], vec![5.0; 2 * n]);
            let forward = LayerNormSaved { x: &x, w: &w, mu: &mu, rho: &rho };
            layer_norm_backward(forward, &dy, &mut dx, &mut dwb).unwrap();
            let (expected_dx, expected_dwb) = naive::layer_norm_backward(&x, &w, 1e-5, &dy);
            // A row of one element has no deviation: ρ = 1/√ε magnifies rounding.
            let unit = if n == 1 { 320.0 } else { 1.0 };
            assert!(close(&dx, &expected_dx, unit) && close(&dwb, &expected_dwb, unit), "{rows} rows of {n}");
        }
    }

    #[test]
    fn a_row_with_nan_spoils_no_other() {
        let x = [1.0_f32, f32::NAN, 3.0, 4.0, f32::INFINITY, 2.0];
        let (mut y, mut rho) = ([0.0; 6], [0.0; 3]);
        rms_norm(&x, &[1.0, 1.0], 0.0, &mut y, &mut rho);
        assert!(y[0].is_nan() && y[1].is_nan());
        assert!((y[2] - 3.0 / 12.5_f32.sqrt()).abs() < 1e-6 && (y[3] - 4.0 / 12.5_f32.sqrt()).abs() < 1e-6);
        // ∞ / ∞ has no value, and 2 / ∞ is 0.
        assert!(y[4].is_nan() && y[5] == 0.0);
    }
}
