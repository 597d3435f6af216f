//! P A = L U

use monotile_kernels::shape::count;

use super::dependent::{left_by_elimination, refuse_dependent};
use super::parts::{batch, constant, lower, repeated, shape, singular, sum, upper};
use super::triangular::{SolveTriangularOptions, solve_triangular};
use crate::check;
use crate::door::factor;
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The factors of P A = L U.
#[derive(Clone)]
pub struct Lu {
    /// Lower triangular with ones on the diagonal, `(…, m, k)` with k = min(m, n).
    pub l: Tensor,
    /// Upper triangular, `(…, k, n)`.
    pub u: Tensor,
    /// Which row of A each row of L U is, `(…, m)` as i64.
    pub order: Tensor,
}

/// Factors matrices as P A = L U, exchanging rows so that no element of L is larger than 1.
///
/// Shapes: `a` is `(…, m, n)`; the results are `(…, m, k)`, `(…, k, n)` and `(…, m)` with k = min(m, n). Row i of L U is row
/// `order[i]` of A.
///
/// # Gradient
/// Defined where the first k columns of A are independent; where A is not tall, the first k − 1 and a last pivot that is not 0. Refused as
/// `Singular` where one depends on those before it, up to rounding. The order of the rows has none.
///
/// # Errors
/// If `a` is no matrix, or of integers. On a GPU nothing is read back, and no gradient refused; `order` is of i32 there, and matrices are at
/// most 32 x 32.
///
/// # Cost
/// m n k − k²(m + n)/2 + k³/3 multiply-adds a matrix.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, section 3.4; Toledo (1997), Locality of reference in LU decomposition with
/// partial pivoting.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::lu};
/// let factors = lu(&Tensor::from_rows(&[[1.0_f64, 4.0], [2.0, 2.0]])?)?;
/// assert_eq!(factors.order.to_vec::<i64>()?, [1, 0]);
/// assert_eq!(factors.l.to_vec::<f64>()?, [1.0, 0.0, 0.5, 1.0]);
/// assert_eq!(factors.u.to_vec::<f64>()?, [2.0, 2.0, 0.0, 3.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn lu(a: &Tensor) -> Result<Lu> {
    let a = a.to_compute_dtype("lu")?;
    let [m, n] = check::matrices("lu", &a)?;
    let factors = LuFactors::factor("lu", &a)?;
    let k = m.min(n);
    let both = &factors.rows;
    let l = lower(&both.slice(-1, ..k)?, 0.0)?.add(&constant(m, k, a.dtype(), |i, j| f64::from(i == j))?.to(&a.device())?)?;
    let u = upper(&both.slice(-2, ..k)?, 1.0)?;
    let order = factors.order.clone();
    let [l, u] = <[Tensor; 2]>::try_from(Tensor::record_all(vec![l, u], &[&a], LuGradient { inverse: factors.inverse_order()? }))
        .unwrap_or_else(|_| unreachable!("as many tensors are recorded as were given"));
    Ok(Lu { l, u, order })
}

/// L and U in one matrix, and the order of rows: what systems are solved with.
#[derive(Clone)]
pub(super) struct LuFactors {
    /// `(…, m, n)`: L below the diagonal, U on and above it.
    pub rows: Tensor,
    pub order: Tensor,
}

impl LuFactors {
    /// The factors of matrices of f32 or f64.
    #[track_caller]
    pub fn factor(op: &str, a: &Tensor) -> Result<Self> {
        let [rows, order] = factor::lu(op, a)?;
        Ok(Self { rows, order })
    }

    /// Where each row of A went.
    #[track_caller]
    fn inverse_order(&self) -> Result<Tensor> {
        let m = self.order.dim(-1);
        if !self.order.device().is_cpu() {
            let places = Tensor::arange(m)?.to_dtype(DType::F32)?.to(&self.order.device())?.expand(self.order.shape())?;
            return places.scatter(-1, &self.order, &places)?.to_dtype(DType::I32);
        }
        let mut inverse = repeated(self.order.len(), 0_i64)?;
        for (i, &from) in self.order.to_vec::<i64>()?.iter().enumerate() {
            inverse[i / m * m + from as usize] = (i % m) as i64;
        }
        Tensor::from_vec(inverse, self.order.shape())
    }

