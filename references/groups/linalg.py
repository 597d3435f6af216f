"""Factorizations and what follows from them."""

import numpy as np
import torch

from .cases import draw, group


@group("torch", "numpy")
def linalg(cases):
    """Factorizations and what follows from them; gradients of what does not depend on a choice of signs."""
    la = torch.linalg

    def add(op, f, inputs, **options):
        s = np.linalg.svd(inputs[0].numpy(), compute_uv=False)
        cases.torch(op, f, inputs, condition=float((s[..., 0] / s[..., -1]).max()), **options)

    def square(*shape):
        return (draw(*shape) + 3 * torch.eye(shape[-1])).half().double()

    def symmetric(x):
        return (x + x.mT) / 2

    def definite(x):
        return x @ x.mT + torch.eye(x.shape[-1])

    def qr(x):
        q, r = la.qr(x)
        signs = r.diagonal(dim1=-2, dim2=-1).sign().detach()
        return q * signs[..., None, :], r * signs[..., :, None]

    def lu(x):
        p, l, u = la.lu(x)
        return l, u, p.argmax(-2)

    def truncated(x, keep):
        u, s, vt = la.svd(x, full_matrices=False)
        return u[..., :keep] * s[..., None, :keep] @ vt[..., :keep, :]

    def spectral(x):
        w, v = la.eigh(symmetric(x))
        return v * torch.sin(w)[..., None, :] @ v.mT

    def triangular(a, b, upper, unit):
        return la.solve_triangular(a.triu() if upper else a.tril(), b, upper=upper, unitriangular=unit)

    for shape in [(6, 4), (2, 3, 3), (3, 5)]:
        add("qr", qr, [draw(*shape)])
        add("lu", lu, [draw(*shape)])
        add("svdvals", la.svdvals, [draw(*shape)])
        add("pinv", la.pinv, [draw(*shape)])
    a = square(4, 4)
    add("cholesky", lambda x: la.cholesky(definite(x)), [draw(4, 4)])
    add("cholesky", lambda x: la.cholesky(definite(x)), [draw(2, 3, 3)])
    add("cholesky_solve", lambda x, b: torch.cholesky_solve(b, la.cholesky(definite(x))), [draw(4, 4), draw(4, 2)])
    add("solve", la.solve, [a, draw(4, 3)])
    add("solve", la.solve, [square(2, 3, 3), draw(2, 3, 1)])
    add("solve", la.solve, [a, draw(4)])
    for upper in [False, True]:
        for unit in [False, True]:
            f = lambda a, b: triangular(a, b, upper, unit)
            add("solve_triangular", f, [square(4, 4), draw(4, 2)], upper=upper, unit=unit)
    add("inv", la.inv, [a])
    add("det", la.det, [square(2, 3, 3)])
    add("slogdet", la.slogdet, [a])
    add("slogdet", la.slogdet, [-square(2, 3, 3)])
    add("lstsq", lambda a, b: la.lstsq(a, b, driver="gelsd").solution, [draw(6, 3), draw(6, 2)])
    add("lstsq", lambda a, b: la.lstsq(a, b, driver="gelsd").solution, [draw(3, 5), draw(3, 1)])
    add("truncated", lambda x: truncated(x, 2), [draw(5, 4)], keep=2)
    add("eigvalsh", lambda x: la.eigvalsh(symmetric(x)), [draw(5, 5)])
    add("eigvalsh", lambda x: la.eigvalsh(symmetric(x)), [draw(2, 3, 3)])
    add("spectral", spectral, [draw(4, 4)])
    add("matrix_power", lambda x: la.matrix_power(x, 5), [draw(3, 3)], power=5)
    add("matrix_power", lambda x: la.matrix_power(x, -2), [square(3, 3)], power=-2)
    for scale in [0.25, 4.0]:
        add("expm", la.matrix_exp, [scale * draw(4, 4)])
    for which in ["fro", "nuc", 1, 2, float("inf")]:
        add("norm", lambda x: la.matrix_norm(x, which), [draw(2, 4, 3)], which=str(which))
    # Of rank 2, with numbers that half precision holds.
    low = torch.tensor([[1.0, 2, 0.5, -1], [3, -1, 2, 0.25], [4, 1, 2.5, -0.75], [-2, 3, -1.5, -1.25]], dtype=torch.float64)
    assert la.matrix_rank(low) == 2
    cases.torch("pinv", lambda x: la.pinv(x, rtol=1e-10), [low], condition=10.0)
    cases.torch("matrix_rank", lambda x: la.matrix_rank(x.detach()), [low], condition=10.0)
    cases.torch("det", la.det, [low[:3, :3].contiguous()], condition=10.0)
    cases.torch("lowrank", lambda x: (la.svdvals(x.detach())[:2], x.detach()), [low], condition=10.0)
    cases.add("cond", [a], [np.linalg.cond(a.numpy())], condition=10.0)
