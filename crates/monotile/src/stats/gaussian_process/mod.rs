//! Regression by functions of which every finite set of values is normal.

mod kernel;
mod maximize;

pub use kernel::{CovarianceKernel, StationaryKernel};
use maximize::maximize;

use super::multivariate_normal::MultivariateNormal;
use super::parts::{argument, root};
use crate::check;
use crate::error::Result;
use crate::linalg::{SolveTriangularOptions, solve_triangular};
use crate::random::Rng;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// How [`GaussianProcess::fit`] chooses the parameters of the kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianProcessOptions {
    /// Steps towards the largest marginal likelihood at most; 0 keeps the parameters as they are.
    pub steps: usize,
    /// The slope of the log-likelihood, by the logarithm of a parameter, that counts as 0.
    pub tolerance: f64,
}

impl Default for GaussianProcessOptions {
    fn default() -> Self {
        Self { steps: 100, tolerance: 1e-5 }
    }
}

/// Regression by a Gaussian process: a function f of mean 0 and covariance k, seen at some points.
///
/// # Source
/// Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, algorithm 2.1 and section 5.4.
///
/// # Example
/// One observation, y = 3 at 0, of a function of variance 1 with noise of variance 0.5:
/// ```
/// use monotile::{Tensor, stats::{GaussianProcess, GaussianProcessOptions, CovarianceKernel}};
/// let kernel = CovarianceKernel::rbf(1.0, 1.0) + CovarianceKernel::white(0.5);
/// let as_it_is = GaussianProcessOptions { steps: 0, ..Default::default() };
/// let (x, y) = (Tensor::full(&[1, 1], 0.0_f64)?, Tensor::full(&[1], 3.0_f64)?);
/// let process = GaussianProcess::fit(&kernel, &x, &y, &as_it_is)?;
/// let seen = process.predict(&x)?;
/// assert!((seen.mean.item::<f64>()? - 2.0).abs() < 1e-12);
/// assert!((seen.variance.item::<f64>()? - 1.0 / 3.0).abs() < 1e-12);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct GaussianProcess {
    kernel: CovarianceKernel,
    x: Tensor,
    root: Tensor,
    whitened: Tensor,
    log_likelihood: f64,
}

/// What a process says of some points.
#[derive(Clone)]
pub struct Prediction {
    /// E f(z), `(q)`
    pub mean: Tensor,
    /// The variance of f(z), `(q)`; that of an observation has the noise too.
    pub variance: Tensor,
    /// The variance of the noise of an observation, `(q)`: the white part of the kernel.
    pub noise: Tensor,
}

impl GaussianProcess {
    /// The process given values `y` `(m)` at points `x` `(m, d)`, with the parameters of `kernel` that make them most likely, starting
    /// from those that it has. Center `y` first where it varies about something other than 0.
    ///
    /// # Errors
    /// If shapes do not fit, or a variance or a length of the kernel is none; `NotPositiveDefinite` where rounding leaves the covariance
    /// no root, as of points that nearly coincide without noise.
    ///
    /// # Cost
    /// m³/3 operations for a covariance, about three times that for the gradient of a step.
    #[track_caller]
    pub fn fit(kernel: &CovarianceKernel, x: &Tensor, y: &Tensor, options: &GaussianProcessOptions) -> Result<Self> {
        let op = "GaussianProcess";
        let x = argument(op, "x", x, &[("points", None), ("d", None)])?.detach();
        let y = argument(op, "y", y, &[("points", Some(x.dim(0)))])?.detach();
        let dtype = check::common_float(op, &x, &y)?;
        let (x, y) = (x.to_dtype(dtype)?, y.to_dtype(dtype)?);
        kernel.check(op)?;
        let slope = |parameters: &[f64]| {
            let leaf = Tensor::from_slice(parameters, &[parameters.len()])?.requires_grad();
            let value = log_marginal_likelihood(kernel, &x, &y, Some(&leaf))?;
            let gradient = value.backward()?.take(&leaf).map_or_else(|| Ok(vec![0.0; parameters.len()]), |g| g.to_f64_vec())?;
            Ok((value.to_f64_vec()?[0], gradient))
        };
        let kernel = match options.steps {
            0 => kernel.clone(),
            steps => kernel.with_parameters(&maximize(&slope, kernel.parameters(), steps, options.tolerance)?)?,
        };
        let prior = prior(&kernel, &x, None)?;
        let column = y.unsqueeze(-1)?;
        Ok(Self {
            whitened: solve_triangular(prior.cholesky_factor(), &column, &SolveTriangularOptions::default())?,
            log_likelihood: prior.log_prob(&y)?.to_f64_vec()?[0],
            root: prior.cholesky_factor().clone(),
            kernel,
            x,
        })
    }

