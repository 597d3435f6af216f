//! Randomized singular values: the largest few of a large matrix

use super::norm::{MatrixNorm, norm};
use super::qr::{QrOptions, qr};
use super::svd::{Svd, SvdOptions, svd};
use crate::check;
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// How [`svd_lowrank`] samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SvdLowrankOptions {
    /// Random directions beyond the rank: more of them make a bad draw less likely.
    pub oversampling: usize,
    /// Products with A Aᵀ, each of which squares the ratio of wanted to unwanted singular values once more.
    pub power_iterations: usize,
    /// Of the random directions.
    pub seed: u64,
    /// Whether the error is estimated, by ten further products with random directions.
    pub estimate_error: bool,
}

impl Default for SvdLowrankOptions {
    fn default() -> Self {
        Self { oversampling: 8, power_iterations: 2, seed: 0, estimate_error: false }
    }
}

/// What [`svd_lowrank`] found.
#[derive(Clone)]
pub struct SvdLowrank {
    /// Left singular vectors as columns, `(…, m, r)`.
    pub u: Tensor,
    /// The largest singular values, in decreasing order, `(…, r)`.
    pub s: Tensor,
    /// Right singular vectors as rows, `(…, r, n)`.
    pub vt: Tensor,
    /// An estimate of ‖A − U S Vᵀ‖₂, `(…)`, where it was asked for: too low with probability 10⁻¹⁰ at most.
    pub error: Option<Tensor>,
}

/// The largest `rank` singular values of matrices and their vectors, by products with random directions.
///
/// Shapes: `a` is `(…, m, n)`; the results are `(…, m, r)`, `(…, r)` and `(…, r, n)` with r = min(rank, m, n). The error is about that of the
/// best approximation of this rank, (s_{r+1} + …) small: exactly so on average up to a factor that oversampling and power
/// iterations bring near 1. Between power iterations vectors are made orthonormal again, so that small values are not lost.
///
/// # Gradient
/// Through the composition, as of [`svd`]; the random directions are constants.
///
/// # Errors
/// If `a` is no matrix, or of integers.
///
/// # Cost
/// (2 + 2 q) products of A with r + p directions, q power iterations and p oversampling, and factorizations of their size.
///
/// # Source
/// Halko, Martinsson and Tropp (2011), Finding structure with randomness, algorithms 4.4 and 5.1, equation 4.3 for the error.
///
/// # Example
/// ```
/// use monotile::{DType, Rng, linalg::{SvdLowrankOptions, svd_lowrank}};
/// let mut rng = Rng::new(1);
/// let a = rng.normal(&[100, 3], DType::F64)?.matmul(&rng.normal(&[3, 80], DType::F64)?)?;
/// let found = svd_lowrank(&a, 3, &SvdLowrankOptions { estimate_error: true, ..Default::default() })?;
/// assert!(found.error.unwrap().item::<f64>()? < 1e-10);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn svd_lowrank(a: &Tensor, rank: usize, options: &SvdLowrankOptions) -> Result<SvdLowrank> {
    let a = a.to_compute_dtype("svd_lowrank")?;
    let sizes = check::matrices("svd_lowrank", &a)?;
    let products =
        LinearOperator { matmul: &|x| a.matmul(x), matmul_transposed: &|x| a.mt().matmul(x), shape: sizes, dtype: a.dtype() };
    svd_lowrank_of_operator(&products, rank, options)
}

type OperatorProduct<'a> = &'a dyn Fn(&Tensor) -> Result<Tensor>;

/// A matrix that is given by what it does.
#[derive(Clone, Copy)]
pub struct LinearOperator<'a> {
    /// X ↦ A X: `(…, n, k)` to `(…, m, k)`.
    pub matmul: OperatorProduct<'a>,
    /// X ↦ Aᵀ X: `(…, m, k)` to `(…, n, k)`.
    pub matmul_transposed: OperatorProduct<'a>,
    /// (m, n)
    pub shape: [usize; 2],
    /// f32 or f64.
    pub dtype: DType,
}

