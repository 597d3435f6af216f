//! A X + X B = C

use super::parts::{batch, broadcast, matrix_name};
use super::schur::Schur;
use crate::check;
use crate::door;
use crate::error::{Error, ErrorKind, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The solution X of Sylvester's equation A X + X B = C.
///
/// Shapes: `a` is `(…, m, m)`, `b` is `(…, n, n)` and `c` is `(…, m, n)`, as is the result; leading dimensions broadcast.
///
/// # Gradient
/// C̄ solves Aᵀ C̄ + C̄ Bᵀ = X̄, by the forms of the forward pass; Ā = −C̄ Xᵀ and B̄ = −Xᵀ C̄.
///
/// # Errors
/// If the shapes do not fit; `Singular` if A and −B share an eigenvalue up to rounding, naming the pair of the batch.
///
/// # Cost
/// About 25 (m³ + n³) + 6 m n (m + n) operations a pair.
///
/// # Source
/// Bartels and Stewart (1972), Solution of the matrix equation AX + XB = C; by blocks: Jonsson and Kågström (2002).
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::solve_sylvester};
/// let a = Tensor::from_rows(&[[1.0_f64, 0.0], [0.0, 2.0]])?;
/// let b = Tensor::from_rows(&[[3.0_f64]])?;
/// let x = solve_sylvester(&a, &b, &Tensor::from_rows(&[[8.0_f64], [10.0]])?)?;
/// assert_eq!(x.to_vec::<f64>()?, [2.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn solve_sylvester(a: &Tensor, b: &Tensor, c: &Tensor) -> Result<Tensor> {
    const OP: &str = "solve_sylvester";
    let [a, b, c] = operands(OP, a, b, c)?;
    let forms = [Schur::of(OP, &a)?, Schur::of(OP, &b)?];
    recorded(OP, [&a, &b, &c], forms)
}

/// The solution X of Lyapunov's equation A X + X Aᵀ = Q, as of a state in equilibrium under noise of covariance −Q.
///
/// Shapes: `a` and `q` are `(…, n, n)`, as is the result; leading dimensions broadcast. X is symmetric where Q is.
///
/// # Gradient
/// As of [`solve_sylvester`].
///
/// # Errors
/// If the shapes do not fit; `Singular` if two eigenvalues of A sum up to 0, up to rounding.
///
/// # Cost
/// About 25 n³ operations for the form of A, and 12 n³ for the solution.
///
/// # Source
/// Bartels and Stewart (1972), as for [`solve_sylvester`].
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::solve_lyapunov};
/// let a = Tensor::from_rows(&[[-1.0_f64, 0.0], [0.0, -2.0]])?;
/// let x = solve_lyapunov(&a, &Tensor::from_rows(&[[-2.0_f64, -3.0], [-3.0, -4.0]])?)?;
/// assert_eq!(x.to_vec::<f64>()?, [1.0, 1.0, 1.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "solve_continuous_lyapunov")]
#[track_caller]
pub fn solve_lyapunov(a: &Tensor, q: &Tensor) -> Result<Tensor> {
    const OP: &str = "solve_lyapunov";
    check::square(OP, a)?;
    let [a, b, q] = operands(OP, a, &a.mt(), q)?;
    let form = Schur::of(OP, &a)?;
    let transposed = form.transposed()?;
    recorded(OP, [&a, &b, &q], [form, transposed])
}

/// All three of one type and one batch.
#[track_caller]
fn operands(op: &str, a: &Tensor, b: &Tensor, c: &Tensor) -> Result<[Tensor; 3]> {
    let (m, n) = (check::square(op, a)?, check::square(op, b)?);
    if check::matrices(op, c)? != [m, n] {
        let (a, b, c) = (a.shape(), b.shape(), c.shape());
        return Err(Error::shape(format!(
            "{op}: matrices of shapes {a:?} and {b:?} take a right-hand side of {m} x {n}, got {c:?}"
        )));
    }
    let [a, c] = broadcast(op, a, c)?;
    let [b, c] = broadcast(op, b, &c)?;
    let [a, c] = broadcast(op, &a, &c)?;
    Ok([a, b, c])
}

/// The solution on the tape, by the forms of A and B.
#[track_caller]
fn recorded(op: &'static str, [a, b, c]: [&Tensor; 3], forms: [Schur; 2]) -> Result<Tensor> {
    let x = solve(op, [&forms[0], &forms[1]], c)?;
    Ok(Tensor::record(x, &[a, b, c], Sylvester { op, forms }))
}

