//! A = Q R

use super::dependent::{left_by_reflections, refuse_dependent};
use super::parts::{lower, sum, thin_q_cotangent};
use super::triangular::{SolveTriangularOptions, solve_triangular};
use crate::check;
use crate::door::factor::{self, Kind};
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
#[cfg(test)]
use crate::tensor::DType;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// How [`qr`] factors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QrOptions {
    /// Q is square, (m, m), and R (m, n); else, with k = min(m, n), (m, k) and (k, n).
    pub full: bool,
    /// R gets a diagonal without negative elements, which makes both factors unique where A has full rank.
    pub non_negative: bool,
}

/// The factors of A = Q R.
#[derive(Clone)]
pub struct Qr {
    /// Orthonormal columns.
    pub q: Tensor,
    /// Upper triangular.
    pub r: Tensor,
}

/// Factors matrices as A = Q R, Q with orthonormal columns and R upper triangular, by Householder reflections.
///
/// Shapes: `a` is `(…, m, n)`; with k = min(m, n), Q is `(…, m, k)` and R `(…, k, n)`; `full` makes them `(…, m, m)` and `(…, m, n)`.
/// Signs are as the reflections leave them, unless `non_negative`.
///
/// # Gradient
/// Defined where the first k columns of A are independent, and refused where one depends on those before it, up to rounding. The columns of a full Q beyond k are any basis of their space: a
/// loss that depends on which has no gradient and is refused.
///
/// # Errors
/// If `a` is no matrix, or of integers. A gradient of dependent columns is refused as `Singular`, naming the column. On a
/// GPU nothing is read back, and no gradient refused. Matrices are at most 32 x 32 there.
///
/// # Cost
/// About 4 m n k − 2 k²(m + n) + 4/3 k³ operations a matrix, most of them in matrix products.
///
/// # Source
/// Schreiber and Van Loan (1989), A storage-efficient WY representation; gradient: Walter and Lehmann (2010), arXiv
/// 1001.1654, wide matrices as in Roberts and Roberts (2020), arXiv 2009.10071.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::{QrOptions, qr}};
/// let a = Tensor::from_rows(&[[3.0_f64, 1.0], [4.0, 2.0]])?;
/// let factors = qr(&a, &QrOptions { non_negative: true, ..Default::default() })?;
/// let r = factors.r.to_vec::<f64>()?;
/// assert!([5.0, 2.2, 0.0, 0.4].iter().zip(r).all(|(expected, r)| (expected - r).abs() < 1e-14));
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn qr(a: &Tensor, options: &QrOptions) -> Result<Qr> {
    let a = a.to_compute_dtype("qr")?;
    check::matrices("qr", &a)?;
    let factors = factor::qr("qr", &a, Kind { full: options.full, non_negative: options.non_negative })?;
    let [q, r] = <[Tensor; 2]>::try_from(Tensor::record_all(factors.into(), &[&a], QrGradient))
        .unwrap_or_else(|_| unreachable!("as many tensors are recorded as were given"));
    Ok(Qr { q, r })
}

/// R alone, `(…, min(m, n), n)`, of matrices that no gradient is asked of.
#[track_caller]
pub(super) fn triangle(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("qr")?;
    check::matrices("qr", &a)?;
    factor::triangle("qr", &a)
}

struct QrGradient;

