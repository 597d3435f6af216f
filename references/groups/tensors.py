"""Contractions, functions of numbers, rows, attention, types and archives."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from .cases import HERE, draw, group


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
    a = torch.tensor([[1.0, 2.0, 3.0], [-0.0, 2.5, 2.0]], dtype=torch.float64)
    b = torch.tensor([0.0, 2.0, 2.5], dtype=torch.float64)
    for op, f in comparisons.items():
        cases.add(op, [a, b], [f(a, b)])


@group("torch")
def losses(cases):
    """Losses of classes and of probabilities, weighted, smoothed and reduced."""
    logits, targets, weight = draw(6, 5, low=-4, high=4), torch.tensor([0, 4, -100, 2, 2, 1]), draw(5, low=0.5, high=2)
    soft = torch.rand(6, 5, dtype=torch.float64).half().double()
    for reduction in ["mean", "sum", "none"]:
        for smoothing in [0.0, 0.25]:
            options = dict(reduction=reduction, label_smoothing=smoothing)

            def plain(x, t):
                return F.cross_entropy(x, t, **options)

            def weighted(x, t, w):
                return F.cross_entropy(x, t, w, **options)

            cases.torch("cross_entropy", plain, [logits, targets], second=True, **options)
            cases.torch("weighted_cross_entropy", weighted, [logits, targets, weight], constants=[2], second=True, **options)
            cases.torch("soft_cross_entropy", plain, [logits, soft], second=True, **options)
            cases.torch("weighted_soft_cross_entropy", weighted, [logits, soft, weight], constants=[2], second=True, **options)

        def nll(x, t, w):
            return F.nll_loss(x, t, w, reduction=reduction)

        cases.torch("nll_loss", nll, [logits, targets, weight], constants=[2], reduction=reduction)

        def bce(x, t):
            return F.binary_cross_entropy(x, t, reduction=reduction)

        probabilities = (0.25 + 0.5 * torch.rand(6, 5, dtype=torch.float64)).half().double()
        cases.torch("bce", bce, [probabilities, soft], constants=[1], reduction=reduction)


@group("torch", "transformers")
def rows(cases):
    """Reductions, norms, losses, products, and what picks elements."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    x = draw(2, 2, 3)
    reductions = {"sum": torch.sum, "mean": torch.mean, "logsumexp": torch.logsumexp, "max": torch.amax, "min": torch.amin}
    for op, f in reductions.items():
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
    x = draw(3, 4)
    for axis in [0, -1]:
        cases.torch("prod", lambda x: x.prod(axis), [x], second=True, axes=[axis])
        cases.torch("std", lambda x: x.std(axis), [x], second=True, axes=[axis], correction=1.0)
        cases.torch("cumprod", lambda x: x.cumprod(axis), [x], second=True, axis=axis)
        cases.torch("logcumsumexp", lambda x: x.logcumsumexp(axis), [x], second=True, axis=axis)
        cases.torch("cummax", lambda x: x.cummax(axis)[0], [x], axis=axis)
        cases.torch("cummin", lambda x: x.cummin(axis)[0], [x], axis=axis)
    cases.torch("cumprod", lambda x: x.cumprod(0), [torch.tensor([2.0, 0.0, 3.0, 0.0, 5.0], dtype=torch.float64)], axis=0)
    for offset in [-1, 0, 2]:
        cases.torch("tril", lambda x: x.tril(offset), [x], offset=offset)
        cases.torch("triu", lambda x: x.triu(offset), [x], offset=offset)
        cases.torch("diagonal_offset", lambda x: x.diagonal(offset), [x], offset=offset)
        cases.torch("diag", lambda x: torch.diag_embed(x, offset), [x], offset=offset)


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
