"""Blocks of every format and what the `gguf` package (pip install gguf) makes of them, as blocks/tests.rs reads them.

usage: python reference.py > reference.txt

A line a format: its name, the block's bytes, its numbers as the bits of f32; where the package writes the format, the numbers the block was made of.
"""

import gguf
import numpy
from gguf import quants

rng = numpy.random.default_rng(7)
# Where scales lie in formats that the package does not write: their bytes are random otherwise.
SCALES = {"Q2_K": (80, 84), "Q3_K": (108, 110), "Q4_K": (0, 4), "Q5_K": (0, 4), "Q6_K": (208, 210), "IQ4_NL": (0, 2), "IQ4_XS": (0, 2)}


def bits(x):
    return "".join(f"{n:08x}" for n in numpy.ascontiguousarray(x, numpy.float32).view(numpy.uint32).ravel())


for name in "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS".split():
    kind = gguf.GGMLQuantizationType[name]
    length, size = gguf.GGML_QUANT_SIZES[kind]
    line = [name.lower()]
    if name in SCALES:
        block = rng.integers(0, 256, size, dtype=numpy.uint8)
        low, high = SCALES[name]
        block[low:high] = rng.normal(0, 0.05, (high - low) // 2).astype(numpy.float16).view(numpy.uint8)
        source = []
    else:
        source = rng.normal(size=length).astype(numpy.float32)
        block = quants.quantize(source.reshape(1, -1), kind).ravel()
        source = [bits(source)]
    values = quants.dequantize(block.reshape(1, -1), kind)
    print(" ".join([name.lower(), block.tobytes().hex(), bits(values)] + source))
