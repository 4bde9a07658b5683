"""The scorer, the renderer, the captions and the manifests of the shapes demo."""
import json
import pathlib
import random
import sys
import unittest

import numpy
import torch
from PIL import Image, ImageDraw

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools" / "train_demo"), str(ROOT / "tools")]
import check_scorer  # noqa: E402
import scene  # noqa: E402
import score_shapes  # noqa: E402

torch.set_num_threads(1)


def one(count=1, shape="circle", colour="red", size=None):
    return {"count": count, "shape": shape, "colour": colour, "size": size}


def asked(*groups, relation=None, background="white"):
    return {"groups": list(groups), "relation": relation, "background": background, "pattern": "plain"}


def picture(draw_things, size=(192, 160), ground=(242, 242, 242)):
    image = Image.new("RGB", size, ground)
    draw_things(ImageDraw.Draw(image))
    return numpy.asarray(image)


class Scorer(unittest.TestCase):
    """On pictures that Pillow draws, not the renderer of the training data."""

    def setUp(self):
        def things(draw):
            draw.ellipse([20, 40, 70, 90], fill=(220, 30, 35))
            draw.rectangle([110, 50, 150, 90], fill=(35, 75, 225))
        self.found = score_shapes.find_objects(picture(things))

    def judge(self, *groups, **more):
        return score_shapes.judge(asked(*groups, **more), self.found)

    def test_finds_what_is_there(self):
        kinds = sorted((thing["colour"], thing["shape"]) for thing in self.found["objects"])
        self.assertEqual(kinds, [("blue", "square"), ("red", "circle")])
        self.assertEqual(self.found["background"], "white")

    def test_accepts_the_right_caption_and_no_other(self):
        red, blue = one(), one(shape="square", colour="blue")
        self.assertTrue(self.judge(red, blue, relation="left of")["all"])
        self.assertTrue(self.judge(blue, red, relation="right of")["all"])
        self.assertFalse(self.judge(red, blue, relation="right of")["all"])
        self.assertFalse(self.judge(blue, red, relation="left of")["all"])
        self.assertFalse(self.judge(red, one(shape="square", colour="green"))["all"])
        self.assertFalse(self.judge(red, one(shape="diamond", colour="blue"))["all"])
        swapped = self.judge(one(colour="blue"), one(shape="square"))
        self.assertFalse(swapped["all"])
        self.assertLess(swapped["colour"] + swapped["shape"], 4)

    def test_counts(self):
        self.assertFalse(self.judge(one())["count"])  # one too many
        self.assertFalse(self.judge(one(2), one(shape="square", colour="blue"))["all"])  # one missing
        result = self.judge(one(2), one(shape="square", colour="blue"))
        self.assertEqual((result["objects"], result["shape"], result["colour"], result["count"]), (3, 2, 2, False))

    def test_background_is_judged(self):
        self.assertTrue(self.judge(one(), background="white")["background"])
        self.assertFalse(self.judge(one(), background="navy")["background"])

    def test_empty_noisy_and_gray_pictures_have_no_shapes(self):
        noise = numpy.random.default_rng(1).integers(0, 256, (128, 128, 3), dtype=numpy.uint8)
        gray = picture(lambda draw: draw.ellipse([20, 20, 80, 80], fill=(90, 90, 90)))
        self.assertEqual(score_shapes.find_objects(gray)["objects"], [])
        for thing in score_shapes.find_objects(noise)["objects"]:
            self.assertIsNone(thing["shape"])
        empty = score_shapes.judge(asked(one(), one(shape="star"), relation="above"), {"objects": [], "background": None})
        self.assertEqual((empty["shape"], empty["colour"], empty["count"], empty["relation"], empty["all"]), (0, 0, False, False, False))

    def test_touching_shapes_of_two_colours_are_two(self):
        def things(draw):
            draw.rectangle([40, 40, 80, 80], fill=(220, 30, 35))
            draw.rectangle([81, 40, 121, 80], fill=(40, 170, 60))
        found = score_shapes.find_objects(picture(things))
        self.assertEqual(sorted((t["colour"], t["shape"]) for t in found["objects"]), [("green", "square"), ("red", "square")])