    /// +1 or −1 for each matrix: the sign of the order of its rows.
    #[track_caller]
    pub fn signs(&self) -> Result<Vec<f64>> {
        let m = self.order.dim(-1);
        let sign = |order: &[i64]| {
            let (mut seen, mut sign) = (vec![false; m], 1.0);
            for start in 0..m {
                let (mut at, mut length) = (start, 0);
                while !std::mem::replace(&mut seen[at], true) {
                    (at, length) = (order[at] as usize, length + 1);
                }
                // A cycle of even length is an odd permutation.
                if length > 0 && length % 2 == 0 {
                    sign = -sign;
                }
            }
            sign
        };
        if m == 0 {
            return repeated(count(&self.order.shape()[..self.order.rank() - 1]), 1.0);
        }
        Ok(self.order.to_vec::<i64>()?.chunks_exact(m).map(sign).collect())
    }

    /// [`signs`](Self::signs) where nothing is read back: Π sign(orderⱼ − orderᵢ) over i < j.
    #[track_caller]
    pub fn signs_there(&self) -> Result<Tensor> {
        let (m, order) = (self.order.dim(-1), self.order.to_dtype(DType::F32)?);
        let above = constant(m, m, DType::F32, |i, j| f64::from(i < j))?.to(&order.device())?;
        let signs = order.unsqueeze(-2)?.sub(&order.unsqueeze(-1)?)?.sign()?;
        above.eq(0.0)?.where_(1.0, &signs)?.prod(&[-2, -1], false)
    }

    /// X with A X = B, or Aᵀ X = B; B has the batch and the type of A.
    #[track_caller]
    pub fn solve(&self, op: &str, transposed: bool, b: &Tensor) -> Result<Tensor> {
        if !self.rows.device().is_cpu() {
            let factors = [&self.rows, &self.order].map(Tensor::detach);
            return factor::lu_solve(op, factors.each_ref(), transposed, &b.detach(), singular(op, &self.rows, "pivot"));
        }
        let (factors, order) = (self.rows.contiguous_detached(op)?, self.order.contiguous_detached(op)?);
        factor::lu_solve(op, [&factors, &order], transposed, &b.contiguous_detached(op)?, singular(op, &self.rows, "pivot"))
    }
}

struct LuGradient {
    /// Where each row of A went.
    inverse: Tensor,
}

