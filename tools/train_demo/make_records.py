#!/usr/bin/env python3
"""Writes jobs/shapes/demo.jsonl (64 records) and jobs/shapes/evaluation.jsonl (1,000): make_records.py [OUT_DIR]

Each record's metadata says what its picture has to show. Training never sees these captions' seeds; a
quarter of the records name a colour of a shape that it has never seen.
"""
import json
import pathlib
import random
import sys

from scene import describe_scene, draw_scene
from text_tokenizers import T5_TOKENS

# Small pictures first: the demo has to be done in about two minutes on two cores.
DEMO_SIZES = ((128, 128), (192, 192), (192, 128), (128, 192))
EVALUATION_SIZES = ((256, 256), (192, 192), (128, 128), (256, 192), (192, 256), (320, 192), (192, 320), (384, 256),
                    (256, 384), (512, 512))
EVALUATION_WEIGHTS = (6, 3, 3, 2, 2, 1, 1, 1, 1, 1)


def make_records(name, count, seed, sizes, weights, steps, scale):
    rng = random.Random(seed)
    for number in range(count):
        scene = draw_scene(rng, "always" if number % 4 == 3 else "never")
        width, height = rng.choices(sizes, weights)[0]
        kind = "one group" if len(scene.groups) == 1 else "relation" if scene.relation else "two groups"
        yield {"id": f"{name}-{number:04}", "prompt": describe_scene(scene, rng), "negative_prompt": "", "seed": seed * 10000 + number,
               "width": width, "height": height, "steps": steps, "true_cfg_scale": scale, "max_sequence_length": T5_TOKENS,
               "tags": [kind] + (["held out"] if scene.has_held_out() else []), "metadata": scene.truth()}


def main(out_dir=pathlib.Path(__file__).resolve().parents[2] / "jobs" / "shapes"):
    for name, records in (("demo", make_records("demo", 64, 31, DEMO_SIZES, (3, 3, 1, 1), 12, 2.0)),
                          ("evaluation", make_records("evaluation", 1000, 32, EVALUATION_SIZES, EVALUATION_WEIGHTS, 20, 2.0))):
        path = pathlib.Path(out_dir, name + ".jsonl")
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        print(f"{path.name}: {len(path.read_text().splitlines())} records")


if __name__ == "__main__":
    main(*sys.argv[1:])
