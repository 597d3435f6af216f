"""Writes the reference results of this folder: what PyTorch, SciPy and others compute.

    pip install -r requirements.txt
    python make.py [GROUP ...]

A group is a function below; without a name all are made. Numbers are drawn from a seed of the group's own, and rounded
to half precision, so that f32 and f64 hold the same inputs. README.md says how a file is laid out.
"""

import json
import math
import pathlib
import sys
import zlib
from importlib.metadata import version

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
torch.set_num_threads(1)
GROUPS = {}


def group(*packages):
    """Marks a function that writes the file of its own name; `packages` are those that it calls."""

    def mark(f):
        def make():
            torch.manual_seed(zlib.crc32(f.__name__.encode()))
            cases = Cases()
            f(cases)
            cases.write(f.__name__, packages)

        GROUPS[f.__name__] = make
        return f

    return mark


def draw(*shape, low=-2.0, high=2.0):
    """Uniform numbers of half precision, as f64."""
    return (torch.rand(shape, dtype=torch.float64) * (high - low) + low).half().double()


def weights(shape, j=0):
    """Numbers that stand for the cotangent of output `j`; the tests compute the same."""
    k = torch.arange(math.prod(shape), dtype=torch.float64)
    return ((37 * k + 11 + 5 * j) % 17 / 8 - 1).reshape(shape)


class Cases:
    """The cases of a file."""

    def __init__(self):
        self.tensors, self.cases = {}, []

    def put(self, part, i, x):
        """Stores a tensor of the present case; inputs are of half precision."""
        x = torch.as_tensor(np.array(x, order="C") if isinstance(x, np.ndarray) else x).detach()
        small = part == "i" and x.dtype == torch.float64 and torch.equal(x.half().double(), x)
        self.tensors[f"{len(self.cases)}.{part}{i}"] = (x.half() if small else x).contiguous().clone()

    def add(self, op, inputs, outputs, **options):
        """A case without gradients: inputs and outputs as they are."""
        for i, x in enumerate(inputs):
            self.put("i", i, x)
        for j, y in enumerate(outputs):
            self.put("o", j, y)
        self.cases.append({"op": op, "inputs": len(inputs), "outputs": len(outputs), **options})

    def torch(self, op, f, inputs, constants=(), second=False, **options):
        """What `f` of PyTorch gives for these inputs, with the gradients of Σ weights · outputs by all inputs but `constants`.

        With `second` also the gradients of Σ weights · gradients."""
        inputs = [x.clone() for x in inputs]
        wanted = [i for i, x in enumerate(inputs) if x.is_floating_point() and i not in constants]
        leaves = [inputs[i].requires_grad_() for i in wanted]
        outputs = f(*inputs)
        outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
        if any(y.requires_grad for y in outputs):
            loss = sum((y * weights(y.shape, j)).sum() for j, y in enumerate(outputs) if y.requires_grad)
            gradients = torch.autograd.grad(loss, leaves, create_graph=second, materialize_grads=True)
            for i, g in zip(wanted, gradients):
                self.put("g", i, g)
            if second:
                loss = sum((g * weights(g.shape, i)).sum() for i, g in zip(wanted, gradients))
                for i, s in zip(wanted, torch.autograd.grad(loss, leaves, materialize_grads=True)):
                    self.put("s", i, s)
        self.add(op, inputs, outputs, **options)

    def write(self, name, packages):
        for key, x in self.tensors.items():
            assert not x.is_floating_point() or not x.isnan().any() or "nan" in self.cases[int(key.split(".")[0])], (name, key)
        versions = {package: version(package) for package in packages}
        # One text: the order of several would differ from run to run.
        reference = json.dumps({"versions": versions, "cases": self.cases}, separators=(",", ":"))
        path = HERE / f"{name}.safetensors"
        save_file(self.tensors, path, {"reference": reference})
        print(f"{path.name}: {len(self.cases)} cases, {len(self.tensors)} tensors, {path.stat().st_size} bytes")


