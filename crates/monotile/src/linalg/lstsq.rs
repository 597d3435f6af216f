//! min ‖A X − B‖

use monotile_kernels::shape::count;

use super::dependent::smallest;
use super::parts::{batch, broadcast, check_rows, constant, repeated, shape, with_columns};
use super::pinv::pinv;
use super::qr::{Qr, QrOptions, qr, triangle};
use super::svd::svdvals;
use super::triangular::{SolveTriangularOptions, solve_triangular};
use crate::check;
use crate::error::Result;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The X that minimizes ‖A X − B‖ column by column, and of those the one of least norm.
///
/// Shapes: `a` is `(…, m, n)`, `b` is `(…, m, k)`, or `(m)` for a single column; the result is `(…, n, k)` or `(n)`. Leading dimensions
/// broadcast.
///
/// # Gradient
/// Of both operands, through the factorization; where A has not full rank, along changes that keep its rank.
///
/// # Errors
/// If the shapes do not fit. On a GPU nothing is read back, and both ways are taken for every matrix. Matrices are at most 32 x 32 there.
///
/// # Cost
/// That of [`qr`] and of a product; for a matrix without full rank, that of [`pinv`](super::pinv) too.
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
#[doc(alias = "gelsd")]
#[track_caller]
pub fn lstsq(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let [m, n] = check::matrices("lstsq", a)?;
    with_columns(b, |b| {
        check_rows("lstsq", a, b, m)?;
        let [a, b] = broadcast("lstsq", a, b)?;
        let plain = a.rank() == 2 && !a.is_recorded() && !b.is_recorded() && a.device().is_cpu();
        if plain && b.dim(-1) == 1 && m > n && n > 0 {
            // [A, b] = Q [R, Qᵀ b; 0, ρ]: without Q itself.
            let all = triangle(&Tensor::cat(&[&a, &b], -1)?)?.slice(-2, ..n)?;
            let r = all.slice(-1, ..n)?;
            if !deficient(&r, m)?.to_f64_vec()?.contains(&1.0) {
                return solve_triangular(&r, &all.slice(-1, n..)?, &SolveTriangularOptions { upper: true, ..Default::default() });
            }
        }
        let tall = if m < n { a.mt() } else { a.clone() };
        let factors = qr(&tall, &QrOptions::default())?;
        let deficient = deficient(&factors.r, m.max(n))?;
        if deficient.is_empty() || (deficient.device().is_cpu() && !deficient.to_f64_vec()?.contains(&1.0)) {
            return through(&factors, m < n, &b);
        }
        // Matrices of full rank keep the accurate way; the others are something regular meanwhile, whose gradient nobody wants.
        let regular = constant(m.max(n), m.min(n), a.dtype(), |i, j| f64::from(i == j))?.to(&a.device())?;
        let factors = qr(&deficient.where_(&regular, &tall)?, &QrOptions::default())?;
        deficient.where_(&pinv(&a, None)?.matmul(&b)?, &through(&factors, m < n, &b)?)
    })
}

/// The solution by the factors of A of full rank, or of Aᵀ where A is wide.
#[track_caller]
fn through(factors: &Qr, wide: bool, b: &Tensor) -> Result<Tensor> {
    let Qr { q, r } = factors;
    if wide {
        // The least X with Rᵀ Qᵀ X = B lies in the columns of Q.
        return q.matmul(&solve_triangular(&r.mt(), b, &SolveTriangularOptions::default())?);
    }
    solve_triangular(r, &q.mt().matmul(b)?, &SolveTriangularOptions { upper: true, ..Default::default() })
}

/// Which triangles R have no full rank up to rounding, `(…, 1, 1)`.
#[track_caller]
fn deficient(r: &Tensor, size: usize) -> Result<Tensor> {
    let k = r.dim(-1);
    let epsilon: f64 = if r.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
    if k > 0 && !r.device().is_cpu() {
        let s = svdvals(&r.detach())?.unsqueeze(-2)?;
        let norm = s.div(&s.slice(-1, ..1)?)?.square()?.sum(&[-1], true)?.sqrt()?.mul(&s.slice(-1, ..1)?)?;
        // Of a matrix of zeros the norm is NaN.
        let (last, zero) = (s.slice(-1, k - 1..)?, s.slice(-1, ..1)?.eq(0.0)?);
        return last.le(&norm.mul_scalar(size as f64 * epsilon)?)?.or(&zero);
    }
    let found = |r: &[f64]| {
        let largest = r.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let r: Vec<f64> = r.iter().map(|x| x / largest).collect();
        let norm = r.iter().map(|x| x * x).sum::<f64>().sqrt();
        // What is not finite is no matter of rank.
        largest == 0.0 || (norm.is_finite() && smallest(&r, k) <= size as f64 * epsilon * norm)
    };
    let elements = r.to_f64_vec()?;
    let mut all = repeated(count(batch(r)), false)?;
    if k > 0 {
        all.iter_mut().zip(elements.chunks_exact(k * k)).for_each(|(all, r)| *all = found(r));
    }
    let found = all;
    Tensor::from_vec(found, &shape(batch(r), &[1, 1]))
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, distinct, regular};
    let d = |shape: &[usize]| distinct(&normal(shape)).expect("matrices");
    vec![
        Spec::new("lstsq", |x| Ok(vec![lstsq(&x[0], &x[1])?]))
            .sample("tall", vec![normal(&[6, 3]), normal(&[6, 2])])
            .sample("a vector", vec![normal(&[6, 3]), normal(&[6])])
            .sample("square, broadcast", vec![regular(&[2, 1, 3, 3]), normal(&[4, 3, 2])])
            .sample("wide", vec![regular(&[2, 3, 5]), normal(&[2, 3, 2])])
            .sample("no rows", vec![normal(&[0, 0]), normal(&[0, 2])])
            .property("Aᵀ (A X − B) = 0", |x, y| {
                let residual = x[0].matmul(&y[0])?.sub(&x[1])?;
                Ok(x[0].mt().matmul(&residual)?.to_f64_vec().unwrap().iter().fold(0.0, |m, v| m.max(v.abs())))
            })
            .orders(2)
            // The condition of the samples, up to 10.
            .tolerance_f32(5e-5)
            .refuses(
                vec![normal(&[4, 2]), normal(&[3])],
                "lstsq: matrices of shape [4, 2] and right-hand sides of shape [3, 1]: both need as many rows",
            ),
        // A product keeps its rank wherever its factors go; one matrix of the batch has full rank.
        Spec::new("lstsq", |x| {
            let low = x[0].matmul(&x[1])?;
            Ok(vec![lstsq(&Tensor::stack(&[&low, &x[2]], 0)?, &x[3])?])
        })
        .sample("tall", vec![d(&[6, 2]), d(&[2, 3]), d(&[6, 3]), normal(&[6, 2])])
        .sample("wide", vec![d(&[3, 2]), d(&[2, 5]), d(&[3, 5]), normal(&[3, 2])])
        .property("X = A⁺ B", |x, y| {
            let low = x[0].matmul(&x[1])?;
            distance(&pinv(&Tensor::stack(&[&low, &x[2]], 0)?, None)?.matmul(&x[3])?, &y[0])
        })
        .orders(2)
        .tolerance_f32(5e-5),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: lstsq);
