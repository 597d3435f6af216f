"""PyTorch on the cases of one group of `monotile bench`: python torch_cases.py GROUP [--compile]

--compile passes functions through torch.compile; only rowwise and train have that variant.
"""

import argparse
import os

import torch
import torch.nn.functional as F
from torch.nn.functional import scaled_dot_product_attention as attend

import torch_functions
import torch_rowwise
import torch_train
from equations import EQUATIONS, names
from timing import held, timed

PEER = "PyTorch"
CONVERTING, HALF = "PyTorch converting to f32", "PyTorch all bf16"
TYPES = dict(f32=torch.float32, f64=torch.float64)


def time(case, call, peer=PEER):
    timed(case, peer, call)


def gemm():
    for name, dtype in TYPES.items():
        for n in (64, 128, 256, 512, 1024, 2048):
            a, b = torch.randn(2, n, n, dtype=dtype)
            out = torch.empty(n, n, dtype=dtype)
            time(f"{name} {n}", lambda: torch.mm(a, b, out=out))
    for n in (1, 16):
        a, b, out = torch.randn(4096, 4096), torch.randn(4096, n), torch.empty(4096, n)
        time(f"f32 4096x4096x{n}", lambda: torch.mm(a, b, out=out))
    for count, n in ((100_000, 4), (1000, 64)):
        a, b = torch.randn(2, count, n, n)
        out = torch.empty(count, n, n)
        time(f"f32 batched {count}x{n}", lambda: torch.bmm(a, b, out=out))
    n = 2048
    x, w = torch.randn(n, n), torch.randn(n, n).bfloat16()
    time(f"bf16 {n}", lambda: w @ w)
    # PyTorch multiplies no two types: what it takes to make them one is part of the case.
    time(f"bf16 weights f32 {n}", lambda: F.linear(x, w.float()), CONVERTING)
    time(f"bf16 weights f32 {n}", lambda: F.linear(x.bfloat16(), w), HALF)
    torch.set_num_threads(1)
    for n in (256, 1024):
        a, b = torch.randn(2, n, n)
        out = torch.empty(n, n)
        time(f"f32 {n} one thread", lambda: torch.mm(a, b, out=out))


