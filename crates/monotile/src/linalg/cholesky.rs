//! A = L Lᵀ

use super::parts::{lower, matrix_name, symmetric};
use super::triangular::{SolveTriangularOptions, solve_triangular};
use crate::check;
use crate::door;
use crate::error::{Error, ErrorKind, Placed, Result};
use crate::tape::{Gradient, Saved};
#[cfg(test)]
use crate::tensor::DType;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Factors symmetric positive definite matrices as A = L Lᵀ with L lower triangular.
///
/// Shapes: `a` is `(…, n, n)`, the result `(…, n, n)` with a positive diagonal and zeros above it. Only the lower triangle
/// of `a` is read.
///
/// # Gradient
/// Defined wherever A is positive definite; returned symmetric, so that a step along it keeps A symmetric.
///
/// # Errors
/// `NotPositiveDefinite`, naming the matrix of the batch and the order of its first leading minor that is not positive; if
/// the matrices are not square. On a GPU nothing is read back: from such a minor on the rows of L are NaN there. Matrices are at most 32 x 32 there.
///
/// # Cost
/// n³/3 operations a matrix, most of them in matrix products.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, section 4.2; gradient: Murray (2016), arXiv 1602.07527.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::cholesky};
/// let a = Tensor::from_rows(&[[4.0_f64, 2.0], [2.0, 10.0]])?;
/// assert_eq!(cholesky(&a)?.to_vec::<f64>()?, [2.0, 0.0, 1.0, 3.0]);
/// let error = cholesky(&a.neg()?).unwrap_err();
/// assert_eq!(error.to_string(), "cholesky: the matrix is not positive definite (its leading minor of order 1 is not positive)");
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn cholesky(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("cholesky")?;
    check::square("cholesky", &a)?;
    let l = door::factor::cholesky("cholesky", &a, |matrix, order| {
        let which = matrix_name(&a, matrix);
        let why = format!("cholesky: {which} is not positive definite (its leading minor of order {order} is not positive)");
        Error::new(ErrorKind::NotPositiveDefinite, why)
    })
    .placed()?;
    Ok(Tensor::record(l, &[&a], Cholesky))
}

struct Cholesky;

impl Gradient for Cholesky {
    fn name(&self) -> &'static str {
        "cholesky"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // Ā = ½ (S + Sᵀ),  S = L⁻ᵀ Φ(Lᵀ L̄) L⁻¹,  Φ: the lower triangle with half of its diagonal      (Murray 2016, equation 9)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(l_bar) = &cotangents[0] else { return Ok(vec![None]) };
        let l = saved.output(0);
        let phi = lower(&l.mt().matmul(l_bar)?, 0.5)?;
        let solve = |b: &Tensor| solve_triangular(&l.mt(), b, &SolveTriangularOptions { upper: true, ..Default::default() });
        let s = solve(&solve(&phi)?.mt())?;
        Ok(vec![Some(symmetric(&s)?)])
    }
}

/// The solution X of A X = B from the factor L of A = L Lᵀ.
///
/// Shapes: `l` is `(…, n, n)` as [`cholesky`] returns it, `b` is `(…, n, k)`, or `(n)` for a single column; leading dimensions
/// broadcast.
///
/// # Errors
/// If the shapes do not fit, or the diagonal of L has a 0 on it.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::{cholesky, cholesky_solve}};
/// let a = Tensor::from_rows(&[[4.0_f64, 2.0], [2.0, 10.0]])?;
/// let x = cholesky_solve(&cholesky(&a)?, &Tensor::from_slice(&[8.0_f64, 22.0], &[2])?)?;
/// assert_eq!(x.to_vec::<f64>()?, [1.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn cholesky_solve(l: &Tensor, b: &Tensor) -> Result<Tensor> {
    let solve = |l: &Tensor, b: &Tensor, upper| {
        let options = SolveTriangularOptions { upper, ..Default::default() };
        super::triangular::solve_named("cholesky_solve", l, b, &options)
    };
    check::square("cholesky_solve", l)?;
    solve(&l.mt(), &solve(l, b, false).placed()?, true).placed()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, positive_definite};
    // X Xᵀ + n I stays positive definite, and symmetric, wherever a difference quotient steps.
    vec![
        Spec::new("cholesky", |x| Ok(vec![cholesky(&positive_definite(&x[0])?)?]))
            .sample("matrix", vec![normal(&[3, 3])])
            .sample("batch", vec![normal(&[2, 2, 4, 4])])
            .sample("across blocks", vec![normal(&[67, 67])])
            .sample("one by one", vec![normal(&[1, 1])])
            .sample("no rows", vec![normal(&[2, 0, 0])])
            .sample("no matrices", vec![normal(&[0, 3, 3])])
            .property("A = L Lᵀ", |x, y| distance(&positive_definite(&x[0])?, &y[0].matmul(&y[0].mt())?))
            .orders(2),
        Spec::new("cholesky", |x| Ok(vec![cholesky(&x[0])?]))
            .refuses(vec![normal(&[3])], "cholesky: needs at least 2 dimensions, got shape [3]")
            .refuses(vec![normal(&[2, 3])], "cholesky: needs square matrices, got shape [2, 3]")
            .refuses(
                vec![
                    Tensor::stack(&[&Tensor::eye(2, DType::F64).unwrap(), &Tensor::ones(&[2, 2], DType::F64).unwrap()], 0).unwrap(),
                ],
                "cholesky: matrix 1 of the batch is not positive definite (its leading minor of order 2 is not positive)",
            ),
        Spec::new("cholesky_solve", |x| Ok(vec![cholesky_solve(&cholesky(&positive_definite(&x[0])?)?, &x[1])?]))
            .sample("columns", vec![normal(&[2, 4, 4]), normal(&[4, 3])])
            .sample("a vector", vec![normal(&[4, 4]), normal(&[4])])
            .property("A X = B", |x, y| {
                let ax = positive_definite(&x[0])?.matmul(&y[0])?;
                distance(&ax, &x[1].expand(ax.shape())?)
            })
            .orders(2)
            .refuses(
                vec![normal(&[4, 4]), normal(&[3, 1])],
                "cholesky_solve: matrices of shape [4, 4] and right-hand sides of shape [3, 1]: both need as many rows",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: cholesky, cholesky_solve);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    #[test]
    fn only_the_lower_triangle_is_read_and_the_gradient_is_symmetric() {
        let a = Tensor::from_rows(&[[4.0_f64, f64::NAN], [2.0, 10.0]]).unwrap().requires_grad();
        let l = cholesky(&a).unwrap();
        assert_eq!(l.to_vec::<f64>().unwrap(), [2.0, 0.0, 1.0, 3.0]);
        // ∂l₂₁/∂a₂₁ = 1 / l₁₁, shared by both triangles.
        let g = grad(&l.slice(0, 1..).unwrap().slice(1, ..1).unwrap(), &[&a]).unwrap()[0].to_f64_vec().unwrap();
        assert_eq!((g[1], g[2]), (0.25, 0.25));
    }
}
