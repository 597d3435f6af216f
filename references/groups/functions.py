"""Functions, scans, sorts, losses, matrices, distributions and rotations: what PyTorch, NumPy and SciPy compute."""

import numpy as np
import torch
import torch.nn.functional as F

from .cases import draw, group


@group("torch", "scipy")
def functions(cases):
    """Functions of one number and of two beyond those of `elementwise`, and losses."""
    from scipy import special

    x, positive, inside = draw(8, low=-3, high=3), draw(8, low=0.125, high=4), draw(8, low=-0.875, high=0.875)
    for op, f in {"log2": torch.log2, "log10": torch.log10, "log1p": torch.log1p}.items():
        cases.torch(op, f, [positive], second=True)
    cases.torch("log1p", torch.log1p, [torch.tensor([-(2.0**-20), 0.0, 2.0**-20], dtype=torch.float64)])
    for op, f in {
        "expm1": torch.expm1,
        "exp2": torch.exp2,
        "atan": torch.atan,
        "sinh": torch.sinh,
        "cosh": torch.cosh,
        "asinh": torch.asinh,
        "erfc": torch.erfc,
        "mish": F.mish,
        "logsigmoid": F.logsigmoid,
    }.items():
        cases.torch(op, f, [x], second=True)
    for op, f in {"tan": torch.tan, "asin": torch.asin, "acos": torch.acos, "atanh": torch.atanh, "erfinv": torch.erfinv}.items():
        cases.torch(op, f, [inside], second=True)
    cases.torch("acosh", torch.acosh, [1 + positive], second=True)
    # PyTorch's own polygamma has nine digits.
    cases.add("lgamma", [positive], [special.gammaln(positive)])
    cases.add("digamma", [positive], [special.digamma(positive)])
    cases.add("trigamma", [positive], [special.polygamma(1, positive)])
    for op, f in {"floor": torch.floor, "ceil": torch.ceil, "round": torch.round, "trunc": torch.trunc, "frac": torch.frac}.items():
        cases.torch(op, f, [torch.cat([x, torch.tensor([0.5, 1.5, -2.5], dtype=torch.float64)])])
    for op, f in {"rad2deg": torch.rad2deg, "deg2rad": torch.deg2rad}.items():
        cases.torch(op, f, [x])
    cases.torch("softplus", lambda x: F.softplus(x, 2.0), [x], second=True, beta=2.0)
    cases.torch("elu", lambda x: F.elu(x, 1.5), [x], second=True, alpha=1.5)
    cases.torch("leaky_relu", lambda x: F.leaky_relu(x, 0.25), [x], slope=0.25)
    cases.torch("hardtanh", lambda x: F.hardtanh(x, -0.5, 1.5), [x], low=-0.5, high=1.5)
    for op, f in {"logaddexp": torch.logaddexp, "atan2": torch.atan2, "hypot": torch.hypot}.items():
        cases.torch(op, f, [draw(2, 3), draw(3, low=0.5)], second=True)
    for op, f in {"remainder": torch.remainder, "floor_divide": torch.floor_divide}.items():
        cases.add(op, [x, positive], [f(x, positive)])
        cases.add(op, [x, -positive], [f(x, -positive)])
    cases.torch("lerp", torch.lerp, [draw(2, 3), draw(3), draw(2, 1)], second=True)
    cases.torch("addcmul", lambda x, a, b: torch.addcmul(x, a, b, value=-1.5), [draw(2, 3), draw(3), draw(2, 1)], value=-1.5)

    a, b, t = draw(3, 4), draw(3, 4), draw(3, 4, low=0.125, high=0.875)
    weight = draw(4, low=0.5)
    for reduction in ["mean", "sum", "none"]:
        r = dict(reduction=reduction)
        cases.torch("mse_loss", lambda a, b: F.mse_loss(a, b, **r), [a, b], second=True, **r)
        cases.torch("l1_loss", lambda a, b: F.l1_loss(a, b, **r), [a, b], **r)
        cases.torch("huber_loss", lambda a, b: F.huber_loss(a, b, delta=0.75, **r), [a, b], second=True, delta=0.75, **r)
        cases.torch("smooth_l1_loss", lambda a, b: F.smooth_l1_loss(a, b, beta=0.75, **r), [a, b], second=True, beta=0.75, **r)
        f = lambda a, t, w: F.binary_cross_entropy_with_logits(a, t, pos_weight=w, **r)
        cases.torch("bce_with_logits", f, [8 * a, t, weight], constants=[2], second=True, **r)
        f = lambda a, t: F.kl_div(a.log_softmax(-1), t, **r)
        cases.torch("kl_div", f, [a, t], constants=[1], second=True, **r)