    /// The kernel with the parameters that were found.
    pub fn kernel(&self) -> &CovarianceKernel {
        &self.kernel
    }

    /// ln p(y | x) with the parameters that were found.
    pub fn log_likelihood(&self) -> f64 {
        self.log_likelihood
    }

    /// What is known of the function at points `z` `(q, d)`, with gradients by them.
    ///
    /// E f(z) = k(z, x) K⁻¹ y,  var f(z) = k(z, z) − ‖L⁻¹ k(x, z)‖²
    ///
    /// # Errors
    /// If the points have another number of coordinates.
    #[track_caller]
    pub fn predict(&self, z: &Tensor) -> Result<Prediction> {
        let seen = self.check_points("predict", z)?;
        let explained = seen.square()?.sum(&[0], false)?;
        let z = z.to_dtype(self.x.dtype())?;
        let own = self.kernel.diagonal(&z, false)?;
        let variance = own.sub(&explained)?.clamp(0.0, f64::INFINITY)?;
        let mean = seen.mt().matmul(&self.whitened)?.squeeze(-1)?;
        Ok(Prediction { mean, variance, noise: self.kernel.diagonal(&z, true)?.sub(&own)? })
    }

    /// Draws `count` functions, by their values at points `z` `(q, d)`: `(count, q)`.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    #[track_caller]
    pub fn sample(&self, z: &Tensor, count: usize, rng: &mut Rng) -> Result<Tensor> {
        let seen = self.check_points("sample", z)?;
        let z = z.to_dtype(self.x.dtype())?;
        // A copy of the points is another set of points, which has no noise.
        let covariance = self.kernel.covariance(&z, Some(&z), None)?.sub(&seen.mt().matmul(&seen)?)?;
        let jitter = self.kernel.diagonal(&z, false)?.mean(&[], false)?.mul_scalar(10.0 * z.dim(0) as f64 * z.dtype().epsilon())?;
        let covariance = covariance.add(&Tensor::eye(z.dim(0), z.dtype())?.mul(&jitter)?)?;
        let eps = rng.normal(&[count, z.dim(0)], z.dtype())?;
        let mean = seen.mt().matmul(&self.whitened)?.squeeze(-1)?;
        eps.matmul(&root("sample", "the covariance", &covariance)?.mt())?.add(&mean)
    }

    /// L⁻¹ k(x, z), `(m, q)`
    #[track_caller]
    fn check_points(&self, op: &str, z: &Tensor) -> Result<Tensor> {
        let z = argument(op, "z", z, &[("points", None), ("d", Some(self.x.dim(1)))])?.to_dtype(self.x.dtype())?;
        solve_triangular(&self.root, &self.kernel.covariance(&self.x, Some(&z), None)?, &SolveTriangularOptions::default())
    }
}

/// ln p(y | x) = −½ yᵀ K⁻¹ y − ½ ln |K| − m/2 ln 2π of values `y` `(m)` at points `x` `(m, d)`, a scalar with gradients by all of them and by
/// `parameters`, which stand in for the [kernel's own](CovarianceKernel::parameters).
///
/// # Errors
/// As [`GaussianProcess::fit`].
///
/// # Cost
/// m³/3 operations, and about twice that more for the gradient.
///
/// # Source
/// Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, equation 5.8.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::{CovarianceKernel, log_marginal_likelihood}};
/// let (x, y) = (Tensor::full(&[1, 1], 0.0_f64)?, Tensor::full(&[1], 2.0_f64)?);
/// let found = log_marginal_likelihood(&CovarianceKernel::rbf(4.0, 1.0), &x, &y, None)?.item::<f64>()?;
/// assert!((found + 0.5 + 0.5 * (8.0 * std::f64::consts::PI).ln()).abs() < 1e-13);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn log_marginal_likelihood(kernel: &CovarianceKernel, x: &Tensor, y: &Tensor, parameters: Option<&Tensor>) -> Result<Tensor> {
    let y = argument("log_marginal_likelihood", "y", y, &[("points", Some(x.shape().first().copied().unwrap_or(0)))])?;
    prior(kernel, x, parameters)?.log_prob(&y)
}

