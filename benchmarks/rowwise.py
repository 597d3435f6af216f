"""Memory-bound kernels: Monotile beside PyTorch, eager and compiled.

    pip install torch
    cargo build --release -p monotile-cli
    python benchmarks/rowwise.py [--monotile target/release/monotile] [--rounds 3] [--compile] [--only softmax,"x + y"]

Each round runs `monotile bench rowwise --json` and the same cases in PyTorch, one after the other, every library alone in a process
with as many threads as Monotile uses (MONOTILE_THREADS, else one a core). The figure of a case is the least over the rounds of the
median of several timings; the table has the ratio to the better of PyTorch's. A ratio above 1 means that Monotile is faster.

PyTorch's results come from malloc, which by default hands large memory back to the system after every call and has it zeroed again
for the next. Here it is told to keep it, as Monotile's pool and a long-running PyTorch program with another allocator do; without,
most ratios would be several times as large.
"""

import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import time

KEEP = dict(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="100000000000", MALLOC_TOP_PAD_="100000000")
BUDGET = 0.4  # seconds that one case may take after its first call, as in `monotile bench`


def seconds(call):
    """The median seconds of a call, after one to warm up; short calls are timed many at once."""

    def once(calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) / calls

    once(1)
    first = max(once(1), 1e-9)
    if first > BUDGET:
        return first
    calls = max(1, int(2e-3 / first))
    runs = min(max(int(BUDGET / (first * calls)), 3), 9)
    return statistics.median(once(calls) for _ in range(runs))