@group("torch", "numpy")
def sorts(cases):
    """Sorted, selected, searched and counted elements; recurrences."""
    # Columns have ties.
    x = torch.tensor([[2.0, -1, 2, 0.5, -1], [0, 3, -2, 3, 1], [1, 1, 4, -4, 0.25], [2, 0, 4, 3, -1]], dtype=torch.float64)
    y = draw(4, 5)
    for axis in [0, -1]:
        for descending in [False, True]:
            f = lambda x: x.sort(dim=axis, descending=descending, stable=True)
            cases.torch("sort", f, [x], axis=axis, descending=descending)
            g = lambda x: torch.argsort(x, dim=axis, descending=descending, stable=True)
            cases.add("argsort", [x], [g(x)], axis=axis, descending=descending)
        for largest in [False, True]:
            cases.torch("topk", lambda x: x.topk(3, axis, largest), [y], k=3, axis=axis, largest=largest)
        cases.torch("kthvalue", lambda x: x.kthvalue(2, axis), [y], k=2, axis=axis)
        cases.torch("max_with_indices", lambda x: x.max(axis), [y], axis=axis)
        cases.torch("min_with_indices", lambda x: x.min(axis), [y], axis=axis)
        cases.torch("mode", lambda x: x.mode(axis)[0], [x], axis=axis)
        levels = [0.0, 0.25, 0.9]
        f = lambda x: x.quantile(torch.tensor(levels, dtype=x.dtype), axis)
        cases.torch("quantile", f, [y], q=levels, axes=[axis])
        cases.torch("median", lambda x: x.quantile(0.5, axis), [y], axes=[axis])
        cases.add("any", [x > 2], [(x > 2).any(axis)], axes=[axis])
        cases.add("all", [x > -2], [(x > -2).all(axis)], axes=[axis])
        cases.add("count_nonzero", [x], [torch.count_nonzero(x, axis)], axes=[axis])
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True)
    cases.add("unique", [x], [values, inverse, counts])
    bounds = torch.tensor([-2.0, 0, 1, 1, 3], dtype=torch.float64)
    for right in [False, True]:
        cases.add("searchsorted", [bounds, x], [torch.searchsorted(bounds, x, right=right)], right=right)
        cases.add("bucketize", [x, bounds], [torch.bucketize(x, bounds, right=right)], right=right)
    classes = torch.tensor([3, 0, 3, 1, 3])
    cases.add("bincount", [classes], [torch.bincount(classes)])
    cases.add("bincount_weighted", [classes, y[0]], [torch.bincount(classes, y[0])])
    cases.add("histogram", [x], list(np.histogram(x.numpy(), 4)), bins=4)
    cases.add("histogram", [x], list(np.histogram(x.numpy(), 3, (-1.5, 3.0))), bins=3, range=[-1.5, 3.0])
    cases.add("nonzero", [x > 1], [torch.nonzero(x > 1)])
    cases.torch("masked_select", torch.masked_select, [y, x > 1])

    def recurrence(a, b):
        rows = [b[0]]
        for j in range(1, len(b)):
            rows.append(a[j] * rows[-1] + b[j])
        return torch.stack(rows)

    cases.torch("linear_recurrence", recurrence, [draw(5, 3, low=-1, high=1), draw(5, 3)], second=True, axis=0)


