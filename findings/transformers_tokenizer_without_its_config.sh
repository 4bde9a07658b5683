#!/usr/bin/env bash
# transformers ignores the truncation that a tokenizer.json states: loaded from a folder without tokenizer_config.json, a
# CLIP tokenizer has a model_max_length of 10^30, `truncation=True` cuts nothing, and padding to the maximal length is an
# OverflowError. The tokenizers library cuts at 77 from the same file.
# What to do: require tokenizer_config.json with model_max_length, or take the truncation of tokenizer.json.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6
cd "$work"
"$python" -W ignore - <<'PY'
import json
import pathlib

import tokenizers
import transformers

transformers.logging.set_verbosity_error()
letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
words = letters + [letter + "</w>" for letter in letters] + ["<|startoftext|>", "<|endoftext|>"]
vocabulary = {word: number for number, word in enumerate(words)}
folder = pathlib.Path("tokenizer")
made = transformers.CLIPTokenizer(vocab=vocabulary, merges=[])
made.save_pretrained(folder)
(folder / "tokenizer_config.json").unlink()
file = folder / "tokenizer.json"
content = json.loads(file.read_text())
content["truncation"] = {"direction": "Right", "max_length": 77, "strategy": "LongestFirst", "stride": 0}
file.write_text(json.dumps(content))

prompt = "a " * 200
print("tokenizers:", len(tokenizers.Tokenizer.from_file(str(file)).encode(prompt).ids), "tokens")
tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
count = len(tokenizer(prompt, truncation=True)["input_ids"])
print("transformers: model_max_length", tokenizer.model_max_length, "and", count, "tokens with truncation=True")
try:
    tokenizer(prompt, padding="max_length", truncation=True, max_length=tokenizer.model_max_length)
except OverflowError as error:
    print("transformers, padded to it: OverflowError:", error)
else:
    raise SystemExit("changed: padding to model_max_length works")
if count != 202:
    raise SystemExit("changed: the truncation of tokenizer.json is kept")
PY
