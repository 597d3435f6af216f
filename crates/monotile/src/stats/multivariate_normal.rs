//! The normal distribution of many dimensions.

use monotile_kernels::shape::count;

use super::parts::{argument, check_above_zero, check_real, positions};
use crate::check;
use crate::error::{Error, Result};
use crate::linalg::{SolveTriangularOptions, cholesky, solve_triangular};
use crate::random::Rng;
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal, positive, uniform};

/// The normal distribution N(μ, Σ) over vectors of n numbers, held by its mean and a lower triangular root of its covariance; or a batch of
/// them, over leading dimensions that broadcast.
///
/// Everything that is computed has gradients with respect to what the distribution was made of.
///
/// # Source
/// Bishop (2006), Pattern Recognition and Machine Learning, section 2.3.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::MultivariateNormal};
/// let covariance = Tensor::from_rows(&[[2.0_f64, 1.0], [1.0, 1.0]])?;
/// let joint = MultivariateNormal::new(&Tensor::from_slice(&[0.0_f64, 1.0], &[2])?, &covariance)?;
/// // Of the first number, once the second is known to be 3:
/// let first = joint.conditional(&[1], &Tensor::from_slice(&[3.0_f64], &[1])?)?;
/// assert!((first.mean().item::<f64>()? - 2.0).abs() < 1e-14);
/// assert!((first.covariance()?.item::<f64>()? - 1.0).abs() < 1e-14);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct MultivariateNormal {
    mean: Tensor,
    cholesky_factor: Tensor,
}

impl MultivariateNormal {
    /// N(μ, Σ) with `mean` μ of shape `(…, n)` and `covariance` Σ of shape `(…, n, n)`, symmetric and positive definite; its lower triangle is
    /// read.
    ///
    /// # Errors
    /// If the shapes do not fit, or a mean is NaN; `NotPositiveDefinite`.
    #[track_caller]
    pub fn new(mean: &Tensor, covariance: &Tensor) -> Result<Self> {
        let (mean, covariance) = fitting("the covariance", mean, covariance)?;
        let root = cholesky(&covariance).map_err(|error| error.with_context("MultivariateNormal: the covariance"))?;
        Ok(Self { mean, cholesky_factor: root })
    }

    /// N(μ, L Lᵀ) with L lower triangular, `(…, n, n)`, as a network gives it.
    ///
    /// # Errors
    /// If the shapes do not fit, a mean is NaN, or a number of the diagonal is 0 or NaN.
    #[track_caller]
    pub fn from_cholesky_factor(mean: &Tensor, root: &Tensor) -> Result<Self> {
        let (mean, cholesky_factor) = fitting("the Cholesky factor", mean, root)?;
        let diagonal = cholesky_factor.detach().diagonal(-2, -1)?.abs()?;
        check_above_zero("MultivariateNormal", "a size on the Cholesky factor's diagonal", &diagonal)?;
        Ok(Self { mean, cholesky_factor })
    }

    /// The mean and the covariance, Σ (x − x̄)(x − x̄)ᵀ / (m − 1), of observations `(m, n)`, one a row.
    ///
    /// # Errors
    /// If `x` is no matrix or has fewer than two rows; `NotPositiveDefinite` where there are fewer than n + 1 observations or they lie in a plane.
    #[track_caller]
    pub fn fit(x: &Tensor) -> Result<Self> {
        let x = argument("MultivariateNormal::fit", "x", x, &[("observations", None), ("n", None)])?;
        if x.dim(0) < 2 {
            return Err(Error::value(format!(
                "MultivariateNormal::fit: {} observations have no covariance; give at least 2",
                x.dim(0)
            )));
        }
        let mean = x.mean(&[0], false)?;
        let centred = x.sub(&mean)?;
        let covariance = centred.mt().matmul(&centred)?.mul_scalar(1.0 / (x.dim(0) as f64 - 1.0))?;
        Self::new(&mean, &covariance)
    }

    /// μ, `(…, n)`
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// L of Σ = L Lᵀ, `(…, n, n)`
    pub fn cholesky_factor(&self) -> &Tensor {
        &self.cholesky_factor
    }

