//! Principal components, Gaussians, Gaussian processes, Kalman filters and regression, against scikit-learn, statsmodels and PyTorch.

use monotile::stats::{
    CovarianceKernel, GaussianProcess, GaussianProcessOptions, KalmanFilter, KalmanModel, LeastSquaresOptions, MultivariateNormal,
    Pca, PcaOptions, least_squares, log_marginal_likelihood,
};
use monotile::{Result, Tensor};

use crate::cases::{Tolerance, check};

/// Systems of up to ten unknowns whose conditions are below a few hundred; of a likelihood, its gradient loses most.
const ROUNDING: Tolerance = Tolerance { f64: 1e-12, f32: 4e-4 };

/// N(m, X Xᵀ + I)
fn normal(mean: &Tensor, x: &Tensor) -> Result<MultivariateNormal> {
    MultivariateNormal::new(mean, &x.matmul(&x.mt())?.add(&Tensor::eye(x.dim(-1), x.dtype())?)?)
}

fn kernel(name: &str) -> CovarianceKernel {
    match name {
        "rbf" => CovarianceKernel::rbf(1.5, 0.8) + CovarianceKernel::white(0.1),
        "matern12" => CovarianceKernel::matern12(2.0, 1.2) + CovarianceKernel::white(0.2),
        "matern32" => CovarianceKernel::matern32(0.7, 0.6) + CovarianceKernel::white(0.05),
        "matern52" => CovarianceKernel::matern52(1.1, 1.5) + CovarianceKernel::white(0.3),
        "product" => CovarianceKernel::rbf(1.3, 0.7) * CovarianceKernel::matern32(0.8, 2.0) + CovarianceKernel::white(0.1),
        other => panic!("a kernel that no case should have: {other}"),
    }
}

#[test]
fn statistics_are_those_of_other_packages() {
    check(
        "statistics.safetensors",
        ROUNDING,
        &[
            ("pca", |x, _| {
                let fit = Pca::fit(&x[0], &PcaOptions::default())?;
                let [mean, components, singular_values] = [fit.mean(), fit.components(), fit.singular_values()].map(Tensor::clone);
                let variances = [fit.explained_variance()?, fit.explained_variance_ratio()?];
                Ok([vec![mean, components, singular_values], variances.to_vec(), vec![fit.transform(&x[0])?]].concat())
            }),
            ("pca_whitened", |x, options| {
                let components = Some(options["components"].as_u64().unwrap() as usize);
                let fit = Pca::fit(&x[0], &PcaOptions { components, whiten: true, ..Default::default() })?;
                let scores = fit.transform(&x[0])?;
                Ok(vec![scores.clone(), fit.inverse_transform(&scores)?])
            }),
            ("pca_partial", |x, _| {
                let mut fit = Pca::fit(&x[0], &PcaOptions::default())?;
                fit.partial_fit(&x[1])?;
                Ok([fit.mean(), fit.components(), fit.singular_values()].map(Tensor::clone).to_vec())
            }),
            ("log_prob", |x, _| Ok(vec![normal(&x[0], &x[1])?.log_prob(&x[2])?])),
            ("entropy", |x, _| Ok(vec![normal(&x[0], &x[1])?.entropy()?])),
            ("kl_divergence", |x, _| Ok(vec![normal(&x[0], &x[1])?.kl_divergence(&normal(&x[2], &x[3])?)?])),
            ("conditional", |x, _| {
                let [others, known] = [0, 1].map(|first| x[2].slice_step(0, first.., 2));
                Ok(vec![normal(&x[0], &x[1])?.conditional(&[1, 3], &known?)?.log_prob(&others?)?])
            }),
            ("gaussian_fit", |x, _| {
                let fit = MultivariateNormal::fit(&x[0])?;
                Ok(vec![fit.mean().clone(), fit.covariance()?])
            }),
            ("gaussian_process", |x, options| {
                let kernel = kernel(options["kernel"].as_str().unwrap());
                let as_it_is = GaussianProcessOptions { steps: 0, ..Default::default() };
                let process = GaussianProcess::fit(&kernel, &x[0], &x[1], &as_it_is)?;
                let seen = process.predict(&x[2])?;
                let parameters = Tensor::from_vec(kernel.parameters(), &[kernel.parameters().len()])?;
                let leaf = parameters.requires_grad();
                let gradient = log_marginal_likelihood(&kernel, &x[0], &x[1], Some(&leaf))?.backward()?.take(&leaf).unwrap();
                Ok(vec![seen.mean, seen.variance, Tensor::scalar(process.log_likelihood()), parameters, gradient])
            }),
            ("kalman", |x, _| {
                let [transition, transition_covariance, observation, observation_covariance, mean, covariance] =
                    [0, 1, 2, 3, 4, 5].map(|i| x[i].clone());
                let filter = KalmanFilter::new(&KalmanModel {
                    transition,
                    transition_covariance,
                    observation,
                    observation_covariance,
                    mean,
                    covariance,
                })?;
                let (filtered, smoothed) = (filter.filter(&x[6])?, filter.smooth(&x[6])?);
                let covariances = [filtered.covariances()?, smoothed.covariances()?];
                let [filtered_covariances, smoothed_covariances] = covariances;
                Ok(vec![filtered.means, filtered_covariances, smoothed.means, smoothed_covariances, filtered.log_likelihood])
            }),
            ("least_squares", |x, options| {
                let intercept = options["intercept"].as_bool().unwrap();
                let fit = least_squares(&x[0], &x[1], &LeastSquaresOptions { intercept })?;
                let derived = [fit.t_values()?, fit.p_values()?, fit.confidence_intervals(0.95)?, fit.adjusted_r_squared()?];
                let fitted = [fit.coefficients, fit.standard_errors, fit.residuals, fit.residual_deviation, fit.r_squared];
                Ok([fitted.to_vec(), derived.to_vec()].concat())
            }),
        ],
    );
}

/// Both stop where the slope is small: near the top the likelihood is flat, so that it agrees to more digits than parameters do.
#[test]
fn the_most_likely_parameters_of_a_gaussian_process_are_those_of_scikit_learn() {
    let loose = Tolerance { f64: 1e-4, f32: 1e-2 };
    check(
        "likelihood.safetensors",
        loose,
        &[("gaussian_process_fit", |x, _| {
            let kernel = CovarianceKernel::rbf(1.0, 1.0) + CovarianceKernel::white(0.1);
            let process = GaussianProcess::fit(&kernel, &x[0], &x[1], &GaussianProcessOptions::default())?;
            let parameters = process.kernel().parameters();
            Ok(vec![Tensor::from_slice(&parameters, &[parameters.len()])?, Tensor::scalar(process.log_likelihood())])
        })],
    );
}