/// The distribution of observations at these points. What rounding may take from the diagonal of a covariance is added to it.
#[track_caller]
fn prior(kernel: &CovarianceKernel, x: &Tensor, parameters: Option<&Tensor>) -> Result<MultivariateNormal> {
    let covariance = kernel.covariance(x, None, parameters)?;
    let (m, dtype) = (covariance.dim(0), covariance.dtype());
    let scale = covariance.diagonal(0, 1)?.mean(&[], false)?;
    let jitter = Tensor::eye(m, dtype)?.mul_scalar(10.0 * m as f64 * dtype.epsilon())?.mul(&scale)?;
    MultivariateNormal::new(&Tensor::zeros(&[m], dtype)?, &covariance.add(&jitter)?)
        .map_err(|error| error.with_context("GaussianProcess"))
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let kernels = [
        CovarianceKernel::rbf(1.5, 0.8) + CovarianceKernel::white(0.3),
        CovarianceKernel::matern12(1.5, 0.8) + CovarianceKernel::white(0.3),
        CovarianceKernel::matern32(1.5, 0.8) * CovarianceKernel::rbf(0.7, 2.0) + CovarianceKernel::white(0.3),
        (CovarianceKernel::matern52(1.5, 0.8) + CovarianceKernel::matern32(0.2, 3.0))
            * (CovarianceKernel::rbf(1.0, 2.0) + CovarianceKernel::white(0.3)),
        CovarianceKernel::stationary(StationaryKernel::Rbf, 1.5, &[0.8, 2.0]) + CovarianceKernel::white(0.3),
        CovarianceKernel::stationary(StationaryKernel::Matern32, 1.5, &[0.8, 2.0]) + CovarianceKernel::white(0.3),
        CovarianceKernel::periodic(1.5, 2.0, 6.0) * CovarianceKernel::constant(0.5) + CovarianceKernel::white(0.3),
        CovarianceKernel::linear(0.5) + CovarianceKernel::constant(2.0) + CovarianceKernel::white(0.3),
    ];
    kernels
        .into_iter()
        .map(|kernel| {
            let own = kernel.parameters();
            let count = own.len();
            Spec::new("log_marginal_likelihood", move |x| Ok(vec![log_marginal_likelihood(&kernel, &x[0], &x[1], Some(&x[2]))?]))
                // Points drawn from two dimensions do not coincide.
                .sample("five points", vec![normal(&[5, 2]), normal(&[5]), Tensor::from_vec(own, &[count]).expect("a vector")])
                .orders(2)
                .tolerance_f32(1e-4)
                .refuses(
                    vec![normal(&[5, 2]), normal(&[4]), normal(&[count])],
                    "log_marginal_likelihood: y must have shape [5], got [4]",
                )
        })
        .collect()
}

