//! Covariances and correlations of variables.

use crate::check;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Covariances of variables, one a row, over observations, one a column: C = Σₖ (xₖ − x̄)(xₖ − x̄)ᵀ / (n − correction).
///
/// Shapes: `(…, variables, n)` gives `(…, variables, variables)`; a vector is one variable, and gives its variance. A `correction` of 1 makes
/// the estimate unbiased, as NumPy's and PyTorch's is; 0 is the most likely covariance of normal variables.
///
/// # Gradient
/// x̄ = (C̄ + C̄ᵀ)(x − mean) / (n − correction)
///
/// # Errors
/// If `x` is a single number, or of integers; if there are not more observations than `correction`.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::cov};
/// let x = Tensor::from_rows(&[[0.0_f64, 1.0, 2.0], [2.0, 1.0, 0.0]])?;
/// assert_eq!(cov(&x, 1.0)?.to_vec::<f64>()?, [1.0, -1.0, -1.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "covariance")]
#[track_caller]
pub fn cov(x: &Tensor, correction: f64) -> Result<Tensor> {
    check::at_least("cov", x, 1)?;
    let x = x.to_compute_dtype("cov")?;
    let n = x.dim(-1);
    let left = n as f64 - correction;
    if !(left > 0.0) || !left.is_finite() {
        return Err(Error::value(format!("cov: needs more observations than the correction {correction}, got {n}")));
    }
    let centred = x.sub(&x.mean(&[-1], true)?)?;
    if centred.rank() == 1 {
        return centred.square()?.sum(&[], false)?.mul_scalar(1.0 / left);
    }
    centred.matmul(&centred.mt())?.mul_scalar(1.0 / left)
}

/// Pearson's correlations of variables, one a row, over observations, one a column: Cᵢⱼ / √(Cᵢᵢ Cⱼⱼ), within ±1.
///
/// Shapes: as [`cov`]; a vector gives 1. A variable that does not vary has no correlation: its row and column are NaN.
///
/// # Gradient
/// Of the quotient; rounding beyond ±1 that is cut off has none.
///
/// # Errors
/// If `x` is a single number, or of integers; if there are fewer than two observations.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::corrcoef};
/// let x = Tensor::from_rows(&[[0.0_f64, 1.0, 2.0], [4.0, 2.0, 0.0]])?;
/// let r = corrcoef(&x)?.to_vec::<f64>()?;
/// assert!((r[1] + 1.0).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "correlation")]
#[doc(alias = "pearson")]
#[track_caller]
pub fn corrcoef(x: &Tensor) -> Result<Tensor> {
    check::at_least("corrcoef", x, 1)?;
    if x.dim(-1) < 2 {
        return Err(Error::value(format!("corrcoef: needs at least 2 observations, got {}", x.dim(-1))));
    }
    let x = x.to_compute_dtype("corrcoef")?;
    let c = cov(&x, 0.0)?;
    if c.rank() == 0 {
        return c.div(&c);
    }
    let deviations = c.diagonal(-2, -1)?.sqrt()?;
    c.div(&deviations.unsqueeze(-1)?)?.div(&deviations.unsqueeze(-2)?)?.clamp(-1.0, 1.0)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let samples = |spec: Spec| {
        spec.sample("three variables", vec![normal(&[3, 6])])
            .sample("a batch", vec![normal(&[2, 2, 5])])
            .sample("one variable", vec![normal(&[5])])
            .sample("no variables", vec![normal(&[0, 5])])
            .orders(2)
            .may_drop_nan()
    };
    vec![
        samples(Spec::new("cov", |x| Ok(vec![cov(&x[0], 1.0)?, cov(&x[0], 0.0)?])))
            .refuses(vec![normal(&[3, 1])], "cov: needs more observations than the correction 1, got 1")
            .refuses(vec![normal(&[])], "cov: needs at least 1 dimensions, got shape []"),
        // Of the diagonal, which is 1 whatever the variables are, the difference quotient is rounding.
        Spec::new("corrcoef", |x| Ok(vec![corrcoef(&x[0])?.select(-1, 0)?.select(-1, 1)?]))
            .sample("three variables", vec![normal(&[3, 6])])
            .sample("a batch", vec![normal(&[2, 2, 5])])
            .orders(2)
            .may_drop_nan()
            .refuses(vec![normal(&[3, 1])], "corrcoef: needs at least 2 observations, got 1"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: cov, corrcoef);

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of NumPy 2: `np.cov(x)`, `np.corrcoef(x)`.
    #[test]
    fn covariances_and_correlations_are_those_of_numpy() {
        let x = Tensor::from_rows(&[[1.0_f64, 2.5, -0.5, 4.0], [0.25, -1.0, 3.0, 2.0], [1.0, 1.0, 1.0, 1.0]]).unwrap();
        let found = cov(&x, 1.0).unwrap().to_f64_vec().unwrap();
        assert!(
            found
                .iter()
                .zip([3.75, -1.062_5, 0.0, -1.062_5, 3.182_291_666_666_666_5, 0.0, 0.0, 0.0, 0.0])
                .all(|(a, b)| (a - b).abs() < 1e-14),
            "{found:?}"
        );
        let found = corrcoef(&x).unwrap().to_f64_vec().unwrap();
        assert!(
            (found[1] - -0.307_569_533_607_074_45).abs() < 1e-15 && (found[0] - 1.0).abs() < 1e-15 && found[2].is_nan(),
            "{found:?}"
        );
    }
}
