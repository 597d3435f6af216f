#!/usr/bin/env python3
"""The polynomials of crates/kernels/src/math/format.rs, by Remez' exchange in 60 digits. Needs mpmath.

    python scripts/coefficients.py            prints the best coefficients of each degree, and their largest error
    python scripts/coefficients.py --check    compares the source's polynomials with them; status 1 where one is worse than stated

The error of a polynomial p of f is weighted: w (p - f) is the relative error of the function's result. In `UNWEIGHTED` w is 1.
Both sides are rounded as the loop has them. `--check` refuses an error above 1.1 times that of the best of the same degree.
`TRADES` lists what the source has for other reasons, and the factor that each may have.
"""

import re
import struct
import sys
from pathlib import Path

from mpmath import atanh, cos, erf, erfc, exp, log, lu_solve, matrix, mp, mpf, pi, sin, sqrt, tanh

mp.dps = 60
SOURCE = Path(__file__).parent.parent / "crates/kernels/src/math/format.rs"
SMALL = mpf(10) ** -16


def one(_):
    return mpf(1)


def root(z):
    return sqrt(abs(z))


# Name: f, the weight, and the interval from a format's (NORMAL_TAIL, NORMAL_CENTRE). Odd functions are polynomials in z = x².
POLYNOMIALS = {
    "EXP_TAIL": (lambda r: (exp(r) - 1 - r) / r**2, lambda r: r**2 / exp(r), lambda _: (-log(2) / 2, log(2) / 2)),
    "ATANH_TAIL": (
        lambda z: (2 * atanh(root(z)) / root(z) - 2) / z,
        lambda z: z * root(z) / (2 * atanh(root(z))),
        lambda _: (mpf(0), ((sqrt(2) - 1) / (sqrt(2) + 1)) ** 2),
    ),
    "TANH_TAIL": (
        lambda z: (tanh(root(z)) / root(z) - 1) / z,
        lambda z: z * root(z) / tanh(root(z)),
        lambda _: (mpf(0), mpf("0.36")),
    ),
    "ERF_RATIO_LESS_ONE": (
        lambda z: erf(root(z)) / root(z) - 1,
        lambda z: root(z) / erf(root(z)),
        lambda _: (mpf(0), mpf(1)),
    ),
    "NORMAL_RATIO": None,
    "SIN_TAIL": (
        lambda z: (sin(root(z)) / root(z) - 1) / z,
        lambda z: z * root(z) / sin(root(z)),
        lambda _: (mpf(0), pi**2 / 16),
    ),
    "COS_TAIL": (
        lambda z: (cos(root(z)) - 1 + z / 2) / z**2,
        lambda z: z**2 / cos(root(z)),
        lambda _: (mpf(0), pi**2 / 16),
    ),
}

# Polynomials whose own largest error the source keeps least, and not that of the result: both are far below a rounding.
UNWEIGHTED = {("f32", "ERF_RATIO_LESS_ONE"), ("f32", "SIN_TAIL"), ("f32", "COS_TAIL"), ("f64", "SIN_TAIL"), ("f64", "COS_TAIL")}

# How many times the best error another polynomial of the source may have, and why.
TRADES = {
    ("f32", "EXP_TAIL"): (1.6, "the first coefficient is held at 1/2; 0.1 of half a unit in the last place"),
    ("f64", "ATANH_TAIL"): (1.5, "another weight; 0.02 of half a unit in the last place"),
}


def problem(name, tail, centre):
    """f, its weight and its interval."""
    if name != "NORMAL_RATIO":
        f, w, interval = POLYNOMIALS[name]
        low, high = interval(None)
        return away_from_zero(f), away_from_zero(w), low, high

    def ratio(u):
        w = u + mpf(1) / 2
        x = centre * w / (1 - w)
        return (x + centre) * exp(x * x / 2) * erfc(x / sqrt(2)) / 2

    return ratio, lambda u: 1 / ratio(u), -mpf(1) / 2, tail / (tail + centre) - mpf(1) / 2


def away_from_zero(f):
    """f, whose singularity at 0 is removable."""
    return lambda z: f(z if abs(z) > SMALL else SMALL)


def evaluate(c, x):
    y = mpf(0)
    for a in reversed(c):
        y = y * x + a
    return y


