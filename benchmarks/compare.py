"""Monotile beside PyTorch, NumPy, opt_einsum, faer, nalgebra and glam, on the cases of `monotile bench`.

    python benchmarks/compare.py                                   every group, every peer, three rounds
    python benchmarks/compare.py gemm factor --peers torch,faer    two groups, two peers
    python benchmarks/compare.py rowwise --rounds 5 --markdown     the table as Markdown
    python benchmarks/compare.py --table target/compare.jsonl      the table of a run that is over, or was ended early

A round runs each group in Monotile and then in each peer, every one alone in its own process and with the same number of threads. The
figure of a case is the least over the rounds of the median of several timings; in `memory`, the least of the bytes held. A ratio above 1
means that Monotile is faster, or holds less.

While a process runs, what all others take of the processors is counted. Where that is more than 3 % a warning says so; such rounds are left
out where two or more quiet ones remain. benchmarks/README.md says how the peers are installed; a peer that is not is left out.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

from tables import NOISE, show

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
GROUPS = ("gemm", "attention", "attention-more", "memory", "einsum", "factor", "backward", "rowwise", "functions", "graphics", "train")
TORCH, NUMPY = str(HERE / "peers/torch_cases.py"), str(HERE / "peers/numpy_cases.py")
RUST = HERE / "rust-peers/target/release/rust-peers"
BUILD = 'cd benchmarks/rust-peers && RUSTFLAGS="-C target-cpu=native" cargo build --release'

# The modules that a peer in Python needs; those in Rust need the built binary.
NEEDS = {"torch": ("torch",), "torch-compile": ("torch",), "numpy": ("numpy",), "opt_einsum": ("numpy", "opt_einsum")}
PEERS = {
    "torch": GROUPS,
    "torch-compile": ("rowwise", "train"),
    "numpy": ("gemm", "attention", "einsum", "factor"),
    "opt_einsum": ("einsum",),
    "faer": ("gemm", "factor"),
    "nalgebra": ("gemm", "factor"),
    "glam": ("graphics",),
}

# glibc by default hands large memory back to the system after every call and has it zeroed again for the next. Told to keep it, peers run
# as they would with an allocator made for the purpose; without, most of their memory-bound cases would take several times as long.
KEEP = dict(MALLOC_MMAP_MAX_="0", MALLOC_TRIM_THRESHOLD_="100000000000", MALLOC_TOP_PAD_="100000000")
# Compiling in the process itself keeps the compiler's time out of what others are said to have used.
COMPILE_HERE = dict(TORCHINDUCTOR_COMPILE_THREADS="1")
THREADS = ("MONOTILE_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def say(text):
    print(text, file=sys.stderr, flush=True)


def command(who, group, monotile):
    if who == "monotile":
        return [monotile, "bench", group, "--json"]
    if who in ("faer", "nalgebra", "glam"):
        return [str(RUST), who, group]
    if who in ("numpy", "opt_einsum"):
        return [sys.executable, NUMPY, who, group]
    return [sys.executable, TORCH, group] + ["--compile"] * (who == "torch-compile")


def missing(peer):
    """Why a peer cannot run, or None. Another process imports its modules: this one is to stay small and idle."""
    if peer not in NEEDS:
        return None if RUST.exists() else f"{RUST.relative_to(ROOT)} is not built: {BUILD}"
    modules = NEEDS[peer]
    tried = subprocess.run([sys.executable, "-c", f"import {', '.join(modules)}"], stderr=subprocess.PIPE, text=True)
    return None if tried.returncode == 0 else (tried.stderr.splitlines() or ["its import failed"])[-1]


def busy():
    """Seconds that all processors together have worked since the machine started, those stolen by its host included; 0 if unknown."""
    try:
        with open("/proc/stat") as file:
            user, nice, system, _idle, _wait, hard, soft, stolen = map(int, file.readline().split()[1:9])
    except OSError:
        return 0.0
    return (user + nice + system + hard + soft + stolen) / os.sysconf("SC_CLK_TCK")


def measure(arguments, environment, keep):
    """Runs a process, hands each row to `keep`; returns what else used of the machine, as a share, the seconds, and its exit status."""
    before, start = busy(), time.perf_counter()
    child = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
    rows = [json.loads(line) for line in child.stdout if line.startswith("{")]
    _, status, own = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    others = max(0.0, busy() - before - own.ru_utime - own.ru_stime) / (wall * os.cpu_count())
    for row in rows:
        keep(row, others)
    return len(rows), others, wall, child.returncode


def compare(options, peers, out):
    """Runs the rounds, appends each process's rows to the file as soon as it ends, and returns all rows."""
    rows = []
    threads = {name: str(options.threads) for name in THREADS}
    for round_ in range(1, options.rounds + 1):
        for group in options.groups:
            for who in ("monotile", *(peer for peer in peers if group in PEERS[peer])):
                # What is held at a peak is counted as the allocator leaves it.
                environment = os.environ | threads | COMPILE_HERE | (KEEP if group != "memory" else {})

                def keep(row, others):
                    label = row.get("peer", "Monotile")
                    rows.append({**row, "group": group, "peer": label, "round": round_, "others": round(others, 4)})
                    out.write(json.dumps(rows[-1]) + "\n")

                count, others, wall, status = measure(command(who, group, options.monotile), environment, keep)
                out.flush()
                line = f"round {round_}/{options.rounds}  {group:14}  {who:13}  {count:3} cases  {wall:6.1f} s"
                if status:
                    line += f"  failed with status {status}"
                if others > NOISE:
                    line += f"  warning: other processes used {100 * others:.0f} % of the machine"
                say(line)
    return rows