def peer(compiled, only):
    """Times the cases in PyTorch and prints a JSON object a line."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(int(os.environ.get("MONOTILE_THREADS", os.cpu_count())))
    torch.manual_seed(0)
    wrap = (lambda f: torch.compile(f, dynamic=False)) if compiled else (lambda f: f)

    def row(name, call):
        if not only or any(word in name for word in only):
            print(json.dumps(dict(case=name, ms=1e3 * seconds(call))), flush=True)

    def case(name, f, *args):
        # The compiler gives up on a function whose code it has met too often.
        if compiled:
            torch.compiler.reset()
        g = wrap(f)

        def call():
            with torch.no_grad():
                g(*args)

        row(name, call)

    def gradient(name, f, inputs, cotangent=None):
        leaves, g = [x.clone().requires_grad_() for x in inputs], wrap(f)
        row(name, lambda: torch.autograd.grad(g(*leaves), leaves, cotangent))

    def rms_norm(x, w):
        if compiled:
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * w
        return F.rms_norm(x, (x.shape[-1],), w, 1e-5)

    def layer_norm(x, w, b):
        return F.layer_norm(x, (x.shape[-1],), w, b, 1e-5)

    def swiglu(x, y):
        return F.silu(x) * y

    def rotary(q, cos, sin):
        a, b = q.chunk(2, -1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

    functions = dict(exp=torch.exp, ln=torch.log, tanh=torch.tanh, sigmoid=torch.sigmoid, silu=F.silu, gelu=F.gelu)
    functions |= {"sin": torch.sin, "cos": torch.cos, "pow 2.5": lambda x: x.pow(2.5)}
    for n, named in ((10_000_000, "1e7"), (100_000, "1e5")):
        x = torch.rand(n) * 7.9 + 0.1
        for name, f in functions.items():
            case(f"{name} {named}", f, x)
    for shape in ((4096, 4096), (65536, 128)):
        x, named = torch.randn(shape), "x".join(map(str, shape))
        case(f"softmax {named}", lambda x: x.softmax(-1), x)
        case(f"log_softmax {named}", lambda x: x.log_softmax(-1), x)
    side = "4096x4096"
    x, y, g = torch.randn(3, 4096, 4096)
    w, b = torch.randn(2, 4096)
    case(f"rms_norm {side}", rms_norm, x, w)
    gradient(f"rms_norm fwd+bwd {side}", rms_norm, (x, w), g)
    case(f"layer_norm {side}", layer_norm, x, w, b)
    gradient(f"layer_norm fwd+bwd {side}", layer_norm, (x, w, b), g)
    gradient(f"softmax fwd+bwd {side}", lambda x: x.softmax(-1), (x,), g)
    gradient(f"gelu fwd+bwd {side}", F.gelu, (x,), g)
    case(f"swiglu {side}", swiglu, x, y)
    gradient(f"swiglu fwd+bwd {side}", swiglu, (x, y), g)
    angles = torch.rand(2048, 64) * 3
    case("rotary 2x16x2048x128", rotary, torch.randn(2, 16, 2048, 128), angles.cos(), angles.sin())
    logits, targets = torch.randn(2048, 32000), torch.arange(2048) * 15 % 32000
    case("cross_entropy 2048x32000", F.cross_entropy, logits, targets)
    gradient("cross_entropy fwd+bwd 2048x32000", lambda x: F.cross_entropy(x, targets), (logits,))
    del logits
    v = torch.randn(10_000_000)
    if not compiled:
        p = torch.randn(10_000_000).requires_grad_()
        p.grad = torch.randn(10_000_000)
        row("adamw 1e7", torch.optim.AdamW([p], fused=True).step)
    case("sum 1e7", torch.sum, v)
    case("max 1e7", torch.max, v)
    reductions = dict(sum=torch.sum, mean=torch.mean, var=torch.var, max=torch.amax, argmax=torch.argmax, logsumexp=torch.logsumexp)
    for axis, named in ((1, "rows"), (0, "columns")):
        for name, f in reductions.items():
            case(f"{name} of {named} {side}", lambda x, f=f, axis=axis: f(x, dim=axis), x)
    m, r = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0).add(1e-5).rsqrt()
    case(f"(x - m) * r * w + b {side}", lambda x, m, r, w, b: (x - m) * r * w + b, x, m, r, w, b)
    case(f"x + y {side}", torch.add, x, y)
    case(f"transpose {side}", lambda x: x.t().contiguous(), x)
    case(f"transpose + y {side}", lambda x, y: x.t() + y, x, y)
    case("transpose 4000x3000", lambda x: x.t().contiguous(), torch.randn(4000, 3000))
    p, q, cube = torch.randn(128, 128), torch.randn(128), torch.randn(256, 256, 256)
    for equation, name, operands in (
        ("ij,k->kji", "ij,k->kji 128", (p, q)),
        ("ij,k->ijk", "ij,k->ijk 128", (p, q)),
        ("i,j->ij", "i,j->ij 4096", (w, b)),
        ("ijk->kji", "ijk->kji 256", (cube,)),
        ("ijk->jik", "ijk->jik 256", (cube,)),
    ):
        case(name, lambda *x, equation=equation: torch.einsum(equation, *x).contiguous(), *operands)


def duration(ms):
    value, unit = (ms * 1e3, "µs") if ms < 0.9995 else (ms, "ms")
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:,.0f} {unit}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--monotile", default="target/release/monotile")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="also run PyTorch's compiled functions")
    parser.add_argument("--only", default="", help="only cases whose names have one of these words, in PyTorch")
    parser.add_argument("--peer", choices=("eager", "compiled"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    only = [word for word in options.only.split(",") if word]
    if options.peer:
        return peer(options.peer == "compiled", only)
    peers = ["eager"] + ["compiled"] * options.compile
    commands = dict(monotile=[options.monotile, "bench", "rowwise", "--json"])
    commands |= {p: [sys.executable, __file__, "--peer", p, "--only", options.only] for p in peers}
    least = collections.defaultdict(dict)
    for _ in range(options.rounds):
        for who, command in commands.items():
            lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **KEEP}).stdout
            for line in map(json.loads, lines.splitlines()):
                if "ms" in line:
                    case = least[line["case"]]
                    case[who] = min(case.get(who, line["ms"]), line["ms"])
    print("| case | Monotile | " + " | ".join(f"PyTorch {p}" for p in peers) + " | ratio |")
    print("| --- | ---: | " + "---: | " * len(peers) + "---: |")
    ratios = []
    for name, row in least.items():
        theirs = [row[p] for p in peers if p in row]
        if "monotile" in row and theirs:
            ratios.append(min(theirs) / row["monotile"])
            cells = [duration(row[who]) if who in row else "" for who in ["monotile", *peers]]
            print(f"| `{name}` | " + " | ".join(cells) + f" | {ratios[-1]:.2f} |")
    if ratios:
        print(f"\nGeometric mean of the ratios: {statistics.geometric_mean(ratios):.2f}.")


if __name__ == "__main__":
    main()
