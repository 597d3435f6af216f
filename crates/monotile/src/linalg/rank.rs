//! Rank and condition

use monotile_kernels::shape::count;

use super::parts::{batch, repeated};
use super::svd::svdvals;
use crate::check;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The ranks of matrices: how many singular values are above the cutoff.
///
/// Shapes: `a` is `(…, m, n)`, the result `(…)` as i64. The cutoff is relative to the largest singular value: max(m, n) ε unless
/// given, up to which a value may be rounding alone. A matrix with an entry that is not finite has rank 0. On a GPU ranks are of i32.
///
/// # Errors
/// If `a` is no matrix; if the cutoff is negative or NaN.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::matrix_rank};
/// let a = Tensor::from_rows(&[[1.0_f64, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])?;
/// assert_eq!(matrix_rank(&a, None)?.item::<i64>()?, 2);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn matrix_rank(a: &Tensor, cutoff: Option<f64>) -> Result<Tensor> {
    let a = a.detach().to_compute_dtype("matrix_rank")?;
    let sizes = check::matrices("matrix_rank", &a)?;
    let s = svdvals(&a)?;
    let k = s.dim(-1);
    if !s.device().is_cpu() {
        let relative = relative_cutoff("matrix_rank", s.dtype(), sizes, cutoff)?;
        return s.gt(&s.slice(-1, ..k.min(1))?.mul_scalar(relative)?)?.count_nonzero(&[-1], false);
    }
    let values = s.to_f64_vec()?;
    let limits = cutoffs("matrix_rank", &s, sizes, cutoff)?;
    let ranks = limits.iter().enumerate().map(|(i, &limit)| values[i * k..][..k].iter().filter(|&&s| s > limit).count() as i64);
    Tensor::from_vec(ranks.collect(), batch(&a))
}

/// The share of the largest singular value up to which one counts as 0.
#[track_caller]
pub(super) fn relative_cutoff(op: &str, dtype: DType, [m, n]: [usize; 2], cutoff: Option<f64>) -> Result<f64> {
    let epsilon: f64 = if dtype == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
    let relative = cutoff.unwrap_or(m.max(n) as f64 * epsilon);
    // Positive comparison, so that a NaN is refused.
    if !(relative >= 0.0) {
        return Err(Error::value(format!("{op}: the cutoff {relative} is not a number from 0 up")));
    }
    Ok(relative)
}

/// The value up to which a singular value counts as 0, for each matrix.
#[track_caller]
pub(super) fn cutoffs(op: &str, s: &Tensor, sizes: [usize; 2], cutoff: Option<f64>) -> Result<Vec<f64>> {
    let relative = relative_cutoff(op, s.dtype(), sizes, cutoff)?;
    let (k, values) = (s.dim(-1), s.to_f64_vec()?);
    let mut cutoffs = repeated(count(&s.shape()[..s.rank() - 1]), 0.0)?;
    if k > 0 {
        cutoffs.iter_mut().zip(values.iter().step_by(k)).for_each(|(cutoff, largest)| *cutoff = relative * largest);
    }
    Ok(cutoffs)
}

/// The condition of matrices: the largest singular value over the smallest.
///
/// Shapes: `a` is `(…, m, n)`, the result `(…)`; ∞ for a matrix that has not full rank, and for one without an element 1.
///
/// # Errors
/// If `a` is no matrix, or of integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::cond};
/// let a = Tensor::from_rows(&[[4.0_f64, 0.0], [0.0, 2.0]])?;
/// assert_eq!(cond(&a)?.item::<f64>()?, 2.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn cond(a: &Tensor) -> Result<Tensor> {
    check::matrices("cond", a)?;
    let s = svdvals(&a.to_compute_dtype("cond")?)?;
    let k = s.dim(-1);
    if k == 0 {
        return Tensor::ones(batch(a), s.dtype())?.to(&s.device());
    }
    let (first, last) = (s.select(-1, 0)?, s.select(-1, k - 1)?);
    let zero = last.detach().eq(Tensor::scalar_as(0.0, s.dtype()))?;
    let condition = first.div(&zero.where_(Tensor::scalar_as(1.0, s.dtype()), &last)?)?;
    zero.where_(Tensor::scalar_as(f64::INFINITY, s.dtype()), &condition)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::distinct;
    let product = |x: &[Tensor]| Ok(vec![matrix_rank(&x[0].matmul(&x[1])?, Some(1e-5))?]);
    vec![
        Spec::new("matrix_rank", product)
            .sample("rank 2", vec![normal(&[3, 4, 2]), normal(&[2, 5])])
            .sample("no rows", vec![normal(&[2, 0, 2]), normal(&[2, 5])])
            .shaped_reference(|_, shapes| vec![vec![if shapes[0][1] == 0 { 0.0 } else { 2.0 }; shapes[0][0]]])
            .refuses(vec![normal(&[3]), normal(&[3, 1])], "matrix_rank: needs at least 2 dimensions, got shape [1]"),
        Spec::new("cond", |x| Ok(vec![cond(&distinct(&x[0])?)?]))
            .sample("batch", vec![normal(&[2, 3, 4])])
            .sample("no columns", vec![normal(&[2, 3, 0])])
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: matrix_rank, cond);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_without_full_rank_has_condition_infinity() {
        for a in [Tensor::zeros(&[2, 2], DType::F64).unwrap(), Tensor::from_rows(&[[1.0_f64, 0.0], [0.0, 0.0]]).unwrap()] {
            assert_eq!(cond(&a).unwrap().item::<f64>().unwrap(), f64::INFINITY);
        }
    }
}
