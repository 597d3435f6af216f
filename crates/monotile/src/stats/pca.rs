//! Principal components.

use super::parts::{argument, constant};
use crate::error::{Error, Result};
use crate::linalg::{MatrixNorm, Svd, SvdLowrankOptions, SvdOptions, norm, svd, svd_lowrank};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// How [`Pca`] finds the components.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PcaSolver {
    /// By the singular values of the centred data.
    #[default]
    Exact,
    /// The first few by products with random directions: for wide data of which few components are wanted.
    Randomized(SvdLowrankOptions),
}

/// What [`Pca`] keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PcaOptions {
    /// How many components; all, min(m, n), if not said.
    pub components: Option<usize>,
    /// Scores are divided by their standard deviations, so that each has variance 1; those that vary by rounding alone are 0.
    pub whiten: bool,
    /// How the components are found.
    pub solver: PcaSolver,
}

/// Principal components: the orthogonal directions along which data varies most.
///
/// With X − x̄ = U S Vᵀ: components Vᵀ, scores (X − x̄) V, explained variance s² / (m − 1). The largest entry of each component is positive.
///
/// # Gradient
/// Of the scores and components, as of [`svd`], where their variances differ; what does not depend on the choice of directions, as
/// reconstructions at a gap, also elsewhere.
///
/// # Source
/// Jolliffe (2002), Principal Component Analysis; streaming: Ross, Lim, Lin and Yang (2008), Incremental learning for robust visual
/// tracking, section 3.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::{Pca, PcaOptions}};
/// let x = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 6.0], [5.0, 10.0]])?;
/// let pca = Pca::fit(&x, &PcaOptions { components: Some(1), ..Default::default() })?;
/// assert!((pca.explained_variance_ratio()?.item::<f64>()? - 1.0).abs() < 1e-15);
/// let scores = pca.transform(&x)?.to_vec::<f64>()?;
/// assert!((scores[2] - 20.0_f64.sqrt()).abs() < 1e-14 && (scores[0] + 20.0_f64.sqrt()).abs() < 1e-14);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "PCA")]
#[derive(Clone)]
pub struct Pca {
    options: PcaOptions,
    samples: usize,
    mean: Tensor,
    components: Tensor,
    singular_values: Tensor,
    /// √(Σ ‖x − x̄‖²) over all that was seen, kept or not.
    length: Tensor,
}

impl Pca {
    /// The components of observations `(m, n)`, one a row.
    ///
    /// # Errors
    /// If `x` is no matrix, has fewer than two rows, or fewer rows or columns than components are wanted.
    #[track_caller]
    pub fn fit(x: &Tensor, options: &PcaOptions) -> Result<Self> {
        let x = argument("Pca::fit", "x", x, &[("observations", None), ("variables", None)])?;
        let n = x.dim(1);
        let nothing = Self {
            options: *options,
            samples: 0,
            mean: Tensor::zeros(&[n], x.dtype())?,
            components: Tensor::zeros(&[0, n], x.dtype())?,
            singular_values: Tensor::zeros(&[0], x.dtype())?,
            length: Tensor::scalar_as(0.0, x.dtype()),
        };
        nothing.with("Pca::fit", &x)
    }

    /// Takes further observations in, as if they had been there from the start: exactly so where all components are kept; else
    /// what was dropped before is missing.
    ///
    /// The singular values of [S Vᵀ; X − x̄ₓ; √(m k / (m + k)) (x̄ − x̄ₓ)] are those of all m + k observations about their common mean.
    ///
    /// # Errors
    /// If `x` is no matrix of as many variables, or of no rows. Nothing has changed then.
    #[track_caller]
    pub fn partial_fit(&mut self, x: &Tensor) -> Result<()> {
        let x = argument("partial_fit", "x", x, &[("observations", None), ("variables", Some(self.mean.len()))])?;
        *self = self.with("partial_fit", &x)?;
        Ok(())
    }

