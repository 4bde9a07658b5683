#!/usr/bin/env python3
"""Tokenizers in every layout, and the ids that transformers gives to many prompts.

    make_tokenizer_references.py OUT_DIR [RANDOM_PROMPTS]

Writes OUT_DIR/NAME/ (a tokenizer folder) and OUT_DIR/NAME.jsonl, one {"prompt", "ids"} a line. CLIP has its
real vocabulary, from the merges that open_clip carries.
"""
import gzip
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from make_pipeline import make_t5_tokenizer, save_clip_tokenizer, training_lines  # noqa: E402

HARD = """
|  |   leading and trailing   |\ttabs\tand\nnewlines\r\n|a|A|I|é|e\u0301|\u0301|a\u0301\u0302\u0303|ﬁﬂﬀ|Ⅷ ½ ² ③|İstanbul ISTANBUL ıi
|ΣΑΣ ΌΣΟΣ ὈΔΥΣΣΕΎΣ|ẞ ß ſ|Ǆ ǅ ǆ|\u1E9E|\u00A0nbsp\u00A0|\u3000ideographic\u3000space|\u2028line\u2029para|\u0085next line|a\u0085b
|\u200Bzero\u200Bwidth\u200Djoin\u200C|\uFEFFbom|soft\u00ADhyphen|👩‍👩‍👧‍👦 family|👨🏽‍🚀|🇩🇪🇫🇷|❤️|☝🏿|1️⃣|🏴󠁧󠁢󠁥󠁮󠁧󠁿|각 각|한국어 텍스트|ᄀᄀᄀ각
|क्षि नमस्ते|ก็ กำ|ﷺ|مرحبا بالعالم|שלום עולם|\u202Ertl\u202C|日本語のテキスト|ｆｕｌｌｗｉｄｔｈ ＴＥＸＴ １２３|ｶﾞｷﾞ|㍿ ㌔ ℃ № ™ ©|① ⑳ ㊿
|don't can't won't it's I'm you're we'll they've he'd|'s 't 're 've 'm 'll 'd|'S 'T 'RE|''''|rock'n'roll|3.14 1,000 10% $5 #1 @home a_b a-b
|1234567890|x1y2z3|²³¹|...!!!???|(((a)))|<tag>|</s>|a</s>b| </s> |<pad>|<unk>|<extra_id_0>|<extra_id_99>|<extra_id_100>|x <extra_id_5> y
|<|startoftext|>|<|endoftext|>|a<|endoftext|>b|<|STARTOFTEXT|>|<|EndOfText|>|＜extra_id_0＞|＜/s＞|▁|▁▁a▁b|a▁b| ▁ |\u2581word
|\u0000\u0001\u0002\u001f\u007f\u0080\u009f|\ue000private\uf8ff|\U000F0000\U0010FFFF|\u0378unassigned\u0379|\ufffd\uffff\ufffe|\ud7ff\ue000
|Ａ\u0300|q\u0307\u0323|\u0344|\u212B Å A\u030A|\u2126 Ω|\u1112\u1161\u11AB|\uac00\u11a8|\u0915\u093C|\u0958|ǰ ΰ|ﬅ ﬆ|ŉ|𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙|𐐀𐐨|ⱥȺ|Ⴀⴀ|ꭰᏸ
"""


def hard_prompts():
    prompts = [""] + HARD.strip("\n").replace("\n|", "|").split("|")
    prompts += ["word " * 100, "x" * 10000, "é" * 3000, "ab " * 3333, "a\u0301" * 500, "🙂" * 300, "1" * 500, "!" * 500, "supercalifragilistic" * 60]
    prompts += [" ".join(["cat"] * n) for n in range(70, 82)] + ["cat" * n for n in range(20, 40)]
    return prompts


def random_prompts(count):
    rng = random.Random(11)
    words = " ".join(training_lines()[:200]).split()
    special = ["</s>", "<pad>", "<unk>", "<extra_id_0>", "<extra_id_17>", "<|endoftext|>", "<|startoftext|>", "▁", "'s", "'ll", "\u0301", "\u200d", "\u00a0", "\u0085", "\u3000"]
    ranges = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xEFF), (0x1100, 0x11FF),
              (0x1E00, 0x1FFF), (0x2000, 0x2BFF), (0x3000, 0x30FF), (0x3130, 0x33FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xFFFD),
              (0x10000, 0x1FAFF), (0x0, 0x10FFFF)]

    def character():
        while True:
            low, high = rng.choice(ranges)
            value = rng.randint(low, high)
            if not 0xD800 <= value <= 0xDFFF and value != 0:
                return chr(value)

    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 12)):
            kind = rng.random()
            if kind < 0.45:
                word = rng.choice(words)
                parts.append(rng.choice([word, word.upper(), word.capitalize(), word + rng.choice(",.!?;:")]))
            elif kind < 0.55:
                parts.append(rng.choice(special))
            elif kind < 0.65:
                parts.append(str(rng.randint(0, 10**rng.randint(1, 9))))
            else:
                parts.append("".join(character() for _ in range(rng.randint(1, 6))))
        yield rng.choice([" ", " ", "", "  ", "\n"]).join(parts)


def clip_vocabulary():
    import open_clip
    path = pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.open(path).read().decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1:49152 - 256 - 2 + 1]]
    printable = list(range(ord("!"), ord("~") + 1)) + list(range(0xA1, 0xAD)) + list(range(0xAE, 0x100))
    characters = [chr(b) for b in printable] + [chr(0x100 + i) for i in range(256 - len(printable))]
    names = characters + [c + "</w>" for c in characters] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return {name: i for i, name in enumerate(names)}, merges


def publish_flags(folder, vocab):
    """The published FLUX folders carry these flags; they let a written-out begin token match after lower-casing."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    flags = dict(lstrip=False, rstrip=False, single_word=False, special=True)
    config["added_tokens_decoder"] = {
        str(vocab["<|startoftext|>"]): dict(content="<|startoftext|>", normalized=True, **flags),
        str(vocab["<|endoftext|>"]): dict(content="<|endoftext|>", normalized=False, **flags)}
    path.write_text(json.dumps(config))


def main(out_dir, count):
    from transformers import CLIPTokenizer
    out_dir = pathlib.Path(out_dir)
    prompts = hard_prompts() + list(random_prompts(count))
    vocab, merges = clip_vocabulary()
    made = {name: (save_clip_tokenizer(vocab, merges, layout, out_dir / name), 77)
            for name, layout in (("clip-legacy", "legacy"), ("clip-json", "json"), ("clip-published", "legacy"))}
    publish_flags(out_dir / "clip-published", vocab)
    made["clip-published"] = (CLIPTokenizer.from_pretrained(out_dir / "clip-published"), 77)
    for layout in ("legacy", "json"):
        made[f"t5-{layout}"] = (make_t5_tokenizer(layout, out_dir / f"t5-{layout}", 2000), 64)
    for name, (tokenizer, length) in made.items():
        with open(out_dir / f"{name}.jsonl", "w") as file:
            for prompt in prompts:
                ids = tokenizer(prompt, padding="max_length", max_length=length, truncation=True).input_ids
                file.write(json.dumps(dict(prompt=prompt, ids=ids)) + "\n")
        print(f"{name}: {len(prompts)} prompts", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
