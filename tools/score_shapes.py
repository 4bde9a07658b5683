#!/usr/bin/env python3
"""Scores pictures of shapes against what their captions say.

    score_shapes.py RUN_DIR [--json OUT.json] [--wrong N] [--at-least all=0.8 ...] [--shuffle SEED]
    score_shapes.py PNG_DIR --manifest RECORDS.jsonl       (ID.png or ID-INDEX.png)

Finds shapes by classical image analysis: saturated pixels, connected regions, the nearest named
colour, and the best overlap with stencils of the known shapes. It knows nothing of the model, nor of
how training pictures are drawn; the truth comes from the records' metadata.

  colour, shape, size  share of the asked objects that are there and have it (size where it is said)
  count                share of the pictures with exactly the asked number of objects
  relation             share of the pictures with a relation in which it holds for every pair
  background           share of the pictures with the asked background colour
  all                  share of the pictures with every colour, shape, count and relation right
"""
import argparse
import itertools
import json
import pathlib
import random
import sys

import numpy
from PIL import Image, ImageDraw

COLOURS = {
    "red": (220, 30, 35), "orange": (250, 130, 20), "yellow": (245, 220, 30), "green": (40, 170, 60),
    "cyan": (30, 200, 220), "blue": (35, 75, 225), "purple": (135, 45, 190), "pink": (250, 110, 190),
}
BACKGROUNDS = {
    "white": (242, 242, 242), "gray": (150, 150, 150), "black": (22, 22, 22), "cream": (238, 226, 198),
    "navy": (28, 34, 66), "mint": (200, 228, 210), "brown": (92, 72, 56), "lavender": (214, 206, 236),
}
STENCIL = 48  # side of the stencils, which fill their box


def _star_points():
    angles = [(numpy.pi * k / 5, 1.0 if k % 2 == 0 else 0.42) for k in range(10)]
    return [(r * numpy.sin(a), -r * numpy.cos(a)) for a, r in angles]


def _heart_points():
    t = numpy.linspace(0, 2 * numpy.pi, 80, endpoint=False)
    lobe = [(-0.4 + 0.566 * numpy.cos(a), -0.4 + 0.566 * numpy.sin(a)) for a in t]
    return [lobe, [(-x, y) for x, y in lobe], [(0.0, -0.8), (0.8, 0.0), (0.0, 0.8), (-0.8, 0.0)]]


def _stencils():
    """name -> boolean mask, the shape filling the box"""
    circle = [[(numpy.cos(a), numpy.sin(a)) for a in numpy.linspace(0, 2 * numpy.pi, 120, endpoint=False)]]
    polygons = {
        "circle": circle, "ring": circle, "square": [[(-1, -1), (1, -1), (1, 1), (-1, 1)]],
        "triangle": [[(0, -1), (1, 1), (-1, 1)]], "star": [_star_points()],
        "cross": [[(-1, -0.32), (1, -0.32), (1, 0.32), (-1, 0.32)], [(-0.32, -1), (0.32, -1), (0.32, 1), (-0.32, 1)]],
        "heart": _heart_points(), "diamond": [[(0, -1), (1, 0), (0, 1), (-1, 0)]],
    }
    masks = {}
    for name, parts in polygons.items():
        points = numpy.array([point for part in parts for point in part], dtype=float)
        low, high = points.min(0), points.max(0)
        image = Image.new("L", (STENCIL * 4, STENCIL * 4))
        draw = ImageDraw.Draw(image)
        for part in parts:
            box = (numpy.array(part, dtype=float) - low) / (high - low) * (STENCIL * 4 - 1)
            draw.polygon([tuple(point) for point in box], fill=255)
        if name == "ring":
            inner, middle = 0.54 * STENCIL * 2, STENCIL * 2
            draw.ellipse([middle - inner, middle - inner, middle + inner, middle + inner], fill=0)
        masks[name] = numpy.asarray(image.resize((STENCIL, STENCIL), Image.Resampling.BOX)) >= 128
    return masks


STENCILS = _stencils()
# Half the side of a square as large as the box around a shape, by the radius that captions' sizes mean.
BOX_TO_RADIUS = {"circle": 0.95, "square": 0.75, "triangle": 0.84, "star": 0.93, "cross": 0.95, "ring": 0.96,
                 "heart": 0.935, "diamond": 0.885}
MIN_AREA = 0.004  # of the short side squared
MIN_OVERLAP = 0.70
MIN_PURITY = 0.6  # share of a shape's pixels that are nearest to its colour


def label_regions(mask):
    """Connected regions (edges and corners) of a mask -> int labels, 0 outside. Union-find over runs."""
    height, width = mask.shape
    padded = numpy.zeros((height, width + 2), dtype=numpy.int8)
    padded[:, 1:-1] = mask
    change = numpy.diff(padded, axis=1)
    starts, ends = numpy.argwhere(change == 1), numpy.argwhere(change == -1)  # rows in order
    parent = list(range(len(starts)))

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    above, row_above, current, row = [], -2, [], -1
    for run in range(len(starts)):
        y, x0, x1 = starts[run][0], starts[run][1], ends[run][1]
        if y != row:
            above, row_above, current, row = (current, row, [], y)
        if row_above == y - 1:
            for other, a0, a1 in above:
                if a0 <= x1 and x0 <= a1:  # touching, corners too
                    parent[root(run)] = root(other)
        current.append((run, x0, x1))
    labels = numpy.zeros(mask.shape, dtype=numpy.int32)
    names = {}
    for run in range(len(starts)):
        y, x0, x1 = starts[run][0], starts[run][1], ends[run][1]
        labels[y, x0:x1] = names.setdefault(root(run), len(names) + 1)
    return labels, len(names)