def samples(f, w, low, high, count):
    """x, f(x) and w(x) at Chebyshev points, which lie closer where errors swing faster."""
    xs = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / count) for i in range(count + 1)]
    return [(x, f(x), w(x)) for x in xs]


def largest(c, points):
    return max(abs(w * (evaluate(c, x) - f)) for x, f, w in points)


def remez(points, degree):
    """The coefficients whose largest weighted error over the points is least, and that error."""
    size = degree + 2
    last = len(points) - 1
    # Inside the interval, as a weight may be 0 at an end or in the middle.
    chosen = [round(last * (i + 0.53) / size) for i in range(size)]
    for _ in range(40):
        system, right = matrix(size, size), matrix(size, 1)
        for row, at in enumerate(chosen):
            x, f, w = points[at]
            for k in range(degree + 1):
                system[row, k] = w * x**k
            system[row, degree + 1] = (-1) ** row
            right[row] = w * f
        solved = list(lu_solve(system, right))
        c, level = solved[:-1], abs(solved[-1])
        errors = [w * (evaluate(c, x) - f) for x, f, w in points]
        if max(map(abs, errors)) <= level * mpf("1.0001"):
            break
        chosen = exchange(errors, size)
    return c, max(map(abs, errors))


def exchange(errors, size):
    """The places of the largest errors of alternating signs."""
    peaks = []
    for at, error in enumerate(errors):
        if peaks and (error > 0) == (errors[peaks[-1]] > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = at
        else:
            peaks.append(at)
    while len(peaks) > size:
        # The ends first; where one too many is left in the middle, two neighbours.
        if len(peaks) == size + 1 or abs(errors[peaks[0]]) < abs(errors[peaks[-1]]):
            del peaks[0 if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else -1]
        else:
            del peaks[-1]
    if len(peaks) < size:
        raise SystemExit(f"an error alternates {len(peaks)} times and not {size}: more points are needed")
    return peaks


def written(text):
    """Constants and polynomials that a format's block states."""
    tables = {
        name: [mpf(number.strip()) for number in body.split(",") if number.strip()]
        for name, body in re.findall(r"const (\w+): &\[f64\] =\s*&\[(.*?)\];", text, re.S)
    }
    numbers = dict(re.findall(r"const (NORMAL_TAIL|NORMAL_CENTRE): Self = ([\d.]+);", text))
    return tables, mpf(numbers["NORMAL_TAIL"]), mpf(numbers["NORMAL_CENTRE"])


def as_computed(c, single):
    """Coefficients as the loop has them."""
    if not single:
        return [mpf(float(a)) for a in c]
    return [mpf(struct.unpack("f", struct.pack("f", float(a)))[0]) for a in c]


def blocks():
    text = SOURCE.read_text()
    start, middle = text.index("impl Format for f32"), text.index("impl Format for f64")
    return {"f32": text[start:middle], "f64": text[middle : text.index("/// A number of the same bits")]}


def rust(name, c):
    rows = "".join(f"    {mp.nstr(a, 17)},\n" for a in c)
    return f"const {name}: &[f64] = &[\n{rows}];"


def main():
    check, failed = "--check" in sys.argv[1:], False
    for format, text in blocks().items():
        tables, tail, centre = written(text)
        missing = set(tables) ^ set(POLYNOMIALS)
        if missing:
            raise SystemExit(f"{format}: the source and this script differ in {sorted(missing)}")
        for name, source in tables.items():
            f, weight, low, high = problem(name, tail, centre)
            if (format, name) in UNWEIGHTED:
                weight = one
            points = samples(f, weight, low, high, 40 * len(source))
            best, least = remez(points, len(source) - 1)
            if not check:
                print(f"// {format}, largest error {mp.nstr(least, 3)}\n{rust(name, best)}\n")
                continue
            single = format == "f32"
            mine, rounded = largest(as_computed(source, single), points), largest(as_computed(best, single), points)
            factor, reason = TRADES.get((format, name), (1.1, ""))
            allowed = factor * max(least, rounded)
            failed |= mine > allowed
            told = f"{format} {name}: error {mp.nstr(mine, 3)}, best {mp.nstr(least, 3)}, best as rounded {mp.nstr(rounded, 3)}"
            print(f"{told}: {'ok' if mine <= allowed else 'WORSE'}{', ' + reason if reason else ''}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
