//! det A, and its sign and logarithm

use monotile_kernels::shape::count;

use super::inv::inv;
use super::lu::LuFactors;
use super::parts::{batch, matrix_name, repeated};
use super::svd::{Svd, SvdOptions, svd};
use crate::check;
use crate::error::{Error, ErrorKind, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The determinants of square matrices.
///
/// Shapes: `a` is `(…, n, n)`, the result `(…)`; that of a matrix of no rows is 1.
///
/// # Gradient
/// The cofactors, det(A) A⁻ᵀ. Also where A is singular; the second derivative is refused there. On a GPU nothing is read back: where A is
/// singular the gradient is NaN there.
///
/// # Errors
/// If the matrices are not square.
///
/// # Cost
/// ⅔ n³ operations a matrix. The product of many pivots can leave the range of the numbers; [`slogdet`] does not.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::det};
/// let a = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?;
/// assert!((det(&a)?.item::<f64>()? + 2.0).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn det(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("det")?;
    check::square("det", &a)?;
    by_factors(&a, LuFactors::factor("det", &a)?)
}

/// [`det`] of a matrix whose factors are known.
#[track_caller]
pub(super) fn by_factors(a: &Tensor, factors: LuFactors) -> Result<Tensor> {
    if !factors.rows.device().is_cpu() {
        let value = factors.rows.diagonal(-2, -1)?.prod(&[-1], false)?.mul(&factors.signs_there()?)?;
        return Ok(Tensor::record(value, &[a], Det { factors }));
    }
    let values = pivots(&factors)?.into_iter().zip(factors.signs()?).map(|(pivots, sign)| sign * pivots.iter().product::<f64>());
    let value = Tensor::from_vec(values.collect(), batch(a))?.to_dtype(a.dtype())?;
    Ok(Tensor::record(value, &[a], Det { factors }))
}

/// The sign of a determinant and the logarithm of its absolute value.
#[derive(Clone)]
pub struct SignLogDet {
    /// −1, 0 or 1.
    pub sign: Tensor,
    /// ln |det A|: −∞ where the matrix is singular.
    pub log_abs: Tensor,
}

/// The signs of determinants and the logarithms of their absolute values, which do not overflow.
///
/// Shapes: `a` is `(…, n, n)`, both results `(…)`.
///
/// # Gradient
/// That of the logarithm is A⁻ᵀ, that of the sign 0. On a GPU nothing is read back: where A is singular the gradient is infinite or NaN there.
///
/// # Errors
/// If the matrices are not square. A gradient at a singular matrix is refused, naming it.
///
/// # Cost
/// ⅔ n³ operations a matrix.
///
/// # Example
/// ```
/// use monotile::{DType, Tensor, linalg::slogdet};
/// let a = Tensor::eye(1000, DType::F64)?.mul_scalar(-10.0)?;
/// let found = slogdet(&a)?;
/// assert_eq!(found.sign.item::<f64>()?, 1.0);
/// assert!((found.log_abs.item::<f64>()? - 1000.0 * 10.0_f64.ln()).abs() < 1e-10);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn slogdet(a: &Tensor) -> Result<SignLogDet> {
    let a = a.to_compute_dtype("slogdet")?;
    check::square("slogdet", &a)?;
    logarithm_by_factors(&a, LuFactors::factor("slogdet", &a)?)
}

/// [`slogdet`] of a matrix whose factors are known.
#[track_caller]
pub(super) fn logarithm_by_factors(a: &Tensor, factors: LuFactors) -> Result<SignLogDet> {
    if !factors.rows.device().is_cpu() {
        let pivots = factors.rows.diagonal(-2, -1)?;
        let sign = pivots.sign()?.prod(&[-1], false)?.mul(&factors.signs_there()?)?;
        let log_abs = pivots.abs()?.ln()?.sum(&[-1], false)?;
        return Ok(SignLogDet { sign, log_abs: Tensor::record(log_abs, &[a], LogDet { factors }) });
    }
    let (mut signs, mut logarithms) = (Vec::new(), Vec::new());
    for (pivots, sign) in pivots(&factors)?.into_iter().zip(factors.signs()?) {
        // 0 · NaN is NaN, as the sign of what is none should be.
        signs.push(pivots.iter().fold(sign, |sign, &x| if x == 0.0 { sign * x.abs() } else { sign * (x / x.abs()) }));
        logarithms.push(pivots.iter().map(|x| x.abs().ln()).sum());
    }
    let tensor = |values: Vec<f64>| Tensor::from_vec(values, batch(a))?.to_dtype(a.dtype());
    let log_abs = Tensor::record(tensor(logarithms)?, &[a], LogDet { factors });
    Ok(SignLogDet { sign: tensor(signs)?, log_abs })
}

/// The diagonal of U of each matrix.
#[track_caller]
fn pivots(factors: &LuFactors) -> Result<Vec<Vec<f64>>> {
    let n = factors.rows.dim(-1);
    let diagonals = factors.rows.diagonal(-2, -1)?.to_f64_vec()?;
    if n == 0 {
        return repeated(count(batch(&factors.rows)), Vec::new());
    }
    Ok(diagonals.chunks_exact(n).map(<[f64]>::to_vec).collect())
}

/// A⁻ᵀ by the factors, or recorded.
#[track_caller]
fn inverse_transposed(op: &'static str, factors: &LuFactors, saved: &Saved) -> Result<Tensor> {
    if saved.is_recorded() {
        return Ok(inv(&saved.input(0)).map_err(|e| Error::new(e.kind(), e.to_string().replacen("inv", op, 1)))?.mt());
    }
    let shape = saved.input_shape(0);
    let identity = Tensor::eye(shape[shape.len() - 1], saved.input_dtype(0))?.to(&factors.rows.device())?.expand(shape)?;
    factors.solve(op, true, &identity)
}