impl Gradient for QrGradient {
    fn name(&self) -> &'static str {
        "qr"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let (mut q, mut r) = (saved.output(0), saved.output(1));
        let (m, n) = (q.dim(-2), r.dim(-1));
        let (mut q_bar, mut r_bar) = (cotangents[0].clone(), cotangents[1].clone());
        if q.dim(-1) > n {
            q_bar = q_bar.map(|g| thin_q_cotangent("qr", &q, &g, n)).transpose()?;
            r_bar = r_bar.map(|g| g.slice(-2, ..n)).transpose()?;
            (q, r) = (q.slice(-1, ..n)?, r.slice(-2, ..n)?);
        }
        if m >= n {
            return Ok(vec![Some(tall(&q, &r, q_bar, r_bar)?)]);
        }
        // A = [X, Y] = Q [U, V]: X = Q U is square and V = Qᵀ Y, so that Q̄ gains Y V̄ᵀ and Ȳ = Q V̄.
        let (u, v) = (r.slice(-1, ..m)?, r.slice(-1, m..)?);
        let (u_bar, v_bar) = match &r_bar {
            Some(g) => (Some(g.slice(-1, ..m)?), g.slice(-1, m..)?),
            None => (None, v.zeros_like()),
        };
        let through_v = q.matmul(&v.matmul(&v_bar.mt())?)?;
        let x_bar = tall(&q, &u, sum(q_bar, Some(through_v))?, u_bar)?;
        Ok(vec![Some(Tensor::cat(&[&x_bar, &q.matmul(&v_bar)?], -1)?)])
    }
}