@group("torch")
def einsum(cases):
    """Contractions of one to six operands."""
    for equation, *shapes in [
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("ij,jk", (3, 4), (4, 2)),
        ("ba,ac", (3, 4), (4, 2)),
        ("bA,Ac", (3, 4), (4, 2)),
        ("bij,bjk->bki", (2, 3, 4), (2, 4, 3)),
        ("ii", (4, 4)),
        ("ii->i", (4, 4)),
        ("...ii->...i", (2, 3, 3)),
        ("iij,jk->ik", (3, 3, 4), (4, 2)),
        ("iji,jk->k", (3, 4, 3), (4, 2)),
        ("ijk->kj", (2, 3, 4)),
        ("ij->", (3, 4)),
        ("i,j->ij", (3,), (4,)),
        ("i,j,k->kij", (2,), (3,), (4,)),
        ("i,i,i->", (5,), (5,), (5,)),
        ("ij,ij,i->ij", (3, 4), (3, 4), (3,)),
        ("...ij,...jk->...ik", (2, 1, 3, 2), (4, 2, 3)),
        ("...,...->...", (2, 3), (3,)),
        ("i...,i...->...", (3, 2, 2), (3, 2)),
        ("bhtd,bhsd->bhts", (2, 2, 3, 4), (2, 2, 5, 4)),
        ("ab,bc,cd,de->ae", (3, 4), (4, 2), (2, 5), (5, 3)),
        ("ijk,jl,kl,im->lm", (3, 4, 2), (4, 3), (2, 3), (3, 2)),
        ("ar,br,cr,dr->abcd", (2, 3), (3, 3), (2, 3), (2, 3)),
        ("abc,cde,efg,gha->bdfh", (2, 3, 2), (2, 2, 3), (3, 2, 2), (2, 2, 2)),
        ("ab,bc,ca,ad,be,cf->def", (3, 3), (3, 3), (3, 3), (3, 2), (3, 2), (3, 2)),
    ]:
        inputs = [draw(*shape) for shape in shapes]
        second = equation in ("iij,jk->ik", "ab,bc,cd,de->ae", "i,i,i->")
        cases.torch("einsum", lambda *x: torch.einsum(equation, *x), inputs, second=second, equation=equation)


