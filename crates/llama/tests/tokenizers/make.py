"""Writes the small tokenizers of this folder, and what transformers makes of texts with them.

    python make.py [FOLDER ...]

Trains one tokenizer of each kind that published models have on a corpus that stands below, and writes KIND.json: the tokenizer.json,
the tokenizer_config.json if there is one, and for every text of texts.json its token numbers with and without the tokens around it
and what decoding gives back. With folders of real tokenizers, each a tokenizer.json, only their references are written, beside them.

References were made with transformers 5.24.0 and tokenizers 0.23.3.
"""

import json
import pathlib
import random
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent

# The first article of the Universal Declaration of Human Rights, or its beginning.
SCRIPTS = {
    "Latin": "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience.",
    "accents": "Tous les êtres humains naissent libres et égaux en dignité. Mọi người sinh ra đều được tự do. Žmonės gimsta laisvi.",
    "Greek": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "Cyrillic": "Все люди рождаются свободными и равными в своём достоинстве и правах.",
    "Arabic": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.",
    "Hebrew": "כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם.",
    "Devanagari": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।",
    "Tamil": "மனிதப் பிறிவியினர் சகலரும் சுதந்திரமாகவே பிறக்கின்றனர்.",
    "Thai": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ",
    "Han": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心。",
    "Kana": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "Hangul": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "Georgian": "ყველა ადამიანი იბადება თავისუფალი და თანასწორი თავისი ღირსებითა და უფლებებით.",
}
CODE = [
    'fn main() {\n    let xs: Vec<u32> = (0..10).map(|i| i * 2).collect();\n    println!("{xs:?}");\n}\n',
    "def f(x, *, y=1_000):\n\tif x >= y:\n\t\treturn {'a': [x, -3.5e-7]}  # done\n\treturn None\n",
    "SELECT name, COUNT(*) FROM users WHERE id != 42 AND email LIKE '%@example.com';",
    '<a href="https://example.com/?q=1&r=2#top">it\'s &amp; I\'LL</a>\r\n\r\n',
]
EMOJI = [
    "👍 👍🏽 👩‍👩‍👧‍👦 🇩🇪🇯🇵🇺🇳 🏴‍☠️ ❤️‍🔥 1️⃣ 😀😀",
    "a👩🏿‍🚀b 🤷🏻‍♀️🧑‍💻! ☎️ ✈ \U0001fae8",
]
SPACES = [
    "", " ", "  ", " a", "a ", "  a  b   c    d", "\n", "\n\n\n a\n\n  b \r\n\tc\t\t d", "a\u00a0b\u3000c\u2003 d\u200be\u2028f",
    "12345 67,890.12 3½ ²³ ٣٤٥ Ⅷ १२३", "don't DON'T we'Ve I’m 'sure' ''s", "snake_case camelCase HTTPServer2 __init__ a-b--c---d",
    "…—–“”‘’«»¿¡§ ¶ © ™ ± × ÷ √∞ ∑∫ ≈ ≠ α→β", "ﬁ ﬂ Å Å Å ñ n\u0303 e\u0301 ẛ̣ ﷺ ㍿ ① ｱｲｳ Ａｂｃ", "\x00\x01\x7f\x04 \ufeff\u200d\ufffd",
    "▁ ▁▁a _ ▁b▁ c", "<0x41> <0x0A> </w>", "ḍ̇q̣̇ ｶﾞ 각 각 ࠀ 𐍈 𝔘𝔫𝔦 𓀀", "x" * 70, "ab" * 40 + " " + "ba" * 40,
    "Straße STRASSE ſ İıi ΑΣ ς ǅ ŉ",
]
NAMED = [
    "<s>a b</s>", "a <s> b", "a<s> c</s> d<mask> e", "<s></s><s>", " <mask> x <mask>", "a <fun> b<fun>c xfunx fun fun.", "<S> <s", "tool tools to ol tool",
    "<fun>  <fun>", "\n<mask>\n", "ＦＵＮ fun FUN",
]


def texts():
    rows = list(SCRIPTS.values()) + CODE + EMOJI + SPACES + NAMED
    draw = random.Random(5)
    parts = [part for text in rows for part in (text.split(" ") + [" ", "  ", "\n"])]
    rows += ["".join(draw.choice(parts) + draw.choice(["", " ", " ", "\n", "  "]) for _ in range(6)) for _ in range(8)]
    return rows


def corpus():
    rows = list(SCRIPTS.values()) + CODE + EMOJI
    return [row for row in rows for _ in range(3)]


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
BYTES = pre_tokenizers.ByteLevel.alphabet()
SPECIAL = [AddedToken(name, special=True, normalized=False) for name in ("<s>", "</s>")]


def spaces(name, **flags):
    return AddedToken(name, special=False, **flags)


def template(before="<s>", after=None, ids=(0, 1)):
    around = [(name, i) for name, i in zip(("<s>", "</s>"), ids) if name in (before, after)]
    single = " ".join(x for x in (before, "$A", after) if x)
    return processors.TemplateProcessing(single=single, pair=None, special_tokens=around)


def train(model, size, alphabet=(), **parts):
    tokenizer = Tokenizer(model)
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    names = (["<unk>"] if model.unk_token else []) + ["<s>", "</s>"]
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=names, initial_alphabet=list(alphabet), show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def cut(cuts):
    return pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def split(pattern, behavior="isolated"):
    return pre_tokenizers.Split(Regex(pattern), behavior=behavior)


def bytes_like(size, pre, normalizer=None, post=None, **model):
    parts = dict(pre_tokenizer=pre, decoder=decoders.ByteLevel())
    if normalizer:
        parts["normalizer"] = normalizer
    if post:
        parts["post_processor"] = post
    return train(models.BPE(**model), size, BYTES, **parts)


