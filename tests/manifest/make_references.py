#!/usr/bin/env python3
"""Writes a manifest with Python's json, and what each of its images must be by Python's json and hashlib.

usage: make_references.py OUT_DIR
  manifest.jsonl  records with texts from all of Unicode, written escaped and plain
  expected.json   one object an image: the effective record, and its SHA-256 with the checkpoint id 0, 1, ... 31
  parts.txt       id, N, the part of N that the id belongs to
"""
import hashlib
import json
import pathlib
import random
import struct
import sys

JOB_SEED = 12345678901234567890 % 2**63  # the largest that TOML can say is 2^63 - 1
DEFAULTS = dict(width=1024, height=1024, steps=28, guidance_scale=3.5, true_cfg_scale=1.0,
                max_sequence_length=512, scheduler="auto")


def random_text(source):
    def letter():
        while True:
            code = source.choice([source.randrange(1, 128), source.randrange(1, 0x3000), source.randrange(1, 0x110000)])
            if not 0xD800 <= code < 0xE000:
                return chr(code)
    return "".join(letter() for _ in range(source.randrange(0, 40)))


def hashed_seed(identity, index):
    text = str(JOB_SEED).encode() + b"\0" + identity.encode() + b"\0" + str(index).encode()
    return struct.unpack("<Q", hashlib.sha256(text).digest()[:8])[0]


# What a field is when nobody says anything: such a field has no part in the second version of an identity.
NEUTRAL = {"prompt": "", "prompt_2": None, "negative_prompt": None, "negative_prompt_2": None, "seed": 0, "width": 0, "height": 0, "steps": 0,
           "guidance_scale": 0.0, "true_cfg_scale": 1.0, "scheduler": "auto", "max_sequence_length": 512}


def identity_2(effective):
    asked = {key: value for key, value in effective.items() if key not in NEUTRAL or value != NEUTRAL[key]}
    asked["dtype"] = {"transformer": "bf16", "vae": "fp32"}
    canonical = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    return hashlib.sha256(b"ditbatch record 2\n" + canonical + b"\n" + bytes(range(32))).hexdigest()


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    source = random.Random(5)
    lines, images = [], []
    for number in range(400):
        record = {"id": f"r{number}.{source.randrange(10**6)}", "prompt": random_text(source)}
        for key, value in (("prompt_2", random_text(source)), ("negative_prompt", random_text(source)),
                           ("negative_prompt_2", ""), ("seed", source.choice([0, 1, 2**32, 2**53 + 1, 2**63, 2**64 - 2])),
                           ("num_images", source.randrange(1, 5)), ("width", 16 * source.randrange(1, 100)),
                           ("height", 16 * source.randrange(1, 100)), ("steps", source.randrange(1, 60)),
                           ("guidance_scale", source.choice([0.0, 0.1, 7.25, 1e-3])), ("true_cfg_scale", 1.5),
                           ("max_sequence_length", source.randrange(1, 513)), ("scheduler", "auto"),
                           ("tags", [random_text(source) for _ in range(source.randrange(4))]),
                           ("metadata", source.choice([{}, [1, 2.5, None, {"a": [[]], "b\"\\": "x  y"}], "text", 7, False,
                                                       {"t": random_text(source), "n": {"deep": [True]}}]))):
            if source.random() < 0.4:
                record[key] = value
        items = list(record.items())
        source.shuffle(items)
        spaced = source.random() < 0.5
        lines.append(json.dumps(dict(items), ensure_ascii=source.random() < 0.5,
                                separators=(" , ", " :\t ") if spaced else (",", ":")))
        for index in range(record.get("num_images", 1)):
            seed = (record["seed"] + index) % 2**64 if "seed" in record else hashed_seed(record["id"], index)
            effective = {**DEFAULTS, **{k: v for k, v in record.items() if k not in ("num_images", "tags", "metadata")},
                         "index": index, "seed": seed}
            for key in ("prompt_2", "negative_prompt", "negative_prompt_2"):
                effective.setdefault(key, None)
            hashed = dict(effective)
            for key in ("prompt_2", "negative_prompt_2"):
                hashed[key] = hashed[key] or None
            canonical = json.dumps(hashed, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
            digest = hashlib.sha256(b"ditbatch record 1\n" + canonical + b"\n" + bytes(range(32)))
            images.append({**effective, "tags": record.get("tags", []), "metadata": record.get("metadata", {}),
                           "line": number + 1, "sha256": digest.hexdigest(), "sha256_2": identity_2(hashed)})
    (out / "manifest.jsonl").write_bytes("\n".join(lines).encode())
    (out / "expected.json").write_text(json.dumps({"job_seed": JOB_SEED, "images": images}))
    with open(out / "parts.txt", "w") as parts:
        for image in images:
            for count in (1, 2, 7, 1000):
                first = struct.unpack("<Q", hashlib.sha256(b"part " + image["id"].encode()).digest()[:8])[0]
                parts.write(f"{image['id']} {count} {first % count}\n")


if __name__ == "__main__":
    main()
