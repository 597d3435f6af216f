"""Writes `llama`: a tiny LLaMA with its tokenizer, and what transformers and PEFT make of them. Called by make.py."""

import json
import pathlib
import shutil
import tempfile
from importlib.metadata import version

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent.parent / "llama"
VERSIONS = {name: version(name) for name in ["torch", "transformers", "tokenizers", "peft"]}

TEXTS = [
    "All human beings are born free and equal in dignity and rights.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι.",
    "Все люди рождаются свободными и равными.",
    "يولد جميع الناس أحرارًا",
    "כל בני אדם נולדו בני חורין",
    "सभी मनुष्यों को गौरव प्राप्त है।",
    "มนุษย์ทั้งหลายเกิดมามีอิสระ",
    "人人生而自由，在尊严和权利上一律平等。",
    "すべての人間は、生まれながらにして自由である。",
    "모든 인간은 자유롭다.",
    "👍🏽 👩‍👩‍👧‍👦 🇩🇪🇯🇵 ❤️‍🔥 1️⃣ 😀😀",
    "fn main() {\n    let xs: Vec<u32> = (0..10).collect();\n\tprintln!(\"{xs:?}\");\n}\n",
    "don't WE'LL 12345 67,890.12\u00a0x\u3000y  \r\n\r\n  z ",
    "<s>a</s> <s",
    "",
]
PROMPT = "All human"
# Logits are kept of so many last tokens.
LAST = 3
# The split of LLaMA 3's tokenizer.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# What other configurations make of the same weights.
VARIANTS = {
    "llama3": {"rope_parameters": dict(
        rope_type="llama3",
        rope_theta=500000.0,
        factor=8.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=32,
    )},
    "linear": {"rope_parameters": dict(rope_type="linear", rope_theta=10000.0, factor=4.0)},
    "mistral": {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 4},
}


def language():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    torch.manual_seed(1948)
    torch.set_num_threads(1)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    outputs(model, tokenizer)
    for name, changes in VARIANTS.items():
        variant(name, changes)
    biased()
    adapter()
    for path in sorted(p for p in HERE.rglob("*") if p.is_file()):
        print(f"{path.relative_to(HERE.parent)}: {path.stat().st_size} bytes")


def make_tokenizer():
    """Byte-level BPE, with what transformers makes of the texts above."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    with tempfile.TemporaryDirectory() as folder:
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
        for name in ["tokenizer.json", "tokenizer_config.json"]:
            compact = json.dumps(json.loads(pathlib.Path(folder, name).read_text()), ensure_ascii=False, separators=(",", ":"))
            (HERE / name).write_text(compact + "\n")
    found = AutoTokenizer.from_pretrained(HERE)
    lines = []
    for text in TEXTS:
        tokens = found(text)["input_ids"]
        case = {"text": text, "tokens": tokens, "decoded": found.decode(tokens, skip_special_tokens=True)}
        lines.append(json.dumps(case, ensure_ascii=False, separators=(",", ":")))
    lines = ",\n".join(lines)
    (HERE / "texts.json").write_text(f'{{"versions":{json.dumps(VERSIONS)},"texts":[\n{lines}\n]}}\n')
    return found


def make_model(tokenizer):
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.25,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, x in model.named_parameters():
            if "norm" in name:
                x.uniform_(0.5, 1.5)
    model.to(torch.bfloat16).save_pretrained(HERE)
    (HERE / "generation_config.json").unlink(missing_ok=True)
    return read(HERE)


def read(folder):
    """The model, computing in f32."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def loss_of(model, tokens):
    logits = model(tokens).logits
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def outputs(model, tokenizer):
    """Logits, loss and gradients of a text, and a greedy continuation."""
    tokens = torch.tensor([tokenizer(TEXTS[0])["input_ids"][:14]])
    loss = loss_of(model, tokens)
    loss.backward()
    found = {"tokens": tokens, "logits": model(tokens).logits[:, -LAST:], "loss": loss}
    for name, x in model.named_parameters():
        if "norm" in name or name.endswith(("0.self_attn.k_proj.weight", "1.self_attn.v_proj.weight")):
            found[f"gradient.{name}"] = x.grad
    prompt = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    answer = model.generate(prompt, max_new_tokens=24, do_sample=False, output_logits=True, return_dict_in_generate=True)
    best = torch.stack(answer.logits).topk(2).values
    assert (best[..., 0] - best[..., 1]).min() > 1e-3, "the continuation hangs on rounding"
    found["continuation"] = answer.sequences[0, prompt.shape[1]:]
    text = tokenizer.decode(found["continuation"], skip_special_tokens=True)
    save(found, HERE / "reference.safetensors", {"prompt": PROMPT, "text": text})