def listed(text):
    return [word for word in text.split(",") if word]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"which groups (default: all): {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, default=3, help="how many rounds (default: 3)")
    parser.add_argument("--peers", type=listed, default=list(PEERS), help=f"which peers (default: all): {','.join(PEERS)}")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of every library (default: one a core)")
    parser.add_argument("--monotile", default=str(ROOT / "target/release/monotile"), help="the binary (default: target/release/monotile)")
    parser.add_argument(
        "--out", type=pathlib.Path, default=ROOT / "target/compare.jsonl", help="where rows are appended (default: target/compare.jsonl)"
    )
    parser.add_argument("--markdown", action="store_true", help="print the tables as Markdown")
    parser.add_argument("--table", type=pathlib.Path, metavar="FILE", help="run nothing: print the tables of the rows in FILE")
    options = parser.parse_args()
    for group in options.groups:
        if group not in GROUPS:
            parser.error(f"there is no group {group}; the groups are {', '.join(GROUPS)}")
    for peer in options.peers:
        if peer not in PEERS:
            parser.error(f"there is no peer {peer}; the peers are {', '.join(PEERS)}")
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    if options.table is None and not pathlib.Path(options.monotile).exists():
        parser.error(f"{options.monotile} is not there: cargo build --release -p monotile-cli")
    return options


def read(path):
    """The rows of a file; a last line that was cut off is left out."""
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            say(f"{path}: left out a line that is not whole: {line[:60]}")
    return rows


def main():
    options = parse()
    if options.table:
        rows = read(options.table)
    else:
        options.groups = options.groups or GROUPS
        wanted = [peer for peer in options.peers if any(group in PEERS[peer] for group in options.groups)]
        refusals = {peer: missing(peer) for peer in wanted}
        for peer, why in refusals.items():
            if why:
                say(f"{peer} is left out: {why}")
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with open(options.out, "a") as out:
            rows = compare(options, [peer for peer in wanted if not refusals[peer]], out)
    show(rows, options.groups or GROUPS, options.markdown)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        say("ended early; --table prints what was measured so far")
        sys.exit(130)
