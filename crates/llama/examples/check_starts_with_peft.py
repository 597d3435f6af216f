"""Loads with peft what the example starts wrote, and compares it with what peft itself starts from.

    pip install torch transformers peft
    cargo run --release -p monotile-llama --example starts -- CHECKPOINT FOLDER
    python crates/llama/examples/check_starts_with_peft.py CHECKPOINT FOLDER

For every start: the base model with the adapter as it begins has the base model's logits, and can be trained; the trained one has ours. Of the
starts that are made out of weights, the product of A and B is that of peft's own. The exit status is 1 if something differs.
"""
import pathlib
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

if len(sys.argv) != 3:
    sys.exit(__doc__)
checkpoint, folder = sys.argv[1], pathlib.Path(sys.argv[2])
failed = False


def report(name, off, limit):
    global failed
    failed |= not off <= limit
    print(f"  {name}: largest difference {off:.2e}" + ("" if off <= limit else f", above {limit:.0e}"))


def base():
    return AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)


def products(model):
    """Scaling times B times A of every adapted layer, by name."""
    found = {}
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            found[name] = module.get_delta_weight("default").detach()
    return found


for start in sorted(path.stem for path in folder.glob("*.safetensors")):
    ours = load_file(folder / f"{start}.safetensors")
    logits = lambda model: model(ours["tokens"]).logits
    print(start)
    with torch.no_grad():
        report("base", (logits(base()) - ours["base"]).abs().max().item(), 1e-4)
        report("ours as it begins, against the base", (ours["begun"] - ours["base"]).abs().max().item(), 1e-4)

    # The approximate one is no start of peft's: it computes the product it takes off by itself.
    if start != "pissa_by_products":
        model = PeftModel.from_pretrained(base(), folder / start / "begun", is_trainable=True)
        # peft takes off what it decomposes in f32, where vectors of values that lie close together are off by far more than rounding.
        limit = 1e-3 if start == "pissa" else 1e-4
        with torch.no_grad():
            report("begun in peft, against the base", (logits(model) - ours["base"]).abs().max().item(), limit)
        model(ours["tokens"], labels=ours["tokens"]).loss.backward()
        trained = [p for n, p in model.named_parameters() if "lora_" in n]
        moved = [p for p in trained if p.grad is not None and p.grad.abs().max() > 0]
        print(f"  {len(trained)} matrices loaded, {len(moved)} with a gradient that is not zero")
        failed |= len(moved) == 0
        if start in ("pissa", "olora"):
            config = LoraConfig.from_pretrained(folder / start / "begun")
            config.inference_mode = False
            theirs = products(get_peft_model(base(), config))
            off = max((theirs[name] - product).norm() / product.norm() for name, product in products(model).items())
            report("B A, against peft's own, in relative terms", off.item(), 1e-4)

    model = PeftModel.from_pretrained(base(), folder / start / "trained")
    with torch.no_grad():
        report("trained", (logits(model) - ours["trained"]).abs().max().item(), 1e-4)
        print(f"  training moved logits by {(ours['trained'] - ours['base']).abs().max():.2f}")
sys.exit(failed)
