"""The cases of `monotile bench rowwise` in PyTorch, eager or compiled: what memory bounds."""

import torch
import torch.nn.functional as F

from timing import timed

SIDE = "4096x4096"
MAPS = {
    "exp": torch.exp,
    "ln": torch.log,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "gelu": F.gelu,
    "sin": torch.sin,
    "cos": torch.cos,
    "pow 2.5": lambda x: x.pow(2.5),
}
REDUCTIONS = {
    "sum": torch.sum,
    "mean": torch.mean,
    "var": torch.var,
    "max": torch.amax,
    "argmax": torch.argmax,
    "logsumexp": torch.logsumexp,
}
EINSUM = (
    ("ij,k->kji 128", (128, 128), (128,)),
    ("ij,k->ijk 128", (128, 128), (128,)),
    ("i,j->ij 4096", (4096,), (4096,)),
    ("ijk->kji 256", (256, 256, 256)),
    ("ijk->jik 256", (256, 256, 256)),
)


class Cases:
    """Times functions as they are or through the compiler, which makes one program a shape."""

    def __init__(self, compiled):
        self.compiled = compiled
        self.peer = "PyTorch compile" if compiled else "PyTorch"

    def wrap(self, f):
        if not self.compiled:
            return f
        torch.compiler.reset()
        return torch.compile(f, dynamic=False)

    def value(self, name, f, *args):
        f = self.wrap(f)

        def call():
            with torch.no_grad():
                f(*args)

        timed(name, self.peer, call)

    def gradient(self, name, f, inputs, cotangent=None):
        leaves, f = [x.clone().requires_grad_() for x in inputs], self.wrap(f)
        timed(name, self.peer, lambda: torch.autograd.grad(f(*leaves), leaves, cotangent))


def rms_norm(x, w):
    return F.rms_norm(x, (x.shape[-1],), w, 1e-5)


def layer_norm(x, w, b):
    return F.layer_norm(x, (x.shape[-1],), w, b, 1e-5)


def swiglu(x, y):
    return F.silu(x) * y


def softmax(x):
    return x.softmax(-1)


def rotary(q, cos, sin):
    a, b = q.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def run(compiled):
    cases = Cases(compiled)
    b, c = torch.randn(2, 32 << 20)
    out = torch.empty_like(b)
    cases.value("triad", lambda b, c: torch.add(b, c, alpha=2, out=out), b, c)
    del b, c, out
    for n, named in ((10_000_000, "1e7"), (100_000, "1e5")):
        x = torch.rand(n) * 7.9 + 0.1
        for name, f in MAPS.items():
            cases.value(f"{name} {named}", f, x)
    rows(cases)
    training(cases)
    reductions(cases)
    strides(cases)


def rows(cases):
    for shape in ((4096, 4096), (65536, 128)):
        x, named = torch.randn(shape), "x".join(map(str, shape))
        cases.value(f"softmax {named}", softmax, x)
        cases.value(f"log_softmax {named}", lambda x: x.log_softmax(-1), x)
    x, y, g = torch.randn(3, 4096, 4096)
    w, b = torch.randn(2, 4096)
    for name, f, inputs in (
        ("rms_norm", rms_norm, (x, w)),
        ("layer_norm", layer_norm, (x, w, b)),
        ("swiglu", swiglu, (x, y)),
    ):
        cases.value(f"{name} {SIDE}", f, *inputs)
        cases.gradient(f"{name} fwd+bwd {SIDE}", f, inputs, g)
    cases.gradient(f"softmax fwd+bwd {SIDE}", softmax, (x,), g)
    cases.gradient(f"gelu fwd+bwd {SIDE}", F.gelu, (x,), g)
    angles = torch.rand(2048, 64) * 3
    cases.value("rotary 2x16x2048x128", rotary, torch.randn(2, 16, 2048, 128), angles.cos(), angles.sin())


def training(cases):
    logits, targets = torch.randn(2048, 32000), torch.arange(2048) * 15 % 32000
    cases.value("cross_entropy 2048x32000", F.cross_entropy, logits, targets)
    cases.gradient("cross_entropy fwd+bwd 2048x32000", lambda x: F.cross_entropy(x, targets), (logits,))
    if not cases.compiled:
        p = torch.randn(10_000_000).requires_grad_()
        p.grad = torch.randn(10_000_000)
        timed("adamw 1e7", cases.peer, torch.optim.AdamW([p], fused=True).step)


def reductions(cases):
    v, x = torch.randn(10_000_000), torch.randn(4096, 4096)
    cases.value("sum 1e7", torch.sum, v)
    cases.value("max 1e7", torch.max, v)
    for axis, named in ((1, "rows"), (0, "columns")):
        for name, f in REDUCTIONS.items():
            cases.value(f"{name} of {named} {SIDE}", lambda x: f(x, dim=axis), x)


def strides(cases):
    x, y = torch.randn(2, 4096, 4096)
    w, b = torch.randn(2, 4096)
    m, r = x.mean(1, keepdim=True), x.var(1, keepdim=True, correction=0).add(1e-5).rsqrt()
    cases.value(f"(x - m) * r * w + b {SIDE}", lambda x, m, r, w, b: (x - m) * r * w + b, x, m, r, w, b)
    cases.value(f"formula (x - m) * r * w + b {SIDE}", lambda x, m, r, w, b: (x - m) * r * w + b, x, m, r, w, b)
    cases.value(f"x + y {SIDE}", torch.add, x, y)
    cases.value(f"transpose {SIDE}", lambda x: x.t().contiguous(), x)
    cases.value(f"transpose + y {SIDE}", lambda x, y: x.t() + y, x, y)
    cases.value("transpose 4000x3000", lambda x: x.t().contiguous(), torch.randn(4000, 3000))
    for name, *shapes in EINSUM:
        equation = name.split()[0]
        cases.value(name, lambda *x: torch.einsum(equation, *x).contiguous(), *map(torch.randn, shapes))
