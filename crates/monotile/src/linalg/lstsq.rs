//! min ‖A X − B‖

use super::parts::{broadcast, check_rows, with_columns};
use super::qr::{Qr, QrOptions, qr};
use super::triangular::{Triangular, solve_triangular};
use crate::check;
use crate::error::Result;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The X that minimizes ‖A X − B‖ column by column, and of those the one of least norm.
///
/// Shapes: `a` is `(…, m, n)`, `b` is `(…, m, k)`, or `(m)` for a single column; the result is `(…, n, k)` or `(n)`. Leading dimensions
/// broadcast.
///
/// # Gradient
/// Of both operands, through the factorization.
///
/// # Errors
/// If the shapes do not fit.
///
/// # Cost
/// That of [`qr`] and of a product.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, chapter 5.
///
/// # Example
/// The line 1 + 2 t through three points:
/// ```
/// use monotile::{Tensor, linalg::lstsq};
/// let a = Tensor::from_rows(&[[1.0_f64, 0.0], [1.0, 1.0], [1.0, 2.0]])?;
/// let x = lstsq(&a, &Tensor::from_slice(&[1.0_f64, 3.0, 5.0], &[3])?)?.to_vec::<f64>()?;
/// assert!((x[0] - 1.0).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14);
/// # Ok::<(), monotile::Error>(())
/// ```
pub fn lstsq(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let [m, n] = check::matrices("lstsq", a)?;
    with_columns(b, |b| {
        check_rows("lstsq", a, b, m)?;
        let [a, b] = broadcast("lstsq", a, b)?;
        let upper = |r: &Tensor, b: &Tensor| solve_triangular(r, b, &Triangular { upper: true, ..Default::default() });
        if m >= n {
            let Qr { q, r } = qr(&a, &QrOptions::default())?;
            return upper(&r, &q.mt().matmul(&b)?);
        }
        // Aᵀ = Q R: the least X with Rᵀ Qᵀ X = B lies in the columns of Q.
        let Qr { q, r } = qr(&a.mt(), &QrOptions::default())?;
        q.matmul(&solve_triangular(&r.mt(), &b, &Triangular::default())?)
    })
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::regular;
    vec![
        Spec::new("lstsq", |x| Ok(vec![lstsq(&x[0], &x[1])?]))
            .sample("tall", vec![normal(&[6, 3]), normal(&[6, 2])])
            .sample("a vector", vec![normal(&[6, 3]), normal(&[6])])
            .sample("square, broadcast", vec![regular(&[2, 1, 3, 3]), normal(&[4, 3, 2])])
            .sample("wide", vec![regular(&[2, 3, 5]), normal(&[2, 3, 2])])
            .sample("no rows", vec![normal(&[0, 0]), normal(&[0, 2])])
            .holds("Aᵀ (A X − B) = 0", |x, y| {
                let residual = x[0].matmul(&y[0])?.sub(&x[1])?;
                Ok(x[0].mt().matmul(&residual)?.to_f64_vec().iter().fold(0.0, |m, v| m.max(v.abs())))
            })
            .orders(2)
            // The condition of the samples, up to 10.
            .tolerance_f32(5e-5)
            .refuses(
                vec![normal(&[4, 2]), normal(&[3])],
                "lstsq: matrices of shape [4, 2] and right-hand sides of shape [3, 1]: both need as many rows",
            ),
    ]
}
