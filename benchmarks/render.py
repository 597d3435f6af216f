"""Writes what results.json holds into the tables of BENCHMARKS.md, and draws the chart of README.md.

    python benchmarks/render.py                                           tables and docs/measured.svg anew
    python benchmarks/render.py --check                                   writes nothing: fails if a file is not what it would write
    python benchmarks/render.py --take target/compare.jsonl gemm factor   first takes these groups from a run of compare.py

A table stands between `<!-- table: NAME -->` and `<!-- end -->`. results.json holds figures as they are published: times in milliseconds and bytes, to
the figures that the table shows. Means were taken before figures were rounded, so they are kept, not computed here.
"""

import argparse
import datetime
import json
import pathlib
import re
import sys

import compare
from tables import HEAD, cells, figures, mean, rate

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs"))
from drawings import BLUE, INK, ORANGE, SOFT, Drawing  # noqa: E402

RESULTS, PAGE, CHART = ROOT / "benchmarks/results.json", ROOT / "BENCHMARKS.md", ROOT / "docs/measured.svg"
TABLE = re.compile(r"(<!-- table: (\S+) -->\n\n).*?(\n<!-- end -->)", re.S)
NUMBERS = ("monotile", "best", "ratio", "to_torch")


def compared(name, table):
    """A table of Monotile beside its peers, and what their ratios are in the mean."""
    lines = [f"| {' | '.join(HEAD)} |", "| --- | ---: | ---: | --- | ---: | ---: |"]
    for row in table["cases"]:
        row = dict.fromkeys((*NUMBERS, "peer")) | row
        note = f" {row['note']}" if "note" in row else ""
        lines.append(f"| `{row['case']}`{note} | {' | '.join(cells(name, row))} |")
    means = [
        f"Geometric mean of the ratios{of}: {table[key][0]:.2f} ({table[key][1]} cases, below 1 in {table[key][2]})."
        for of, key in (("", "mean"), (" to PyTorch", "mean_to_torch"))
        if key in table
    ]
    return lines + ([""] + means if means else [])


def plain(table):
    """A table whose cells are words."""
    rule = {"left": "---", "right": "---:"}
    lines = [table["columns"], [rule[side] for side in table["sides"]], *table["rows"]]
    return ["".join(f"| {cell} " if cell else "| " for cell in line) + "|" for line in lines]


def page(results, text):
    """BENCHMARKS.md with every table as results.json has it."""
    missing = set(results["tables"]) ^ {name for _, name, _ in TABLE.findall(text)}
    if missing:
        sys.exit(f"only in one of results.json and BENCHMARKS.md: {', '.join(sorted(missing))}")

    def made(found):
        table = results["tables"][found[2]]
        return found[1] + "\n".join(compared(found[2], table) if "cases" in table else plain(table)) + "\n" + found[3]

    return TABLE.sub(made, text)


def chart(results):
    """The bars of README.md: how many times as fast as the best peer."""
    bars = results["chart"]
    left, top, step, unit = 330, 64, 40, 125
    drawing = Drawing(CHART.name, 820, top + step * len(bars) + 44, "Monotile's speed relative to the best peer, five cases")
    drawing.text(24, 30, "How many times as fast as the best peer", 15, bold=True)
    drawing.text(24, 48, results["machine"], 12, SOFT)
    for i, bar in enumerate(bars):
        row = next((row for row in results["tables"][bar["table"]]["cases"] if row["case"] == bar["case"] and "ratio" in row), None)
        if row is None:
            sys.exit(f"the chart shows `{bar['case']}`, of which the table {bar['table']} has no ratio")
        y, ratio = top + step * i, row["ratio"]
        drawing.text(left - 12, y + 15, bar["label"], 13, anchor="end")
        drawing.text(left - 12, y + 30, f"{bar['table']}: {row['case']}", 10.5, SOFT, "end", code=True)
        color = BLUE if ratio >= 1 else ORANGE
        drawing.box(left, y + 4, round(unit * ratio, 1), 24, color, color, 0, rx=2)
        beside = left + round(unit * max(ratio, 1), 1)
        drawing.text(beside + 8, y + 21, f"{ratio:.2f}", 13, bold=True)
        drawing.text(beside + 46, y + 21, row["peer"], 12, SOFT)
    end = top + step * len(bars)
    drawing.line([(left + unit, top - 4), (left + unit, end + 2)], INK, 1.2, dash="4 3")
    drawing.text(left + unit, end + 18, "1: as fast", 11, SOFT, "middle")
    drawing.text(24, end + 34, "the best peer's time divided by Monotile's; the peer's name stands beside each bar", 11, SOFT)
    return "\n".join([*drawing.lines, "</svg>"]) + "\n"


def take(results, path, groups):
    """Puts the figures of a run of compare.py in the place of those of its groups."""
    rows = compare.read(path)
    for group in groups or sorted({row["group"] for row in rows}):
        of_group = [row for row in rows if row["group"] == group]
        if not of_group or group not in results["tables"]:
            sys.exit(f"{path} or results.json has no group {group}")
        found, disturbed, refused = rate(figures(of_group))
        for words in [f"{disturbed} cases were disturbed"] * bool(disturbed) + refused:
            print(f"{group}: {words}", file=sys.stderr)
        table = results["tables"][group]
        table["date"], table["rounds"] = datetime.date.today().isoformat(), max(row["round"] for row in of_group)
        for key, ratio in (("mean", "ratio"), ("mean_to_torch", "to_torch")):
            if key in table and (of := mean([row[ratio] for row in found])):
                table[key] = [round(of[0], 2), *of[1:]]
        table["cases"] = [published(group, row) for row in found]


def published(group, row):
    """A row to the figures that its table shows, without what there is not."""

    def rounded(name, value):
        if name in ("ratio", "to_torch"):
            return round(value, 2)
        return round(value) if group == "memory" or value >= 1000 else float(f"{value:.3g}")

    row = {name: value for name, value in row.items() if value is not None}
    return row | {name: rounded(name, row[name]) for name in NUMBERS if name in row}


def text_of(results):
    """results.json, a case or a row a line."""
    whole = json.dumps(results, indent=1, ensure_ascii=False)
    return re.sub(r"[\[{]\n\s+([^\[\]{}]*?)\n\s+[\]}]", lambda found: found[0][0] + re.sub(r"\n\s+", " ", found[1]) + found[0][-1], whole) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    parser.add_argument("--take", type=pathlib.Path, metavar="FILE", help="rows of compare.py whose groups are taken first")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="which groups are taken (default: all that FILE has)")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    if options.take:
        take(results, options.take, options.groups)
    made = {RESULTS: text_of(results), PAGE: page(results, PAGE.read_text(encoding="utf-8")), CHART: chart(results)}
    for path, text in made.items():
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if options.check:
            sys.exit(f"{path.relative_to(ROOT)} is not what benchmarks/render.py writes")
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
