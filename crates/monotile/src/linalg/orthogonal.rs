//! Random orthogonal matrices

use super::qr::{QrOptions, qr};
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::Spec;

/// Random matrices with orthonormal columns, or rows where they are wide, uniform over all such (Haar's measure).
///
/// Shapes: `(…, m, n)` as asked for. As a start for the weights of a network it keeps lengths; a factor for an activation is
/// multiplied on afterwards.
///
/// # Errors
/// If the shape has less than two dimensions, or the dtype is no floating-point one.
///
/// # Source
/// Mezzadri (2007), arXiv math-ph/0609050: the factor Q of normal numbers, made unique by a non-negative diagonal of R.
///
/// # Example
/// ```
/// use monotile::{DType, Rng, linalg::orthogonal};
/// let q = orthogonal(&[3, 2], &mut Rng::new(1), DType::F64)?;
/// let gram = q.mt().matmul(&q)?.to_vec::<f64>()?;
/// assert!(gram.iter().zip([1.0, 0.0, 0.0, 1.0]).all(|(g, expected)| (g - expected).abs() < 1e-15));
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "ortho_group")]
#[doc(alias = "orthogonal_")]
#[track_caller]
pub fn orthogonal(shape: &[usize], rng: &mut Rng, dtype: DType) -> Result<Tensor> {
    let [batch @ .., m, n] = shape else {
        return Err(Error::shape(format!("orthogonal: needs at least 2 dimensions, got shape {shape:?}")));
    };
    if !dtype.is_float() {
        return Err(Error::dtype(format!("orthogonal: takes a floating-point dtype, got {dtype}")));
    }
    let (rows, columns) = (*m.max(n), *m.min(n));
    let tall: Vec<usize> = batch.iter().copied().chain([rows, columns]).collect();
    let q = qr(&rng.normal(&tall, dtype.compute())?, &QrOptions { non_negative: true, ..Default::default() })?.q;
    if m < n { q.mt() } else { q }.to_dtype(dtype)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("orthogonal", |_| Ok(vec![orthogonal(&[3], &mut Rng::new(1), DType::F64)?]))
            .refuses(Vec::new(), "orthogonal: needs at least 2 dimensions, got shape [3]"),
        Spec::new("orthogonal", |_| Ok(vec![orthogonal(&[3, 3], &mut Rng::new(1), DType::I64)?]))
            .refuses(Vec::new(), "orthogonal: takes a floating-point dtype, got i64"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: orthogonal);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orthogonal_matrices_are_uniform() {
        let (count, n) = (20_000, 3);
        let q = orthogonal(&[count, n, n], &mut Rng::new(4), DType::F64).unwrap().to_f64_vec().unwrap();
        // For Haar's measure E q₁₁ = 0, E q₁₁² = 1/n, E tr Q = 0 and E (tr Q)² = 1; five standard errors, of 1/√count at most each
        // but that of (tr Q)², whose variance is 2 (Diaconis and Shahshahani 1994).
        let mean = |f: &dyn Fn(&[f64]) -> f64| q.chunks(n * n).map(f).sum::<f64>() / count as f64;
        let error = 5.0 / (count as f64).sqrt();
        let trace = |q: &[f64]| q[0] + q[4] + q[8];
        assert!(mean(&|q| q[0]).abs() < error && (mean(&|q| q[0] * q[0]) - 1.0 / n as f64).abs() < error);
        assert!(mean(&trace).abs() < error && (mean(&|q| trace(q).powi(2)) - 1.0).abs() < error * 2.0_f64.sqrt());
        let wide = orthogonal(&[2, 5], &mut Rng::new(1), DType::F32).unwrap();
        let gram = wide.matmul(&wide.mt()).unwrap().to_f64_vec().unwrap();
        assert!(gram.iter().zip([1.0, 0.0, 0.0, 1.0]).all(|(g, e)| (g - e).abs() < 1e-6));
    }
}
