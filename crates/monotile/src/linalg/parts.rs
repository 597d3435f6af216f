//! What the operations here share: triangles, diagonals, right-hand sides.

use std::panic::Location;

use monotile_kernels::buffer::list;

use crate::check;
use crate::error::{Error, ErrorKind, Placed, Result};
use crate::tensor::{DType, Dims, Tensor};

/// The leading dimensions of matrices `(…, m, n)`.
pub(super) fn batch(x: &Tensor) -> &[usize] {
    &x.shape()[..x.rank() - 2]
}

/// `(…, sizes)` with these leading dimensions.
pub(super) fn shape(batch: &[usize], sizes: &[usize]) -> Dims {
    batch.iter().chain(sizes).copied().collect()
}

/// `len` times one value.
#[track_caller]
pub(super) fn repeated<T: Clone>(len: usize, value: T) -> Result<Vec<T>> {
    let mut list = list(len)?;
    list.resize(len, value);
    Ok(list)
}

/// How an error names a matrix of the batch of `x`.
pub(super) fn matrix_name(x: &Tensor, matrix: usize) -> String {
    if x.rank() == 2 { "the matrix".into() } else { format!("matrix {matrix} of the batch") }
}

/// The refusal of a matrix of `x` without an inverse: `what` is 0 in it, counted from 1.
#[track_caller]
pub(super) fn singular(op: &str, x: &Tensor, what: &str) -> impl Fn(usize, usize) -> Error {
    let place = Location::caller();
    move |matrix, order| {
        let which = matrix_name(x, matrix);
        let why = format!("{op}: {which} is singular (its {what} {} is 0)", order - 1);
        Error::new(ErrorKind::Singular, why).with_place(place)
    }
}

/// Both with the leading dimensions that they broadcast to, in their common type.
#[track_caller]
pub(super) fn broadcast(op: &str, a: &Tensor, b: &Tensor) -> Result<[Tensor; 2]> {
    let dtype = check::common_float(op, a, b)?;
    let Ok(batch) = check::broadcast(op, batch(a), batch(b)) else {
        let (a, b) = (a.shape(), b.shape());
        return Err(Error::shape(format!("{op}: shapes {a:?} and {b:?}: the leading dimensions do not broadcast")));
    };
    let spread = |x: &Tensor| x.to_dtype(dtype)?.expand(&shape(&batch, &x.shape()[x.rank() - 2..]));
    Ok([spread(a)?, spread(b)?])
}

/// Calls `f` with right-hand sides as matrices: a vector of n elements is a column.
#[track_caller]
pub(super) fn with_columns(b: &Tensor, f: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if b.rank() == 1 { f(&b.unsqueeze(-1)?).placed()?.squeeze(-1) } else { f(b).placed() }
}

/// Refuses right-hand sides that have not a row for each of the `rows` rows of the matrices `a`.
#[track_caller]
pub(super) fn check_rows(op: &str, a: &Tensor, b: &Tensor, rows: usize) -> Result<()> {
    check::at_least(op, b, 2)?;
    if b.dim(-2) == rows {
        return Ok(());
    }
    let (a, b) = (a.shape(), b.shape());
    Err(Error::shape(format!("{op}: matrices of shape {a:?} and right-hand sides of shape {b:?}: both need as many rows")))
}

/// The m×n matrix with these elements.
#[track_caller]
pub(super) fn constant(m: usize, n: usize, dtype: DType, f: impl Fn(usize, usize) -> f64) -> Result<Tensor> {
    Tensor::from_fn("constant", &[m, n], dtype, |at| f(at / n, at % n))
}

/// The elements below the diagonal, and those on it times `diagonal`.
#[track_caller]
pub(super) fn lower(x: &Tensor, diagonal: f64) -> Result<Tensor> {
    let weight = |i: usize, j: usize| if i == j { diagonal } else { f64::from(i > j) };
    x.mul(&constant(x.dim(-2), x.dim(-1), x.dtype(), weight)?.to(&x.device())?)
}

/// The elements above the diagonal, and those on it times `diagonal`.
#[track_caller]
pub(super) fn upper(x: &Tensor, diagonal: f64) -> Result<Tensor> {
    let weight = |i: usize, j: usize| if i == j { diagonal } else { f64::from(i < j) };
    x.mul(&constant(x.dim(-2), x.dim(-1), x.dtype(), weight)?.to(&x.device())?)
}

/// ½ (X + Xᵀ)
#[track_caller]
pub(super) fn symmetric(x: &Tensor) -> Result<Tensor> {
    x.add(x.mt())?.mul_scalar(0.5)
}