def pieces_like(size, post, normalizer=None, pre=None, decoder=None, fallback=True):
    """As SentencePiece's tokenizers are converted: words are spelled with ▁, and characters that are no token in bytes."""
    parts = dict(post_processor=post, pre_tokenizer=pre_tokenizers.Metaspace(prepend_scheme="always"))
    tokenizer = train(models.BPE(unk_token="<unk>", fuse_unk=True), size, **parts)
    state = json.loads(tokenizer.to_str())
    if fallback:
        state["model"]["byte_fallback"] = True
        # Bytes after the specials, as in published vocabularies; merges keep their order.
        names = sorted(state["model"]["vocab"], key=state["model"]["vocab"].get)
        names = names[:3] + [f"<0x{byte:02X}>" for byte in range(256)] + names[3:]
        state["model"]["vocab"] = {name: i for i, name in enumerate(names)}
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder or decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def without(tokenizer, names):
    """As SmolLM2's vocabulary, which lacks single bytes."""
    state = json.loads(tokenizer.to_str())
    kept = [name for name in sorted(state["model"]["vocab"], key=state["model"]["vocab"].get) if name not in names]
    state["model"]["vocab"] = {name: i for i, name in enumerate(kept)}
    merges = state["model"]["merges"]
    state["model"]["merges"] = [m for m in merges if all(x in state["model"]["vocab"] for x in (*m, "".join(m)))]
    for token in state["added_tokens"]:
        token["id"] = state["model"]["vocab"][token["content"]]
    return Tokenizer.from_str(json.dumps(state))


def kinds():
    legacy = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    gpt2 = bytes_like(380, pre_tokenizers.ByteLevel(add_prefix_space=False))
    gpt2.add_tokens([spaces("<mask>", lstrip=True, normalized=False), spaces("tool", single_word=True, normalized=True)])
    llama3 = bytes_like(400, cut([split(LLAMA3)]), post=template(), ignore_merges=True)
    llama3.add_special_tokens([AddedToken("<mask>", rstrip=True, normalized=False), AddedToken("<fun>", normalized=True)])
    qwen2 = bytes_like(400, cut([split(QWEN2)]), normalizer=normalizers.NFC())
    smol = bytes_like(400, pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(add_prefix_space=False)]))
    falcon = bytes_like(
        390,
        pre_tokenizers.Sequence(
            [
                pre_tokenizers.Punctuation("contiguous"),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
                pre_tokenizers.Digits(False),
                split("[0-9][0-9][0-9]"),
            ]
        ),
        post=template("<s>", "</s>"),
    )
    prefixed = bytes_like(380, pre_tokenizers.ByteLevel(add_prefix_space=True), normalizer=normalizers.NFKC())
    llama2 = pieces_like(700, template(ids=(1, 2)), normalizer=legacy)
    llama2.add_tokens([spaces("<fun>", normalized=True), spaces("<mask>", normalized=False, lstrip=True, rstrip=True)])
    mistral = pieces_like(700, template("<s>", "</s>", ids=(1, 2)), pre=metaspace)
    words = pieces_like(
        500, template(ids=(1, 2)), pre=pre_tokenizers.Metaspace(prepend_scheme="always"), decoder=decoders.Metaspace(), fallback=False
    )
    folded = pieces_like(
        500,
        template(ids=(1, 2)),
        normalizer=normalizers.Sequence(
            [normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(), normalizers.Replace(Regex(r"\s+"), "▁")]
        ),
        fallback=False,
    )
    folded.add_tokens([spaces("FUN", normalized=True), spaces("<mask>", normalized=False)])
    gemma = pieces_like(
        700,
        template(ids=(1, 2)),
        normalizer=normalizers.Replace(" ", "▁"),
        pre=pre_tokenizers.Split(" ", "merged_with_previous"),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]),
    )
    begun = bytes_like(380, pre_tokenizers.ByteLevel(add_prefix_space=False), post=template())
    yield "gpt2", gpt2, None
    yield "llama3", llama3, None
    yield "qwen2", qwen2, None
    yield "digits", without(smol, "ĄĆēĔĖĝñò"), None
    yield "falcon", falcon, None
    yield "prefixed", prefixed, None
    yield "llama2", llama2, None
    yield "mistral", mistral, None
    yield "words", words, None
    yield "folded", folded, None
    yield "gemma", gemma, None
    yield "ended", begun, {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": False, "add_eos_token": True}


def references(path, config, rows):
    """What transformers gives for a tokenizer.json, and a tokenizer_config.json if there is one."""
    if config is None:
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path))
    else:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "tokenizer.json").write_bytes(path.read_bytes())
            (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **config}))
            tokenizer = AutoTokenizer.from_pretrained(folder)
    found = []
    for text in rows:
        both = [tokenizer.encode(text, add_special_tokens=add) for add in (True, False)]
        decoded = tokenizer.decode(both[0], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        found.append([*both, decoded])
    return found


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def main():
    rows = texts()
    if len(sys.argv) > 1:
        for folder in map(pathlib.Path, sys.argv[1:]):
            dump(folder / "expected.json", {"texts": rows, "expected": references(folder / "tokenizer.json", None, rows)})
        return
    dump(HERE / "texts.json", rows)
    for name, tokenizer, config in kinds():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "tokenizer.json"
            path.write_text(tokenizer.to_str(), encoding="utf-8")
            found = references(path, config, rows)
        dump(HERE / f"{name}.json", {"tokenizer": json.loads(tokenizer.to_str()), "config": config, "expected": found})
        print(name, tokenizer.get_vocab_size())


main()
