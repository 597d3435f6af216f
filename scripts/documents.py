#!/usr/bin/env python3
"""Checks README, ARCHITECTURE, CONTRIBUTING, BENCHMARKS, SECURITY and docs/*.md; status 1 where a rule is broken.

A sentence has at most 25 words; tables, headings and code are left out. Every path in backquotes or in a link exists, and every
identifier in backquotes stands in a source file. Needs nothing but Python.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST = 25
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "BENCHMARKS.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
# Where a path of a document may start.
STARTS = ["", "crates", "docs", "crates/kernels/src", "crates/monotile/src"]
SOURCES = (".rs", ".py", ".toml", ".wgsl", ".sh", ".json", ".mjs", ".txt")


def paragraphs(text):
    """The first line's number and the text of each paragraph and item of a list, without code, tables and headings."""
    block, start, fenced, after_blank = [], 0, False, True
    for number, line in enumerate(text.split("\n") + [""], 1):
        fence = line.lstrip().startswith("```")
        code = fenced or fence or (line.startswith("    ") and after_blank)
        fenced ^= fence
        item = re.match(r"(- |\d+\. )", line)
        if code or item or not line.strip() or line[0] in "|#":
            if block:
                yield start, " ".join(block)
            block = []
        # Code that follows code is code, as after an empty line.
        after_blank = code or not line.strip()
        if not code and line.strip() and line[0] not in "|#":
            start = start if block else number
            block.append(line.strip())


def sentences(paragraph):
    plain = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", re.sub(r"`[^`]*`", "X", paragraph))
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", plain)
    return re.split(r"(?<=[.!?])[*)]*\s+(?=[A-Z*X`\"(0-9])", plain)


def long_sentences(page, text):
    for line, paragraph in paragraphs(text):
        for sentence in sentences(paragraph):
            words = [word for word in sentence.split() if re.search(r"\w", word)]
            if len(words) > LONGEST:
                yield f"{page}:{line}: a sentence of {len(words)} words, at most {LONGEST}: {sentence[:90]}"


def expand(path):
    """a/{b,c}.rs as a/b.rs and a/c.rs."""
    braces = re.search(r"\{([^}]*)\}", path)
    if not braces:
        return [path]
    return [path[: braces.start()] + name + path[braces.end() :] for name in braces[1].split(",")]


def missing_paths(page, text, files):
    folder = page.parent
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target and not (folder / target).exists():
            yield f"{page.relative_to(ROOT)}: a link to {target}, which is not there"
    for words in re.findall(r"`([^`\n]+)`", text):
        if not re.fullmatch(r"[\w.{},/-]+\.(rs|md|py|json|wgsl)|(crates|kernels|monotile|scene|llama|adapters|cli|door|docs)/[\w.{},/-]+", words):
            continue
        for path in expand(words):
            if not any((ROOT / start / path).exists() for start in STARTS) and not any(f.endswith("/" + path.rstrip("/")) for f in files):
                yield f"{page.relative_to(ROOT)}: `{path}` is not there"


def missing_names(page, text, source):
    """Identifiers that only code has: `CamelCase`, `SCREAMING_CASE` and `a::b`."""
    for words in set(re.findall(r"`([A-Za-z_]\w*(?:::\w+)*)(?:\(\))?`", text)):
        last = words.split("::")[-1]
        shaped = "::" in words or re.fullmatch(r"[A-Z]+[a-z]\w*[A-Z]\w*|[A-Z]+_[A-Z_0-9]+|[a-z]+_[a-z_0-9]+", words)
        # `from_x` and the like stand for any name.
        if shaped and last not in source and not last.endswith("_x"):
            yield f"{page.relative_to(ROOT)}: `{words}` stands in no source file"


def main():
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = [name for name in listed.stdout.split("\n") if name and (ROOT / name).exists()]
    folders = {str(parent) for name in files for parent in Path(name).parents}
    source = set()
    for name in files:
        if name.endswith(SOURCES) and not name.startswith("references/"):
            source |= set(re.findall(r"\w+", (ROOT / name).read_text(errors="replace")))
    faults = []
    for page in PAGES:
        text = page.read_text()
        faults += long_sentences(page.relative_to(ROOT), text)
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        faults += missing_paths(page, prose, [*files, *folders])
        faults += missing_names(page, prose, source)
    print("\n".join(faults) or f"{len(PAGES)} documents have no long sentence and name nothing that is not there")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