/// The sum of two, either of which may be absent.
#[track_caller]
pub(super) fn sum(a: Option<Tensor>, b: Option<Tensor>) -> Result<Option<Tensor>> {
    match (a, b) {
        (Some(a), Some(b)) => a.add(&b).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

/// The cotangent of the first k columns Q₁ of Q = [Q₁, Q₂]. The others follow as dQ₂ = −Q₁ dQ₁ᵀ Q₂ and turn freely among
/// themselves: Q̄₁ loses Q₂ Q̄₂ᵀ Q₁, and the skew part of Q₂ᵀ Q̄₂ must vanish.
#[track_caller]
pub(super) fn thin_q_cotangent(op: &str, q: &Tensor, bar: &Tensor, k: usize) -> Result<Tensor> {
    if q.dim(-1) == k {
        return Ok(bar.clone());
    }
    let (q1, q2, bar2) = (q.slice(-1, ..k)?, q.slice(-1, k..)?, bar.slice(-1, k..)?);
    refuse_choice(op, &q2, &bar2)?;
    bar.slice(-1, ..k)?.sub(&q2.matmul(&bar2.mt().matmul(&q1)?)?)
}

/// Refuses a cotangent of columns that depends on which basis of their space they are. On a GPU nothing is read back, and nothing refused.
#[track_caller]
fn refuse_choice(op: &str, q2: &Tensor, bar2: &Tensor) -> Result<()> {
    if !q2.device().is_cpu() {
        return Ok(());
    }
    let turned = q2.detach().mt().matmul(&bar2.detach())?;
    let most = |x: &Tensor| x.to_f64_vec().map(|x| x.into_iter().fold(0.0, |m: f64, x| m.max(x.abs())));
    let epsilon: f64 = if turned.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
    // Rounding on the way to the loss and back leaves a skew part of its own, far below the root of ε.
    if most(&turned.sub(turned.mt())?)? > 100.0 * epsilon.sqrt() * most(bar2)? {
        return Err(Error::value(format!(
            "the gradient of {op}: the loss depends on which basis of their space the last columns of a square factor are"
        )));
    }
    Ok(())
}

/// Well-posed inputs and LAPACK's measures, for specs.
#[cfg(test)]
pub(super) mod samples {
    use super::*;
    use crate::testing::normal;

    /// X Xᵀ + n I: symmetric and positive definite, of condition below about 10, whatever X is.
    #[track_caller]
    pub fn positive_definite(x: &Tensor) -> Result<Tensor> {
        let n = x.dim(-1);
        x.matmul(&x.mt())?.add(&Tensor::eye(n, x.dtype())?.mul_scalar(n as f64)?.to(&x.device())?)
    }

    /// Normal numbers with 2√n added to the diagonal, whose singular values lie around it: far from singular.
    pub fn regular(shape: &[usize]) -> Tensor {
        let n = shape[shape.len() - 1].min(shape[shape.len() - 2]);
        let diagonal = 2.0 * (n as f64).sqrt() + 1.0;
        let shift =
            constant(shape[shape.len() - 2], shape[shape.len() - 1], DType::F64, |i, j| if i == j { diagonal } else { 0.0 });
        normal(shape).add(shift.unwrap()).unwrap()
    }

    /// ½ (X + Xᵀ) + diag(0, 4, 8, …): symmetric, with eigenvalues that a difference quotient does not bring together.
    #[track_caller]
    pub fn separated(x: &Tensor) -> Result<Tensor> {
        let n = x.dim(-1);
        symmetric(x)?.add(&constant(n, n, x.dtype(), |i, j| if i == j { 4.0 * i as f64 } else { 0.0 })?.to(&x.device())?)
    }

    /// X with diag(4, 8, …) added: singular values that a difference quotient brings neither together nor to 0.
    #[track_caller]
    pub fn distinct(x: &Tensor) -> Result<Tensor> {
        x.add(&constant(x.dim(-2), x.dim(-1), x.dtype(), |i, j| if i == j { 4.0 * (i + 1) as f64 } else { 0.0 })?.to(&x.device())?)
    }

    /// ‖X − Y‖ / ‖X‖ in Frobenius' norm; 0 for none.
    #[track_caller]
    pub fn distance(x: &Tensor, y: &Tensor) -> Result<f64> {
        assert_eq!(x.shape(), y.shape());
        let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>().sqrt();
        let difference = norm(&x.sub(y)?.to_f64_vec().unwrap());
        Ok(difference / norm(&x.to_f64_vec().unwrap()).max(f64::MIN_POSITIVE))
    }
}
