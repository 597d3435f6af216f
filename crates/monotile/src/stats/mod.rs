//! Statistics made of factorizations: each a small type that is fitted, predicts and draws as its users expect.
//!
//! | what | where |
//! | --- | --- |
//! | regression with its standard errors | [`least_squares`], [`polynomial_features`] |
//! | principal components | [`Pca`] |
//! | covariances, correlations | [`cov`], [`corrcoef`] |
//! | distributions of numbers and classes | [`Normal`], [`Bernoulli`], [`Categorical`], [`Gamma`], [`StudentT`] |
//! | the normal distribution of many dimensions | [`MultivariateNormal`], [`reparameterize`] |
//! | systems that move and are seen with noise | [`KalmanFilter`] |
//! | regression by functions, with their uncertainty | [`GaussianProcess`], [`CovarianceKernel`] |
//! | matrices with missing entries, recommendations | [`MatrixFactorization`] |
//!
//! All of it is composed of public operations, so that gradients run through wherever a page says nothing else. f32 and f64 (bf16 and f16
//! count as f32). Fits look at values to decide, and so read them back to the host.

mod covariance;
mod distributions;
pub(crate) mod gamma;
mod gamma_draw;
mod gaussian_process;
mod kalman;
mod least_squares;
mod matrix_factorization;
mod multivariate_normal;
mod parts;
mod pca;

pub use covariance::{corrcoef, cov};
pub use distributions::{Bernoulli, Categorical, Normal};
pub use gamma::{Gamma, StudentT};
pub use gaussian_process::{
    CovarianceKernel, GaussianProcess, GaussianProcessOptions, Prediction, StationaryKernel, log_marginal_likelihood,
};
pub use kalman::{Filtered, KalmanControls, KalmanFilter, KalmanModel, Smoothed};
pub use least_squares::{LeastSquares, LeastSquaresOptions, least_squares, polynomial_features};
pub use matrix_factorization::{MatrixFactorization, MatrixFactorizationOptions};
pub use multivariate_normal::{MultivariateNormal, reparameterize};
pub use pca::{Pca, PcaOptions, PcaSolver};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [
        covariance::specs(),
        distributions::specs(),
        multivariate_normal::specs(),
        gamma::specs(),
        gaussian_process::specs(),
        kalman::specs(),
        least_squares::specs(),
        matrix_factorization::specs(),
        pca::specs(),
    ];
    all.into_iter().flatten().collect()
}
