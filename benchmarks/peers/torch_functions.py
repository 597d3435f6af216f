"""The cases of `monotile bench functions` in PyTorch: sorts, scans, gathers, counts, distances, spectra without symmetry."""

import torch
import torch.nn.functional as F

from timing import timed

LONG, SERIES, SIDE = 10_000_000, 1_000_000, 4096


def value(name, f, *args):
    def call():
        with torch.no_grad():
            f(*args)

    timed(name, "PyTorch", call)


def gradient(name, f, *inputs):
    leaves = [x.clone().requires_grad_() for x in inputs]
    cotangent = torch.ones_like(f(*leaves))
    timed(name, "PyTorch", lambda: torch.autograd.grad(f(*leaves), leaves, cotangent))


def orders():
    v, rows = torch.randn(SERIES), torch.randn(1000, 10_000)
    value("sort 1e6", torch.sort, v)
    value("sort 1000x10000", torch.sort, rows)
    value("topk 10 of 1000x10000", lambda x: x.topk(10), rows)
    value("median 1000x10000", lambda x: x.median(1), rows)
    value("unique 1e6 of 1000", torch.unique, torch.randint(0, 1000, (SERIES,)))
    value("searchsorted 1e6 in 1e5", torch.searchsorted, torch.randn(100_000).sort()[0], v)


def scans():
    v, a = torch.randn(LONG), torch.randn(SIDE, SIDE)
    value("cumsum 1e7", lambda x: x.cumsum(0), v)
    value("cumsum of rows 4096x4096", lambda x: x.cumsum(1), a)
    value("cumsum of columns 4096x4096", lambda x: x.cumsum(0), a)
    value("cumprod of rows 4096x4096", lambda x: x.cumprod(1), a)
    value("cummax of rows 4096x4096", lambda x: x.cummax(1), a)
    value("logcumsumexp of rows 4096x4096", lambda x: x.logcumsumexp(1), a)


def picks():
    a, index = torch.randn(SIDE, SIDE), torch.randint(0, SIDE, (SIDE, SIDE))
    value("gather of rows 4096x4096", lambda x: x.gather(1, index), a)
    value("scatter_add to rows 4096x4096", lambda x: x.scatter_add(1, index, x), a)
    table, rows = torch.randn(50_000, 128), torch.randint(0, 50_000, (100_000,))
    value("index_select 1e5 of 50000x128", lambda x: x.index_select(0, rows), table)
    gradient("index_select fwd+bwd 1e5 of 50000x128", lambda x: x.index_select(0, rows), table)
    v = torch.randn(LONG)
    mask = v > 0
    value("masked_select 1e7", lambda x: x.masked_select(mask), v)
    value("nonzero 1e7", torch.nonzero, mask)
    value("tril 4096x4096", torch.tril, a)


def counts():
    value("histogram 1e7 in 100", lambda x: torch.histc(x, 100, -5.0, 5.0), torch.randn(LONG))
    value("bincount 1e7 in 1000", torch.bincount, torch.randint(0, 1000, (LONG,)))


def distances():
    for n, d in ((2000, 3), (2000, 64)):
        x, y = torch.randn(2, n, d)
        for p, name in ((2.0, ""), (1.0, " p=1")):
            value(f"cdist{name} {n}x{n}x{d}", lambda x, y: torch.cdist(x, y, p), x, y)
            gradient(f"cdist{name} fwd+bwd {n}x{n}x{d}", lambda x, y: torch.cdist(x, y, p), x, y)


def samples():
    picture, grid = torch.randn(4, 3, 512, 512), torch.rand(4, 512, 512, 2) * 2 - 1
    value("grid_sample 4x3x512x512", lambda x, g: F.grid_sample(x, g, align_corners=False), picture, grid)
    gradient("grid_sample fwd+bwd 4x3x512x512", lambda x, g: F.grid_sample(x, g, align_corners=False), picture, grid)


def run():
    orders()
    scans()
    picks()
    counts()
    distances()
    samples()
    for n in (64, 256):
        value(f"eig f64 {n}", torch.linalg.eig, torch.randn(n, n, dtype=torch.float64))