/// With A = U R Uᵀ and B = V S Vᵀ: X = U Y Vᵀ, R Y + Y S = Uᵀ C V. Without a gradient.
#[track_caller]
pub(super) fn solve(op: &str, [a, b]: [&Schur; 2], c: &Tensor) -> Result<Tensor> {
    let f = a.z.mt().matmul(&c.detach())?.matmul(&b.z)?;
    let refuse = |matrix: usize, _: usize| {
        let which = if batch(c).is_empty() { String::new() } else { format!(" of {}", matrix_name(c, matrix)) };
        let why = format!("{op}: A and −B{which} share an eigenvalue, so that A X + X B = C has not one solution");
        Error::new(ErrorKind::Singular, why)
    };
    let y = door::factor::quasi_triangular(op, [&a.t, &b.t], &f, refuse).placed()?;
    a.z.matmul(&y)?.matmul(&b.z.mt())
}

struct Sylvester {
    op: &'static str,
    forms: [Schur; 2],
}

impl Gradient for Sylvester {
    fn name(&self) -> &'static str {
        self.op
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        i < 2
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // Aᵀ C̄ + C̄ Bᵀ = X̄,  Ā = −C̄ Xᵀ,  B̄ = −Xᵀ C̄
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(x_bar) = &cotangents[0] else { return Ok(vec![None, None, None]) };
        let c_bar = if saved.is_recorded() {
            solve_sylvester(&saved.input(0).mt(), &saved.input(1).mt(), x_bar)?
        } else {
            let [a, b] = &self.forms;
            solve(self.op, [&a.transposed()?, &b.transposed()?], &x_bar.to_dtype(saved.input_dtype(2))?)?
        };
        let x = saved.output(0);
        let a_bar = saved.needs(0).then(|| c_bar.matmul(&x.mt())?.neg()).transpose()?;
        let b_bar = saved.needs(1).then(|| x.mt().matmul(&c_bar)?.neg()).transpose()?;
        Ok(vec![a_bar, b_bar, Some(c_bar)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, regular};
    // Values about 2√n + 1 on both sides: no sum of two is near 0.
    vec![
        Spec::new("solve_sylvester", |x| Ok(vec![solve_sylvester(&x[0], &x[1], &x[2])?]))
            .sample("matrices", vec![regular(&[4, 4]), regular(&[3, 3]), normal(&[4, 3])])
            .sample("broadcast", vec![regular(&[2, 1, 3, 3]), regular(&[2, 2, 2]), normal(&[3, 2])])
            .sample("one by one", vec![regular(&[1, 1]), regular(&[1, 1]), normal(&[1, 1])])
            .sample("no rows", vec![normal(&[0, 0]), normal(&[2, 2]), normal(&[0, 2])])
            .property("A X + X B = C", |x, y| {
                let c = x[0].matmul(&y[0])?.add(&y[0].matmul(&x[1])?)?;
                distance(&c, &x[2].expand(c.shape())?)
            })
            .orders(2)
            .refuses(
                vec![normal(&[2, 2]), normal(&[3, 3]), normal(&[2, 2])],
                "solve_sylvester: matrices of shapes [2, 2] and [3, 3] take a right-hand side of 2 x 3, got [2, 2]",
            )
            .refuses(
                vec![Tensor::eye(2, crate::DType::F64).unwrap(), -Tensor::eye(2, crate::DType::F64).unwrap(), normal(&[2, 2])],
                "solve_sylvester: A and −B share an eigenvalue, so that A X + X B = C has not one solution",
            )
            .refuses(
                vec![normal(&[2, 3]), normal(&[3, 3]), normal(&[2, 2])],
                "solve_sylvester: needs square matrices, got shape [2, 3]",
            ),
        Spec::new("solve_lyapunov", |x| Ok(vec![solve_lyapunov(&x[0], &x[1])?]))
            .sample("matrices", vec![regular(&[4, 4]), normal(&[4, 4])])
            .sample("broadcast", vec![regular(&[2, 3, 3]), normal(&[3, 3])])
            .property("A X + X Aᵀ = Q", |x, y| {
                let q = x[0].matmul(&y[0])?.add(&y[0].matmul(&x[0].mt())?)?;
                distance(&q, &x[1].expand(q.shape())?)
            })
            .orders(2)
            .refuses(
                vec![Tensor::from_rows(&[[0.0, 1.0], [-1.0, 0.0]]).unwrap(), normal(&[2, 2])],
                "solve_lyapunov: A and −B share an eigenvalue, so that A X + X B = C has not one solution",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: solve_sylvester, solve_lyapunov);