@group("torch")
def elementwise(cases):
    """Functions of one number and of two, on both sides of their kinks and far out."""
    x, positive = draw(8, low=-4, high=4), draw(8, low=0.125, high=4)
    x[:2] = torch.tensor([-30.0, 25.0])
    for op, f in {
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "silu": F.silu,
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "erf": torch.erf,
        "sin": torch.sin,
        "cos": torch.cos,
        "square": torch.square,
    }.items():
        cases.torch(op, f, [x], second=True)
    for op, f in {"relu": F.relu, "abs": torch.abs, "neg": torch.neg, "sign": torch.sign}.items():
        cases.torch(op, f, [x])
    cases.torch("exp", torch.exp, [draw(8, low=-8, high=4)], second=True)
    for op, f in {"ln": torch.log, "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "recip": torch.reciprocal}.items():
        cases.torch(op, f, [positive], second=True)
    for power in [-1.5, 0.5, 3.0]:
        cases.torch("powf", lambda x: x**power, [positive], second=True, power=power)
    cases.torch("powf", lambda x: x**3, [draw(6)], power=3.0)
    cases.torch("clamp", lambda x: x.clamp(-1, 1.5), [x], low=-1.0, high=1.5)
    pairs = {
        "add": torch.add,
        "sub": torch.sub,
        "mul": torch.mul,
        "div": torch.div,
        "maximum": torch.maximum,
        "minimum": torch.minimum,
    }
    for op, f in pairs.items():
        cases.torch(op, f, [draw(2, 3), draw(3, low=0.5)])
        cases.torch(op, f, [draw(2, 1, 2), draw(3, 1, low=0.5)])
    cases.torch("pow", torch.pow, [draw(2, 3, low=0.25), draw(3)], second=True)
    cases.torch("where_", torch.where, [draw(2, 3) > 0, draw(2, 3), draw(3)])
    cases.torch("swiglu", lambda gate, up: F.silu(gate) * up, [draw(2, 4), draw(2, 4)], second=True)
    comparisons = {"eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge}
    a, b = torch.tensor([[1.0, 2.0, 3.0], [-0.0, 2.5, 2.0]], dtype=torch.float64), torch.tensor([0.0, 2.0, 2.5], dtype=torch.float64)
    for op, f in comparisons.items():
        cases.add(op, [a, b], [f(a, b)])


@group("torch", "transformers")
def rows(cases):
    """Reductions, norms, losses, products, and what picks elements."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    x = draw(2, 2, 3)
    for op, f in {"sum": torch.sum, "mean": torch.mean, "logsumexp": torch.logsumexp, "max": torch.amax, "min": torch.amin}.items():
        for axes in [[-1], [0, 2], [0, 1, 2]]:
            cases.torch(op, lambda x: f(x, dim=axes), [x], axes=axes)
    for axes, correction in [([-1], 1.0), ([0, 1], 0.0)]:
        cases.torch("var", lambda x: x.var(dim=axes, correction=correction), [x], axes=axes, correction=correction)
    cases.torch("argmax", lambda x: x.argmax(dim=1), [x], axes=[1])
    cases.torch("argmin", lambda x: x.argmin(dim=-1), [x], axes=[-1])
    for axis in [0, -1]:
        cases.torch("softmax", lambda x: x.softmax(axis), [8 * x], second=True, axis=axis)
        cases.torch("log_softmax", lambda x: x.log_softmax(axis), [8 * x], second=True, axis=axis)
        cases.torch("cumsum", lambda x: x.cumsum(axis), [x], axis=axis)
    d = 19
    x, weight, bias = draw(3, d), draw(d), draw(d)
    cases.torch("layer_norm", lambda x, w, b: F.layer_norm(x, (d,), w, b, 1e-5), [x, weight, bias], second=True, eps=1e-5)
    cases.torch("rms_norm", lambda x, w: F.rms_norm(x, (d,), w, 1e-6), [x, weight], second=True, eps=1e-6)
    logits, targets = draw(2, 3, 7), torch.tensor([[0, 6, 2], [-100, 3, 3]])

    def cross_entropy(x, t):
        return F.cross_entropy(x.reshape(-1, 7), t.reshape(-1), ignore_index=-100)

    cases.torch("cross_entropy", cross_entropy, [logits, targets], second=True)
    cases.torch("cross_entropy", cross_entropy, [draw(5, 7, low=-80, high=80), torch.tensor([1, 0, 6, 6, -100])])

    t, d = 5, 8
    angles = torch.arange(t)[:, None] * 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)

    def rotary(x, cos, sin):
        return apply_rotary_pos_emb(x, x, torch.cat([cos, cos], -1)[None], torch.cat([sin, sin], -1)[None])[0]

    cases.torch("rotary", rotary, [draw(2, 3, t, d), angles.cos(), angles.sin()], constants=[1, 2])
    cases.torch("matmul", torch.matmul, [draw(2, 3, 4), draw(4, 2)])
    cases.torch("matmul", torch.matmul, [draw(2, 1, 3, 4), draw(3, 4, 2)])
    cases.torch("matmul", torch.matmul, [draw(3, 4), draw(4)])
    cases.torch("linear", F.linear, [draw(2, 3, 5), draw(4, 5), draw(4)])
    ids = torch.tensor([[4, 0, 4], [2, 2, 4]])
    cases.torch("embedding", lambda table, ids: F.embedding(ids, table), [draw(5, 3), ids])
    cases.torch("gather", lambda x, ids: x.gather(1, ids), [draw(2, 5), ids])
    cases.torch("index_select", lambda x, ids: x.index_select(-1, ids), [draw(2, 5), ids[0]])
    cases.torch("scatter_add", lambda x, ids, y: x.scatter_add(1, ids, y), [draw(2, 5), ids, draw(2, 3)])
    cases.torch("cat", lambda a, b: torch.cat([a, b], 1), [draw(2, 3), draw(2, 1)], axis=1)
    cases.torch("stack", lambda a, b: torch.stack([a, b], 1), [draw(2, 3), draw(2, 3)], axis=1)
    cases.torch("pad", lambda x: F.pad(x, (1, 2), value=0.5), [draw(2, 3)], before=1, after=2, value=0.5)
    cases.torch("flip", lambda x: x.flip(1), [draw(2, 3)], axis=1)
    cases.torch("diagonal", lambda x: x.diagonal(dim1=0, dim2=2), [draw(3, 2, 3)], axes=[0, 2])
    cases.torch("permute", lambda x: x.permute(2, 0, 1), [draw(2, 3, 2)], order=[2, 0, 1])


@group("torch", "numpy")
def formats(cases):
    """Numbers rounded to shorter types, and an archive of NumPy's with the same numbers as tensors."""
    x = torch.cat([torch.randn(24) / 3, torch.tensor([1e-7, 6.1e-5, -65519.0, 3e38, 1.00390625, 1.01171875])])
    cases.add("cast", [x], [x.bfloat16(), x[:-3].half()])
    arrays = {
        "f64": draw(2, 3).numpy(),
        "f32 by columns": np.asfortranarray(draw(3, 4).numpy().astype(np.float32)),
        "f16 of rank 3": draw(2, 1, 3).numpy().astype(np.float16),
        "i64": np.array([[1, -2], [2**62, 0]]),
        "bool": np.array([True, False, True]),
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3)),
    }
    np.savez_compressed(HERE / "formats.npz", **arrays)
    for name, x in arrays.items():
        cases.add("read", [], [x], name=name, dtype=str(x.dtype))