def nearest(pixels, palette):
    """pixels (..., 3) -> index of the nearest colour of the palette"""
    colours = numpy.array(list(palette.values()), dtype=numpy.float32)
    return ((pixels[..., None, :].astype(numpy.float32) - colours) ** 2).sum(-1).argmin(-1)


def _shape_of(mask):
    """mask cut to its box -> (name, overlap): the stencil with the largest intersection over union"""
    image = Image.fromarray(mask.astype(numpy.uint8) * 255).resize((STENCIL, STENCIL), Image.Resampling.BILINEAR)
    found = numpy.asarray(image) >= 128
    overlaps = {name: (found & stencil).sum() / (found | stencil).sum() for name, stencil in STENCILS.items()}
    name = max(overlaps, key=overlaps.get)
    return name, float(overlaps[name])


def _region_object(mask, image, short):
    rows, columns = numpy.flatnonzero(mask.any(1)), numpy.flatnonzero(mask.any(0))
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    cut = mask[y0:y1, x0:x1]
    inner = cut.copy()  # without the soft edge, for the colour
    inner[1:] &= cut[:-1]
    inner[:-1] &= cut[1:]
    inner[:, 1:] &= cut[:, :-1]
    inner[:, :-1] &= cut[:, 1:]
    pixels = image[y0:y1, x0:x1][inner if inner.sum() > 8 else cut]
    number = int(nearest(numpy.median(pixels, axis=0), COLOURS))
    colour = tuple(COLOURS)[number]
    purity = float((nearest(pixels, COLOURS) == number).mean())
    shape, overlap = _shape_of(cut)
    ys, xs = numpy.nonzero(cut)
    radius = float(numpy.sqrt((y1 - y0) * (x1 - x0)) / 2 / short / BOX_TO_RADIUS[shape])
    size = "small" if radius < 0.134 else "medium" if radius < 0.182 else "large"
    return {"shape": shape if overlap >= MIN_OVERLAP and purity >= MIN_PURITY else None, "overlap": overlap, "colour": colour, "size": size,
            "x": float(xs.mean() + x0), "y": float(ys.mean() + y0), "radius": radius}