@group("torch", "scipy", "numpy")
def matrices(cases):
    """Spectra of matrices without symmetry, factors kept for many systems, functions and equations of matrices; vectors and distances."""
    import scipy.linalg

    la = torch.linalg

    def spectrum(x):
        """Functions of all values, which do not tell their order."""
        values = la.eigvals(x)
        return values.exp().sum(-1).real, (values.real**2 + values.imag**2).sum(-1)

    def conditioned(op, f, x, *others, **options):
        vectors = la.eig(x)[1]
        condition = float(max(la.cond(vectors).max(), la.cond(x).max()))
        cases.torch(op, f, [x, *others], condition=condition, **options)

    def square(*shape):
        return (draw(*shape) + 3 * torch.eye(shape[-1])).half().double()

    conditioned("spectrum", spectrum, draw(4, 4))
    conditioned("spectrum", spectrum, draw(2, 3, 3))
    a = square(4, 4)
    conditioned("lu_solve", lambda a, b: la.solve(a, b), a, draw(4, 2))
    conditioned("lu_solve_transposed", lambda a, b: la.solve(a.mT, b), a, draw(4, 2))
    conditioned("lu_inv", la.inv, square(2, 3, 3))
    conditioned("lu_det", la.det, square(2, 3, 3))
    definite = (a @ a.mT).half().double()
    for op, f in {"sqrtm": scipy.linalg.sqrtm, "logm": scipy.linalg.logm}.items():
        cases.add(op, [definite], [f(definite.numpy())], condition=float(la.cond(definite)))
    b, c = square(3, 3), draw(4, 3)
    cases.add("solve_sylvester", [a, b, c], [scipy.linalg.solve_sylvester(a.numpy(), b.numpy(), c.numpy())], condition=100.0)
    cases.add("solve_lyapunov", [a, a], [scipy.linalg.solve_continuous_lyapunov(a.numpy(), a.numpy())], condition=100.0)

    x, y = draw(3, 4), draw(3, 4)
    for p in [1.0, 2.0, 3.0, float("inf"), 0.0]:
        cases.torch("vector_norm", lambda x: la.vector_norm(x, p, 1), [x], second=p in (2.0, 3.0), p=str(p), axes=[1])
    for p in [1.0, 2.0, 3.0]:
        cases.torch("normalize", lambda x: F.normalize(x, p, 0), [x], p=str(p), axis=0)
    cases.torch("cosine_similarity", lambda x, y: F.cosine_similarity(x, y, -1), [x, y], second=True, axis=-1)
    cases.torch("vecdot", la.vecdot, [x, y], second=True, axis=-1)
    cases.torch("cross", la.cross, [draw(2, 3), draw(2, 3)], second=True, axis=-1)
    cases.torch("outer", torch.outer, [x[0], y[1]])
    cases.torch("kron", torch.kron, [draw(2, 3), draw(3, 2)])
    axes = [[2, 0], [0, 1]]
    cases.torch("tensordot", lambda x, y: torch.tensordot(x, y, axes), [draw(2, 3, 4), draw(4, 2, 2)], axes=axes)
    cases.torch("trace", torch.trace, [draw(3, 3)])
    for p in [1.0, 2.0, 3.0, float("inf")]:
        f = lambda x, y: torch.cdist(x, y, p, "donot_use_mm_for_euclid_dist")
        cases.torch("cdist", f, [draw(2, 4, 3), draw(2, 5, 3)], p=str(p))
    cases.torch("squared_cdist", lambda x, y: (x[:, None] - y).square().sum(-1), [draw(4, 3), draw(5, 3)], second=True)