/// [`svd_lowrank`] of a matrix that is known by products with it and with its transpose alone: a sum, a chain, a
/// difference of two models that is never formed.
///
/// # Errors
/// What the products return; if a product has another shape than it should.
///
/// # Example
/// ```
/// use monotile::{DType, Rng, linalg::{SvdLowrankOptions, LinearOperator, svd_lowrank_of_operator}};
/// let b = Rng::new(1).normal(&[1000, 2], DType::F64)?;
/// let product = |x: &monotile::Tensor| b.matmul(&b.mt().matmul(x)?);
/// let a = LinearOperator { matmul: &product, matmul_transposed: &product, shape: [1000, 1000], dtype: DType::F64 };
/// let found = svd_lowrank_of_operator(&a, 2, &SvdLowrankOptions::default())?;
/// assert_eq!(found.u.shape(), [1000, 2]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn svd_lowrank_of_operator(a: &LinearOperator<'_>, rank: usize, options: &SvdLowrankOptions) -> Result<SvdLowrank> {
    let [m, n] = a.shape;
    let rank = rank.min(m).min(n);
    let width = rank.saturating_add(options.oversampling).min(m).min(n);
    let times = |x: &Tensor| checked(a.matmul, x, m, "A");
    let times_transposed = |x: &Tensor| checked(a.matmul_transposed, x, n, "Aᵀ");
    let range = |y: &Tensor| qr(y, &QrOptions::default()).map(|qr| qr.q);
    let rng = Rng::new(options.seed);

    let mut q = range(&times(&rng.fork(0).normal(&[n, width], a.dtype)?)?)?;
    for _ in 0..options.power_iterations {
        q = range(&times(&range(&times_transposed(&q)?)?)?)?;
    }
    // Qᵀ A = (W S Vᵀ), so that A ≈ (Q W) S Vᵀ; the transpose is the tall one.
    let Svd { u: v, s, vt: wt } = svd(&times_transposed(&q)?, &SvdOptions::default())?;
    let error = options.estimate_error.then(|| {
        let probes = times(&rng.fork(1).normal(&[n, PROBES], a.dtype)?)?.detach();
        let q = q.detach();
        let missed = probes.sub(&q.matmul(&q.mt().matmul(&probes)?)?)?;
        let longest = norm(&missed.mt().unsqueeze(-2)?, MatrixNorm::Frobenius)?.max(&[-1], false)?;
        let bound = longest.mul_scalar(10.0 * (2.0 / std::f64::consts::PI).sqrt())?;
        // What was found and is not returned is missing too.
        if width > rank { bound.add(&s.detach().select(-1, rank)?) } else { Ok(bound) }
    });
    Ok(SvdLowrank {
        u: q.matmul(&wt.slice(-2, ..rank)?.mt())?,
        s: s.slice(-1, ..rank)?,
        vt: v.slice(-1, ..rank)?.mt(),
        error: error.transpose()?,
    })
}

/// Random directions of the estimate: each leaves a tenth of the probability that it is too low.
const PROBES: usize = 10;

#[track_caller]
fn checked(product: OperatorProduct<'_>, x: &Tensor, rows: usize, name: &str) -> Result<Tensor> {
    let y = product(x)?;
    if y.rank() >= 2 && [y.dim(-2), y.dim(-1)] == [rows, x.dim(-1)] {
        return Ok(y);
    }
    let (from, to, columns) = (x.shape(), y.shape(), x.dim(-1));
    Err(Error::shape(format!("svd_lowrank: the product of {name} and {from:?} has shape {to:?}, not (…, {rows}, {columns})")))
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, distinct};
    let all = SvdLowrankOptions { oversampling: 8, power_iterations: 1, seed: 3, estimate_error: false };
    let rebuilt = move |x: &[Tensor], rank: usize| {
        let SvdLowrank { u, s, vt, .. } = svd_lowrank(&distinct(&x[0])?, rank, &all)?;
        u.mul(&s.unsqueeze(-2)?)?.matmul(&vt)
    };
    vec![
        // As many directions as columns: the approximation is the best one.
        Spec::new("svd_lowrank", move |x| Ok(vec![rebuilt(x, 2)?]))
            .sample("tall", vec![normal(&[2, 6, 4])])
            .sample("wide", vec![normal(&[4, 7])])
            .property("the nearest matrix of rank 2", |x, y| {
                use crate::linalg::{Truncation, truncated};
                distance(&truncated(&distinct(&x[0])?, Truncation::Rank(2))?.approximation, &y[0])
            })
            .orders(1),
        Spec::new("svd_lowrank", |x| Ok(vec![svd_lowrank(&x[0], 2, &SvdLowrankOptions::default())?.s]))
            .sample("no columns", vec![normal(&[3, 0])])
            .refuses(vec![normal(&[3])], "svd_lowrank: needs at least 2 dimensions, got shape [3]"),
    ]
}

