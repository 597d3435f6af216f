//! A = V Λ Vᵀ for symmetric A

use super::degenerate::{SpectralCotangent, scales, with_diagonal};
use super::parts::{matrix_name, symmetric};
use crate::check;
use crate::door;
use crate::error::{Error, ErrorKind, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The decomposition A = V Λ Vᵀ.
#[derive(Clone)]
pub struct Eigh {
    /// λ, in increasing order, `(…, n)`.
    pub values: Tensor,
    /// Orthonormal eigenvectors as columns, `(…, n, n)`.
    pub vectors: Tensor,
}

/// Decomposes symmetric matrices as A = V Λ Vᵀ, with V orthogonal and Λ diagonal.
///
/// Shapes: `a` is `(…, n, n)`; the values are `(…, n)`, in increasing order, and column i of V is the vector of value i. Only the lower
/// triangle of `a` is read. Signs, and the vectors of equal values, are as they come.
///
/// # Gradient
/// Returned symmetric. Right for every loss that does not depend on which signs and which vectors of equal values were chosen, equal
/// values included, as long as it sees equal values through one function of them (Σ g(λ) v vᵀ: a projection, a root, an
/// inverse root for whitening); take a decomposition for each of several. What does depend on the choice, or cannot be told, is
/// refused, naming the pair. A loss of the values alone is always right.
///
/// # Errors
/// If the matrices are not square; `NotConverged`, naming the matrix. On a GPU nothing is read back: where values are equal, the gradient of the
/// vectors is infinite or NaN there. Matrices are at most 32 x 32 there.
///
/// # Cost
/// About 9 n³ operations a matrix.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, chapter 8; gradient: Giles (2008), An extended collection of matrix
/// derivative results.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::eigh};
/// let a = Tensor::from_rows(&[[2.0_f64, 1.0], [1.0, 2.0]])?;
/// let found = eigh(&a)?.values.to_vec::<f64>()?;
/// assert!((found[0] - 1.0).abs() < 1e-15 && (found[1] - 3.0).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "symeig")]
#[track_caller]
pub fn eigh(a: &Tensor) -> Result<Eigh> {
    let a = a.to_compute_dtype("eigh")?;
    check::square("eigh", &a)?;
    let [values, vectors] = compute("eigh", &a, true)?;
    let [values, vectors] = <[Tensor; 2]>::try_from(Tensor::record_all(vec![values, vectors], &[&a], EighGradient))
        .unwrap_or_else(|_| unreachable!("as many tensors are recorded as were given"));
    Ok(Eigh { values, vectors })
}

/// The eigenvalues of symmetric matrices, in increasing order.
///
/// Shapes: `a` is `(…, n, n)`, the result `(…, n)`. Only the lower triangle of `a` is read.
///
/// # Gradient
/// V diag(λ̄) Vᵀ: right also where values are equal, if the loss treats equal values alike.
///
/// # Errors
/// As [`eigh`].
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::eigvalsh};
/// let a = Tensor::from_rows(&[[0.0_f64, 2.0], [2.0, 0.0]])?;
/// assert_eq!(eigvalsh(&a)?.to_vec::<f64>()?, [-2.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn eigvalsh(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("eigvalsh")?;
    check::square("eigvalsh", &a)?;
    let [values, vectors] = compute("eigvalsh", &a, a.is_recorded())?;
    Ok(Tensor::record(values, &[&a], Values { vectors }))
}

#[track_caller]
fn compute(op: &str, a: &Tensor, vectors: bool) -> Result<[Tensor; 2]> {
    door::factor::eigh(op, a, vectors, |matrix, _| {
        Error::new(ErrorKind::NotConverged, format!("{op}: the eigenvalues of {} did not converge", matrix_name(a, matrix)))
    })
    .placed()
}

