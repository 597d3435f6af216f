//! P A = L U, kept for many systems

use super::det::{SignLogDet, by_factors, logarithm_by_factors};
use super::lu::LuFactors;
use super::parts::{batch, broadcast, check_rows, shape, with_columns};
use super::solve::solve;
use crate::check;
use crate::error::{Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The factors P A = L U of square matrices, by which systems are solved again and again.
///
/// ```
/// use monotile::{Tensor, linalg::lu_factor};
/// let a = lu_factor(&Tensor::from_rows(&[[0.0_f64, 2.0], [1.0, 1.0]])?)?;
/// let b = Tensor::from_slice(&[4.0_f64, 5.0], &[2])?;
/// assert_eq!(a.solve(&b)?.to_vec::<f64>()?, [3.0, 2.0]);
/// assert_eq!(a.solve_transposed(&b)?.to_vec::<f64>()?, [0.5, 4.0]);
/// assert_eq!(a.det()?.item::<f64>()?, -2.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct LuFactorization {
    a: Tensor,
    factors: LuFactors,
}

/// Factors square matrices once for many solutions, determinants and an inverse.
///
/// Shapes: `a` is `(…, n, n)`. [`lu`](super::lu) gives the factors themselves.
///
/// # Gradient
/// Of what is computed by the factors, with respect to A and the right-hand sides; it is taken by the same factors.
///
/// # Errors
/// If the matrices are not square. A singular matrix is refused by what divides by its pivots.
///
/// # Cost
/// ⅔ n³ operations a matrix, once.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, section 3.4.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::lu_factor};
/// let a = lu_factor(&Tensor::from_rows(&[[2.0_f64, 0.0], [1.0, 4.0]])?)?;
/// assert_eq!(a.solve(&Tensor::from_slice(&[2.0_f64, 9.0], &[2])?)?.to_vec::<f64>()?, [1.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn lu_factor(a: &Tensor) -> Result<LuFactorization> {
    let a = a.to_compute_dtype("lu_factor")?;
    check::square("lu_factor", &a)?;
    let factors = LuFactors::factor("lu_factor", &a)?;
    Ok(LuFactorization { a, factors })
}

impl LuFactorization {
    /// The solution X of A X = B.
    ///
    /// Shapes: `b` is `(…, n, k)`, or `(n)` for a single column; leading dimensions broadcast.
    ///
    /// # Errors
    /// If the shapes do not fit, or `Singular` if a pivot is 0, naming the matrix of the batch.
    ///
    /// # Cost
    /// 2 n² k operations a matrix.
    #[doc(alias = "lu_solve")]
    #[track_caller]
    pub fn solve(&self, b: &Tensor) -> Result<Tensor> {
        self.recorded("lu_factor.solve", b, false)
    }

    /// The solution X of Aᵀ X = B, by the same factors; otherwise as [`solve`](LuFactorization::solve).
    ///
    /// # Errors
    /// As [`solve`](LuFactorization::solve).
    #[track_caller]
    pub fn solve_transposed(&self, b: &Tensor) -> Result<Tensor> {
        self.recorded("lu_factor.solve_transposed", b, true)
    }

    /// The inverses, `(…, n, n)`.
    ///
    /// # Errors
    /// `Singular` if a pivot is 0, naming the matrix of the batch.
    ///
    /// # Cost
    /// 2 n³ operations a matrix.
    #[track_caller]
    pub fn inv(&self) -> Result<Tensor> {
        self.recorded("lu_factor.inv", &Tensor::eye(self.a.dim(-1), self.a.dtype())?.to(&self.a.device())?, false)
    }

    /// The determinants, `(…)`, as [`det`](super::det) gives them.
    ///
    /// # Errors
    /// If there is no memory.
    ///
    /// # Cost
    /// n operations a matrix.
    #[track_caller]
    pub fn det(&self) -> Result<Tensor> {
        by_factors(&self.a, self.factors.clone())
    }

    /// The signs and logarithms of determinants, as [`slogdet`](super::slogdet) gives them.
    ///
    /// # Errors
    /// If there is no memory.
    ///
    /// # Cost
    /// n operations a matrix.
    #[track_caller]
    pub fn slogdet(&self) -> Result<SignLogDet> {
        logarithm_by_factors(&self.a, self.factors.clone())
    }

