//! A X = B

use super::lu::LuFactors;
use super::parts::{broadcast, check_rows, with_columns};
use crate::check;
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The solution X of A X = B for square A.
///
/// Shapes: `a` is `(…, n, n)`, `b` is `(…, n, k)`, or `(n)` for a single column; leading dimensions broadcast.
///
/// # Gradient
/// Of both operands, by the factors of the forward pass.
///
/// # Errors
/// If the shapes do not fit, or `Singular` if a pivot is 0, naming the matrix of the batch. A matrix that is singular up to
/// rounding gives large numbers; [`cond`](super::cond) tells.
/// On a GPU nothing is read back: a pivot of 0 gives infinities or NaN there. Matrices are at most 32 x 32 there.
///
/// # Cost
/// ⅔ n³ + 2 n² k operations a matrix.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, section 3.4.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::solve};
/// let a = Tensor::from_rows(&[[0.0_f64, 2.0], [1.0, 1.0]])?;
/// let x = solve(&a, &Tensor::from_slice(&[4.0_f64, 5.0], &[2])?)?;
/// assert_eq!(x.to_vec::<f64>()?, [3.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "gesv")]
#[track_caller]
pub fn solve(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let n = check::square("solve", a)?;
    with_columns(b, |b| {
        check_rows("solve", a, b, n)?;
        let [a, b] = broadcast("solve", a, b)?;
        let factors = LuFactors::factor("solve", &a)?;
        let x = factors.solve("solve", false, &b)?;
        Ok(Tensor::record(x, &[&a, &b], Solve { factors }))
    })
}

struct Solve {
    factors: LuFactors,
}

impl Gradient for Solve {
    fn name(&self) -> &'static str {
        "solve"
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        i == 0
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // B̄ = A⁻ᵀ X̄,  Ā = −B̄ Xᵀ
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(x_bar) = &cotangents[0] else { return Ok(vec![None, None]) };
        let b_bar = if saved.is_recorded() {
            solve(&saved.input(0).mt(), x_bar)?
        } else {
            self.factors.solve("solve", true, &x_bar.to_dtype(saved.input_dtype(0))?)?
        };
        let a_bar = || b_bar.matmul(&saved.output(0).mt())?.neg();
        let a_bar = saved.needs(0).then(a_bar).transpose()?;
        Ok(vec![a_bar, Some(b_bar)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, regular};
    vec![
        Spec::new("solve", |x| Ok(vec![solve(&x[0], &x[1])?]))
            .sample("columns", vec![regular(&[4, 4]), normal(&[4, 3])])
            .sample("a vector", vec![regular(&[3, 3]), normal(&[3])])
            .sample("broadcast", vec![regular(&[2, 1, 3, 3]), normal(&[4, 3, 2])])
            .sample("one by one", vec![regular(&[1, 1]), normal(&[1, 2])])
            .sample("across blocks", vec![regular(&[37, 37]), normal(&[37, 2])])
            .sample("no rows", vec![normal(&[2, 0, 0]), normal(&[2, 0, 3])])
            .sample("no columns", vec![regular(&[3, 3]), normal(&[3, 0])])
            .property("A X = B", |x, y| {
                let ax = x[0].matmul(&y[0])?;
                distance(&ax, &x[1].expand(ax.shape())?)
            })
            .orders(2)
            .refuses(
                vec![Tensor::zeros(&[2, 2, 2], crate::DType::F64).unwrap(), normal(&[2])],
                "solve: matrix 0 of the batch is singular (its pivot 0 is 0)",
            )
            .refuses(
                vec![normal(&[2, 2]), normal(&[3])],
                "solve: matrices of shape [2, 2] and right-hand sides of shape [3, 1]: both need as many rows",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: solve);
