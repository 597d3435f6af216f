"""What scikit-learn, statsmodels and torch.distributions compute."""

import numpy as np
import torch

from .cases import draw, group


@group("numpy", "scikit-learn", "statsmodels", "torch")
def statistics(cases):
    """Principal components, Gaussians, Gaussian processes, Kalman filters and regression."""
    principal_components(cases)
    gaussians(cases)
    gaussian_processes(cases)
    kalman(cases)
    regression(cases)


def principal_components(cases):
    from sklearn.decomposition import PCA, IncrementalPCA

    x = (draw(12, 4) * torch.tensor([4.0, 2, 1, 0.5]) + torch.tensor([1.0, -2, 0, 8])).half().double()
    fit = PCA(svd_solver="full").fit(x)
    found = [fit.mean_, fit.components_, fit.singular_values_]
    found += [fit.explained_variance_, fit.explained_variance_ratio_, fit.transform(x)]
    cases.add("pca", [x], found)
    fit = PCA(2, whiten=True, svd_solver="full").fit(x)
    cases.add("pca_whitened", [x], [fit.transform(x), fit.inverse_transform(fit.transform(x))], components=2)
    fit = IncrementalPCA().fit(x[:7]).partial_fit(x[7:])
    cases.add("pca_partial", [x[:7], x[7:]], [fit.mean_, fit.components_, fit.singular_values_])


def gaussians(cases):
    from torch.distributions import MultivariateNormal, kl_divergence

    def normal(mean, x):
        return MultivariateNormal(mean, x @ x.mT + torch.eye(x.shape[-1]))

    def divergence(m, x, n, y):
        return kl_divergence(normal(m, x), normal(n, y))

    def conditional(m, x, values):
        """ln p(x₀ x₂ | x₁ x₃) = ln p(x) − ln p(x₁ x₃)"""
        joint = normal(m, x)
        some = MultivariateNormal(m[1::2], joint.covariance_matrix[1::2, 1::2])
        return joint.log_prob(values) - some.log_prob(values[1::2])

    cases.torch("log_prob", lambda m, x, z: normal(m, x).log_prob(z), [draw(3), draw(3, 3), draw(2, 2, 3)], second=True)
    cases.torch("entropy", lambda m, x: normal(m, x).entropy(), [draw(3), draw(3, 3)], constants=[0])
    cases.torch("kl_divergence", divergence, [draw(3), draw(3, 3), draw(3), draw(3, 3)], second=True)
    cases.torch("conditional", conditional, [draw(4), draw(4, 4), draw(4)])
    x = draw(8, 3)
    cases.add("gaussian_fit", [x], [x.mean(0), np.cov(x.numpy(), rowvar=False)])


def gaussian_processes(cases):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel as C, Matern, WhiteKernel

    x, z = draw(9, 2).numpy(), draw(4, 2).numpy()
    y = np.float64(np.float16(np.sin(2 * x[:, 0]) + x[:, 1]))

    def matern(variance, length, nu):
        return C(variance) * Matern(length, nu=nu)

    for name, kernel, noise in [
        ("rbf", C(1.5) * RBF(0.8) + WhiteKernel(0.1), 0.1),
        ("matern12", matern(2.0, 1.2, 0.5) + WhiteKernel(0.2), 0.2),
        ("matern32", matern(0.7, 0.6, 1.5) + WhiteKernel(0.05), 0.05),
        ("matern52", matern(1.1, 1.5, 2.5) + WhiteKernel(0.3), 0.3),
        ("product", C(1.3) * RBF(0.7) * matern(0.8, 2.0, 1.5) + WhiteKernel(0.1), 0.1),
    ]:
        process = GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(x, y)
        mean, deviation = process.predict(z, return_std=True)
        value, gradient = process.log_marginal_likelihood(kernel.theta, eval_gradient=True)
        found = [mean, deviation**2 - noise, value, kernel.theta, gradient]
        cases.add("gaussian_process", [x, y, z], found, kernel=name)


def kalman(cases):
    from statsmodels.tsa.statespace.kalman_smoother import KalmanSmoother

    def covariance(n):
        x = draw(n, n)
        return (x @ x.mT / 4 + torch.eye(n) / 4).numpy()

    n, p, steps = 3, 2, 7
    f, h, m, y = (0.5 * draw(n, n)).numpy(), draw(p, n).numpy(), draw(n).numpy(), draw(steps, p).numpy()
    q, r, start = covariance(n), covariance(p), covariance(n)
    for missing in [False, True]:
        y = y.copy()
        if missing:
            y[2], y[4, 0] = np.nan, np.nan
        smoother = KalmanSmoother(k_endog=p, k_states=n, design=h, obs_cov=r, transition=f, selection=np.eye(n), state_cov=q)
        smoother.bind(y)
        smoother.initialize_known(m, start)
        found = smoother.smooth()
        times = lambda x: np.moveaxis(x, -1, 0)
        outputs = [found.filtered_state, found.filtered_state_cov, found.smoothed_state, found.smoothed_state_cov]
        outputs = [*map(times, outputs), np.float64(found.llf)]
        cases.add("kalman", [f, q, h, r, m, start, y], outputs, **({"nan": True} if missing else {}))


def regression(cases):
    import statsmodels.api as sm

    x = draw(14, 3)
    y = (x @ torch.tensor([1.0, -0.5, 0.0], dtype=torch.float64) + 2 + draw(14) / 4).half().double()
    for intercept in [True, False]:
        fit = sm.OLS(y.numpy(), sm.add_constant(x.numpy()) if intercept else x.numpy()).fit()
        found = [fit.params, fit.bse, fit.resid, np.sqrt(fit.mse_resid), fit.rsquared, fit.tvalues, fit.pvalues]
        found += [fit.conf_int(0.05), fit.rsquared_adj]
        cases.add("least_squares", [x, y], found, intercept=intercept)


@group("scikit-learn", "numpy")
def likelihood(cases):
    """The parameters of a Gaussian process that make values most likely."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel as C, WhiteKernel

    x = draw(12, 1).numpy()
    y = np.float64(np.float16(np.sin(3 * x[:, 0]) + draw(12).numpy() / 8))
    process = GaussianProcessRegressor(C(1.0) * RBF(1.0) + WhiteKernel(0.1), alpha=0).fit(x, y)
    cases.add("gaussian_process_fit", [x, y], [process.kernel_.theta, process.log_marginal_likelihood_value_])