/// (…) beside matrices.
#[track_caller]
fn broadcast_scalars(g: &Tensor) -> Result<Tensor> {
    g.unsqueeze(-1)?.unsqueeze(-1)
}

struct LogDet {
    factors: LuFactors,
}

impl Gradient for LogDet {
    fn name(&self) -> &'static str {
        "slogdet"
    }
    // d ln |det A| = tr(A⁻¹ dA)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        Ok(vec![Some(inverse_transposed("slogdet", &self.factors, saved)?.mul(&broadcast_scalars(g)?)?)])
    }
}

/// The cofactors, also of singular matrices: det(U Vᵀ) U diag(Π_{j≠i} s_j) Vᵀ for A = U S Vᵀ.
#[track_caller]
fn cofactors(a: &Tensor) -> Result<Tensor> {
    let Svd { u, s, vt } = svd(a, &SvdOptions::default())?;
    let (k, values) = (s.dim(-1), s.to_f64_vec()?);
    let others = |at: usize| (at / k * k..(at / k + 1) * k).filter(|&j| j != at).map(|j| values[j]).product::<f64>();
    let others = Tensor::from_vec((0..values.len()).map(others).collect(), s.shape())?.to_dtype(s.dtype())?;
    let sign = broadcast_scalars(&det(&u)?.mul(&det(&vt)?)?)?;
    u.mul(&others.unsqueeze(-2)?)?.matmul(&vt)?.mul(&sign)
}

struct Det {
    factors: LuFactors,
}

impl Gradient for Det {
    fn name(&self) -> &'static str {
        "det"
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // d det A = det(A) tr(A⁻¹ dA)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let a = saved.input(0);
        let there = !self.factors.rows.device().is_cpu();
        let singular = if there { None } else { pivots(&self.factors)?.iter().position(|pivots| pivots.contains(&0.0)) };
        let cofactors = match singular {
            None => inverse_transposed("det", &self.factors, saved)?.mul(&broadcast_scalars(&saved.output(0))?)?,
            Some(_) if !saved.is_recorded() => cofactors(&a)?,
            Some(matrix) => {
                let why = format!("the second gradient of det: it is not given for {}, which is singular", matrix_name(&a, matrix));
                return Err(Error::new(ErrorKind::Singular, why));
            }
        };
        Ok(vec![Some(cofactors.mul(&broadcast_scalars(g)?)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::regular;
    // By minors of the first row.
    fn plain(a: &[f64], n: usize) -> f64 {
        let minor =
            |c: usize| (1..n).flat_map(move |i| (0..n).filter(move |&j| j != c).map(move |j| a[i * n + j])).collect::<Vec<_>>();
        let sign = |c: usize| if c.is_multiple_of(2) { 1.0 } else { -1.0 };
        if n == 0 { 1.0 } else { (0..n).map(|c| sign(c) * a[c] * plain(&minor(c), n - 1)).sum() }
    }
    fn each(x: &[f64], shape: &[usize], f: fn(f64) -> f64) -> Vec<f64> {
        let n = shape[shape.len() - 1];
        let batch = count(&shape[..shape.len() - 2]);
        (0..batch).map(|i| f(plain(&x[i * n * n..][..n * n], n))).collect()
    }
    vec![
        Spec::new("det", |x| Ok(vec![det(&x[0])?]))
            .sample("matrix", vec![normal(&[4, 4])])
            .sample("batch", vec![regular(&[3, 2, 3, 3])])
            .sample("one by one", vec![normal(&[1, 1])])
            .sample("no rows", vec![normal(&[2, 0, 0])])
            .shaped_reference(|x, shapes| vec![each(&x[0], &shapes[0], |d| d)])
            .orders(2)
            .refuses(vec![normal(&[2, 3])], "det: needs square matrices, got shape [2, 3]"),
        Spec::new("slogdet", |x| {
            let SignLogDet { sign, log_abs } = slogdet(&x[0])?;
            Ok(vec![sign, log_abs])
        })
        .sample("batch", vec![normal(&[5, 4, 4])])
        .sample("no rows", vec![normal(&[2, 0, 0])])
        .shaped_reference(|x, shapes| vec![each(&x[0], &shapes[0], f64::signum), each(&x[0], &shapes[0], |d| d.abs().ln())])
        .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: det, slogdet);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    #[test]
    fn a_singular_matrix_has_determinant_zero_and_no_logarithm() {
        let a = Tensor::from_rows(&[[1.0_f64, 2.0], [2.0, 4.0]]).unwrap().requires_grad();
        let found = slogdet(&a).unwrap();
        assert_eq!((found.sign.item::<f64>().unwrap(), found.log_abs.item::<f64>().unwrap()), (0.0, f64::NEG_INFINITY));
        assert_eq!(det(&a).unwrap().item::<f64>().unwrap(), 0.0);
        // The cofactors of [[1, 2], [2, 4]].
        let g = grad(&det(&a).unwrap(), &[&a]).unwrap()[0].to_f64_vec().unwrap();
        assert!(g.iter().zip([4.0, -2.0, -2.0, 1.0]).all(|(g, e)| (g - e).abs() < 1e-14), "{g:?}");
        let error = grad(&found.log_abs, &[&a]).unwrap_err();
        assert_eq!(error.to_string(), "slogdet: the matrix is singular (its pivot 1 is 0)");
    }
}
