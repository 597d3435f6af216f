"""NumPy, or opt_einsum over it, on the cases of one group of `monotile bench`: python numpy_cases.py numpy|opt_einsum GROUP

NumPy's linear algebra is OpenBLAS's; attention is written out, and left out where the scores would fill gigabytes.
"""

import argparse

import numpy as np

from equations import EQUATIONS, names
from timing import timed

PEER = "NumPy"
TYPES = dict(f32=np.float32, f64=np.float64)
numbers = np.random.default_rng(0)


def random(*shape, dtype=np.float32):
    return numbers.standard_normal(shape, dtype=dtype)


def gemm():
    for name, dtype in TYPES.items():
        for n in (64, 128, 256, 512, 1024, 2048):
            product(f"{name} {n}", random(n, n, dtype=dtype), random(n, n, dtype=dtype))
    for n in (1, 16):
        product(f"f32 4096x4096x{n}", random(4096, 4096), random(4096, n))
    for count, n in ((100_000, 4), (1000, 64)):
        product(f"f32 batched {count}x{n}", random(count, n, n), random(count, n, n))


def product(case, a, b):
    out = np.matmul(a, b)
    timed(case, PEER, lambda: np.matmul(a, b, out=out))


def attend(q, k, v, may_look=None):
    scores = q @ k.mT
    scores *= np.float32(q.shape[-1] ** -0.5)
    if may_look is not None:
        scores[..., ~may_look] = -np.inf
    scores -= scores.max(-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(-1, keepdims=True)
    return scores @ v


def attention():
    for length in (512, 1024):
        q, k, v = (random(1, 8, length, 64) for _ in range(3))
        past = np.tri(length, dtype=bool)
        timed(f"fwd T={length} causal=False", PEER, lambda: attend(q, k, v))
        timed(f"fwd T={length} causal=True", PEER, lambda: attend(q, k, v, past))
    for heads, dim, keys in ((8, 64, 4096), (32, 128, 4096)):
        q, k, v = random(1, heads, 1, dim), random(1, heads, keys, dim), random(1, heads, keys, dim)
        timed(f"decode H={heads} d={dim} kv={keys}", PEER, lambda: attend(q, k, v))


def einsum():
    for name, *shapes in EQUATIONS:
        operands, equation = [random(*shape) for shape in shapes], name.split()[0]
        # By default no intermediate may outgrow the largest operand, and then the longest equation never ends.
        optimize = True if len(shapes) < 8 else ("greedy", 10**9)
        for case in names(name):
            timed(case, PEER, lambda: np.einsum(equation, *operands, optimize=optimize))


def planned():
    """opt_einsum, planned beforehand."""
    import opt_einsum

    for name, *shapes in EQUATIONS:
        operands = [random(*shape) for shape in shapes]
        expression = opt_einsum.contract_expression(name.split()[0], *shapes)
        for case in names(name):
            timed(case, "opt_einsum", lambda: expression(*operands))


def matrices(*shape, dtype=np.float32):
    """A random matrix A, and A Aᵀ + n I; or a batch of them."""
    a = random(*shape, dtype=dtype)
    return a, a @ a.mT + shape[-1] * np.eye(shape[-1], dtype=dtype)


def factor():
    L = np.linalg
    for name, dtype in TYPES.items():
        for n in (64, 128, 256, 512, 1024, 2048):
            a, s = matrices(n, n, dtype=dtype)
            timed(f"cholesky {name} {n}", PEER, lambda: L.cholesky(s))
            timed(f"qr {name} {n}", PEER, lambda: L.qr(a))
            timed(f"solve {name} {n}", PEER, lambda: L.solve(s, a))
            if n <= 1024:
                timed(f"svd {name} {n}", PEER, lambda: L.svd(a, full_matrices=False))
                timed(f"svdvals {name} {n}", PEER, lambda: L.svdvals(a))
                timed(f"eigh {name} {n}", PEER, lambda: L.eigh(s))
    tall, b = random(100_000, 32), random(100_000, 1)
    timed("qr f32 100000x32", PEER, lambda: L.qr(tall))
    timed("svd f32 100000x32", PEER, lambda: L.svd(tall, full_matrices=False))
    timed("lstsq f32 100000x32", PEER, lambda: L.lstsq(tall, b))
    for n in (4, 8, 16, 32):
        a, s = matrices(10_000, n, n)
        timed(f"cholesky f32 10000x{n}", PEER, lambda: L.cholesky(s))
        timed(f"qr f32 10000x{n}", PEER, lambda: L.qr(a))
        timed(f"svd f32 10000x{n}", PEER, lambda: L.svd(a, full_matrices=False))
        timed(f"eigh f32 10000x{n}", PEER, lambda: L.eigh(s))
        timed(f"inv f32 10000x{n}", PEER, lambda: L.inv(s))


GROUPS = {
    "numpy": {"gemm": gemm, "attention": attention, "einsum": einsum, "factor": factor},
    "opt_einsum": {"einsum": planned},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=GROUPS)
    parser.add_argument("group")
    options = parser.parse_args()
    if options.group not in GROUPS[options.library]:
        parser.error(f"{options.library} is timed on {', '.join(GROUPS[options.library])}")
    GROUPS[options.library][options.group]()


if __name__ == "__main__":
    main()