@group("torch")
def distributions(cases):
    """Densities, entropies and divergences; gradients but where PyTorch's polygamma has nine digits alone."""
    import torch.distributions as d

    mean, deviation, x = draw(2, 3), draw(3, low=0.5), draw(2, 3)
    cases.torch("normal_log_prob", lambda m, s, x: d.Normal(m, s).log_prob(x), [mean, deviation, x], second=True)
    cases.torch("normal_cdf", lambda m, s, x: d.Normal(m, s).cdf(x), [mean, deviation, x])
    cases.torch("normal_entropy", lambda m, s: d.Normal(m, s).entropy(), [mean[0], deviation], second=True)
    f = lambda m, s, n, t: d.kl_divergence(d.Normal(m, s), d.Normal(n, t))
    cases.torch("normal_kl", f, [mean, deviation, draw(3), draw(3, low=0.5)], second=True)
    logits, other = draw(2, 4, low=-4, high=4), draw(2, 4)
    truth = (draw(2, 4) > 0).double()
    cases.torch("bernoulli_log_prob", lambda l, x: d.Bernoulli(logits=l).log_prob(x), [logits, truth], constants=[1], second=True)
    cases.torch("bernoulli_entropy", lambda l: d.Bernoulli(logits=l).entropy(), [logits], second=True)
    f = lambda a, b: d.kl_divergence(d.Bernoulli(logits=a), d.Bernoulli(logits=b))
    cases.torch("bernoulli_kl", f, [logits, other], second=True)
    classes = torch.tensor([3, 1])
    cases.torch("categorical_log_prob", lambda l, c: d.Categorical(logits=l).log_prob(c), [logits, classes], second=True)
    cases.torch("categorical_entropy", lambda l: d.Categorical(logits=l).entropy(), [logits], second=True)
    f = lambda a, b: d.kl_divergence(d.Categorical(logits=a), d.Categorical(logits=b))
    cases.torch("categorical_kl", f, [logits, other], second=True)
    a, b, z = draw(2, 3, low=0.25, high=4), draw(3, low=0.25, high=4), draw(2, 3, low=0.125, high=4)
    cases.torch("gamma_log_prob", lambda a, b, x: d.Gamma(a, b).log_prob(x), [a, b, z])
    cases.add("gamma_entropy", [a, b], [d.Gamma(a, b).entropy()])
    p, q = draw(3, low=0.25, high=4), draw(3, low=0.25, high=4)
    cases.add("gamma_kl", [a, b, p, q], [d.kl_divergence(d.Gamma(a, b), d.Gamma(p, q))])
    freedom = 2 + draw(2, 3, low=0.5, high=6)
    f = lambda n, m, s, x: d.StudentT(n, m, s).log_prob(x)
    cases.torch("student_t_log_prob", f, [freedom, mean, deviation, x])
    cases.add("student_t_entropy", [freedom, mean, deviation], [d.StudentT(freedom, mean, deviation).entropy()])


@group("scipy", "numpy")
def rotations(cases):
    """Rotation vectors, twists and Euler angles of rotations."""
    from scipy.spatial.transform import RigidTransform, Rotation

    small = torch.tensor([[0.0, 0, 0], [2.0**-12, 0, -(2.0**-13)]], dtype=torch.float64)
    vectors = torch.cat([draw(3, 3, low=-1.5, high=1.5), small])
    matrices = Rotation.from_rotvec(vectors.numpy())
    cases.add("so3_exp", [vectors], [matrices.as_matrix()])
    cases.add("so3_log", [matrices.as_matrix()], [vectors])
    along = draw(5, 3)
    # SciPy has the rotation first.
    motion = RigidTransform.from_exp_coords(np.concatenate([vectors.numpy(), along.numpy()], -1)).as_matrix()
    cases.add("se3_log", [motion], [torch.cat([along, vectors], -1)])
    for axes in ["xyz", "zyx", "yxz", "zxz", "xyx"]:
        for extrinsic in [False, True]:
            found = matrices[:3].as_euler(axes if extrinsic else axes.upper())
            cases.add("to_euler", [matrices[:3].as_quat()], [found], axes=axes, extrinsic=extrinsic)
