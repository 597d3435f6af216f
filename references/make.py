"""Writes the reference results of this folder: what PyTorch, SciPy and others compute.

    pip install -r requirements.txt
    python make.py [GROUP ...]

A group is a function in `groups`; without a name all are made. Numbers are drawn from a seed of the group's own, and rounded
to half precision, so that f32 and f64 hold the same inputs. README.md says how a file is laid out.
"""

import sys

from groups import everyday, functions, language, linalg, optimizers, stats, tensors, transforms
from groups.cases import GROUPS

if __name__ == "__main__":
    GROUPS["language"] = language.language
    for name in sys.argv[1:] or GROUPS:
        GROUPS[name]()
