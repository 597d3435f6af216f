"""Loads what the example train_and_adapt wrote with transformers and peft, and compares their logits with ours.

    pip install torch transformers peft
    cargo run --release -p monotile-llama --example train_and_adapt -- FOLDER
    python crates/llama/examples/check_with_peft.py FOLDER

Prints a line a comparison; the exit status is 1 if one differs by more than 1e-4.
"""
import pathlib
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

if len(sys.argv) != 2:
    sys.exit(__doc__)
folder = pathlib.Path(sys.argv[1])
ours = load_file(folder / "logits.safetensors")
worst = 0.0


def compare(name, model):
    global worst
    with torch.no_grad():
        logits = model(ours["tokens"]).logits
    off = (logits - ours[name]).abs().max().item()
    worst = max(worst, off)
    print(f"{name}: largest difference {off:.2e} of {logits.abs().max().item():.2f}")


model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
print(type(model).__name__, sum(p.numel() for p in model.parameters()), "parameters")
compare("base", model)
adapted = PeftModel.from_pretrained(model, folder / "adapter")
print(sum("lora_" in name for name, _ in adapted.named_parameters()), "adapter tensors loaded")
compare("adapted", adapted)
ours["merged"] = ours["adapted"]
compare("merged", adapted.merge_and_unload())
sys.exit(worst > 1e-4)
