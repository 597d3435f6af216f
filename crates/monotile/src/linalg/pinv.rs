//! A⁺

use super::degenerate::replaced;
use super::parts::{batch, shape};
use super::rank::{cutoffs, relative_cutoff};
use super::svd::{Svd, SvdOptions, svd};
use crate::check;
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The Moore-Penrose inverses of matrices: V S⁺ Uᵀ, with the reciprocals of those singular values that are above the cutoff.
///
/// Shapes: `a` is `(…, m, n)`, the result `(…, n, m)`. The cutoff is relative to the largest singular value: max(m, n) ε unless
/// given.
///
/// # Gradient
/// Exact along changes of A that keep its rank; across them A⁺ jumps.
///
/// # Errors
/// If `a` is no matrix; if the cutoff is negative or NaN.
///
/// # Cost
/// That of [`svd`] and a product.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, section 5.5; gradient: Golub and Pereyra (1973), The differentiation of
/// pseudo-inverses and nonlinear least squares problems.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::pinv};
/// let a = Tensor::from_rows(&[[2.0_f64, 0.0], [0.0, 0.0], [0.0, 0.0]])?;
/// assert_eq!(pinv(&a, None)?.to_vec::<f64>()?, [0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "pinverse")]
#[track_caller]
pub fn pinv(a: &Tensor, cutoff: Option<f64>) -> Result<Tensor> {
    let a = a.to_compute_dtype("pinv")?;
    let sizes = check::matrices("pinv", &a)?;
    let Svd { u, s, vt } = svd(&a.detach(), &SvdOptions::default())?;
    let k = s.dim(-1);
    if !s.device().is_cpu() {
        // Nothing is read back. Of a NaN no comparison holds.
        let relative = relative_cutoff("pinv", s.dtype(), sizes, cutoff)?;
        let cut = s.le(&s.slice(-1, ..k.min(1))?.mul_scalar(relative)?)?;
        let inverse = replaced(&replaced(&s, &cut, 1.0)?.recip()?, &cut, 0.0)?;
        let value = vt.mt().mul(&inverse.unsqueeze(-2)?)?.matmul(&u.mt())?;
        return Ok(Tensor::record(value, &[&a], Pinv));
    }
    let values = s.to_f64_vec()?;
    let limits = cutoffs("pinv", &s, sizes, cutoff)?;
    // Positive comparison, so that NaN stays.
    let inverse = |(at, &s): (usize, &f64)| if s <= limits[at / k] { 0.0 } else { 1.0 / s };
    let inverse: Vec<f64> = values.iter().enumerate().map(inverse).collect();
    let inverse = Tensor::from_vec(inverse, &shape(batch(&a), &[1, k]))?.to_dtype(a.dtype())?;
    let value = vt.mt().mul(&inverse)?.matmul(&u.mt())?;
    Ok(Tensor::record(value, &[&a], Pinv))
}

struct Pinv;

impl Gradient for Pinv {
    fn name(&self) -> &'static str {
        "pinv"
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // With P = A⁺:  Ā = −Pᵀ P̄ Pᵀ + (I − A P) P̄ᵀ P Pᵀ + Pᵀ P P̄ᵀ (I − P A)      (Golub and Pereyra 1973, equation 4.12)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(bar) = &cotangents[0] else { return Ok(vec![None]) };
        let (a, p) = (saved.input(0), saved.output(0));
        let (pt, bar_t) = (p.mt(), bar.mt());
        let mut a_bar = pt.matmul(bar)?.matmul(&pt)?.neg()?;
        let left = bar_t.matmul(&p)?.matmul(&pt)?;
        a_bar = a_bar.add(&left.sub(&a.matmul(&p.matmul(&left)?)?)?)?;
        let right = pt.matmul(&p)?.matmul(&bar_t)?;
        a_bar = a_bar.add(&right.sub(&right.matmul(&p)?.matmul(&a)?)?)?;
        Ok(vec![Some(a_bar)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, distinct};
    vec![
        Spec::new("pinv", |x| Ok(vec![pinv(&distinct(&x[0])?, None)?]))
            .sample("square", vec![normal(&[4, 4])])
            .sample("tall", vec![normal(&[2, 5, 3])])
            .sample("wide", vec![normal(&[3, 5])])
            .sample("no rows", vec![normal(&[2, 0, 3])])
            .property("A A⁺ A = A", |x, y| {
                let a = distinct(&x[0])?;
                distance(&a, &a.matmul(&y[0])?.matmul(&a)?)
            })
            .orders(2),
        // A product keeps its rank wherever its factors go.
        Spec::new("pinv", |x| Ok(vec![pinv(&x[0].matmul(&x[1])?, Some(1e-5))?]))
            .sample("rank 2", vec![distinct(&normal(&[5, 2])).unwrap(), distinct(&normal(&[2, 4])).unwrap()])
            .property("A⁺ A A⁺ = A⁺", |x, y| distance(&y[0], &y[0].matmul(&x[0].matmul(&x[1])?)?.matmul(&y[0])?))
            .orders(2),
        Spec::new("pinv", |x| Ok(vec![pinv(&x[0], Some(-1.0))?]))
            .refuses(vec![normal(&[2, 2])], "pinv: the cutoff -1 is not a number from 0 up"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: pinv);