    /// Σ, `(…, n, n)`
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn covariance(&self) -> Result<Tensor> {
        self.cholesky_factor.matmul(&self.cholesky_factor.mt())
    }

    /// Draws `count` vectors of each distribution, `(count, …, n)`: μ + L ε, with gradients by μ and L.
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let shape: Dims = [count].into_iter().chain(self.batch()?).chain([self.size()]).collect();
        let eps = rng.normal(&shape, self.mean.dtype())?;
        reparameterize(&self.mean, &self.cholesky_factor, &eps)
    }

    /// ln N(x | μ, Σ) of vectors `(…, n)`, `(…)`, whose leading dimensions broadcast with the distributions':  −½ ‖L⁻¹ (x − μ)‖² − Σᵢ ln Lᵢᵢ − n/2 ln 2π
    ///
    /// # Errors
    /// If the vectors are not of n numbers, or leading dimensions do not broadcast.
    #[track_caller]
    pub fn log_prob(&self, x: &Tensor) -> Result<Tensor> {
        let n = self.size();
        if x.rank() == 0 || x.dim(-1) != n {
            return Err(Error::shape(format!("log_prob: needs vectors (…, {n}), got shape {:?}", x.shape())));
        }
        let deviation = x.to_compute_dtype("log_prob")?.sub(&self.mean)?;
        if self.cholesky_factor.rank() > 2 {
            return self.square_length(&deviation.unsqueeze(-1)?)?.mul_scalar(-0.5)?.sub(&self.log_scale()?);
        }
        // One system for all vectors, instead of one each.
        let batch = &deviation.shape()[..deviation.rank() - 1];
        let columns = deviation.reshape(&[count(batch), n])?.mt();
        let whitened = solve_triangular(&self.cholesky_factor, &columns, &SolveTriangularOptions::default())?;
        let distance = whitened.square()?.sum(&[0], false)?.reshape(batch)?;
        distance.mul_scalar(-0.5)?.sub(&self.log_scale()?)
    }

    /// The entropy −E ln N(x) of each distribution:  Σᵢ ln Lᵢᵢ + n/2 (1 + ln 2π)
    ///
    /// # Errors
    /// None that a distribution has.
    #[track_caller]
    pub fn entropy(&self) -> Result<Tensor> {
        self.log_scale()?.add_scalar(0.5 * self.size() as f64)
    }

    /// How far each distribution is from another, never negative:  KL(p ‖ q) = E_p ln p/q
    ///
    /// = ½ (‖L_q⁻¹ L_p‖² + ‖L_q⁻¹ (μ_p − μ_q)‖² − n) + Σᵢ ln L_q,ᵢᵢ / L_p,ᵢᵢ
    ///
    /// # Errors
    /// If the other is over vectors of another length, or leading dimensions do not broadcast.
    #[track_caller]
    pub fn kl_divergence(&self, other: &Self) -> Result<Tensor> {
        let (n, m) = (self.size(), other.size());
        if m != n {
            return Err(Error::shape(format!("divergence: of a distribution over vectors of {n} from one over vectors of {m}")));
        }
        let spread = other.square_length(&self.cholesky_factor)?;
        let seen = spread.add(&other.square_length(&self.mean.sub(&other.mean)?.unsqueeze(-1)?)?)?;
        seen.add_scalar(-(n as f64))?.mul_scalar(0.5)?.add(&other.log_scale()?.sub(&self.log_scale()?)?)
    }

    /// The distribution of some of the numbers, in the order of `indices`, whatever the others are.
    ///
    /// # Errors
    /// If an index is outside or named twice; `NotPositiveDefinite` as for [`new`](Self::new), by rounding.
    #[track_caller]
    pub fn marginal(&self, indices: &[usize]) -> Result<Self> {
        let indices = positions("marginal", indices, self.size())?;
        let covariance = self.covariance()?.index_select(-2, &indices)?.index_select(-1, &indices)?;
        Self::new(&self.mean.index_select(-1, &indices)?, &covariance)
    }

    /// The distribution of the other numbers, in their order, given that those at `indices` are `values` `(…, k)`.
    ///
    /// μ₁ + Σ₁₂ Σ₂₂⁻¹ (x₂ − μ₂),  Σ₁₁ − Σ₁₂ Σ₂₂⁻¹ Σ₂₁
    ///
    /// # Errors
    /// If an index is outside or named twice, or there is not a value for each; `NotPositiveDefinite` where rounding leaves the others
    /// no variance.
    #[track_caller]
    pub fn conditional(&self, indices: &[usize], values: &Tensor) -> Result<Self> {
        let n = self.size();
        let known = positions("conditional", indices, n)?;
        if values.rank() == 0 || values.dim(-1) != indices.len() {
            let count = indices.len();
            return Err(Error::shape(format!("conditional: the values must have shape [{count}], got {:?}", values.shape())));
        }
        let values = values.to_compute_dtype("conditional")?;
        let rest: Vec<usize> = (0..n).filter(|i| !indices.contains(i)).collect();
        let rest = positions("conditional", &rest, n)?;
        // With the known numbers first, the trailing block of the root is the root of what is left.
        let order = Tensor::cat(&[&known, &rest], 0)?;
        let root = cholesky(&self.covariance()?.index_select(-2, &order)?.index_select(-1, &order)?)
            .map_err(|error| error.with_context("conditional"))?;
        let k = indices.len();
        let (l11, l21, l22) =
            (root.slice(-2, ..k)?.slice(-1, ..k)?, root.slice(-2, k..)?.slice(-1, ..k)?, root.slice(-2, k..)?.slice(-1, k..)?);
        let deviation = values.sub(&self.mean.index_select(-1, &known)?)?;
        let shift = l21.matmul(&solve_triangular(&l11, &deviation.unsqueeze(-1)?, &SolveTriangularOptions::default())?)?;
        let mean = self.mean.index_select(-1, &rest)?.add(&shift.squeeze(-1)?)?;
        Ok(Self { mean, cholesky_factor: l22 })
    }

    /// Σᵢ ln Lᵢᵢ + n/2 ln 2π
    #[track_caller]
    fn log_scale(&self) -> Result<Tensor> {
        let constant = 0.5 * self.size() as f64 * (2.0 * std::f64::consts::PI).ln();
        self.cholesky_factor.diagonal(-2, -1)?.abs()?.ln()?.sum(&[-1], false)?.add_scalar(constant)
    }

    /// n
    fn size(&self) -> usize {
        self.mean.dim(-1)
    }

    /// The leading dimensions of all distributions.
    #[track_caller]
    fn batch(&self) -> Result<Dims> {
        let (mean, root) = (self.mean.shape(), self.cholesky_factor.shape());
        Ok(Dims::from(&check::broadcast("MultivariateNormal", &mean[..mean.len() - 1], &root[..root.len() - 2])?[..]))
    }

    /// ‖L⁻¹ A‖² of matrices `(…, n, k)`, `(…)`
    #[track_caller]
    fn square_length(&self, a: &Tensor) -> Result<Tensor> {
        solve_triangular(&self.cholesky_factor, a, &SolveTriangularOptions::default())?.square()?.sum(&[-2, -1], false)
    }
}