@group("torch")
def attention(cases):
    """Attention with every option, with the logarithm of its denominators, and put together from two sets of keys."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    def mask_of(causal, mask, t, s):
        visible = torch.ones(t, s, dtype=torch.bool).tril(s - t) if causal else torch.ones(t, s, dtype=torch.bool)
        if mask is None:
            return visible
        if mask.dtype == torch.bool:
            return visible & mask
        return mask.masked_fill(~visible, -math.inf)

    def attend(causal=False, scale=None):
        def f(q, k, v, mask=None):
            mask = mask_of(causal, mask, q.shape[-2], k.shape[-2])
            with sdpa_kernel(SDPBackend.MATH):  # the one with second derivatives
                return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=True)

        return f

    def with_lse(q, k, v):
        scores = q @ k.repeat_interleave(q.shape[1] // k.shape[1], 1).mT / math.sqrt(q.shape[-1])
        return attend()(q, k, v), scores.logsumexp(-1)

    def qkv(b, h, g, t, s, d, e):
        return [draw(b, h, t, d), draw(b, g, s, d), draw(b, g, s, e)]

    plain = dict(causal=False, scale=None)
    cases.torch("attention", attend(), qkv(2, 2, 2, 3, 5, 2, 3), second=True, **plain)
    cases.torch("attention", attend(), qkv(1, 4, 2, 3, 5, 4, 3), **plain)
    cases.torch("attention", attend(True), qkv(1, 2, 1, 5, 5, 2, 2), second=True, causal=True, scale=None)
    cases.torch("attention", attend(True), qkv(1, 2, 1, 3, 7, 4, 4), causal=True, scale=None)
    cases.torch("attention", attend(False, 1.5), qkv(1, 1, 1, 4, 4, 2, 2), causal=False, scale=1.5)
    padding = torch.ones(2, 1, 1, 5, dtype=torch.bool)
    padding[1, ..., 3:] = False
    cases.torch("attention", attend(), [*qkv(2, 2, 2, 3, 5, 2, 3), padding], **plain)
    cases.torch("attention", attend(True), [*qkv(1, 2, 2, 4, 4, 3, 2), draw(1, 2, 4, 4)], second=True, causal=True, scale=None)
    cases.torch("attention", attend(), [*qkv(1, 4, 2, 3, 5, 4, 4), draw(3, 5)], **plain)
    # More than one tile of queries and keys, of a width that fills no register.
    cases.torch("attention", attend(True), qkv(1, 2, 1, 33, 67, 3, 1), causal=True, scale=None)
    cases.torch("attention", attend(), qkv(1, 1, 1, 1, 150, 3, 2), **plain)
    cases.torch("attention_with_lse", with_lse, qkv(1, 4, 2, 3, 5, 4, 4))
    q, k, v = qkv(1, 2, 1, 3, 9, 4, 4)
    whole = lambda q, k1, v1, k2, v2: attend()(q, torch.cat([k1, k2], -2), torch.cat([v1, v2], -2))
    cases.torch("merge", whole, [q, k[:, :, :4], v[:, :, :4], k[:, :, 4:], v[:, :, 4:]])


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
        add("singular_values", la.svdvals, [draw(*shape)])
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
    found = [fit.mean_, fit.components_, fit.singular_values_, fit.explained_variance_, fit.explained_variance_ratio_, fit.transform(x)]
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

    cases.torch("log_density", lambda m, x, z: normal(m, x).log_prob(z), [draw(3), draw(3, 3), draw(2, 2, 3)], second=True)
    cases.torch("entropy", lambda m, x: normal(m, x).entropy(), [draw(3), draw(3, 3)], constants=[0])
    cases.torch("divergence", divergence, [draw(3), draw(3, 3), draw(3), draw(3, 3)], second=True)
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


@group("scipy", "PyGLM", "numpy", "torch")
def transforms(cases):
    """Rotations, poses, cameras and projections; gradients where PyTorch has an exponential of matrices."""
    from scipy.spatial.transform import RigidTransform, Rotation, Slerp

    def turns(n):
        return Rotation.from_rotvec(draw(n, 3).numpy())

    a, b, points, vectors = turns(3), turns(3), draw(3, 3).numpy(), draw(3, 3).numpy()
    cases.add("quaternion_to_matrix", [a.as_quat()], [a.as_matrix()])
    cases.add("quaternion_from_matrix", [a.as_matrix()], [a.as_matrix()])
    cases.add("multiply", [a.as_quat(), b.as_quat()], [(a * b).as_matrix()])
    cases.add("inverse", [a.as_quat()], [a.inv().as_matrix()])
    cases.add("rotate", [a.as_quat(), points], [a.apply(points)])
    angles = draw(3)
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    cases.add("from_axis_angle", [vectors, angles], [Rotation.from_rotvec(unit * angles.numpy()[:, None]).as_matrix()])
    cases.add("from_rotation_vector", [vectors], [Rotation.from_rotvec(vectors).as_matrix()])
    cases.add("to_rotation_vector", [a.as_quat()], [a.as_rotvec()])
    for axes in ["xyz", "zyx", "yxz", "zxz", "xyx"]:
        cases.add("from_euler", [vectors], [Rotation.from_euler(axes, vectors).as_matrix()], axes=axes, extrinsic=True)
        cases.add("from_euler", [vectors], [Rotation.from_euler(axes.upper(), vectors).as_matrix()], axes=axes, extrinsic=False)
    times = np.array([0.0, 0.25, 0.625, 1.0])
    ends = Rotation.concatenate([a[0], b[0]])
    cases.add("slerp", [a[0].as_quat(), b[0].as_quat(), times], [Slerp([0, 1], ends)(times).as_matrix()])

    scales, pose = draw(3, 3, low=0.5).numpy(), np.zeros((3, 4, 4))
    pose[:, :3, :3], pose[:, :3, 3], pose[:, 3, 3] = a.as_matrix() * scales[:, None, :], points, 1
    inverse = np.linalg.inv(pose)
    cases.add("compose", [points, a.as_quat(), scales], [pose])
    cases.add("compose_inverse", [points, a.as_quat(), scales], [inverse])
    cases.add("decompose", [pose], [points, a.as_matrix(), scales])
    cases.add("affine_inverse", [pose], [inverse])
    cases.add("normal_matrix", [pose], [np.ascontiguousarray(inverse[:, :3, :3].swapaxes(1, 2))])
    rigid = RigidTransform.from_components(points, a)
    cases.add("rigid_inverse", [rigid.as_matrix()], [rigid.inv().as_matrix()])
    dual = rigid.as_dual_quat()
    cases.add("dual_quaternion", [a.as_quat(), points], [dual * np.sign((dual[:, :4] * a.as_quat()).sum(1, keepdims=True))])
    cases.add("from_dual_quaternion", [dual], [rigid.as_matrix()])

    def exponential(xi):
        rho, (x, y, z) = xi[:3], xi[3:]
        zero = torch.zeros_like(x)
        top = torch.stack([zero, -z, y, rho[0], z, zero, -x, rho[1], -y, x, zero, rho[2]]).reshape(3, 4)
        return torch.linalg.matrix_exp(torch.cat([top, torch.zeros(1, 4)]))

    turned = lambda v, p: exponential(torch.cat([torch.zeros(3), v]))[:3, :3] @ p
    cases.torch("se3_exp", exponential, [draw(6)], second=True)
    cases.torch("se3_exp", exponential, [torch.zeros(6, dtype=torch.float64)])
    cases.torch("rotated", turned, [draw(3), draw(3)], second=True)
    cameras(cases)


def cameras(cases):
    """GLM computes projections of Python's numbers in f32; the rest is f64."""
    from pyglm import glm

    def rows(m):
        """A matrix of GLM, which counts by columns."""
        return np.array([[m[j][i] for j in range(4)] for i in range(4)], dtype=np.float64)

    eye, target, up = draw(3), draw(3), draw(3)
    view = glm.lookAtRH(*(glm.dvec3(*x.tolist()) for x in [eye, target, up]))
    cases.add("look_at", [eye, target, up], [rows(view)])
    lens = [1.125, 1.5, 0.25, 40.0]
    clip = {
        "zero_one": glm.perspectiveRH_ZO(*lens),
        "minus_one_one": glm.perspectiveRH_NO(*lens),
    }
    for depth, m in clip.items():
        cases.add("perspective", [torch.tensor(x, dtype=torch.float64) for x in lens], [rows(m)], depth=depth, precision="f32")
    box = [-2.0, 3.0, -1.5, 1.0, 0.25, 40.0]
    for depth, f in {"zero_one": glm.orthoRH_ZO, "minus_one_one": glm.orthoRH_NO}.items():
        cases.add("orthographic", [torch.tensor(x, dtype=torch.float64) for x in box], [rows(f(*box))], depth=depth, precision="f32")
    m, point = glm.dmat4(clip["zero_one"]), glm.dvec3(0.5, -0.25, -3.0)
    width, height = 640.0, 400.0
    pixel = glm.projectZO(point, glm.dmat4(1), m, glm.dvec4(0, 0, width, height))
    pixel = [pixel.x, height - pixel.y, pixel.z]
    size = torch.tensor([width, height], dtype=torch.float64)
    cases.add("project", [rows(m), size, torch.tensor(list(point), dtype=torch.float64)], [torch.tensor(pixel, dtype=torch.float64)])