class ScorerOnScenes(unittest.TestCase):
    def test_right_on_known_scenes_and_at_chance_on_shuffled_captions(self):
        scores = check_scorer.check(160, seed=5)
        own, shuffled, chance = scores.values()
        for name in ("colour", "shape", "count", "relation", "all", "size"):
            self.assertGreaterEqual(own[name], 0.99, name)
            # Of the pictures half have a relation, and apart from it things lie at random.
            self.assertLess(abs(shuffled[name] - chance[name]), 0.15 if name == "relation" else 0.1, name)
        self.assertGreaterEqual(own["background"], 0.97)
        self.assertLess(shuffled["all"], 0.05)


class Scenes(unittest.TestCase):
    def test_same_seed_same_scenes_captions_and_pictures(self):
        first, second = scene.draw_captioned_scenes(50, 3), scene.draw_captioned_scenes(50, 3)
        self.assertEqual(first, second)
        self.assertNotEqual(first[1], scene.draw_captioned_scenes(50, 4)[1])
        codes = torch.tensor([scene.encode_scene(s) for s in first[0]])
        draw = lambda seed: scene.Painter("cpu", seed)(codes[:4], 96, 64)
        self.assertTrue(torch.equal(draw(1), draw(1)))
        self.assertFalse(torch.equal(draw(1), draw(2)))
        self.assertEqual(tuple(draw(1).shape), (4, 3, 64, 96))
        self.assertLessEqual(float(draw(1).abs().max()), 1.0)

    def test_held_out_pairs_stay_out_of_training(self):
        scenes, _ = scene.draw_captioned_scenes(5000, 6)
        self.assertFalse(any(s.has_held_out() for s in scenes))
        pairs = {(g.shape, g.colour) for s in scenes for g in s.groups}
        self.assertEqual(len(pairs), 64 - 8)
        rng = random.Random(1)
        self.assertTrue(all(scene.draw_scene(rng, "always").has_held_out() for _ in range(50)))

    def test_a_caption_names_what_is_checked(self):
        rng = random.Random(2)
        for _ in range(500):
            drawn = scene.draw_scene(rng)
            caption = scene.describe_scene(drawn, rng).lower()
            for group in drawn.groups:
                self.assertIn(group.colour, caption)
                self.assertTrue(any(word in caption for word in scene.SHAPE_WORDS.get(group.shape, (group.shape,))))
                self.assertTrue(any(word in caption for word in scene.NUMBERS[group.count]))
                if group.size:
                    self.assertTrue(any(word in caption for word in scene.SIZE_WORDS[group.size]))
            if drawn.relation:
                self.assertTrue(any(word in caption for word in scene.RELATION_WORDS[drawn.relation]))
            self.assertEqual(drawn.background is not None, "back" in caption)

    def test_told_upright_the_scene_is_the_same(self):
        rng = random.Random(8)
        told = scene.Scene((scene.Group(1, "star", "red", None), scene.Group(2, "ring", "blue", None)), "below", None, None)
        codes = scene.encode_scene(told)
        self.assertEqual(codes[:3], [2, scene.SHAPES.index("ring"), list(scene.COLOURS).index("blue")])
        self.assertEqual(codes[8], 2)
        for _ in range(50):
            drawn = scene.draw_scene(rng)
            self.assertEqual(scene.scene_of_truth({k: v for k, v in drawn.truth().items() if k != "held_out"}), drawn)


class Manifests(unittest.TestCase):
    def test_records(self):
        for name, count in (("demo", 64), ("evaluation", 1000)):
            records = [json.loads(line) for line in (ROOT / "jobs" / "shapes" / f"{name}.jsonl").read_text().splitlines()]
            self.assertEqual(len({record["id"] for record in records}), count)
            self.assertEqual(sum(record["metadata"]["held_out"] for record in records), count // 4)
            for record in records:
                self.assertEqual((record["width"] % 16, record["height"] % 16), (0, 0))
                self.assertTrue(128 <= min(record["width"], record["height"]) <= max(record["width"], record["height"]) <= 512)
                for group in record["metadata"]["groups"]:
                    self.assertIn(group["colour"], record["prompt"].lower())
            formats = {(record["width"], record["height"]) for record in records}
            self.assertGreaterEqual(len(formats), 4)

    def test_made_by_the_script(self):
        import make_records
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            make_records.main(folder)
            for name in ("demo", "evaluation"):
                self.assertEqual(pathlib.Path(folder, f"{name}.jsonl").read_text(), (ROOT / "jobs" / "shapes" / f"{name}.jsonl").read_text())


if __name__ == "__main__":
    unittest.main()