    #[track_caller]
    fn recorded(&self, op: &'static str, b: &Tensor, transposed: bool) -> Result<Tensor> {
        with_columns(b, |b| {
            check_rows(op, &self.a, b, self.a.dim(-1))?;
            let [a, b] = broadcast(op, &self.a, b)?;
            let factors = self.factors.of_batch(batch(&a), a.dtype())?;
            let x = factors.solve(op, transposed, &b)?;
            Ok(Tensor::record(x, &[&a, &b], Kept { op, factors, transposed }))
        })
        .placed()
    }
}

impl LuFactors {
    /// These for a larger batch, in another type.
    #[track_caller]
    fn of_batch(&self, batch: &[usize], dtype: crate::DType) -> Result<Self> {
        let n = self.order.dim(-1);
        let rows = self.rows.to_dtype(dtype)?.expand(&shape(batch, &[n, n]))?;
        Ok(Self { rows, order: self.order.expand(&shape(batch, &[n]))? })
    }
}

struct Kept {
    op: &'static str,
    factors: LuFactors,
    transposed: bool,
}

impl Gradient for Kept {
    fn name(&self) -> &'static str {
        self.op
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        i == 0
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // B̄ = A⁻ᵀ X̄,  Ā = −B̄ Xᵀ;  of Aᵀ X = B:  B̄ = A⁻¹ X̄,  Ā = −X B̄ᵀ
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(x_bar) = &cotangents[0] else { return Ok(vec![None, None]) };
        let b_bar = if saved.is_recorded() {
            let a = saved.input(0);
            solve(&if self.transposed { a } else { a.mt() }, x_bar)?
        } else {
            self.factors.solve(self.op, !self.transposed, &x_bar.to_dtype(saved.input_dtype(0))?)?
        };
        let x = saved.output(0);
        let a_bar = || if self.transposed { x.matmul(&b_bar.mt())?.neg() } else { b_bar.matmul(&x.mt())?.neg() };
        let a_bar = saved.needs(0).then(a_bar).transpose()?;
        Ok(vec![a_bar, Some(b_bar)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, regular};
    vec![
        Spec::new("lu_factor", |x| {
            let a = lu_factor(&x[0])?;
            Ok(vec![a.solve(&x[1])?, a.solve_transposed(&x[1])?])
        })
        .sample("columns", vec![regular(&[4, 4]), normal(&[4, 3])])
        .sample("a vector", vec![regular(&[3, 3]), normal(&[3])])
        .sample("broadcast", vec![regular(&[2, 1, 3, 3]), normal(&[4, 3, 2])])
        .sample("no rows", vec![normal(&[2, 0, 0]), normal(&[2, 0, 3])])
        .sample("no columns", vec![regular(&[3, 3]), normal(&[3, 0])])
        .property("A X = B", |x, y| {
            let ax = x[0].matmul(&y[0])?;
            distance(&ax, &x[1].expand(ax.shape())?)
        })
        .property("Aᵀ X = B", |x, y| {
            let ax = x[0].mt().matmul(&y[1])?;
            distance(&ax, &x[1].expand(ax.shape())?)
        })
        .orders(2)
        .refuses(vec![normal(&[2, 3]), normal(&[2])], "lu_factor: needs square matrices, got shape [2, 3]")
        .refuses(
            vec![Tensor::zeros(&[2, 2], crate::DType::F64).unwrap(), normal(&[2])],
            "lu_factor.solve: the matrix is singular (its pivot 0 is 0)",
        )
        .refuses(
            vec![normal(&[2, 2]), normal(&[3])],
            "lu_factor.solve: matrices of shape [2, 2] and right-hand sides of shape [3, 1]: both need as many rows",
        ),
        Spec::new("lu_factor", |x| {
            let a = lu_factor(&x[0])?;
            let SignLogDet { sign, log_abs } = a.slogdet()?;
            Ok(vec![a.det()?, sign, log_abs, a.inv()?])
        })
        .sample("batch", vec![regular(&[2, 3, 3])])
        .sample("no rows", vec![normal(&[2, 0, 0])])
        .property("A A⁻¹ = I", |x, y| {
            let product = x[0].matmul(&y[3])?;
            distance(&Tensor::eye(x[0].dim(-1), x[0].dtype())?.expand(product.shape())?, &product)
        })
        .property("det A = sign exp ln |det A|", |_, y| distance(&y[0], &y[1].mul(&y[2].exp()?)?))
        .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: lu_factor);