#[cfg(test)]
crate::testing::records!(specs);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::orthogonal;

    /// 60 × 50 with the singular values 2⁻ⁱ.
    fn decaying() -> Tensor {
        let mut rng = Rng::new(9);
        let (u, v) = (orthogonal(&[60, 50], &mut rng, DType::F64).unwrap(), orthogonal(&[50, 50], &mut rng, DType::F64).unwrap());
        let s = Tensor::from_vec((0..50).map(|i| 0.5_f64.powi(i)).collect(), &[50]).unwrap();
        u.mul(&s).unwrap().matmul(&v.mt()).unwrap()
    }

    #[test]
    fn the_error_is_near_the_least_and_below_its_estimate() {
        let a = decaying();
        for rank in [1, 5, 20] {
            let options = SvdLowrankOptions { estimate_error: true, ..Default::default() };
            let SvdLowrank { u, s, vt, error } = svd_lowrank(&a, rank, &options).unwrap();
            let rest = a.sub(&u.mul(&s).unwrap().matmul(&vt).unwrap()).unwrap();
            let error = error.unwrap().item::<f64>().unwrap();
            let true_error = crate::linalg::norm(&rest, crate::linalg::MatrixNorm::Two).unwrap().item::<f64>().unwrap();
            let least = 0.5_f64.powi(rank as i32);
            assert!(true_error <= 1.01 * least && true_error <= error && error < 2.0 * least, "{rank}: {true_error}, {error}");
            let values = s.to_f64_vec().unwrap();
            assert!(values.iter().enumerate().all(|(i, s)| (s - 0.5_f64.powi(i as i32)).abs() < 1e-6 * least), "{values:?}");
        }
    }

    #[test]
    fn the_estimate_holds_at_extreme_scales_and_any_oversampling_is_taken() {
        let options = SvdLowrankOptions { estimate_error: true, oversampling: usize::MAX, ..Default::default() };
        let error = |scale: f64| {
            let found = svd_lowrank(&decaying().mul_scalar(scale).unwrap(), 5, &options).unwrap();
            assert_eq!(found.u.shape(), [60, 5]);
            found.error.unwrap().item::<f64>().unwrap() / scale
        };
        let expected = error(1.0);
        assert!([1e200, 1e-200].iter().all(|&scale| (error(scale) / expected - 1.0).abs() < 1e-12));
    }

    #[test]
    fn a_matrix_given_by_products_is_the_same_and_wrong_products_are_refused() {
        let a = decaying();
        let whole = svd_lowrank(&a, 4, &SvdLowrankOptions::default()).unwrap();
        let by = LinearOperator {
            matmul: &|x| a.matmul(x),
            matmul_transposed: &|x| a.mt().matmul(x),
            shape: [60, 50],
            dtype: DType::F64,
        };
        let same = svd_lowrank_of_operator(&by, 4, &SvdLowrankOptions::default()).unwrap();
        assert_eq!(whole.s.to_f64_vec().unwrap(), same.s.to_f64_vec().unwrap());
        let wrong = LinearOperator { matmul_transposed: &|x| Ok(x.clone()), ..by };
        let error = svd_lowrank_of_operator(&wrong, 4, &SvdLowrankOptions::default()).err().unwrap();
        assert_eq!(error.to_string(), "svd_lowrank: the product of Aᵀ and [60, 12] has shape [60, 12], not (…, 50, 12)");
    }
}