impl Gradient for LuGradient {
    fn name(&self) -> &'static str {
        "lu"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // With L₁, U₁ the square blocks of L = [L₁; L₂] and U = [U₁, U₂], of which L₂ or U₂ is empty:
    // X = L₁⁻¹ dA₁₁ U₁⁻¹ = L₁⁻¹ dL₁ + dU₁ U₁⁻¹ splits into its strictly lower and its upper triangle, dL₂ = (dA₂₁ − L₂ dU₁) U₁⁻¹ and
    // dU₂ = L₁⁻¹ (dA₁₂ − dL₁ U₂). Hence, for P A,
    // Ā₁₁ = L₁⁻ᵀ M U₁⁻ᵀ,  M = below(L₁ᵀ L̄₁ − Ū₂ U₂ᵀ) + upper(Ū₁ U₁ᵀ − L₂ᵀ L̄₂),  Ā₂₁ = L̄₂ U₁⁻ᵀ,  Ā₁₂ = L₁⁻ᵀ Ū₂
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let (l, u) = (saved.output(0), saved.output(1));
        let (m, n, k) = (l.dim(-2), u.dim(-1), l.dim(-1));
        let (l1, u1) = (l.slice(-2, ..k)?, u.slice(-1, ..k)?);
        // The last pivot divides nothing below it where there is nothing below.
        let divide = if m > n { k } else { k.saturating_sub(1) };
        refuse_dependent("lu", &u1.slice(-2, ..divide)?.slice(-1, ..divide)?, left_by_elimination(m.max(n)))?;
        let lower_t = |b: &Tensor| solve_triangular(&l1.mt(), b, &SolveTriangularOptions { upper: true, unit_diagonal: true });
        // Y U₁⁻ᵀ = (U₁⁻¹ Yᵀ)ᵀ
        let upper_t = |b: &Tensor| {
            solve_triangular(&u1, &b.mt(), &SolveTriangularOptions { upper: true, unit_diagonal: false }).map(|x| x.mt())
        };
        let (l_bar, u_bar) = (&cotangents[0], &cotangents[1]);
        let below = l_bar.as_ref().map(|g| l1.mt().matmul(&g.slice(-2, ..k)?)).transpose()?;
        let above = u_bar.as_ref().map(|g| g.slice(-1, ..k)?.matmul(&u1.mt())).transpose()?;
        let (mut corner, mut side) = (None, None);
        let (mut below_m, mut above_m) = (below, above);
        if let (true, Some(g)) = (n > k, u_bar) {
            let g2 = g.slice(-1, k..)?;
            below_m = sum(below_m, Some(g2.matmul(&u.slice(-1, k..)?.mt())?.neg()?))?;
            side = Some(lower_t(&g2)?);
        }
        if let (true, Some(g)) = (m > k, l_bar) {
            let g2 = g.slice(-2, k..)?;
            above_m = sum(above_m, Some(l.slice(-2, k..)?.mt().matmul(&g2)?.neg()?))?;
            corner = Some(upper_t(&g2)?);
        }
        let middle = sum(below_m.map(|x| lower(&x, 0.0)).transpose()?, above_m.map(|x| upper(&x, 1.0)).transpose()?)?;
        let middle = middle.expect("one of the cotangents is present");
        let mut a_bar = upper_t(&lower_t(&middle)?)?;
        if n > k {
            let side = side.map_or_else(|| Tensor::zeros(&shape(batch(&l), &[m, n - k]), l.dtype()), Ok)?;
            a_bar = Tensor::cat(&[&a_bar, &side], -1)?;
        }
        if m > k {
            let corner = corner.map_or_else(|| Tensor::zeros(&shape(batch(&l), &[m - k, n]), l.dtype()), Ok)?;
            a_bar = Tensor::cat(&[&a_bar, &corner], -2)?;
        }
        let rows = self.inverse.unsqueeze(-1)?.expand(a_bar.shape())?;
        Ok(vec![Some(a_bar.gather(-2, &rows)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::distance;
    // Normal numbers: no two candidates for a pivot are as close as a difference quotient's step.
    vec![
        Spec::new("lu", |x| {
            let Lu { l, u, .. } = lu(&x[0])?;
            Ok(vec![l, u])
        })
        .sample("square", vec![normal(&[4, 4])])
        .sample("tall", vec![normal(&[2, 5, 3])])
        .sample("wide", vec![normal(&[2, 3, 5])])
        .sample("one by one", vec![normal(&[1, 1])])
        .sample("no rows", vec![normal(&[2, 0, 3])])
        .sample("no columns", vec![normal(&[2, 3, 0])])
        .property("P A = L U", |x, y| {
            let rows = lu(&x[0])?.order.unsqueeze(-1)?.expand(x[0].shape())?;
            distance(&x[0].gather(-2, &rows)?, &y[0].matmul(&y[1])?)
        })
        .orders(2)
        // A pivot of a random matrix can be small: its condition takes about a digit.
        .gradient_tolerance(1e-5)
        .refuses(vec![normal(&[3])], "lu: needs at least 2 dimensions, got shape [3]")
        .refuses(
            vec![Tensor::arange(4).unwrap().reshape(&[2, 2]).unwrap()],
            "lu: takes floating-point numbers, got i64; cast with to_dtype",
        ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: lu);
