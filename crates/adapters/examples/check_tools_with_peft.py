"""Compares `monotile lora merge`, `verify` and `extract` with PEFT, on a checkpoint of yours.

    pip install torch transformers peft
    cargo build --release
    python crates/adapters/examples/check_tools_with_peft.py target/release/monotile CHECKPOINT

The checkpoint, a causal language model, is converted to bf16. Adapters of several kinds are made by PEFT with random factors, merged by
PEFT's merge_and_unload and by us, and the files compared bit by bit; then what one of the merges changed is extracted by us and loaded by
PEFT. Prints a line a comparison; the exit status is 1 if a tensor differs in more than a few elements a million, by more than one unit in
the last place, or an adapter does not load.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

if len(sys.argv) != 3:
    sys.exit(__doc__)
tool, checkpoint = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
KINDS = {
    "all linear layers": dict(r=8, lora_alpha=16, target_modules=LINEAR),
    "rslora": dict(r=6, lora_alpha=5, use_rslora=True, target_modules=["q_proj", "v_proj"]),
    "patterns": dict(r=4, lora_alpha=8, target_modules=LINEAR, rank_pattern={"q_proj": 7, "layers.0.mlp.up_proj": 2},
                     alpha_pattern={"down_proj": 3}),
    "modules_to_save": dict(r=4, lora_alpha=8, target_modules=["q_proj"], modules_to_save=["lm_head", "norm"]),
    "an embedding": dict(r=4, lora_alpha=8, target_modules=["q_proj", "embed_tokens"]),
}
failed = False


def lora(*arguments):
    done = subprocess.run([tool, "lora", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return done


def fresh():
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)


def tensors(folder):
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        found |= load_file(file)
    return found


def ordered(bits):
    """Bits of bf16 numbers as integers in the order of the numbers."""
    bits = bits.view(torch.int16).int()
    return torch.where(bits < 0, -(bits & 0x7FFF), bits)


def compare(name, wanted, got):
    global failed
    assert wanted.keys() == got.keys(), wanted.keys() ^ got.keys()
    different = elements = furthest = 0
    for key in wanted:
        off = (ordered(wanted[key]) - ordered(got[key])).abs()
        different, elements = different + int((off > 0).sum()), elements + off.numel()
        furthest = max(furthest, int(off.max()))
    bad = furthest > 1 or different > 5e-6 * elements
    failed |= bad
    print(f"{name}: {different} of {elements} elements differ, by at most {furthest} units{' FAILED' if bad else ''}")


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    base = folder / "base"
    AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.bfloat16).save_pretrained(base)
    for number, (kind, options) in enumerate(KINDS.items()):
        for dtype in [torch.float32, torch.bfloat16]:
            torch.manual_seed(number)
            model = get_peft_model(fresh(), LoraConfig(task_type="CAUSAL_LM", **options), autocast_adapter_dtype=False)
            for key, parameter in model.named_parameters():
                if "lora_" in key:
                    parameter.data = (torch.randn(parameter.shape) * 0.02).to(dtype)
                elif "modules_to_save.default" in key:
                    parameter.data += 0.01 * torch.randn(parameter.shape)
            here = folder / f"{number}-{str(dtype).split('.')[1]}"
            model.save_pretrained(here / "adapter")
            # As people load adapters: PEFT widens those of bf16 to f32.
            loaded = PeftModel.from_pretrained(fresh(), here / "adapter")
            loaded.merge_and_unload().save_pretrained(here / "peft")
            lora("merge", "--model", base, "--adapter", here / "adapter", "--out", here / "ours")
            label = f"{kind}, adapter in {str(dtype).split('.')[1]}"
            compare(label, tensors(here / "peft"), tensors(here / "ours"))
            lora("verify", "--model", base, "--adapter", here / "adapter", "--merged", here / "peft")

    # Several adapters by weights, in a model of f32: PEFT makes the sum's factors in the model's element type, which would round them.
    wide = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    both = PeftModel.from_pretrained(wide, folder / "0-float32/adapter", adapter_name="a")
    both.load_adapter(folder / "1-float32/adapter", adapter_name="b")
    both.add_weighted_adapter(["a", "b"], [0.7, 0.3], "sum", combination_type="cat")
    both.set_adapter("sum")
    both.merge_and_unload().bfloat16().save_pretrained(folder / "sum-peft")
    lora("merge", "--model", base, "--adapter", folder / "0-float32/adapter", "--adapter", folder / "1-float32/adapter",
         "--weights", "0.7,0.3", "--out", folder / "sum-ours")
    compare("0.7 and 0.3 of two", tensors(folder / "sum-peft"), tensors(folder / "sum-ours"))

    # What was merged is extracted by us, and loaded by PEFT.
    for name, options in {"rank 8": ["--rank", 8], "error 2 %": ["--error", 0.02], "all": [
            "--rank", 8, "--embed-lora", "--save-module", "norm"]}.items():
        tuned = folder / ("4-float32/peft" if name == "all" else "0-float32/peft")
        out = folder / f"extracted {name}"
        lora("extract", "--base", base, "--tuned", tuned, "--out", out, *options)
        model = PeftModel.from_pretrained(fresh(), out)
        loaded = model.get_model_status()
        base_weights, tuned_weights, merged = tensors(base), tensors(tuned), model.merge_and_unload().state_dict()
        worst = 0.0
        for key, weight in tuned_weights.items():
            change = weight.double() - base_weights[key].double()
            if change.any():
                worst = max(worst, float((merged[key].double() - weight.double()).norm() / change.norm()))
        config = json.loads((out / "adapter_config.json").read_text())
        bad = worst > 0.1
        failed |= bad
        print(f"extracted, {name}: PEFT loads {loaded.num_adapter_layers} layers of rank {config['r']} and "
              f"{len(config['rank_pattern'])} others, at most {100 * worst:.2f} % of a ΔW is missing{' FAILED' if bad else ''}")
sys.exit(failed)
