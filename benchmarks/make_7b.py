"""Writes a checkpoint with the shapes of LLaMA-2-7B, in bf16 shards, and one that was "tuned": random numbers, 13.5 GB each.

    python benchmarks/make_7b.py FOLDER [BLOCKS]
    /usr/bin/time -v target/release/monotile lora extract --base FOLDER/base --tuned FOLDER/tuned --rank 16 --out FOLDER/adapter
    /usr/bin/time -v target/release/monotile lora merge --model FOLDER/base --adapter FOLDER/adapter --out FOLDER/merged

Every matrix of a block differs by a change of rank 16 and half as much noise again; embeddings, norms and the head are the same. With fewer
than its 32 blocks it is smaller. Needs numpy.
"""
import json
import pathlib
import struct
import sys

import numpy as np

if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
WIDE, INNER, WORDS = 4096, 11008, 32000
BLOCKS = int(sys.argv[2]) if len(sys.argv) == 3 else 32
BLOCK = {
    "self_attn.q_proj": (WIDE, WIDE), "self_attn.k_proj": (WIDE, WIDE), "self_attn.v_proj": (WIDE, WIDE),
    "self_attn.o_proj": (WIDE, WIDE), "mlp.gate_proj": (INNER, WIDE), "mlp.up_proj": (INNER, WIDE), "mlp.down_proj": (WIDE, INNER),
}
rng = np.random.default_rng(1)
# One matrix of numbers serves all tensors, begun somewhere else each time: drawing 6.7 billion takes longer than writing them.
pool = rng.standard_normal(1 << 26, dtype=np.float32) * np.float32(0.02)


def drawn(shape):
    count, start = int(np.prod(shape)), int(rng.integers(0, 1 << 20))
    return np.resize(pool[start:], count).reshape(shape)


def bf16(x):
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def change(shape):
    b = rng.standard_normal((shape[0], 16), dtype=np.float32) * np.geomspace(1, 0.2, 16, dtype=np.float32)
    a = rng.standard_normal((16, shape[1]), dtype=np.float32)
    return np.float32(5e-4) * (b @ a) + np.float32(0.025) * drawn(shape)


def shard(folder, name, plan, fill):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for tensor, shape in plan.items():
        size = 2 * int(np.prod(shape))
        header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / name, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor, shape in plan.items():
            file.write(fill(tensor, shape))


root = pathlib.Path(sys.argv[1])
plans = []
for first in range(0, BLOCKS, 8):
    plans.append({f"model.layers.{i}.{name}.weight": shape for i in range(first, min(first + 8, BLOCKS)) for name, shape in BLOCK.items()})
    plans[-1] |= {f"model.layers.{i}.{name}.weight": (WIDE,) for i in range(first, min(first + 8, BLOCKS))
                  for name in ("input_layernorm", "post_attention_layernorm")}
plans[0]["model.embed_tokens.weight"] = (WORDS, WIDE)
plans[-1] |= {"model.norm.weight": (WIDE,), "lm_head.weight": (WORDS, WIDE)}
folders = [root / "base", root / "tuned"]
for folder in folders:
    folder.mkdir(parents=True)
    place = {}
for number, plan in enumerate(plans):
    name = f"model-{number + 1:05}-of-{len(plans):05}.safetensors"
    place |= dict.fromkeys(plan, name)
    state = rng.bit_generator.state

    def tuned(tensor, shape):
        weight = drawn(shape)
        if len(shape) == 2 and ".layers." in tensor:
            # The generator draws what the change needs aside, so that both files draw the same weights.
            aside = rng.bit_generator.state
            weight = weight + change(shape)
            rng.bit_generator.state = aside
        return bf16(np.ascontiguousarray(weight))

    shard(folders[0], name, plan, lambda tensor, shape: bf16(np.ascontiguousarray(drawn(shape))))
    rng.bit_generator.state = state
    shard(folders[1], name, plan, tuned)
    print(name)
for folder in folders:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": place}))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "torch_dtype": "bfloat16"}))
