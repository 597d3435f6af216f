"""What is typed every day: differences, integrals, sums of what is there, choices, membership, bounds."""

import torch

from .cases import draw, group


@group("torch")
def everyday(cases):
    """Functions of PyTorch's first chapter that other groups do not have."""
    x, v, positive = draw(3, 4), draw(5), draw(3, 4, low=0.125, high=4)
    for axis in [0, -1]:
        for n in [1, 2]:
            cases.torch("diff", lambda x: torch.diff(x, n, axis), [x], n=n, axis=axis)
    cases.torch("trapezoid", lambda y, p: torch.trapezoid(y, p, dim=-1), [x, draw(4)], second=True)
    cases.torch("cumulative_trapezoid", lambda y, p: torch.cumulative_trapezoid(y, p, dim=-1), [x, draw(3, 4)], second=True)
    cases.torch("cumulative_trapezoid_step", lambda y: torch.cumulative_trapezoid(y, dx=0.25, dim=0), [x], step=0.25)
    # The holes are where the second input is below 0.
    for op, f in {"nansum": torch.nansum, "nanmean": torch.nanmean}.items():
        for axes in [[0], [1], [0, 1]]:
            holes = lambda x, m: f(torch.where(m < 0, torch.nan, x), dim=axes)
            cases.torch(op, holes, [x, draw(3, 4, low=-1, high=3)], constants=[1], axes=axes)
    cases.torch("aminmax", lambda x: torch.aminmax(x, dim=1), [x], axis=1)
    for op, f in {"var_mean": torch.var_mean, "std_mean": torch.std_mean}.items():
        cases.torch(op, lambda x: f(x, dim=(0,), correction=1), [x], second=True, axis=0)
    cases.torch("unflatten", lambda x: x.unflatten(1, (2, -1)), [x])
    cases.torch("clamp_min", lambda x: x.clamp_min(0.25), [x], bound=0.25)
    cases.torch("clamp_max", lambda x: x.clamp_max(0.25), [x], bound=0.25)
    cases.torch("addcdiv", lambda x, a, b: torch.addcdiv(x, a, b, value=-1.5), [x, draw(4), positive], second=True, value=-1.5)
    # The gradient by the divisor is not PyTorch's.
    for a in [x, -x]:
        cases.add("fmod", [a, positive], [torch.fmod(a, positive)])
    cases.torch("copysign", lambda x, s: torch.copysign(x, s), [x, draw(4)], constants=[1])
    signs = torch.tensor([-2.0, -0.0, 0.0, 3.0], dtype=torch.float64)
    cases.add("copysign", [positive, signs], [torch.copysign(positive, signs)])
    at_zero = draw(4)
    cases.add("heaviside", [signs, at_zero], [torch.heaviside(signs, at_zero)])
    cases.torch("sinc", torch.sinc, [torch.cat([v, torch.tensor([0.0, 2.0**-6, 2.0], dtype=torch.float64)])])
    cases.torch("logit", torch.logit, [draw(5, low=0.125, high=0.875)], second=True)
    # PyTorch's own `vander` fails backward.
    cases.torch("vander", lambda v: v[:, None] ** torch.arange(4), [v], second=True, increasing=True)
    cases.add("vander", [v], [torch.vander(v, 4)], increasing=False)
    for replacement in [False, True]:
        f = lambda v: torch.combinations(v, 3, with_replacement=replacement)
        cases.torch("combinations", f, [v], replacement=replacement)
    cases.torch("cartesian_prod", torch.cartesian_prod, [draw(2), draw(3), draw(2)])
    numbers = torch.tensor([[3, -1, 4], [1, 5, -9]])
    cases.add("isin", [numbers, torch.tensor([4, 1, 1, 7])], [torch.isin(numbers, torch.tensor([4, 1, 1, 7]))])
    cases.add("isin", [v, v[1:3]], [torch.isin(v, v[1:3])])
    index = torch.tensor([[1, 0, 1, 1], [0, 0, 1, 0]])
    f = lambda x, s, i: x.scatter_reduce(0, i, s, "prod")
    cases.torch("scatter_prod", f, [draw(2, 4, low=0.5), draw(2, 4, low=0.5), index])
    zeros = torch.tensor([[0.0, 2, 0, 1], [3, 0, 1, 2]], dtype=torch.float64)
    cases.torch("scatter_prod", f, [torch.tensor([[2.0, 3, 0, 1], [1, 2, 3, 0]], dtype=torch.float64), zeros, index])
    counts = torch.tensor([[5, 1, 2, 3], [4, 4, 0, 2]])
    for how in ["sum", "prod", "amax", "amin"]:
        cases.add("scatter_integers", [counts, counts + 3, index], [counts.scatter_reduce(0, index, counts + 3, how)], how=how)