def find_objects(image):
    """image (H, W, 3) uint8 -> {"objects": [...], "background": name}"""
    image = numpy.asarray(image)
    short = min(image.shape[:2])
    signed = image.astype(numpy.int16)
    saturated = signed.max(-1) - signed.min(-1) >= 75
    labels, count = label_regions(saturated)
    objects = []
    for label in range(1, count + 1):
        region = labels == label
        area = int(region.sum())
        if area < MIN_AREA * short * short:
            continue
        # Shapes of two colours that touch are two shapes.
        names = numpy.full(region.shape, -1)
        names[region] = nearest(image[region], COLOURS)
        shares = numpy.bincount(names[region], minlength=len(COLOURS)) / area
        if (shares > 0.25).sum() >= 2:
            parts = []
            for colour in numpy.flatnonzero(shares > 0.25):
                part_labels, part_count = label_regions(names == colour)
                parts += [part_labels == part for part in range(1, part_count + 1)]
            parts = [part for part in parts if part.sum() >= max(MIN_AREA * short * short, 0.2 * area)]
        else:
            parts = [region]
        objects += [_region_object(part, image, short) for part in parts]
    ground = signed[~saturated].reshape(-1, 3)
    background = None
    if len(ground):
        # A pattern has its base colour and a darker or, if dark, lighter tint of it.
        sample = ground[:: max(1, len(ground) // 4000)]
        tints = {(name, k): [c + k * (14 if sum(rgb) < 383 else -14) for c in rgb] for name, rgb in BACKGROUNDS.items() for k in range(3)}
        votes = numpy.bincount(nearest(sample, tints) // 3, minlength=len(BACKGROUNDS))
        background = tuple(BACKGROUNDS)[int(votes.argmax())]
    return {"objects": objects, "background": background}


def judge(truth, found):
    """What a record's metadata says against what is in its picture -> counts of right and asked things"""
    asked = [(number, group) for number, group in enumerate(truth["groups"]) for _ in range(group["count"])]
    objects = found["objects"]

    def likeness(group, thing):
        return (2 * (thing["shape"] == group["shape"]) + 2 * (thing["colour"] == group["colour"])
                + 0.5 * (group["size"] is not None and thing["size"] == group["size"]))

    # The best assignment: at most three asked things, and few found ones.
    slots = list(range(min(len(objects), 7))) + [None] * len(asked)
    best, best_value = [None] * len(asked), -1.0
    for choice in set(itertools.permutations(slots, len(asked))):
        value = sum(0.1 + likeness(group, objects[slot]) for (_, group), slot in zip(asked, choice) if slot is not None)
        if value > best_value:
            best, best_value = list(choice), value
    pairs = [(number, group, None if slot is None else objects[slot]) for (number, group), slot in zip(asked, best)]
    result = {"objects": len(asked), "shape": sum(thing is not None and thing["shape"] == group["shape"] for _, group, thing in pairs),
              "colour": sum(thing is not None and thing["colour"] == group["colour"] for _, group, thing in pairs),
              "count": len(objects) == len(asked), "sizes": 0, "size": 0, "relation": None, "background": None}
    for _, group, thing in pairs:
        if group["size"] is not None:
            result["sizes"] += 1
            result["size"] += thing is not None and thing["size"] == group["size"]
    if truth["relation"] is not None:
        first = [thing for number, _, thing in pairs if number == 0]
        second = [thing for number, _, thing in pairs if number == 1]
        axis, sign = {"left of": ("x", 1), "right of": ("x", -1), "above": ("y", 1), "below": ("y", -1)}[truth["relation"]]
        result["relation"] = None not in first + second and all(sign * (b[axis] - a[axis]) > 0 for a in first for b in second)
    if truth.get("background") is not None:
        result["background"] = found["background"] == truth["background"]
    result["all"] = (result["shape"] == result["colour"] == result["objects"] and result["count"] and result["relation"] is not False)
    return result


def summarise(results):
    share = lambda values: round(float(numpy.mean(values)), 4) if len(values) else None
    ratio = lambda right, asked: round(sum(r[right] for r in results) / max(1, sum(r[asked] for r in results)), 4)
    return {"records": len(results), "colour": ratio("colour", "objects"), "shape": ratio("shape", "objects"),
            "count": share([r["count"] for r in results]),
            "relation": share([r["relation"] for r in results if r["relation"] is not None]),
            "all": share([r["all"] for r in results]), "size": ratio("size", "sizes"),
            "background": share([r["background"] for r in results if r["background"] is not None])}


def read_run(run_dir):
    """Rows of the published shards of a run -> (key, prompt, truth, image)"""
    import h5py
    for shard in sorted(pathlib.Path(run_dir, "shards").rglob("*.h5")):
        with h5py.File(shard) as file:
            metadata, ids, prompts = file["metadata"].asstr()[:], file["id"].asstr()[:], file["prompt"].asstr()[:]
            for row in range(len(ids)):
                yield f"{ids[row]}-{file['index'][row]}", prompts[row], json.loads(metadata[row] or "null"), file["images"][row]


def read_pictures(folder, manifest):
    for line in pathlib.Path(manifest).read_text().splitlines():
        record = json.loads(line)
        paths = sorted(pathlib.Path(folder).glob(record["id"] + ".png")) + sorted(pathlib.Path(folder).glob(record["id"] + "-[0-9]*.png"))
        for path in paths:
            yield path.stem, record["prompt"], record.get("metadata"), numpy.asarray(Image.open(path).convert("RGB"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--manifest", help="the records of a folder of pictures")
    parser.add_argument("--json", help="write the scores there too")
    parser.add_argument("--wrong", type=int, default=0, help="print that many wrong pictures")
    parser.add_argument("--shuffle", type=int, help="give every picture another one's caption (what chance scores)")
    parser.add_argument("--at-least", nargs="*", default=[], metavar="NAME=SHARE", help="fail below these scores")
    args = parser.parse_args()
    rows = [row for row in (read_pictures(args.folder, args.manifest) if args.manifest else read_run(args.folder)) if row[2]]
    if not rows:
        sys.exit(f"{args.folder}: nothing to score (no pictures with metadata) name a run folder, or PNGs with --manifest")
    truths = [truth for _, _, truth, _ in rows]
    if args.shuffle is not None:
        random.Random(args.shuffle).shuffle(truths)
    found = [find_objects(image) for _, _, _, image in rows]
    results = [judge(truth, things) for truth, things in zip(truths, found)]
    scores = summarise(results)
    held_out = [result for truth, result in zip(truths, results) if truth.get("held_out")]
    if held_out:
        scores["held_out"] = summarise(held_out)
    print(json.dumps(scores, indent=1))
    wrong = [i for i, result in enumerate(results) if not result["all"]]
    for i in wrong[:args.wrong]:
        seen = ", ".join(f"{o['size']} {o['colour']} {o['shape']} at {o['x']:.0f},{o['y']:.0f}" for o in found[i]["objects"])
        print(f"wrong: {rows[i][0]}: {rows[i][1]!r}: found {seen or 'nothing'}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(scores, indent=1) + "\n")
    failed = []
    for limit in args.at_least:
        name, _, share = limit.partition("=")
        if not (scores.get(name) or 0) >= float(share):
            failed.append(f"{name} {scores.get(name)} < {share}")
    if failed:
        sys.exit("below the stated accuracy: " + ", ".join(failed))


if __name__ == "__main__":
    main()
