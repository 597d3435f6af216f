//! T X = B for triangular T

use super::parts::{broadcast, check_rows, lower, singular, upper, with_columns};
use crate::check;
use crate::door::factor::{self, Triangle};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Which triangle [`solve_triangular`] reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SolveTriangularOptions {
    /// The one above the diagonal, else the one below.
    pub upper: bool,
    /// The diagonal is taken as ones and not read.
    pub unit_diagonal: bool,
}

/// The solution X of T X = B, where T is a triangle of `a`.
///
/// Shapes: `a` is `(…, n, n)`, `b` is `(…, n, k)`, or `(n)` for a single column; leading dimensions broadcast. The other triangle of
/// `a` is not read. A system with Tᵀ is one with `a.mt()` and the other triangle; X T = B is Tᵀ Xᵀ = Bᵀ.
///
/// # Gradient
/// Of both operands; that of `a` is 0 outside its triangle.
///
/// # Errors
/// If the shapes do not fit, or `Singular` if an element of the diagonal is 0, naming the matrix of the batch and the element.
/// On a GPU nothing is read back: such an element gives infinities or NaN there. Matrices are at most 32 x 32 there.
///
/// # Cost
/// n² k operations a matrix.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::{SolveTriangularOptions, solve_triangular}};
/// let t = Tensor::from_rows(&[[2.0_f64, 0.0], [1.0, 4.0]])?;
/// let x = solve_triangular(&t, &Tensor::from_slice(&[2.0_f64, 9.0], &[2])?, &SolveTriangularOptions::default())?;
/// assert_eq!(x.to_vec::<f64>()?, [1.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "triangular_solve")]
#[doc(alias = "trsm")]
#[track_caller]
pub fn solve_triangular(a: &Tensor, b: &Tensor, options: &SolveTriangularOptions) -> Result<Tensor> {
    solve_named("solve_triangular", a, b, options)
}

/// [`solve_triangular`] in the name of another operation.
#[track_caller]
pub(super) fn solve_named(op: &'static str, a: &Tensor, b: &Tensor, options: &SolveTriangularOptions) -> Result<Tensor> {
    let n = check::square(op, a)?;
    with_columns(b, |b| {
        check_rows(op, a, b, n)?;
        let [a, b] = broadcast(op, a, b)?;
        let triangle = Triangle { upper: options.upper, unit: options.unit_diagonal };
        let x = factor::solve_triangular(op, &a, &b, triangle, singular(op, &a, "diagonal element"))?;
        Ok(Tensor::record(x, &[&a, &b], SolveTriangular { op, options: *options }))
    })
}

struct SolveTriangular {
    op: &'static str,
    options: SolveTriangularOptions,
}

impl Gradient for SolveTriangular {
    fn name(&self) -> &'static str {
        self.op
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        i == 0
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // B̄ = T⁻ᵀ X̄,  T̄ = −(B̄ Xᵀ) in the triangle
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(x_bar) = &cotangents[0] else { return Ok(vec![None, None]) };
        let turned = SolveTriangularOptions { upper: !self.options.upper, ..self.options };
        let b_bar = solve_named(self.op, &saved.input(0).mt(), x_bar, &turned)?;
        let a_bar = || {
            let outer = b_bar.matmul(&saved.output(0).mt())?.neg()?;
            let diagonal = if self.options.unit_diagonal { 0.0 } else { 1.0 };
            if self.options.upper { upper(&outer, diagonal) } else { lower(&outer, diagonal) }
        };
        let a_bar = saved.needs(0).then(a_bar).transpose()?;
        Ok(vec![a_bar, Some(b_bar)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, regular};
    let triangle = |a: &Tensor, options: &SolveTriangularOptions| {
        let diagonal = if options.unit_diagonal { 0.0 } else { 1.0 };
        let t = if options.upper { upper(a, diagonal)? } else { lower(a, diagonal)? };
        if options.unit_diagonal { t.add(&Tensor::eye(a.dim(-1), a.dtype())?) } else { Ok(t) }
    };
    // Triangles of small entries beside a larger diagonal: their inverses are small.
    let samples = |upper, unit_diagonal| {
        let options = SolveTriangularOptions { upper, unit_diagonal };
        Spec::new("solve_triangular", move |x| Ok(vec![solve_triangular(&x[0], &x[1], &options)?]))
            .sample("columns", vec![regular(&[4, 4]), normal(&[4, 3])])
            .sample("a vector", vec![regular(&[3, 3]), normal(&[3])])
            .sample("broadcast", vec![regular(&[2, 1, 3, 3]), normal(&[4, 3, 2])])
            .sample("no rows", vec![normal(&[2, 0, 0]), normal(&[2, 0, 3])])
            .sample("no columns", vec![regular(&[3, 3]), normal(&[3, 0])])
            .property("T X = B", move |x, y| {
                let tx = triangle(&x[0], &options)?.matmul(&y[0])?;
                distance(&tx, &x[1].expand(tx.shape())?)
            })
            .orders(2)
    };
    vec![
        samples(false, false)
            .refuses(
                vec![Tensor::from_rows(&[[1.0, 0.0], [1.0, 0.0]]).unwrap(), normal(&[2])],
                "solve_triangular: the matrix is singular (its diagonal element 1 is 0)",
            )
            .refuses(vec![normal(&[2, 3]), normal(&[2])], "solve_triangular: needs square matrices, got shape [2, 3]")
            .refuses(
                vec![normal(&[3, 2, 2]), normal(&[4, 2, 1])],
                "solve_triangular: shapes [3, 2, 2] and [4, 2, 1]: the leading dimensions do not broadcast",
            ),
        samples(true, false),
        samples(false, true),
        samples(true, true),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: solve_triangular);
