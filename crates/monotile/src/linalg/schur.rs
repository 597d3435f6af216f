//! A = Z T Zᵀ for any square A

use super::parts::matrix_name;
use crate::check;
use crate::door;
use crate::error::{Error, ErrorKind, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The decomposition A = Z T Zᵀ.
#[derive(Clone)]
pub struct Schur {
    /// Quasi-triangular, `(…, n, n)`.
    pub t: Tensor,
    /// Orthogonal, `(…, n, n)`.
    pub z: Tensor,
}

/// Decomposes square matrices as A = Z T Zᵀ, with Z orthogonal and T quasi-triangular.
///
/// T has the real eigenvalues on its diagonal, and a 2×2 block [[a, b], [c, a]] with b c < 0 for each pair a ± i √(−b c).
///
/// Shapes: `a` is `(…, n, n)`, and so are both results. The order of the values and the signs of Z are as they come.
///
/// # Gradient
/// Refused, since it depends on the order of the values. [`eig`](super::eig), [`sqrtm`](super::sqrtm) and
/// [`solve_sylvester`](super::solve_sylvester) have gradients.
///
/// # Errors
/// If the matrices are not square; `NotConverged`, naming the matrix.
///
/// # Cost
/// About 25 n³ operations a matrix.
///
/// # Source
/// Francis (1961), The QR transformation; Golub and Van Loan (2013), Matrix Computations, section 7.5; large matrices: Braman, Byers and
/// Mathias (2002), The multishift QR algorithm, parts I and II.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::schur};
/// let a = Tensor::from_rows(&[[1.0_f64, 2.0], [0.0, 3.0]])?;
/// let found = schur(&a)?;
/// let back = found.z.matmul(&found.t)?.matmul(&found.z.mt())?.to_vec::<f64>()?;
/// assert_eq!(back, [1.0, 2.0, 0.0, 3.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn schur(a: &Tensor) -> Result<Schur> {
    let a = a.to_compute_dtype("schur")?;
    check::square("schur", &a)?;
    let Schur { t, z } = Schur::of("schur", &a)?;
    let [t, z] = <[Tensor; 2]>::try_from(Tensor::record_all(vec![t, z], &[&a], NoGradient))
        .unwrap_or_else(|_| unreachable!("as many tensors are recorded as were given"));
    Ok(Schur { t, z })
}

impl Schur {
    /// The form of square matrices of f32 or f64, without a gradient.
    #[track_caller]
    pub(super) fn of(op: &str, a: &Tensor) -> Result<Self> {
        let [t, z] = door::factor::schur(op, a, not_converged(op, a)).placed()?;
        Ok(Self { t, z })
    }

    /// The form of Aᵀ: with the rows and columns of Tᵀ in reverse order, which makes it upper triangular again.
    #[track_caller]
    pub(super) fn transposed(&self) -> Result<Self> {
        Ok(Self { t: self.t.mt().flip(-1)?.flip(-2)?, z: self.z.flip(-1)? })
    }
}

/// The refusal of a matrix of `a` whose iteration did not end.
#[track_caller]
pub(super) fn not_converged(op: &str, a: &Tensor) -> impl Fn(usize, usize) -> Error {
    #[track_caller]
    fn error(op: &str, a: &Tensor, matrix: usize) -> Error {
        Error::new(ErrorKind::NotConverged, format!("{op}: the eigenvalues of {} did not converge", matrix_name(a, matrix)))
    }
    move |matrix, _| error(op, a, matrix)
}

struct NoGradient;

impl Gradient for NoGradient {
    fn name(&self) -> &'static str {
        "schur"
    }
    fn vjp(&self, _: &Saved, _: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Err(Error::value("the gradient of schur: it is not given; take that of eig, sqrtm, logm or solve_sylvester"))
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::distance;
    vec![
        Spec::new("schur", |x| {
            let Schur { t, z } = schur(&x[0])?;
            Ok(vec![z.matmul(&t)?.matmul(&z.mt())?])
        })
        .sample("matrix", vec![normal(&[4, 4])])
        .sample("batch", vec![normal(&[2, 3, 3, 3])])
        .sample("one by one", vec![normal(&[1, 1])])
        .sample("no rows", vec![normal(&[2, 0, 0])])
        .property("A = Z T Zᵀ", |x, y| distance(&x[0], &y[0]))
        .refuses(vec![normal(&[2, 3])], "schur: needs square matrices, got shape [2, 3]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: schur);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    #[test]
    fn the_form_of_the_transpose_needs_no_iteration() {
        let a = normal(&[2, 5, 5]);
        let Schur { t, z } = Schur::of("schur", &a).unwrap().transposed().unwrap();
        let back = z.matmul(&t).unwrap().matmul(&z.mt()).unwrap();
        assert!(crate::linalg::parts::samples::distance(&a.mt(), &back).unwrap() < 1e-14);
        let rows = t.to_f64_vec().unwrap();
        assert!((0..2).all(|m| (0..25).all(|at| at / 5 <= at % 5 + 1 || rows[m * 25 + at] == 0.0)));
    }

    #[test]
    fn a_gradient_of_the_form_itself_is_refused() {
        let a = normal(&[3, 3]).requires_grad();
        let error = grad(&schur(&a).unwrap().t.sum(&[], false).unwrap(), &[&a]).unwrap_err();
        let words = "the gradient of schur: it is not given; take that of eig, sqrtm, logm or solve_sylvester";
        assert_eq!(error.to_string(), words);
    }
}