/// V diag(λ̄) Vᵀ
#[track_caller]
fn from_values(v: &Tensor, bar: &Tensor) -> Result<Tensor> {
    v.mul(&bar.unsqueeze(-2)?)?.matmul(&v.mt())
}

struct Values {
    vectors: Tensor,
}

impl Gradient for Values {
    fn name(&self) -> &'static str {
        "eigvalsh"
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(bar) = &cotangents[0] else { return Ok(vec![None]) };
        let vectors = if saved.is_recorded() { eigh(&saved.input(0))?.vectors } else { self.vectors.clone() };
        Ok(vec![Some(from_values(&vectors, bar)?)])
    }
}

struct EighGradient;

impl Gradient for EighGradient {
    fn name(&self) -> &'static str {
        "eigh"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // Ā = V (diag(λ̄) + F ∘ X) Vᵀ,  F_ij = 1 / (λ_j − λ_i),  X = ½ (Vᵀ V̄ − V̄ᵀ V)      (Giles 2008, made symmetric)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let (values, v) = (saved.output(0), saved.output(1));
        let values_bar = cotangents[0].as_ref();
        let Some(v_bar) = &cotangents[1] else { return Ok(vec![values_bar.map(|bar| from_values(&v, bar)).transpose()?]) };
        let g = v.mt().matmul(v_bar)?;
        let (skew_part, scales) = (g.sub(g.mt())?.mul_scalar(0.5)?, scales(v_bar)?);
        let symmetric_part = || symmetric(&g);
        let pairs = SpectralCotangent {
            op: "eigh",
            what: "eigen",
            values: &values,
            skew_part: &skew_part,
            symmetric_part: &symmetric_part,
            values_bar,
            scales: &scales,
        };
        let quotients = pairs.quotients()?;
        if saved.is_recorded() && quotients.degenerate {
            return Err(Error::value("the second gradient of eigh: it is not given where eigenvalues are equal"));
        }
        let mut inner = skew_part.mul(&quotients.inverse)?;
        if let Some(limit) = quotients.limit {
            inner = inner.add(&limit)?;
        }
        if let Some(bar) = values_bar {
            inner = with_diagonal(&inner, bar)?;
        }
        Ok(vec![Some(v.matmul(&inner)?.matmul(&v.mt())?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, separated};
    // Signs are a choice: what follows does not see them.
    let unsigned = |x: &[Tensor]| {
        let Eigh { values, vectors } = eigh(&separated(&x[0])?)?;
        Ok(vec![values, vectors.mul(&vectors)?])
    };
    vec![
        Spec::new("eigh", unsigned)
            .sample("matrix", vec![normal(&[4, 4])])
            .sample("batch", vec![normal(&[2, 3, 3, 3])])
            .sample("one by one", vec![normal(&[1, 1])])
            .sample("by tridiagonal form", vec![normal(&[19, 19])])
            .sample("no rows", vec![normal(&[2, 0, 0])])
            .orders(2),
        Spec::new("eigh", |x| {
            let Eigh { values, vectors } = eigh(&separated(&x[0])?)?;
            Ok(vec![vectors.mul(&values.unsqueeze(-2)?)?.matmul(&vectors.mt())?])
        })
        .sample("batch", vec![normal(&[2, 5, 5])])
        .property("A = V Λ Vᵀ", |x, y| distance(&separated(&x[0])?, &y[0]))
        .orders(2),
        Spec::new("eigh", |x| Ok(vec![eigh(&x[0])?.values]))
            .refuses(vec![normal(&[2, 3])], "eigh: needs square matrices, got shape [2, 3]"),
        Spec::new("eigvalsh", |x| Ok(vec![eigvalsh(&separated(&x[0])?)?]))
            .sample("batch", vec![normal(&[2, 4, 4])])
            .sample("by tridiagonal form", vec![normal(&[19, 19])])
            .property("the values that eigh finds", |x, y| distance(&eigh(&separated(&x[0])?)?.values, &y[0]))
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: eigh, eigvalsh);