@group("torch")
def optimizers(cases):
    """Parameters after each of five steps, gradients shortened, and learning rates."""

    def steps(optimizer, start, gradients):
        p = start.clone().requires_grad_()
        optimizer, found = optimizer([p]), []
        for g in gradients:
            p.grad = g.clone()
            optimizer.step()
            found.append(p.detach().clone())
        return found

    start, gradients = draw(2, 3), [draw(2, 3) * 2.0**-k for k in range(5)]
    for options in [
        dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2),
        dict(lr=0.125, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.25),
        dict(lr=0.125, betas=(0.0, 0.5), eps=1e-8, weight_decay=0.0),
    ]:
        found = steps(lambda p: torch.optim.AdamW(p, **options), start, gradients)
        cases.add("adamw", [start, *gradients], found, **options)
    for options in [
        dict(lr=0.25, momentum=0.0, nesterov=False, weight_decay=0.0),
        dict(lr=0.25, momentum=0.875, nesterov=False, weight_decay=0.125),
        dict(lr=0.25, momentum=0.5, nesterov=True, weight_decay=0.125),
    ]:
        found = steps(lambda p: torch.optim.SGD(p, **options), start, gradients)
        cases.add("sgd", [start, *gradients], found, **options)
    # PyTorch divides by the length plus 1e-6, which is nothing beside these.
    gradients = [g * 2.0**30 for g in gradients]
    for limit in [0.5, 1e12]:
        parameters = [torch.zeros_like(g, requires_grad=True) for g in gradients]
        for p, g in zip(parameters, gradients):
            p.grad = g.clone()
        length = torch.nn.utils.clip_grad_norm_(parameters, limit)
        cases.add("clip", gradients, [length, *(p.grad for p in parameters)], limit=limit)
    for decay in ["constant", "linear", "cosine"]:
        cases.add("schedule", [], [rates(decay, 0.5, 0.125, 4, 12)], decay=decay, peak=0.5, floor=0.125, warmup=4, steps=12)


def rates(decay, peak, floor, warmup, steps):
    """Learning rates of PyTorch's schedulers, one after another."""
    from torch.optim import lr_scheduler as schedulers

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    rise = schedulers.LinearLR(optimizer, 1 / warmup, 1.0, warmup - 1)
    fall = {
        "constant": lambda: schedulers.ConstantLR(optimizer, 1.0),
        "linear": lambda: schedulers.LinearLR(optimizer, 1.0, floor / peak, steps - warmup),
        "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, steps - warmup, floor),
    }[decay]()
    schedule = schedulers.SequentialLR(optimizer, [rise, fall], [warmup])
    found = []
    for _ in range(steps + 1):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return torch.tensor(found, dtype=torch.float64)


if __name__ == "__main__":
    from language import language

    GROUPS["language"] = language
    for name in sys.argv[1:] or GROUPS:
        GROUPS[name]()