// Ā = (Q̄ + Q copyltu(M)) R⁻ᵀ,  M = R R̄ᵀ − Q̄ᵀ Q,  copyltu(M): the symmetric matrix with the lower triangle of M
// (Walter and Lehmann 2010; of (m, n) with m ≥ n)
#[track_caller]
fn tall(q: &Tensor, r: &Tensor, q_bar: Option<Tensor>, r_bar: Option<Tensor>) -> Result<Tensor> {
    refuse_dependent("qr", r, left_by_reflections(q.dim(-2), r.dim(-1)))?;
    let from_r = r_bar.map(|g| r.matmul(&g.mt())).transpose()?;
    let from_q = q_bar.as_ref().map(|g| g.mt().matmul(q)?.neg()).transpose()?;
    let m = sum(from_r, from_q)?.expect("one of the cotangents is present");
    let copied = lower(&m, 0.5)?;
    let b = sum(q_bar, Some(q.matmul(&copied.add(copied.mt())?)?))?.expect("two terms");
    // B R⁻ᵀ = (R⁻¹ Bᵀ)ᵀ
    let upper = SolveTriangularOptions { upper: true, ..Default::default() };
    let solved = solve_triangular(r, &b.mt(), &upper).map_err(|e| Error::new(e.kind(), format!("the gradient of qr: {e}")))?;
    Ok(solved.mt())
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, regular};
    let factors = |options: QrOptions| {
        move |x: &[Tensor]| {
            let Qr { q, r } = qr(&x[0], &options)?;
            Ok(vec![q, r])
        }
    };
    let thin = QrOptions::default();
    let orthonormal = |_: &[Tensor], y: &[Tensor]| {
        let gram = y[0].mt().matmul(&y[0])?;
        distance(&Tensor::eye(gram.dim(-1), gram.dtype())?.expand(gram.shape())?, &gram)
    };
    vec![
        Spec::new("qr", factors(thin))
            .sample("square", vec![regular(&[4, 4])])
            .sample("tall", vec![normal(&[2, 6, 3])])
            .sample("wide", vec![regular(&[2, 3, 5])])
            .sample("one by one", vec![normal(&[1, 1])])
            .sample("a column", vec![normal(&[5, 1])])
            .sample("a row", vec![normal(&[1, 5])])
            .sample("across blocks", vec![regular(&[70, 66])])
            .sample("no rows", vec![normal(&[2, 0, 3])])
            .sample("no columns", vec![normal(&[2, 3, 0])])
            .property("A = Q R", |x, y| distance(&x[0], &y[0].matmul(&y[1])?))
            .property("Qᵀ Q = I", orthonormal)
            .orders(2)
            // Rounding of a factor of the condition of the samples, and of the sums of 70 terms.
            .tolerance_f32(3e-5)
            .refuses(vec![normal(&[3])], "qr: needs at least 2 dimensions, got shape [3]"),
        Spec::new("qr", factors(QrOptions { non_negative: true, ..thin }))
            .sample("tall", vec![normal(&[2, 6, 3])])
            .property("no negative diagonal", |_, y| {
                Ok(y[1].diagonal(-2, -1)?.to_f64_vec().unwrap().into_iter().fold(0.0, |m, r| m.max(-r)))
            })
            .orders(2),
        // The projection on the columns beyond R is all of them that does not depend on their choice.
        Spec::new("qr", |x| {
            let Qr { q, r } = qr(&x[0], &QrOptions { full: true, ..Default::default() })?;
            let n = x[0].dim(-1);
            let rest = q.slice(-1, n..)?;
            Ok(vec![q.slice(-1, ..n)?, r, rest.matmul(&rest.mt())?])
        })
        .sample("tall", vec![normal(&[2, 5, 3])])
        .orders(2),
        Spec::new("qr", factors(QrOptions { full: true, ..thin }))
            .sample("square", vec![regular(&[3, 3])])
            .sample("wide", vec![regular(&[3, 5])])
            .sample("no columns", vec![normal(&[2, 3, 0])])
            .property("A = Q R", |x, y| distance(&x[0], &y[0].matmul(&y[1])?))
            .property("Qᵀ Q = I", orthonormal),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: qr);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    #[test]
    fn a_loss_that_depends_on_a_choice_or_on_dependent_columns_has_no_gradient() {
        let a = normal(&[5, 2]).requires_grad();
        let q = qr(&a, &QrOptions { full: true, ..Default::default() }).unwrap().q;
        let one = q.slice(1, 4..).unwrap().slice(0, ..1).unwrap();
        assert_eq!(
            grad(&one, &[&a]).unwrap_err().to_string(),
            "the gradient of qr: the loss depends on which basis of their space the last columns of a square factor are"
        );
        let a = Tensor::zeros(&[3, 2], DType::F64).unwrap().requires_grad();
        let loss = qr(&a, &QrOptions::default()).unwrap().r.sum(&[], false).unwrap();
        assert_eq!(
            grad(&loss, &[&a]).unwrap_err().to_string(),
            "the gradient of qr: column 0 of the matrix depends on those before it, up to rounding; leave it out, or take svd"
        );
    }

    #[test]
    fn columns_that_depend_on_each_other_up_to_rounding_have_no_gradient_at_any_scale() {
        let low = normal(&[8, 3]).matmul(&normal(&[3, 5])).unwrap();
        let scales = Tensor::from_slice(&[1e150, 1.0, 1e-9, 1e3, 1.0], &[5]).unwrap();
        let gradient = |a: &Tensor| {
            let a = a.requires_grad();
            let Qr { q, r } = qr(&a, &QrOptions::default())?;
            grad(&q.sum(&[], false)?.add(&r.sum(&[], false)?)?, &[&a])
        };
        for a in [low.clone(), low.mul(&scales).unwrap(), low.mt(), Tensor::stack(&[&normal(&[8, 5]), &low], 0).unwrap()] {
            for dtype in [DType::F64, DType::F32] {
                if dtype == DType::F32 && a.abs().unwrap().max(&[], false).unwrap().item::<f64>().unwrap() > 1e38 {
                    continue;
                }
                let words = gradient(&a.to_dtype(dtype).unwrap()).unwrap_err().to_string();
                assert!(words.starts_with("the gradient of qr: column 3 of "), "{words}");
            }
        }
        // The same columns of other lengths are as independent as before: the gradient of R's diagonal is scaled, no more.
        let a = normal(&[8, 5]);
        let diagonal = |a: &Tensor| {
            let a = a.requires_grad();
            let options = QrOptions { non_negative: true, ..Default::default() };
            let r = qr(&a, &options)?.r.diagonal(-2, -1)?.ln()?;
            grad(&r.sum(&[], false)?, &[&a])?[0].mul(a.detach())?.to_f64_vec()
        };
        let (plain, scaled) = (diagonal(&a).unwrap(), diagonal(&a.mul(&scales).unwrap()).unwrap());
        assert!(plain.iter().zip(scaled).all(|(x, y)| (x - y).abs() < 1e-12), "the columns are independent");
    }
}
