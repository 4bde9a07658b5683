#!/usr/bin/env python3
"""How far the scorer can be trusted: check_scorer.py [SCENES]

Draws scenes with known content at many sizes, on every background, and scores them: against their own
captions (near 100 %), against shuffled ones, and, as the chance to compare with, the shuffled captions
against what perfect eyes would see in the pictures.
"""
import json
import pathlib
import random
import sys

import torch

from scene import Painter, draw_scene, encode_scene

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import score_shapes  # noqa: E402

SIZES = ((128, 128), (192, 128), (128, 192), (192, 192), (256, 256), (256, 128), (128, 256), (320, 192), (384, 384), (512, 512))
WEIGHTS = (4, 2, 2, 4, 4, 2, 2, 2, 1, 1)


def perfect_eyes(scene, rng):
    """What a faultless scorer finds in a picture of the scene: places that keep its relation, and are random apart from it."""
    objects = []
    for number, group in enumerate(scene.groups):
        side = number if scene.relation in ("left of", "above") else -number
        for _ in range(group.count):
            place = {"x": rng.random(), "y": rng.random()}
            if scene.relation:
                place["x" if scene.relation in ("left of", "right of") else "y"] += side
            objects.append({"shape": group.shape, "colour": group.colour, "size": group.size or "medium", **place})
    return {"objects": objects, "background": scene.background}


def check(count, seed=77):
    rng = random.Random(seed)
    painter = Painter("cpu", seed)
    scenes = [draw_scene(rng, "always" if i % 4 == 3 else "never") for i in range(count)]
    found = []
    for scene in scenes:
        width, height = rng.choices(SIZES, WEIGHTS)[0]
        image = painter(torch.tensor([encode_scene(scene)]), width, height)[0]
        found.append(score_shapes.find_objects(((image + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()))
    truths = [scene.truth() for scene in scenes]
    shuffled = truths[:]
    rng.shuffle(shuffled)
    score = lambda asked, seen: score_shapes.summarise([score_shapes.judge(a, s) for a, s in zip(asked, seen)])
    return {"own captions": score(truths, found), "shuffled captions": score(shuffled, found),
            "shuffled captions, perfect eyes": score(shuffled, [perfect_eyes(scene, rng) for scene in scenes])}


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name, scores in check(int(sys.argv[1]) if len(sys.argv) > 1 else 1000).items():
        print(f"{name}: {json.dumps(scores)}")