def variant(name, changes):
    """Logits of the same weights under another configuration."""
    config = json.loads((HERE / "config.json").read_text()) | changes
    (HERE / f"config-{name}.json").write_text(json.dumps(config, indent=2) + "\n")
    logits_of(name, {f"config-{name}.json": "config.json", "model.safetensors": "model.safetensors"})


def logits_of(name, files):
    """Logits of a folder into which these files are copied under other names."""
    tokens = torch.arange(2, 320, 35)[None]
    with tempfile.TemporaryDirectory() as folder:
        for source, target in files.items():
            shutil.copy(HERE / source, pathlib.Path(folder, target))
        save({"tokens": tokens, "logits": read(folder)(tokens).logits[:, -LAST:]}, HERE / f"logits-{name}.safetensors")


def biased():
    """Logits of a Qwen2 in two files: the same weights, and biases of its own."""
    config = json.loads((HERE / "config.json").read_text()) | {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    (HERE / "config-qwen2.json").write_text(json.dumps(config, indent=2) + "\n")
    sizes = {"q_proj": 32, "k_proj": 16, "v_proj": 16}
    places = [(f"model.layers.{i}.self_attn.{name}.bias", n) for i in range(2) for name, n in sizes.items()]
    biases = {name: torch.randn(n).bfloat16() for name, n in places}
    save_file(biases, HERE / "biases.safetensors", {"format": "pt"})
    weights = load_file(HERE / "model.safetensors")
    places = dict.fromkeys(sorted(weights), "weights.safetensors") | dict.fromkeys(biases, "biases.safetensors")
    index = {"metadata": {"total_size": sum(x.nbytes for x in [*weights.values(), *biases.values()])}, "weight_map": places}
    (HERE / "index-qwen2.json").write_text(json.dumps(index, indent=1) + "\n")
    files = {
        "config-qwen2.json": "config.json",
        "index-qwen2.json": "model.safetensors.index.json",
        "model.safetensors": "weights.safetensors",
        "biases.safetensors": "biases.safetensors",
    }
    logits_of("qwen2", files)


def adapter():
    """A LoRA adapter: its logits, those of the merged model, and one step of training it."""
    config = LoraConfig(
        r=3,
        lora_alpha=8,
        target_modules=["q_proj", "v_proj", "down_proj"],
        use_rslora=True,
        init_lora_weights=False,
        task_type="CAUSAL_LM",
        rank_pattern={"layers.1.self_attn.q_proj": 2},
    )
    model = get_peft_model(read(HERE), config)
    model.peft_config["default"].base_model_name_or_path = "references/llama"
    model.save_pretrained(HERE / "adapter")
    (HERE / "adapter" / "README.md").unlink(missing_ok=True)
    path = HERE / "adapter" / "adapter_config.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps(written | {"target_modules": sorted(written["target_modules"])}, indent=2) + "\n")
    tokens = torch.tensor([[0, 65, 70, 80, 200, 300, 310, 9]])
    reference = {"tokens": tokens, "logits": model(tokens).logits[:, -LAST:]}
    loss = loss_of(model, tokens)
    loss.backward()
    reference["loss"] = loss
    trained = {name: x for name, x in model.named_parameters() if x.requires_grad}
    reference |= {f"gradient.{name.replace('.default', '')}": x.grad.clone() for name, x in trained.items()}
    torch.optim.AdamW(trained.values(), lr=1e-2, eps=1e-2, weight_decay=0.125).step()
    reference |= {f"after.{name.replace('.default', '')}": x.clone() for name, x in trained.items()}
    merged = PeftModel.from_pretrained(read(HERE), HERE / "adapter").merge_and_unload()
    reference["merged_q_proj"] = merged.model.layers[0].self_attn.q_proj.weight
    reference["merged_logits"] = merged(tokens).logits[:, -LAST:]
    save(reference, HERE / "adapter" / "reference.safetensors")


def save(tensors, path, about={}):
    """`about` goes into the metadata, as JSON beside the versions."""
    reference = json.dumps({"versions": VERSIONS, **about})
    save_file({name: x.detach().contiguous().clone() for name, x in tensors.items()}, path, {"reference": reference})
