"""What a GPU reaches through WebGPU, beside PyTorch on the same card where that is installed.

    python benchmarks/gpu.py                            builds the example `measure` and runs it, then PyTorch
    python benchmarks/gpu.py --measure target/release/examples/measure --minutes 8 --out gpu.jsonl
    python benchmarks/gpu.py --small                    sizes for an adapter of software, to try the script
    python benchmarks/gpu.py --table gpu.jsonl          the table of a run that is over, or was ended early

No network is needed, and nothing is installed. Every figure is written to --out as soon as it is known. The adapter, its tiles for
cooperative matrices and the limits come first. Monotile gets two thirds of the time, PyTorch the rest. A ratio above 1 means that
Monotile is faster. Products of f32 are those of PyTorch without TF32, its default; sums of bf16 are in f32 in both.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
MARKS = {"product f32 4096": (33.0, "tflops"), "product bf16 4096": (100.0, "tflops")}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", type=pathlib.Path, help="the built example; without it, cargo builds it")
    parser.add_argument("--adapter", help="a part of the adapter's name")
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/gpu.jsonl"))
    parser.add_argument("--only", default="", help="cases with this word in their names")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--table", type=pathlib.Path, help="print the table of this file, and measure nothing")
    return parser.parse_args()


def monotile(given, seconds, keep):
    if given.measure is None:
        subprocess.run(["cargo", "build", "--release", "-p", "monotile-gpu", "--example", "measure"], cwd=ROOT, check=True)
        found = json.loads(
            subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps"], cwd=ROOT, check=True, capture_output=True).stdout
        )
        given.measure = pathlib.Path(found["target_directory"]) / "release/examples/measure"
    command = [str(given.measure), "--seconds", str(seconds), "--only", given.only]
    command += ["--small"] * given.small + (["--adapter", given.adapter] if given.adapter else [])
    # A case that began in time may end after it; beyond this the device hangs.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout:
                keep("monotile", json.loads(line))
                if time.monotonic() > given.end:
                    raise TimeoutError
        except TimeoutError:
            process.kill()
        if process.wait() not in (0, -9):
            keep("monotile", {"error": f"measure ended with status {process.returncode}"})


def torch_cases(small):
    """The cases that PyTorch has, by name: what to call, and how often at most."""
    import torch
    import torch.nn.functional as F

    cuda = torch.device("cuda")
    types = {"f32": torch.float32, "bf16": torch.bfloat16}
    draw = lambda *sizes, dtype="f32": torch.rand(*sizes, device=cuda, dtype=torch.float32).sub_(0.5).to(types[dtype])

    def products():
        for name in types:
            for n in (128, 256) if small else (512, 1024, 2048, 4096, 8192):
                a, b = draw(n, n, dtype=name), draw(n, n, dtype=name)
                yield f"product {name} {n}", lambda: a @ b
        batch = 500 if small else 10_000
        a, b = draw(batch, 16, 16), draw(batch, 16, 16)
        yield f"product f32 batched {batch}x16", lambda: a @ b
        n = 1024 if small else 8192
        for name in types:
            row, weights = draw(1, n, dtype=name), draw(n, n, dtype=name)
            yield f"product a row by {name} weights {n}", lambda: F.linear(row, weights)

    def attentions():
        heads = 2 if small else 16
        for name in types:
            for t in (128,) if small else (1024, 2048, 4096, 8192, 16384):
                for causal in (False, True):
                    q, k, v = (draw(1, heads, t, 64, dtype=name).requires_grad_() for _ in range(3))
                    case = f"{name} T={t}{' causal' if causal else ''}"
                    attend = lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal)
                    with torch.no_grad():
                        yield f"attention fwd {case}", attend
                    out, cotangent = attend(), draw(1, heads, t, 64, dtype=name)
                    yield f"attention bwd {case}", lambda: torch.autograd.grad(out, (q, k, v), cotangent, retain_graph=True)

    def decoding():
        heads, groups = (4, 1) if small else (32, 8)
        for name in types:
            for keys in (512,) if small else (1024, 8192, 65536):
                q = draw(1, heads, 1, 128, dtype=name)
                k, v = (draw(1, groups, keys, 128, dtype=name) for _ in range(2))
                yield f"decode {name} keys={keys}", lambda: F.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    def rows():
        m, n = (256, 1024) if small else (8192, 8192)
        x, w, classes = draw(m, n), draw(n), torch.zeros(m, dtype=torch.int64, device=cuda)
        yield f"rows gelu {m}x{n}", lambda: F.gelu(x)
        yield f"rows sum {m}x{n}", lambda: x.sum(1)
        yield f"rows softmax {m}x{n}", lambda: x.softmax(1)
        yield f"rows rms_norm {m}x{n}", lambda: F.rms_norm(x, (n,), w, 1e-5)
        yield f"rows cross_entropy {m}x{n}", lambda: F.cross_entropy(x, classes, reduction="none")

    def factors():
        count = 100 if small else 10_000
        methods = {
            "cholesky": torch.linalg.cholesky,
            "lu": torch.linalg.lu_factor,
            "qr": torch.linalg.qr,
            "eigh": torch.linalg.eigh,
            "svd": lambda a: torch.linalg.svd(a, full_matrices=False),
        }
        for name, method in methods.items():
            for n in (4, 8, 16, 32):
                x = draw(count, n, n)
                a = x @ x.mT + torch.eye(n, device=cuda)
                yield f"factor {name} {count}x{n}", lambda: method(a)

    def orders():
        for m, n in ((1, 10_000), (100, 100)) if small else ((1, 1 << 24), (16_384, 1024)):
            x = draw(m, n)
            yield f"order argsort {m}x{n}", lambda: torch.argsort(x, stable=True)
        n = 10_000 if small else 1 << 24
        x = draw(n)
        yield f"order unique {n}", lambda: torch.unique(x, return_inverse=True, return_counts=True)
        n, d = (100, 8) if small else (8192, 64)
        x, y = draw(n, d), draw(n, d)
        yield f"order cdist {n}x{n}x{d}", lambda: torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")

    def pictures():
        batch, channels, side = (1, 4, 32) if small else (8, 64, 256)
        name = f"picture grid_sample {batch}x{channels}x{side}"
        x = draw(batch, channels, side, side).requires_grad_()
        grid = draw(batch, side, side, 2).requires_grad_()
        g = draw(batch, channels, side, side)
        sample = lambda: F.grid_sample(x, grid, align_corners=False)
        with torch.no_grad():
            yield name, sample
        yield f"{name} with gradients", lambda: torch.autograd.grad(sample(), (x, grid), g)

    for group in (products, attentions, decoding, factors, rows, orders, pictures):
        yield from group()


def torch_peer(given, keep):
    try:
        import torch
    except ImportError:
        return keep("torch", {"error": "PyTorch is not installed"})
    if not torch.cuda.is_available():
        return keep("torch", {"error": "PyTorch sees no CUDA device"})
    keep("torch", {"adapter": torch.cuda.get_device_name(), "version": torch.__version__})

    def mean(call, calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) / calls

    for case, call in torch_cases(given.small):
        if given.only not in case:
            continue
        if time.monotonic() > given.end:
            keep("torch", {"error": "the time is over"})
            break
        try:
            mean(call, 1)
            once = mean(call, 1)
            calls = int(min(max(0.1 / max(once, 1e-9), 1), 2000))
            keep("torch", {"case": case, "ms": 1e3 * min(once, *(mean(call, calls) for _ in range(3)))})
        except Exception as error:  # One case that does not fit leaves the others.
            keep("torch", {"case": case, "error": f"{type(error).__name__}: {error}".splitlines()[0][:200]})


def table(rows):
    """One line a case: time, rate, PyTorch's time, the ratio."""
    for peer in ("monotile", "torch"):
        for row in (row for row in rows if row["peer"] == peer and "case" not in row):
            print(f"{peer}: " + ", ".join(f"{key} {value}" for key, value in row.items() if key != "peer"))
    theirs = {row["case"]: row["ms"] for row in rows if row["peer"] == "torch" and "ms" in row}
    ratios = []
    print(f"\n{'case':44} {'ms':>10} {'rate':>16} {'PyTorch ms':>11} {'ratio':>6}")
    for row in (row for row in rows if row["peer"] == "monotile" and "case" in row):
        case = f"{row['group']} {row['case']}"
        if "ms" not in row:
            print(f"{case:44} left out: {row['left_out']}")
            continue
        units = {"tflops": "TFLOP/s", "gb_s": "GB/s", "us_each": "µs each"}
        rate = next((f"{row[key]:.3g} {unit}" for key, unit in units.items() if key in row), "")
        other = theirs.get(case)
        ratio = f"{other / row['ms']:6.2f}" if other else ""
        ratios += [other / row["ms"]] if other else []
        mark = MARKS.get(case)
        beside = f"   mark {mark[0]:g}: {'reached' if row[mark[1]] >= mark[0] else 'missed'}" if mark else ""
        print(f"{case:44} {row['ms']:10.4f} {rate:>16} {f'{other:11.4f}' if other else '':>11} {ratio:>6}{beside}")
    if ratios:
        product = 1.0
        for ratio in ratios:
            product *= ratio ** (1 / len(ratios))
        print(f"\ngeometric mean of {len(ratios)} ratios: {product:.2f}")


def main():
    given = arguments()
    if given.table:
        return table([json.loads(line) for line in given.table.read_text().splitlines()])
    given.end = time.monotonic() + 60 * given.minutes
    given.out.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with given.out.open("w") as file:

        def keep(peer, row):
            rows.append({"peer": peer, **row})
            file.write(json.dumps(rows[-1]) + "\n")
            file.flush()
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)

        monotile(given, 40 * given.minutes, keep)
        torch_peer(given, keep)
    table(rows)


if __name__ == "__main__":
    main()