/// A mean `(…, n)` and matrices `(…, n, n)` in one type, if they fit.
#[track_caller]
fn fitting(what: &str, mean: &Tensor, matrices: &Tensor) -> Result<(Tensor, Tensor)> {
    let op = "MultivariateNormal";
    check::at_least("MultivariateNormal: the mean", mean, 1)?;
    let (n, rank) = (mean.dim(-1), matrices.rank());
    if rank < 2 || matrices.shape()[rank - 2..] != [n, n] {
        return Err(Error::shape(format!("{op}: {what} must have shape [{n}, {n}], got {:?}", matrices.shape())));
    }
    check::broadcast(op, &mean.shape()[..mean.rank() - 1], &matrices.shape()[..rank - 2])?;
    let dtype = check::common_float(op, mean, matrices)?;
    check_real(op, "a mean", mean)?;
    Ok((mean.to_dtype(dtype)?, matrices.to_dtype(dtype)?))
}

/// μ + L ε: a draw from N(μ, L Lᵀ) that has gradients, given a draw ε from the standard normal distribution.
///
/// Shapes: `mu` is `(…, n)`, `l` `(…, n, n)`, of which all is used, and `eps` is `(…, n)`. Leading dimensions broadcast.
///
/// # Errors
/// If the shapes do not fit.
///
/// # Source
/// Kingma and Welling (2014), Auto-encoding variational Bayes, arXiv 1312.6114, section 2.4.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::reparameterize};
/// let l = Tensor::from_rows(&[[2.0_f64, 0.0], [1.0, 3.0]])?;
/// let ones = Tensor::from_slice(&[1.0_f64, 1.0], &[2])?;
/// assert_eq!(reparameterize(&ones, &l, &ones)?.to_vec::<f64>()?, [3.0, 5.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "rsample")]
#[track_caller]
pub fn reparameterize(mu: &Tensor, l: &Tensor, eps: &Tensor) -> Result<Tensor> {
    let n = if mu.rank() == 0 { 0 } else { mu.dim(-1) };
    let fits = mu.rank() > 0 && eps.rank() > 0 && eps.dim(-1) == n && l.rank() > 1 && l.dim(-1) == n && l.dim(-2) == n;
    if !fits {
        let (mu, l, eps) = (mu.shape(), l.shape(), eps.shape());
        return Err(Error::shape(format!(
            "reparameterize: needs mu (…, n), l (…, n, n) and eps (…, n), got shapes {mu:?}, {l:?} and {eps:?}"
        )));
    }
    check::common_float_of("reparameterize", &[mu, l, eps])?;
    if l.rank() == 2 {
        // One product for all draws, instead of one each.
        return eps.matmul(&l.mt())?.add(mu);
    }
    l.matmul(&eps.unsqueeze(-1)?)?.squeeze(-1)?.add(mu)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // X Xᵀ + n I is positive definite, of condition below about 10, whatever X is.
    let gaussian = |mean: &Tensor, x: &Tensor| {
        let n = x.dim(0);
        let covariance = x.matmul(&x.mt())?.add(&Tensor::eye(n, x.dtype())?.mul_scalar(n as f64)?)?;
        MultivariateNormal::new(mean, &covariance)
    };
    vec![
        Spec::new("log_prob", move |x| Ok(vec![gaussian(&x[0], &x[1])?.log_prob(&x[2])?]))
            .sample("a vector", vec![normal(&[3]), normal(&[3, 3]), uniform(&[3], -1.0, 1.0)])
            .sample("a batch", vec![normal(&[2]), normal(&[2, 2]), normal(&[4, 3, 2])])
            .sample("none", vec![normal(&[2]), normal(&[2, 2]), normal(&[0, 2])])
            .orders(2)
            .refuses(vec![normal(&[3]), normal(&[3, 3]), normal(&[2])], "log_prob: needs vectors (…, 3), got shape [2]")
            .refuses(
                vec![normal(&[2]), normal(&[3, 3]), normal(&[2])],
                "MultivariateNormal: the covariance must have shape [2, 2], got [3, 3]",
            ),
        Spec::new("conditional", move |x| {
            let found = gaussian(&x[0], &x[1])?.conditional(&[2, 0], &x[2])?;
            Ok(vec![found.mean().clone(), found.covariance()?])
        })
        .sample("two of four", vec![normal(&[4]), normal(&[4, 4]), normal(&[2])])
        .orders(2)
        .tolerance_f32(5e-5)
        .may_drop_nan(),
        Spec::new("a batch of distributions", move |x| {
            let batch = |mean: &Tensor, x: &Tensor| {
                let own = Tensor::eye(3, x.dtype())?.mul_scalar(3.0)?;
                MultivariateNormal::new(mean, &x.matmul(&x.mt())?.add(&own)?)
            };
            let (p, q) = (batch(&x[0], &x[1])?, batch(&x[2], &x[3])?);
            let conditional = p.conditional(&[1], &x[2].slice(-1, ..1)?)?;
            Ok(vec![p.log_prob(&x[2])?, p.entropy()?, p.kl_divergence(&q)?, conditional.mean().clone()])
        })
        .sample("two and one", vec![normal(&[2, 3]), normal(&[2, 3, 3]), positive(&[3]), positive(&[3, 3])])
        .orders(2)
        .tolerance_f32(5e-5)
        .may_drop_nan(),
        Spec::new("marginal", move |x| {
            let found = gaussian(&x[0], &x[1])?.marginal(&[2, 0])?;
            Ok(vec![found.mean().clone(), found.cholesky_factor().clone()])
        })
        .sample("two of four", vec![normal(&[4]), normal(&[4, 4])])
        .orders(2)
        .may_drop_nan(),
        Spec::new("divergence", move |x| {
            Ok(vec![gaussian(&x[0], &x[1])?.kl_divergence(&gaussian(&x[2], &x[3])?)?, gaussian(&x[0], &x[1])?.entropy()?])
        })
        .sample("near", vec![normal(&[3]), normal(&[3, 3]), positive(&[3]), positive(&[3, 3])])
        .orders(2)
        .may_drop_nan(),
        Spec::new("reparameterize", |x| Ok(vec![reparameterize(&x[0], &x[1], &x[2])?]))
            .sample("one root", vec![normal(&[3]), normal(&[3, 3]), normal(&[5, 3])])
            .sample("a root each", vec![normal(&[4, 3]), normal(&[4, 3, 3]), normal(&[4, 3])])
            .orders(2)
            .refuses(
                vec![normal(&[3]), normal(&[2, 2]), normal(&[3])],
                "reparameterize: needs mu (…, n), l (…, n, n) and eps (…, n), got shapes [3], [2, 2] and [3]",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: log_prob, conditional, a_batch_of_distributions, marginal, divergence, reparameterize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::parts::root;
    use crate::tensor::DType;

    fn example() -> MultivariateNormal {
        let covariance = Tensor::from_rows(&[[4.0_f64, 2.0, 0.6], [2.0, 3.0, 0.4], [0.6, 0.4, 1.0]]).unwrap();
        MultivariateNormal::new(&Tensor::from_slice(&[1.0_f64, -1.0, 0.5], &[3]).unwrap(), &covariance).unwrap()
    }

    /// Each of a batch is what it is alone.
    #[test]
    fn a_batch_of_distributions_is_each_of_them() {
        let (mean, x) = (normal(&[2, 3]), normal(&[4, 2, 3]));
        let roots = normal(&[2, 3, 3]);
        let covariance = roots.matmul(&roots.mt()).unwrap().add(Tensor::eye(3, DType::F64).unwrap()).unwrap();
        let all = MultivariateNormal::new(&mean, &covariance).unwrap();
        let densities = all.log_prob(&x).unwrap();
        let draws = all.sample(5, &mut Rng::new(1)).unwrap();
        assert_eq!((densities.shape(), draws.shape()), (&[4, 2][..], &[5, 2, 3][..]));
        for b in 0..2 {
            let alone = MultivariateNormal::new(&mean.select(0, b).unwrap(), &covariance.select(0, b).unwrap()).unwrap();
            let same = |found: Tensor, expected: Tensor| {
                let (found, expected) = (found.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
                assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} instead of {expected:?}");
            };
            same(densities.select(1, b).unwrap(), alone.log_prob(&x.select(1, b).unwrap()).unwrap());
            same(all.entropy().unwrap().select(0, b).unwrap(), alone.entropy().unwrap());
            same(all.kl_divergence(&example()).unwrap().select(0, b).unwrap(), alone.kl_divergence(&example()).unwrap());
            let part = all.marginal(&[2, 0]).unwrap();
            same(part.mean().select(0, b).unwrap(), alone.marginal(&[2, 0]).unwrap().mean().clone());
        }
    }

    /// p(x) = p(x₂) p(x₁ | x₂), whatever is known.
    #[test]
    fn densities_are_products_of_marginals_and_conditionals() {
        let joint = example();
        let x = Tensor::from_slice(&[0.3_f64, 0.7, -0.2], &[3]).unwrap();
        let density = |p: &MultivariateNormal, x: &Tensor| p.log_prob(x).unwrap().item::<f64>().unwrap();
        for known in [&[0][..], &[2, 0], &[1, 2, 0], &[]] {
            let select = |at: &[usize]| x.index_select(0, &positions("x", at, 3).unwrap()).unwrap();
            let rest: Vec<usize> = (0..3).filter(|i| !known.contains(i)).collect();
            let parts = density(&joint.marginal(known).unwrap(), &select(known))
                + density(&joint.conditional(known, &select(known)).unwrap(), &select(&rest));
            assert!((parts - density(&joint, &x)).abs() < 1e-13, "{known:?}: {parts}");
        }
    }

    #[test]
    fn draws_have_the_mean_and_the_covariance_that_fit_finds() {
        let p = example();
        let count = 200_000;
        let found = MultivariateNormal::fit(&p.sample(count, &mut Rng::new(3)).unwrap()).unwrap();
        // Five standard errors of a mean and of a second moment, at most √(2/count) times the largest variance.
        let off =
            |a: &Tensor, b: &Tensor| a.sub(b).unwrap().to_f64_vec().unwrap().into_iter().fold(0.0, |m: f64, d| m.max(d.abs()));
        let tolerance = 5.0 * 4.0 * (2.0 / count as f64).sqrt();
        assert!(off(found.mean(), p.mean()) < tolerance);
        assert!(off(&found.covariance().unwrap(), &p.covariance().unwrap()) < tolerance);
        // −E ln p is the entropy; the standard deviation of ln p is √(n/2).
        let mean = p.sample(count, &mut Rng::new(4)).and_then(|x| p.log_prob(&x)?.mean(&[], false)).unwrap().item::<f64>().unwrap();
        let entropy = p.entropy().unwrap().item::<f64>().unwrap();
        assert!((mean + entropy).abs() < 5.0 * (1.5 / count as f64).sqrt(), "{mean} and {entropy}");
    }

    #[test]
    fn the_divergence_of_one_dimension_is_the_known_one() {
        let one = |mean: f64, variance: f64| {
            MultivariateNormal::new(&Tensor::full(&[1], mean).unwrap(), &Tensor::full(&[1, 1], variance).unwrap()).unwrap()
        };
        let found = one(1.0, 4.0).kl_divergence(&one(0.0, 9.0)).unwrap().item::<f64>().unwrap();
        assert!((found - (1.5_f64.ln() + 5.0 / 18.0 - 0.5)).abs() < 1e-15);
        let p = example();
        assert!(p.kl_divergence(&p).unwrap().item::<f64>().unwrap().abs() < 1e-14);
    }

    #[test]
    fn singular_covariances_have_roots_and_indefinite_ones_are_refused() {
        let singular = Tensor::from_rows(&[[1.0_f64, 2.0], [2.0, 4.0]]).unwrap();
        let l = root("test", "Q", &singular).unwrap();
        let off = l.matmul(&l.mt()).unwrap().sub(&singular).unwrap().to_f64_vec().unwrap();
        assert!(off.iter().all(|x| x.abs() < 1e-14), "{off:?}");
        let indefinite = Tensor::from_rows(&[[1.0_f64, 0.0], [0.0, -1.0]]).unwrap();
        let error = root("test", "Q", &indefinite).unwrap_err();
        assert_eq!(error.to_string(), "test: Q has the negative eigenvalue -1; a covariance has none");
        let error = MultivariateNormal::new(&Tensor::zeros(&[2], DType::F64).unwrap(), &indefinite).err().unwrap();
        let words = "cholesky: the matrix is not positive definite (its leading minor of order 2 is not positive)";
        assert_eq!(error.to_string(), format!("MultivariateNormal: the covariance: {words}"));
        let error = MultivariateNormal::fit(&Tensor::zeros(&[1, 2], DType::F64).unwrap()).err().unwrap();
        assert_eq!(error.to_string(), "MultivariateNormal::fit: 1 observations have no covariance; give at least 2");
    }
}
