"""The tables of compare.py."""

import collections
import statistics

NOISE = 0.03  # the share of the machine that others may use while a process is timed
ENOUGH = 2  # quiet rounds of a case, beside which noisy ones are left out
HEAD = ["case", "Monotile", "best peer", "", "ratio", "to PyTorch"]


def show(rows, groups, markdown):
    """Prints a table for each group that there are rows of."""
    for group in groups:
        cases = figures([row for row in rows if row["group"] == group])
        if cases:
            table(group, cases, markdown)


def figures(rows):
    """Each case's figure of each library, (value, whether others disturbed it); a refusal's words instead of the value."""
    cases = collections.defaultdict(lambda: collections.defaultdict(list))
    for row in rows:
        cases[row["case"]][row["peer"]].append(row)
    return {case: {who: figure(rounds) for who, rounds in libraries.items()} for case, libraries in cases.items()}


def figure(rounds):
    values = [(row.get("ms", row.get("extra")), row["others"] > NOISE) for row in rounds if "error" not in row]
    if not values:
        return rounds[-1]["error"], False
    quiet = [value for value, noisy in values if not noisy]
    if len(quiet) >= min(ENOUGH, len(values)):
        return min(quiet), False
    return min(value for value, _ in values), True


def rate(cases):
    """A row a case, and what else is to be said: how many cases others disturbed, and what was refused.

    A row has `case`, `monotile`, `peer`, `best`, `ratio` and `to_torch`, of which those are None that there are not.
    """
    rows, disturbed, refused = [], 0, []
    for case, libraries in cases.items():
        libraries = dict(libraries)
        mine = libraries.pop("Monotile", (None, False))
        refused += [f"{case}: {who}: {value}" for who, (value, _) in [("Monotile", mine), *libraries.items()] if isinstance(value, str)]
        theirs = {who: value for who, (value, _) in libraries.items() if not isinstance(value, str)}
        disturbed += mine[1] or any(noisy for _, noisy in libraries.values())
        row = dict.fromkeys(("case", "monotile", "peer", "best", "ratio", "to_torch")) | {"case": case}
        rows.append(row)
        if not isinstance(mine[0], (int, float)):
            continue
        row["monotile"] = mine = mine[0]
        if theirs:
            row["peer"] = min(theirs, key=theirs.get)
            row["best"] = theirs[row["peer"]]
            row["ratio"] = row["best"] / mine if mine else float("inf")
        if torch := [value for who, value in theirs.items() if who.startswith("PyTorch")]:
            row["to_torch"] = min(torch) / mine if mine else float("inf")
    return rows, disturbed, refused


def mean(ratios):
    """The geometric mean of ratios, how many there are, and how many are below 1; None of none."""
    ratios = [ratio for ratio in ratios if ratio is not None and 0 < ratio < float("inf")]
    return (statistics.geometric_mean(ratios), len(ratios), sum(ratio < 1 for ratio in ratios)) if ratios else None


def cells(group, row):
    """A row as the table shows it, without the name of its case."""
    text = lambda show, name: "" if row[name] is None else show(row[name])
    figure = lambda value: quantity(group, value)
    ratio = lambda value: f"{value:.2f}"
    return [text(figure, "monotile"), text(figure, "best"), row["peer"] or "", text(ratio, "ratio"), text(ratio, "to_torch")]


def table(group, cases, markdown):
    rows, disturbed, refused = rate(cases)
    lines = [[row["case"], *cells(group, row)] for row in rows]
    (print_markdown if markdown else print_plain)(group, HEAD, lines)
    notes = []
    for name, key in (("to the best peer", "ratio"), ("to PyTorch", "to_torch")):
        if found := mean([row[key] for row in rows]):
            notes.append("Geometric mean of the ratios {}: {:.2f} ({} cases, below 1 in {}).".format(name, *found))
    if disturbed:
        notes.append(f"In {disturbed} cases other processes used more than {100 * NOISE:.0f} % of the machine, and too few quiet rounds remained.")
    notes += [f"Refused: {words}" for words in refused]
    print("\n".join(notes) + "\n", flush=True)


def print_markdown(group, head, lines):
    print(f"## `monotile bench {group}`\n")
    print(f"| {' | '.join(head)} |\n| --- | ---: | ---: | --- | ---: | ---: |")
    for case, *cells in lines:
        print(f"| `{case}` | {' | '.join(cells)} |")
    print()


def print_plain(group, head, lines):
    print(group)
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    for line in [head, *lines]:
        cells = [f"{cell:{'<' if i in (0, 3) else '>'}{width}}" for i, (cell, width) in enumerate(zip(line, widths))]
        print("  " + "  ".join(cells).rstrip())
    print()


def quantity(group, value):
    """Bytes in `memory`, else milliseconds, to three figures."""
    if group == "memory":
        return f"{value / 1e6:,.1f} MB"
    value, unit = (value * 1e3, "µs") if value < 1 else (value, "ms")
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"