    #[track_caller]
    fn with(&self, op: &str, x: &Tensor) -> Result<Self> {
        let x = x.to_dtype(self.mean.dtype())?;
        let (m, k, n) = (self.samples as f64, x.dim(0) as f64, self.mean.len());
        let samples = self.samples + x.dim(0);
        if x.dim(0) == 0 || samples < 2 {
            return Err(Error::value(format!("{op}: {samples} observations have no variance; give at least 2")));
        }
        let wanted = self.options.components.unwrap_or(samples.min(n));
        if wanted > samples.min(n) {
            return Err(Error::value(format!("{op}: {wanted} components of {samples} observations of {n} variables")));
        }
        let seen = x.mean(&[0], false)?;
        let centred = x.sub(&seen)?;
        let shift = seen.sub(&self.mean)?;
        let between = shift.mul_scalar((m * k / (m + k)).sqrt())?.unsqueeze(0)?;
        let stacked = match self.samples {
            0 => centred.clone(),
            _ => {
                let known = self.components.mul(&self.singular_values.unsqueeze(-1)?)?;
                Tensor::cat(&[&known, &centred, &between], 0)?
            }
        };
        let (s, vt) = match self.options.solver {
            PcaSolver::Exact => {
                let Svd { s, vt, .. } = svd(&stacked, &SvdOptions::default())?;
                (s, vt)
            }
            PcaSolver::Randomized(options) => {
                let found = svd_lowrank(&stacked, wanted, &options)?;
                (found.s, found.vt)
            }
        };
        let kept = wanted.min(s.dim(0));
        let components = vt.slice(0, ..kept)?;
        let added = norm(&Tensor::cat(&[&centred, &between], 0)?, MatrixNorm::Frobenius)?;
        Ok(Self {
            options: self.options,
            samples,
            mean: self.mean.add(&shift.mul_scalar(k / (m + k))?)?,
            components: components.mul(&signs(&components)?)?,
            singular_values: s.slice(0, ..kept)?,
            length: norm(&Tensor::stack(&[&self.length, &added], 0)?.unsqueeze(0)?, MatrixNorm::Frobenius)?,
        })
    }

    /// x̄, `(n)`
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// Orthonormal directions, the most important first, `(components, n)`.
    pub fn components(&self) -> &Tensor {
        &self.components
    }

    /// The singular values of the centred data, `(components)`.
    pub fn singular_values(&self) -> &Tensor {
        &self.singular_values
    }

    /// The variance of each score, s² / (m − 1), `(components)`.
    ///
    /// # Errors
    /// None that a fitted type has.
    #[track_caller]
    pub fn explained_variance(&self) -> Result<Tensor> {
        self.singular_values.square()?.mul_scalar(1.0 / (self.samples as f64 - 1.0))
    }

    /// The share of each score in the variance of all variables, `(components)`; NaN where nothing varies.
    ///
    /// # Errors
    /// None that a fitted type has.
    #[track_caller]
    pub fn explained_variance_ratio(&self) -> Result<Tensor> {
        self.singular_values.div(&self.length)?.square()
    }

    /// The scores of observations `(m, n)`, `(m, components)`.
    ///
    /// # Errors
    /// If `x` is no matrix of as many variables.
    #[track_caller]
    pub fn transform(&self, x: &Tensor) -> Result<Tensor> {
        let x = argument("transform", "x", x, &[("observations", None), ("variables", Some(self.mean.len()))])?;
        let scores = x.sub(&self.mean)?.matmul(&self.components.mt())?;
        if self.options.whiten { scores.mul(&self.whitening()?) } else { Ok(scores) }
    }

    /// The observations that have these scores and vary in no other direction, `(m, n)`.
    ///
    /// # Errors
    /// If `scores` is no matrix of as many components.
    #[track_caller]
    pub fn inverse_transform(&self, scores: &Tensor) -> Result<Tensor> {
        let components = ("components", Some(self.components.dim(0)));
        let scores = argument("inverse_transform", "scores", scores, &[("observations", None), components])?;
        let scores = if self.options.whiten { scores.mul(&self.deviations()?)? } else { scores };
        scores.matmul(&self.components)?.add(&self.mean)
    }