def forward_and_backward(case, inputs, call):
    """Times a function of the inputs together with the gradient of its result for a random cotangent."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    cotangent = torch.randn_like(inputs[0])
    time(case, lambda: torch.autograd.grad(call(*leaves), leaves, cotangent))


def attention():
    for length in (512, 1024, 4096, 16384):
        q, k, v = torch.randn(3, 1, 8, length, 64)
        for causal in (False, True):
            case = f"T={length} causal={causal}"
            time(f"fwd {case}", lambda: attend(q, k, v, is_causal=causal))
            if length <= 4096:
                forward_and_backward(f"fwd+bwd {case}", (q, k, v), lambda *x: attend(*x, is_causal=causal))
        if length <= 4096:
            half = [x.bfloat16() for x in (q, k, v)]
            time(f"fwd bf16 T={length} causal=False", lambda: attend(*half))
    for heads, dim, keys in ((8, 64, 4096), (32, 128, 4096)):
        q, (k, v) = torch.randn(1, heads, 1, dim), torch.randn(2, 1, heads, keys, dim)
        time(f"decode H={heads} d={dim} kv={keys}", lambda: attend(q, k, v))


def attention_more():
    length = 1024
    q, k, v = torch.randn(3, 1, 8, length, 64)
    time("fwd", lambda: attend(q, k, v))
    bias = torch.randn(length, length)
    for name, mask in (("boolean", bias > -1), ("additive", bias)):
        time(f"fwd {name} mask", lambda: attend(q, k, v, attn_mask=mask))
        forward_and_backward(f"fwd+bwd {name} mask", (q, k, v), lambda *x: attend(*x, attn_mask=mask))
    for dim in (80, 96, 128, 256):
        wide = torch.randn(3, 1, 8, length, dim)
        time(f"fwd d={dim}", lambda: attend(*wide))
        forward_and_backward(f"fwd+bwd d={dim}", wide, attend)
    double = [x.double() for x in (q, k, v)]
    time("fwd f64", lambda: attend(*double))
    mixed("fwd bf16 keys and values", q, k, v)
    many = torch.randn(1, 32, length, 64)
    time("fwd 4 queries a key head", lambda: attend(many, k, v, enable_gqa=True))
    heads, dim, keys = 32, 128, 4096
    q, (k, v) = torch.randn(1, heads, 1, dim), torch.randn(2, 1, heads, keys, dim)
    mixed("decode bf16 keys and values", q, k, v)
    time("decode the last quarter", lambda: attend(q, k[:, :, -keys // 4 :], v[:, :, -keys // 4 :]))
    time("decode 4 queries a key head", lambda: attend(q, k[:, :8], v[:, :8], enable_gqa=True))


def mixed(case, q, k, v):
    """Queries of f32 and keys of bf16, which PyTorch does not mix: either is made the other, as part of the case."""
    k, v = k.bfloat16(), v.bfloat16()
    time(case, lambda: attend(q, k.float(), v.float()), CONVERTING)
    time(case, lambda: attend(q.bfloat16(), k, v).float(), HALF)


def memory():
    attend(*torch.randn(3, 1, 8, 256, 64))
    # Nothing is given back before the end: a later case would find it in the process, and seem to need less than it does.
    kept = []
    for length in (4096, 16384):
        q, k, v = torch.randn(3, 1, 8, length, 64)
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]

        def both():
            output = attend(*leaves)
            kept.extend((output, torch.autograd.grad(output.sum(), leaves)))

        held(f"fwd T={length}", PEER, lambda: kept.append(attend(q, k, v)))
        held(f"fwd+bwd T={length}", PEER, both)
        kept.append((q, k, v, leaves))


def einsum():
    for name, *shapes in EQUATIONS:
        operands = [torch.randn(shape) for shape in shapes]
        equation = name.split()[0]
        for case in names(name):
            time(case, lambda: torch.einsum(equation, *operands))


def matrices(*shape, dtype=torch.float32):
    """A random matrix A, and A Aᵀ + n I; or a batch of them."""
    a = torch.randn(*shape, dtype=dtype)
    return a, a @ a.mT + shape[-1] * torch.eye(shape[-1], dtype=dtype)


def factor():
    L = torch.linalg
    for name, dtype in TYPES.items():
        for n in (64, 128, 256, 512, 1024, 2048):
            a, s = matrices(n, n, dtype=dtype)
            lower = L.cholesky(s)
            time(f"cholesky {name} {n}", lambda: L.cholesky(s))
            time(f"qr {name} {n}", lambda: L.qr(a))
            time(f"solve {name} {n}", lambda: L.solve(s, a))
            time(f"triangular solve {name} {n}", lambda: L.solve_triangular(lower, a, upper=False))
            if n <= 1024:
                time(f"svd {name} {n}", lambda: L.svd(a, full_matrices=False))
                time(f"svdvals {name} {n}", lambda: L.svdvals(a))
                time(f"eigh {name} {n}", lambda: L.eigh(s))
    tall, b = torch.randn(100_000, 32), torch.randn(100_000, 1)
    time("qr f32 100000x32", lambda: L.qr(tall))
    time("svd f32 100000x32", lambda: L.svd(tall, full_matrices=False))
    time("lstsq f32 100000x32", lambda: L.lstsq(tall, b))
    for n in (4, 8, 16, 32):
        a, s = matrices(10_000, n, n)
        time(f"cholesky f32 10000x{n}", lambda: L.cholesky(s))
        time(f"qr f32 10000x{n}", lambda: L.qr(a))
        time(f"svd f32 10000x{n}", lambda: L.svd(a, full_matrices=False))
        time(f"eigh f32 10000x{n}", lambda: L.eigh(s))
        time(f"inv f32 10000x{n}", lambda: L.inv(s))
    a = torch.randn(4096, 4096)
    time("top 16 f32 4096 q=24 two passes", lambda: torch.svd_lowrank(a, q=24, niter=2))


def backward():
    L = torch.linalg
    for n in (128, 512):
        a, s = matrices(n, n)

        def case(name, x, loss):
            x = x.clone().requires_grad_()
            time(f"{name} f+b {n}", lambda: torch.autograd.grad(loss(x), x))

        def both(q, r):
            return q.sum() + r.sum()

        def polar(u, values, vt):
            return (u @ vt).sum() + values.sum()

        def squares(values, vectors):
            return vectors.square().sum() + values.sum()

        case("cholesky", s, lambda x: L.cholesky(x).sum())
        case("qr", a, lambda x: both(*L.qr(x)))
        case("svdvals", a, lambda x: L.svdvals(x).sum())
        case("svd", a, lambda x: polar(*L.svd(x, full_matrices=False)))
        case("eigh", s, lambda x: squares(*L.eigh(x)))


def graphics():
    m = torch.randn(4, 4)
    for n in (1_000_000, 10_000_000):
        v, out = torch.randn(n, 4), torch.empty(n, 4)
        time(f"transform {n} vec4", lambda: torch.mm(v, m, out=out))


GROUPS = {
    "gemm": gemm,
    "attention": attention,
    "attention-more": attention_more,
    "memory": memory,
    "einsum": einsum,
    "factor": factor,
    "backward": backward,
    "graphics": graphics,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", choices=(*GROUPS, "rowwise", "functions", "train"))
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("MONOTILE_THREADS", os.cpu_count())))
    torch.manual_seed(0)
    if options.group == "rowwise":
        torch_rowwise.run(options.compile)
    elif options.group == "functions":
        torch_functions.run()
    elif options.group == "train":
        torch_train.run(options.compile)
    elif options.compile:
        parser.error(f"{options.group} has no compiled variant")
    else:
        GROUPS[options.group]()


if __name__ == "__main__":
    main()
