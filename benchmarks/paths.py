"""Orders of contraction: Monotile beside opt_einsum and cotengra.

    pip install opt_einsum cotengra pytest        (its generator imports pytest)
    cargo build --release -p monotile-cli
    python benchmarks/paths.py [--monotile target/release/monotile] [--count 100] [--seconds 1] [--json rows.json]

Random equations of 4 to 30 operands come from opt_einsum's own generator. Every order is counted by one rule, here: a step takes the
product of the sizes of all its labels, twice if it sums over one. The table has the cost of each finder over the least cost that any
reached, and the time that it took (wall clock, a process start not counted).
"""

import argparse
import json
import math
import statistics
import subprocess
import time

import cotengra
import opt_einsum
from opt_einsum.testing import rand_equation


def cost(equation, shapes, path):
    inputs, output = equation.split("->")
    sizes = {label: n for term, shape in zip(inputs.split(","), shapes) for label, n in zip(term, shape)}
    volume = lambda labels: math.prod(sizes[label] for label in labels)
    # A label that one operand alone has is summed over before anything else, as every finder assumes.
    terms = [frozenset(term) for term in inputs.split(",")]
    total = 0
    for k, term in enumerate(terms):
        others = frozenset(output).union(*(t for j, t in enumerate(terms) if j != k))
        if term - others:
            total += volume(term)
            terms[k] = term & others
    for step in path:
        taken = [terms[i] for i in step]
        terms = [t for i, t in enumerate(terms) if i not in step]
        met = frozenset().union(*taken)
        kept = met & frozenset(output).union(*terms)
        total += volume(met) * (len(step) - 1 + (kept != met))
        terms.append(kept)
    assert len(terms) == 1
    return total


def monotile(binary, *options):
    def find(equation, shapes):
        text = ",".join("x".join(map(str, shape)) for shape in shapes)
        command = [binary, "einsum", equation, "--shapes", text, "--json", *options]
        plan = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return plan["path"], plan["planning_seconds"]

    return find


def timed(find):
    def found(equation, shapes):
        start = time.perf_counter()
        path = find(equation, shapes)
        return path, time.perf_counter() - start

    return found


def by_opt_einsum(optimize):
    return timed(lambda equation, shapes: opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=optimize)[0])


def by_cotengra(seconds):
    def find(equation, shapes):
        optimizer = cotengra.HyperOptimizer(
            methods=["greedy"], minimize="flops", max_time=seconds, max_repeats=1 << 20, reconf_opts={}, parallel=False, progbar=False
        )
        return opt_einsum.contract_path(equation, *shapes, shapes=True, optimize=optimizer)[0]

    return timed(find)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--monotile", default="target/release/monotile")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.0, help="what cotengra may take for each equation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--problems", help="a JSON list of {equation, shapes} instead of the generator's")
    parser.add_argument("--json", help="where to write the rows")
    given = parser.parse_args()

    finders = {
        "monotile auto": monotile(given.monotile),
        "monotile random-greedy 1 s": monotile(given.monotile, "--optimize", "random-greedy", "--time", "1"),
        "monotile greedy": monotile(given.monotile, "--optimize", "greedy"),
        "opt_einsum auto": by_opt_einsum("auto"),
        "opt_einsum auto-hq": by_opt_einsum("auto-hq"),
        f"cotengra {given.seconds:g} s": by_cotengra(given.seconds),
    }
    if given.problems:
        problems = [(p["equation"], p["shapes"]) for p in json.load(open(given.problems))]
    else:
        problems = []
        for i in range(given.count):
            operands = 4 + i * 26 // max(given.count - 1, 1)
            equation, shapes = rand_equation(operands, 2 + i % 3, n_out=i % 4, d_min=2, d_max=6, seed=given.seed + i, global_dim=i % 10 == 9)
            problems.append((equation, [[int(n) for n in shape] for shape in shapes]))

    rows = []
    for equation, shapes in problems:
        row = {"operands": len(shapes), "equation": equation, "shapes": shapes}
        for name, find in finders.items():
            path, seconds = find(equation, shapes)
            row[name] = {"cost": float(cost(equation, shapes, path)), "seconds": seconds}
        rows.append(row)
    if given.json:
        json.dump(rows, open(given.json, "w"))

    print("| operands | finder | problems | mean of cost / least | worst | median time | longest |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for low, high in ((1, 8), (9, 16), (17, 1 << 30)):
        some = [row for row in rows if low <= row["operands"] <= high]
        for name in finders if some else ():
            ratios = [row[name]["cost"] / min(row[other]["cost"] for other in finders) for row in some]
            seconds = [row[name]["seconds"] for row in some]
            mean = math.exp(statistics.mean(map(math.log, ratios)))
            median, longest = statistics.median(seconds) * 1e3, max(seconds) * 1e3
            span = f"{low}-{high}" if high < 1 << 30 else f"{low}-"
            print(f"| {span} | {name} | {len(some)} | {mean:.4f} | {max(ratios):.3f} | {median:.2f} ms | {longest:.0f} ms |")
    for name in finders:
        if name != "monotile auto":
            worse = sum(row["monotile auto"]["cost"] > row[name]["cost"] * (1 + 1e-9) for row in rows)
            less = sum(row["monotile auto"]["cost"] * (1 + 1e-9) < row[name]["cost"] for row in rows)
            ratio = math.exp(statistics.mean(math.log(row["monotile auto"]["cost"] / row[name]["cost"]) for row in rows))
            print(f"monotile auto against {name}: {less} cheaper, {worse} dearer, {ratio:.4f} of the cost on average")


if __name__ == "__main__":
    main()