    /// The reciprocals of the deviations, and 0 for those that are rounding.
    #[track_caller]
    fn whitening(&self) -> Result<Tensor> {
        let s = self.singular_values.to_f64_vec()?;
        let limit = self.samples.max(self.mean.len()) as f64 * self.mean.dtype().epsilon() * s.first().copied().unwrap_or(0.0);
        let flat = Tensor::from_vec(s.iter().map(|&s| s <= limit).collect(), &[s.len()])?;
        let one = Tensor::scalar_as(1.0, self.mean.dtype());
        flat.where_(one.zeros_like(), &flat.where_(&one, &self.deviations()?)?.recip()?)
    }

    /// The standard deviation of each score.
    #[track_caller]
    fn deviations(&self) -> Result<Tensor> {
        self.singular_values.mul_scalar((self.samples as f64 - 1.0).sqrt().recip())
    }
}

/// For each row, the sign of its largest entry, `(rows, 1)`.
#[track_caller]
fn signs(x: &Tensor) -> Result<Tensor> {
    let (rows, n) = (x.dim(0), x.dim(1));
    let values = x.to_f64_vec()?;
    let sign = |row: &[f64]| {
        let largest = row.iter().fold(0.0, |m: f64, &x| if x.abs() > m.abs() { x } else { m });
        if largest < 0.0 { -1.0 } else { 1.0 }
    };
    let signs: Vec<f64> = (0..rows).map(|i| sign(&values[i * n..][..n])).collect();
    constant(&signs, &[rows, 1], x.dtype())
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Variances far apart, so that no difference quotient brings two of them together.
    let stretched = |x: &Tensor| {
        let widths: Vec<f64> = (0..x.dim(1)).map(|j| f64::from(1 << j)).collect();
        x.mul(&constant(&widths, &[widths.len()], x.dtype())?)
    };
    let fitted = move |options: PcaOptions| {
        move |x: &[Tensor]| {
            let x = stretched(&x[0])?;
            let pca = Pca::fit(&x, &options)?;
            let scores = pca.transform(&x)?;
            Ok(vec![scores.clone(), pca.explained_variance_ratio()?, pca.inverse_transform(&scores)?])
        }
    };
    let two = PcaOptions { components: Some(2), ..PcaOptions::default() };
    vec![
        Spec::new("pca", fitted(two)).sample("tall", vec![normal(&[9, 4])]).orders(1).tolerance_f32(1e-4),
        Spec::new("pca", fitted(PcaOptions { whiten: true, ..two }))
            .sample("tall", vec![normal(&[9, 3])])
            .orders(1)
            .tolerance_f32(1e-4),
        Spec::new("pca", |x| {
            Ok(vec![Pca::fit(&x[0], &PcaOptions { components: Some(5), ..PcaOptions::default() })?.components().clone()])
        })
        .refuses(vec![normal(&[9, 4])], "Pca::fit: 5 components of 9 observations of 4 variables")
        .refuses(vec![normal(&[1, 4])], "Pca::fit: 1 observations have no variance; give at least 2")
        .refuses(vec![normal(&[4])], "Pca::fit: x must have shape [observations, variables], got [4]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: pca);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::eigh;
    use crate::random::Rng;
    use crate::tensor::DType;

    /// Data of variances 1, 4, 16, … about a mean that is not 0.
    fn data(m: usize, n: usize) -> Tensor {
        let widths: Vec<f64> = (0..n).map(|j| 2.0_f64.powi(j as i32)).collect();
        let x = Rng::new(8).normal(&[m, n], DType::F64).unwrap();
        x.mul(Tensor::from_slice(&widths, &[n]).unwrap()).unwrap().add_scalar(3.0).unwrap()
    }

    fn off(a: &Tensor, b: &Tensor) -> f64 {
        a.sub(b).unwrap().to_f64_vec().unwrap().into_iter().fold(0.0, |m, d| m.max(d.abs()))
    }

    #[test]
    fn variances_are_the_eigenvalues_of_the_covariance() {
        let x = data(50, 5);
        let pca = Pca::fit(&x, &PcaOptions::default()).unwrap();
        let centred = x.sub(x.mean(&[0], false).unwrap()).unwrap();
        let covariance = centred.mt().matmul(&centred).unwrap().mul_scalar(1.0 / 49.0).unwrap();
        let expected = eigh(&covariance).unwrap().values.flip(0).unwrap();
        let found = pca.explained_variance().unwrap();
        assert!(off(&found, &expected) < 1e-12 * expected.to_f64_vec().unwrap()[0]);
        assert!((pca.explained_variance_ratio().unwrap().to_f64_vec().unwrap().iter().sum::<f64>() - 1.0).abs() < 1e-14);
        let scores = pca.transform(&x).unwrap();
        assert!(off(&scores.var(&[0], 1.0, false).unwrap(), &found) < 1e-11);
        assert!(off(&pca.inverse_transform(&scores).unwrap(), &x) < 1e-12);
    }

    #[test]
    fn whitened_scores_are_uncorrelated_with_variance_one() {
        let x = data(50, 5);
        let pca = Pca::fit(&x, &PcaOptions { whiten: true, ..Default::default() }).unwrap();
        let scores = pca.transform(&x).unwrap();
        let covariance = scores.mt().matmul(&scores).unwrap().mul_scalar(1.0 / 49.0).unwrap();
        assert!(off(&covariance, &Tensor::eye(5, DType::F64).unwrap()) < 1e-13);
        assert!(off(&pca.inverse_transform(&scores).unwrap(), &x) < 1e-12);
    }

    /// Three observations span a plane: a third component varies by rounding alone.
    #[test]
    fn whitening_makes_nothing_of_rounding() {
        let x = data(3, 5);
        let pca = Pca::fit(&x, &PcaOptions { whiten: true, ..Default::default() }).unwrap();
        let scores = pca.transform(&x).unwrap();
        assert!(off(&scores.var(&[0], 1.0, false).unwrap(), &Tensor::from_slice(&[1.0, 1.0, 0.0], &[3]).unwrap()) < 1e-13);
        assert!(off(&pca.inverse_transform(&scores).unwrap(), &x) < 1e-13);
    }

    #[test]
    fn shares_of_the_variance_hold_at_extreme_scales() {
        let ratio = |scale: f64| {
            let mut pca = Pca::fit(&data(9, 4).mul_scalar(scale).unwrap(), &PcaOptions::default()).unwrap();
            pca.partial_fit(&data(5, 4).mul_scalar(scale).unwrap()).unwrap();
            pca.explained_variance_ratio().unwrap()
        };
        assert!(off(&ratio(1e200), &ratio(1.0)) < 1e-14 && off(&ratio(1e-200), &ratio(1.0)) < 1e-14);
    }

    #[test]
    fn a_stream_of_observations_gives_what_all_at_once_give() {
        let x = data(60, 5);
        let whole = Pca::fit(&x, &PcaOptions::default()).unwrap();
        let parts = x.split(&[2, 17, 1, 40], 0).unwrap();
        let mut stream = Pca::fit(&parts[0], &PcaOptions::default()).unwrap();
        parts[1..].iter().for_each(|part| stream.partial_fit(part).unwrap());
        assert!(off(stream.mean(), whole.mean()) < 1e-13);
        assert!(off(stream.components(), whole.components()) < 1e-12);
        assert!(off(stream.singular_values(), whole.singular_values()) < 1e-11);
        assert!(off(&stream.explained_variance_ratio().unwrap(), &whole.explained_variance_ratio().unwrap()) < 1e-13);
        let error = stream.partial_fit(&data(3, 4)).unwrap_err();
        assert_eq!(error.to_string(), "partial_fit: x must have shape [observations, 5], got [3, 4]");
    }

    /// Data of rank 3 in 200 variables: random directions find all of it.
    #[test]
    fn random_directions_find_the_components_of_wide_data() {
        let mut rng = Rng::new(5);
        let x = data(30, 3).matmul(&rng.normal(&[3, 200], DType::F64).unwrap()).unwrap();
        let options = PcaOptions { components: Some(3), ..Default::default() };
        let exact = Pca::fit(&x, &options).unwrap();
        let randomized =
            Pca::fit(&x, &PcaOptions { solver: PcaSolver::Randomized(SvdLowrankOptions::default()), ..options }).unwrap();
        assert!(off(exact.components(), randomized.components()) < 1e-11);
        assert!((randomized.explained_variance_ratio().unwrap().to_f64_vec().unwrap().iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