#[cfg(test)]
crate::testing::spec_tests!(specs: log_marginal_likelihood);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    fn values(t: &Tensor) -> Vec<f64> {
        t.to_f64_vec().unwrap()
    }

    /// Points, and a draw at them from the process of this kernel.
    fn drawn(kernel: &CovarianceKernel, m: usize) -> (Tensor, Tensor) {
        let mut rng = Rng::new(11);
        let x = rng.uniform(&[m, 1], 0.0, 10.0, DType::F64).unwrap();
        let y = prior(kernel, &x, None).unwrap().sample(1, &mut rng).unwrap().squeeze(0).unwrap();
        (x, y)
    }

    #[test]
    fn kernels_have_the_values_of_their_formulas() {
        let (x, z) = (Tensor::from_rows(&[[0.0_f64, 0.0]]).unwrap(), Tensor::from_rows(&[[3.0_f64, 4.0]]).unwrap());
        let at = |k: CovarianceKernel| k.covariance(&x, Some(&z), None).unwrap().item::<f64>().unwrap();
        let (r3, r5) = (3.0_f64.sqrt() * 2.5, 5.0_f64.sqrt() * 2.5);
        let expected = [
            (at(CovarianceKernel::rbf(2.0, 2.0)), 2.0 * (-3.125_f64).exp()),
            (at(CovarianceKernel::matern12(2.0, 2.0)), 2.0 * (-2.5_f64).exp()),
            (at(CovarianceKernel::matern32(2.0, 2.0)), 2.0 * (1.0 + r3) * (-r3).exp()),
            (at(CovarianceKernel::matern52(2.0, 2.0)), 2.0 * (1.0 + r5 + r5 * r5 / 3.0) * (-r5).exp()),
            (at(CovarianceKernel::white(2.0)), 0.0),
            (
                at(CovarianceKernel::rbf(2.0, 2.0) * CovarianceKernel::matern12(0.5, 2.0) + CovarianceKernel::white(1.0)),
                (-5.625_f64).exp(),
            ),
        ];
        assert!(expected.iter().all(|(found, e)| (found - e).abs() < 1e-15), "{expected:?}");
    }

    /// Values of NumPy: the formulas of scikit-learn's `ExpSineSquared`, `DotProduct` and `RBF` with a length each, as in
    /// `1.3 * np.exp(-2 * (np.sin(np.pi * r / 1.7) / 0.9) ** 2)`, where `r = np.linalg.norm(x[:, None] - z[None], axis=2)`.
    #[test]
    fn periodic_linear_and_anisotropic_kernels_have_the_values_of_scikit_learn() {
        let x = Tensor::from_rows(&[[0.5_f64, -1.0], [2.0, 0.25]]).unwrap();
        let z = Tensor::from_rows(&[[1.0_f64, 1.0], [0.5, -1.0]]).unwrap();
        let cases = [
            (
                CovarianceKernel::periodic(1.3, 0.9, 1.7),
                [0.503_917_251_745_383_4, 1.3, 0.337_525_170_679_275_07, 0.788_538_491_205_803_2],
            ),
            (CovarianceKernel::linear(1.3) + CovarianceKernel::constant(0.4), [-0.25, 2.025, 3.325, 1.375]),
            (
                CovarianceKernel::stationary(StationaryKernel::Rbf, 1.3, &[0.9, 1.7]),
                [0.557_664_224_641_450_8, 1.3, 0.636_202_719_389_878_2, 0.247_374_141_836_543_6],
            ),
            (
                CovarianceKernel::stationary(StationaryKernel::Matern52, 1.3, &[0.9, 1.7]),
                [0.477_005_946_209_241_4, 1.3, 0.543_393_839_870_790_2, 0.234_629_669_962_546_22],
            ),
        ];
        for (kernel, expected) in cases {
            let found = values(&kernel.covariance(&x, Some(&z), None).unwrap());
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{kernel}: {found:?}");
        }
    }

    /// A line through two points without noise is known everywhere; its variance grows with the distance from the origin.
    #[test]
    fn a_linear_kernel_predicts_a_line_and_knows_how_its_variance_grows() {
        let kernel = CovarianceKernel::linear(2.0) + CovarianceKernel::white(0.5);
        let as_it_is = GaussianProcessOptions { steps: 0, ..Default::default() };
        let (x, y) = (Tensor::full(&[1, 1], 1.0_f64).unwrap(), Tensor::full(&[1], 5.0_f64).unwrap());
        let z = Tensor::from_rows(&[[1.0_f64], [-3.0]]).unwrap();
        let found = GaussianProcess::fit(&kernel, &x, &y, &as_it_is).unwrap().predict(&z).unwrap();
        // The slope given one observation: mean 5 · 2 / 2.5, variance 2 − 2² / 2.5.
        let close = |found: &Tensor, expected: [f64; 2]| values(found).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(close(&found.mean, [4.0, -12.0]) && close(&found.variance, [0.4, 3.6]) && close(&found.noise, [0.5; 2]));
    }

    #[test]
    fn lengths_of_another_number_than_coordinates_are_refused() {
        let kernel = CovarianceKernel::stationary(StationaryKernel::Rbf, 1.0, &[1.0, 2.0, 3.0]);
        let refused = kernel.covariance(&normal(&[4, 2]), None, None).unwrap_err().to_string();
        let words = "covariance: rbf(variance 1.000, lengths 1.000 2.000 3.000): 3 lengths for points of 2 coordinates; give one, or one each";
        assert_eq!(refused, words);
    }

    /// The joint distribution of the values seen and one more, by the conditional of a Gaussian.
    #[test]
    fn predictions_are_conditionals_of_the_joint_distribution() {
        let kernel = CovarianceKernel::matern52(2.0, 1.5) + CovarianceKernel::white(0.1);
        let (x, y) = drawn(&kernel, 12);
        let as_it_is = GaussianProcessOptions { steps: 0, ..Default::default() };
        let process = GaussianProcess::fit(&kernel, &x, &y, &as_it_is).unwrap();
        let z = Tensor::from_rows(&[[4.2_f64]]).unwrap();
        let found = process.predict(&z).unwrap();
        let all = Tensor::cat(&[&x, &z], 0).unwrap();
        let known: Vec<usize> = (0..12).collect();
        let expected = prior(&kernel, &all, None).unwrap().conditional(&known, &y).unwrap();
        assert!((values(&found.mean)[0] - values(expected.mean())[0]).abs() < 1e-11);
        let noise = values(&found.noise)[0];
        assert!((values(&found.variance)[0] + noise - values(&expected.covariance().unwrap())[0]).abs() < 1e-11);
        assert!((noise - 0.1).abs() < 1e-15);

        let count = 40_000;
        let draws = process.sample(&z, count, &mut Rng::new(2)).unwrap();
        let (mean, variance) = (draws.mean(&[], false).unwrap(), draws.var(&[], 1.0, false).unwrap());
        let deviation = values(&found.variance)[0].sqrt();
        assert!((values(&mean)[0] - values(&found.mean)[0]).abs() < 5.0 * deviation / (count as f64).sqrt());
        assert!((values(&variance)[0].sqrt() - deviation).abs() < 5.0 * deviation / (2.0 * count as f64).sqrt());
    }

    /// Of 150 observations, parameters come out as they went in, within what so many tell.
    #[test]
    fn the_most_likely_parameters_are_near_those_that_made_the_data() {
        let truth = CovarianceKernel::rbf(2.0, 1.0) + CovarianceKernel::white(0.05);
        let (x, y) = drawn(&truth, 150);
        let start = CovarianceKernel::rbf(1.0, 3.0) + CovarianceKernel::white(0.5);
        let process = GaussianProcess::fit(&start, &x, &y, &GaussianProcessOptions::default()).unwrap();
        let off: Vec<f64> = process.kernel().parameters().iter().zip(truth.parameters()).map(|(a, b)| (a - b).abs()).collect();
        assert!(off[0] < 1.0 && off[1] < 0.3 && off[2] < 0.3, "{}", process.kernel());
        let likelihood = |k: &CovarianceKernel| log_marginal_likelihood(k, &x, &y, None).unwrap().item::<f64>().unwrap();
        assert!(process.log_likelihood() >= likelihood(&truth));
        // At the maximum every slope vanishes.
        let leaf = Tensor::from_vec(process.kernel().parameters(), &[3]).unwrap().requires_grad();
        let value = log_marginal_likelihood(&truth, &x, &y, Some(&leaf)).unwrap();
        let slope = value.backward().unwrap().take(&leaf).unwrap().to_f64_vec().unwrap();
        assert!(slope.iter().all(|g| g.abs() < 1e-4), "{slope:?}");
    }

    #[test]
    fn kernels_read_well_and_impossible_ones_are_refused() {
        let kernel = (CovarianceKernel::rbf(0.00001, 1.0) + CovarianceKernel::matern32(2.0, 3.0)) * CovarianceKernel::white(1e9);
        assert_eq!(
            kernel.to_string(),
            "(rbf(variance 1.000e-5, length 1.000) + matern32(variance 2.000, length 3.000)) · white(variance 1.000e9)"
        );
        let (x, y) = (normal(&[4, 1]), normal(&[4]));
        let refused =
            |k: CovarianceKernel| GaussianProcess::fit(&k, &x, &y, &GaussianProcessOptions::default()).err().unwrap().to_string();
        let words = "variances are finite and not negative, lengths finite and positive";
        assert_eq!(
            refused(CovarianceKernel::rbf(1.0, 1.0) + CovarianceKernel::white(-0.5)),
            format!("GaussianProcess: white(variance -0.5000): {words}")
        );
        assert!(
            refused(CovarianceKernel::rbf(1.0, 0.0)).ends_with(words)
                && refused(CovarianceKernel::rbf(f64::NAN, 1.0)).ends_with(words)
        );
    }

    #[test]
    fn without_noise_the_function_goes_through_what_was_seen() {
        let kernel = CovarianceKernel::rbf(1.0, 1.0);
        let x = Tensor::from_rows(&[[0.0_f64], [1.0], [2.5]]).unwrap();
        let y = Tensor::from_slice(&[1.0_f64, -1.0, 0.5], &[3]).unwrap();
        let as_it_is = GaussianProcessOptions { steps: 0, ..Default::default() };
        let found = GaussianProcess::fit(&kernel, &x, &y, &as_it_is).unwrap().predict(&x).unwrap();
        assert!(values(&found.mean).iter().zip(values(&y)).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(values(&found.variance).iter().all(|v| *v < 1e-12));
    }
}
