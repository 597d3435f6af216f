//! Randomized singular values: the largest few of a large matrix

use super::norm::{MatrixNorm, norm};
use super::sketch::Sketch;
use crate::check;
use crate::error::Result;
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
    /// Whether the error is estimated, by five further products with ten random directions.
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
    /// An estimate of ‖A − U S Vᵀ‖₂, `(…)`, where it was asked for: mostly less than twice that, and too low with probability 10⁻⁶ at
    /// most.
    pub error: Option<Tensor>,
}

/// The largest `rank` singular values of matrices and their vectors, by products with random directions.
///
/// Shapes: `a` is `(…, m, n)`; the results are `(…, m, r)`, `(…, r)` and `(…, r, n)` with r = min(rank, m, n). The error is about that of the
/// best approximation of this rank, (s_{r+1} + …) small: exactly so on average up to a factor that oversampling and power
/// iterations bring near 1. Between power iterations vectors are made orthonormal again, so that small values are not lost.
///
/// # Gradient
/// That of the values and vectors that were found; the random directions are constants. Where A has a lower rank than there are directions,
/// up to rounding or to values that are negligible, it is that of [`svd`](super::svd()): to second order too, and refused where a loss
/// depends on values that are 0.
///
/// # Errors
/// If `a` is no matrix, or of integers.
///
/// # Cost
/// (2 + 2 q) products of A with r + p directions, q power iterations and p oversampling, and factorizations of their size.
///
/// # Source
/// Halko, Martinsson and Tropp (2011), Finding structure with randomness, algorithms 4.4 and 5.1; lemma 4.1, of a power, for the error.
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
#[doc(alias = "pca_lowrank")]
#[doc(alias = "randomized_svd")]
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
    let rng = Rng::new(options.seed);
    let sketch = Sketch::new(a, &rng.fork(0).normal(&[n, width], a.dtype)?, rank, options.power_iterations)?;
    // Qᵀ A = W S Vᵀ, so that A ≈ (Q W) S Vᵀ.
    let (u, s, v) = (sketch.left(rank)?, &sketch.svd.s, &sketch.svd.u);
    let error = options.estimate_error.then(|| {
        let missed = sketch.missed(a, rng.fork(1))?;
        if s.dim(-1) <= rank {
            return Ok(missed);
        }
        // What was found and is not returned is missing too, at a right angle to the rest.
        let both = Tensor::stack(&[&missed, &s.detach().select(-1, rank)?], -1)?;
        norm(&both.unsqueeze(-2)?, MatrixNorm::Frobenius)
    });
    Ok(SvdLowrank { u, s: s.slice(-1, ..rank)?, vt: v.slice(-1, ..rank)?.mt(), error: error.transpose()? })
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, distinct};
    let all = SvdLowrankOptions { oversampling: 8, power_iterations: 1, seed: 3, estimate_error: false };
    let rebuilt = move |x: &Tensor, rank: usize| {
        let SvdLowrank { u, s, vt, .. } = svd_lowrank(x, rank, &all)?;
        u.mul(&s.unsqueeze(-2)?)?.matmul(&vt)
    };
    vec![
        // As many directions as columns: the approximation is the best one.
        Spec::new("svd_lowrank", move |x| Ok(vec![rebuilt(&distinct(&x[0])?, 2)?]))
            .sample("tall", vec![normal(&[2, 6, 4])])
            .sample("wide", vec![normal(&[4, 7])])
            .property("the nearest matrix of rank 2", |x, y| {
                use crate::linalg::{Truncation, truncated};
                distance(&truncated(&distinct(&x[0])?, Truncation::Rank(2))?.approximation, &y[0])
            })
            .orders(2),
        // A product keeps its rank wherever its factors go.
        Spec::new("svd_lowrank", move |x| Ok(vec![rebuilt(&x[0].matmul(&x[1])?, 2)?]))
            .sample("rank 2", vec![distinct(&normal(&[6, 2])).unwrap(), distinct(&normal(&[2, 5])).unwrap()])
            .sample("a batch", vec![normal(&[2, 5, 2]), normal(&[2, 7])])
            .property("A", |x, y| distance(&x[0].matmul(&x[1])?, &y[0]))
            .orders(2),
        Spec::new("svd_lowrank", |x| Ok(vec![svd_lowrank(&x[0], 2, &SvdLowrankOptions::default())?.s]))
            .sample("no columns", vec![normal(&[3, 0])])
            .refuses(vec![normal(&[3])], "svd_lowrank: needs at least 2 dimensions, got shape [3]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: svd_lowrank);

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
    fn the_error_is_near_the_least_and_its_estimate_is_near_it() {
        let flat = Rng::new(2).normal(&[60, 50], DType::F64).unwrap();
        let low =
            Rng::new(3).normal(&[60, 4], DType::F64).unwrap().matmul(&Rng::new(4).normal(&[4, 50], DType::F64).unwrap()).unwrap();
        let noisy = low.add(flat.mul_scalar(1e-3).unwrap()).unwrap();
        // The factor of lemma 4.1, and the length of a product with a normal vector where 50 values are equal: the fifth root of both.
        let most = (4.0 * (2.0 / std::f64::consts::PI).sqrt() * (50.0_f64.sqrt() + 3.0)).powf(0.2);
        for a in [decaying(), flat, noisy] {
            let least = crate::linalg::svdvals(&a).unwrap().to_f64_vec().unwrap();
            for (rank, oversampling) in [(1, 8), (5, 8), (20, 8), (5, 0), (20, 0)] {
                let options = SvdLowrankOptions { estimate_error: true, oversampling, ..Default::default() };
                let SvdLowrank { u, s, vt, error } = svd_lowrank(&a, rank, &options).unwrap();
                let rest = a.sub(u.mul(&s).unwrap().matmul(&vt).unwrap()).unwrap();
                let error = error.unwrap().item::<f64>().unwrap();
                let true_error = norm(&rest, MatrixNorm::Two).unwrap().item::<f64>().unwrap();
                let what = format!("rank {rank} of {oversampling} more: {true_error}, {error}, least {}", least[rank]);
                assert!(true_error <= 1.3 * least[rank] && true_error <= error && error < most * true_error, "{what}");
            }
        }
        let s = svd_lowrank(&decaying(), 20, &SvdLowrankOptions::default()).unwrap().s.to_f64_vec().unwrap();
        assert!(s.iter().enumerate().all(|(i, s)| (s - 0.5_f64.powi(i as i32)).abs() < 1e-12), "{s:?}");
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
