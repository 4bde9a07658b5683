"""Scenes of coloured shapes, their captions, and their pictures.

A scene is one or two groups of one to three equal shapes, a relation between the groups, and a
background. A caption says everything that the scorer checks; the places of the shapes are free
within what the caption says. Scenes and captions come from `random.Random`; pictures are drawn
from signed distances in torch, a whole batch at once, on any device.
"""
import dataclasses
import math
import random

import torch

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "diamond")
COLOURS = {
    "red": (220, 30, 35), "orange": (250, 130, 20), "yellow": (245, 220, 30), "green": (40, 170, 60),
    "cyan": (30, 200, 220), "blue": (35, 75, 225), "purple": (135, 45, 190), "pink": (250, 110, 190),
}
SIZES = {"small": (0.105, 0.120), "medium": (0.150, 0.165), "large": (0.200, 0.220)}  # radius / short side
BACKGROUNDS = {
    "white": (242, 242, 242), "gray": (150, 150, 150), "black": (22, 22, 22), "cream": (238, 226, 198),
    "navy": (28, 34, 66), "mint": (200, 228, 210), "brown": (92, 72, 56), "lavender": (214, 206, 236),
}
PATTERNS = ("plain", "gradient", "striped", "checkered", "dotted")
RELATIONS = ("left of", "right of", "above", "below")

# One colour of every shape never occurs in training.
HELD_OUT = frozenset((shape, tuple(COLOURS)[(5 * i + 2) % len(COLOURS)]) for i, shape in enumerate(SHAPES))


@dataclasses.dataclass(frozen=True)
class Group:
    count: int
    shape: str
    colour: str
    size: str | None  # None: not said, drawn as medium


@dataclasses.dataclass(frozen=True)
class Scene:
    groups: tuple[Group, ...]
    relation: str | None  # groups[0] is <relation> groups[1]
    background: str | None  # None: not said, any
    pattern: str | None

    def truth(self):
        """What a manifest record carries for the scorer."""
        return {"groups": [dataclasses.asdict(group) for group in self.groups], "relation": self.relation,
                "background": self.background, "pattern": self.pattern, "held_out": self.has_held_out()}

    def has_held_out(self):
        return any((group.shape, group.colour) in HELD_OUT for group in self.groups)

    def upright(self):
        """The same scene told from left to right or from top to bottom."""
        if self.relation == "right of":
            return dataclasses.replace(self, groups=self.groups[::-1], relation="left of")
        if self.relation == "below":
            return dataclasses.replace(self, groups=self.groups[::-1], relation="above")
        return self


def scene_of_truth(truth):
    return Scene(tuple(Group(**group) for group in truth["groups"]), truth["relation"], truth["background"],
                 truth["pattern"])


COUNTS = ((1,), (2,), (3,), (1, 1), (1, 2), (2, 1))
COUNT_WEIGHTS = (18, 14, 16, 24, 14, 14)


def draw_scene(rng, held_out="never"):
    """held_out: `never` for training, `always` for scenes with a pair that training has not seen."""
    while True:
        counts = rng.choices(COUNTS, COUNT_WEIGHTS)[0]
        groups = []
        for count in counts:
            sizes = (None, None, "small") if sum(counts) == 3 else (None, None, "small", "large")
            groups.append(Group(count, rng.choice(SHAPES), rng.choice(tuple(COLOURS)), rng.choice(sizes)))
        if len(groups) == 2 and (groups[0].shape, groups[0].colour) == (groups[1].shape, groups[1].colour):
            continue
        relation = rng.choice(RELATIONS) if len(groups) == 2 and rng.random() < 0.75 else None
        told = rng.random() < 0.9
        scene = Scene(tuple(groups), relation, rng.choice(tuple(BACKGROUNDS)) if told else None,
                      rng.choices(PATTERNS, (4, 2, 2, 1, 1))[0] if told else None)
        if scene.has_held_out() == (held_out == "always"):
            return scene


# ---- captions

NUMBERS = {1: ("a", "one", "a single"), 2: ("two", "a pair of"), 3: ("three",)}
SIZE_WORDS = {"small": ("small", "little", "tiny"), "large": ("large", "big", "huge")}
SHAPE_WORDS = {"circle": ("circle", "disc"), "cross": ("cross", "plus sign"), "diamond": ("diamond", "rhombus")}
PLURALS = {"cross": "crosses", "rhombus": "rhombuses"}
RELATION_WORDS = {
    "left of": ("left of", "to the left of", "on the left of"), "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over", "higher than"), "below": ("below", "under", "beneath"),
}
OPENINGS = ("", "", "", "", "a picture of ", "an image of ", "a drawing of ", "a simple scene with ")


def describe_group(group, rng):
    noun = rng.choice(SHAPE_WORDS.get(group.shape, (group.shape,)))
    if group.count > 1:
        noun = PLURALS.get(noun, noun + "s")
    size = rng.choice(SIZE_WORDS[group.size]) + " " if group.size in SIZE_WORDS else ""
    number = rng.choice(NUMBERS[group.count])
    if number == "a" and not size and group.colour == "orange":
        number = "an"
    return f"{number} {size}{group.colour} {noun}"


def describe_background(scene, rng):
    if scene.background is None:
        return ""
    pattern = scene.pattern
    if pattern == "plain":
        words = f"{rng.choice(('', 'plain '))}{scene.background}"
    else:
        pattern = rng.choice(("dotted", "spotted")) if pattern == "dotted" else pattern
        words = rng.choice((f"{pattern} {scene.background}", f"{scene.background} {pattern}"))
    article = "an" if words[0] in "aeiou" else "a"
    place = rng.choice(("background", "background", "backdrop"))
    return f"{rng.choice(('on', 'on', 'in front of'))} {article} {words} {place}"


def describe_scene(scene, rng):
    """One of many sentences for the scene; each says the same."""
    groups = [describe_group(group, rng) for group in scene.groups]
    background = describe_background(scene, rng)
    opening = rng.choice(OPENINGS)
    if len(groups) == 1:
        body = opening + groups[0]
    elif scene.relation is None:
        body = f"{opening}{groups[0]} {rng.choice(('and', 'and', 'together with'))} {groups[1]}"
    else:
        words = rng.choice(RELATION_WORDS[scene.relation])
        verb = "is" if scene.groups[0].count == 1 else "are"
        form = rng.randrange(4)
        if form == 0 and words != "higher than":
            body = f"{words} {groups[1]} there {verb} {groups[0]}"
        elif form == 1:
            body = f"{groups[0]} {verb} {words} {groups[1]}"
        else:
            body = f"{opening}{groups[0]} {words} {groups[1]}"
    if not background:
        text = body
    elif rng.random() < 0.2:
        text = f"{background}, {body}"
    else:
        text = f"{body}{rng.choice((' ', ' ', ', '))}{background}"
    style = rng.random()
    if style < 0.25:
        text = text[0].upper() + text[1:] + "."
    elif style < 0.35:
        text = text[0].upper() + text[1:]
    return text


# ---- numbers for the GPU: a scene as a row of small integers, told upright

FIELDS = ("count_a", "shape_a", "colour_a", "size_a", "count_b", "shape_b", "colour_b", "size_b", "relation",
          "background", "pattern")
CLASSES = (4, 8, 8, 3, 4, 8, 8, 3, 3, 8, 5)  # per field; -1 stands for absent or not said
_SIZE_CODES = {"small": 0, None: 1, "medium": 1, "large": 2}
_RELATION_CODES = {None: 0, "left of": 1, "above": 2}


def encode_scene(scene):
    scene = scene.upright()
    row = []
    for i in range(2):
        if i < len(scene.groups):
            group = scene.groups[i]
            row += [group.count, SHAPES.index(group.shape), tuple(COLOURS).index(group.colour), _SIZE_CODES[group.size]]
        else:
            row += [0, -1, -1, -1]
    row.append(_RELATION_CODES[scene.relation])
    row.append(-1 if scene.background is None else tuple(BACKGROUNDS).index(scene.background))
    row.append(-1 if scene.pattern is None else PATTERNS.index(scene.pattern))
    return row


# ---- places and pictures

GAP, MARGIN, REACH = 0.05, 0.02, 1.06  # in short sides; REACH: farthest point of a shape / radius
CANDIDATES = 96


def place_objects(codes, width, height, generator):
    """codes (B, 11) -> shape (B, 3), colour (B, 3), radius (B, 3), x (B, 3), y (B, 3), lengths in short
    sides; shape -1 where there is no object. Of many random arrangements, the first good one."""
    device, batch = codes.device, codes.shape[0]
    rand = lambda *size: torch.rand(size, generator=generator, device=device)
    order = torch.arange(3, device=device)[None]
    in_a, in_b = order < codes[:, :1], (order >= codes[:, :1]) & (order < codes[:, :1] + codes[:, 4:5])
    exists = in_a | in_b
    pick = lambda a, b: torch.where(in_a, codes[:, a:a + 1], torch.where(in_b, codes[:, b:b + 1], -1))
    shape, colour, size = pick(1, 5), pick(2, 6), pick(3, 7)
    low = torch.tensor([r[0] for r in SIZES.values()], device=device)
    high = torch.tensor([r[1] for r in SIZES.values()], device=device)
    size = size.clamp(min=0)
    group_rand = rand(batch, 2)  # the members of a group are of one size
    radius = low[size] + (high - low)[size] * torch.where(in_a, group_rand[:, :1], group_rand[:, 1:])

    short = min(width, height)
    span = torch.tensor([width / short, height / short], device=device)
    room = (REACH * radius + MARGIN)[:, None, :, None]
    spot = rand(batch, CANDIDATES, 3, 2)
    # Along the axis of the relation, places are handed out in order: group A first.
    ordered = torch.where(exists[:, None, :, None], spot, 2.0).sort(dim=2).values
    relation = codes[:, 8]
    along = torch.stack([relation == 1, relation == 2], -1)[:, None, None, :]
    spot = torch.where(along, ordered.clamp(max=1), spot)
    spot = room + spot * (span - 2 * room)  # (B, K, 3, 2)
    worst = torch.zeros(batch, CANDIDATES, device=device)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        both = (exists[:, i] & exists[:, j])[:, None]
        delta = spot[:, :, j] - spot[:, :, i]  # (B, K, 2)
        need = (REACH * (radius[:, i] + radius[:, j]) + GAP)[:, None]
        worst = worst + torch.where(both, (need - delta.norm(dim=-1)).clamp(min=0), 0)
        related = both & (in_a[:, i] & in_b[:, j])[:, None] & (relation > 0)[:, None]
        ahead = torch.where(relation[:, None] == 1, delta[..., 0], delta[..., 1])
        aside = torch.where(relation[:, None] == 1, delta[..., 1], delta[..., 0]).abs()
        clear = torch.maximum(0.75 * (radius[:, i] + radius[:, j])[:, None], 0.6 * aside)
        worst = worst + torch.where(related, (clear - ahead).clamp(min=0), 0)
    best = worst.argmin(dim=1)  # the first of equal ones: a good arrangement has 0
    place = spot[torch.arange(batch, device=device), best]  # (B, 3, 2)
    return torch.where(exists, shape, -1), colour, radius, place[..., 0], place[..., 1]


def _polygon(x, y, corners):
    """Distance to a convex polygon, corners clockwise on the screen (y down)."""
    distance = None
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1]):
        length = math.hypot(bx - ax, by - ay)
        side = ((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / length
        distance = side if distance is None else torch.maximum(distance, side)
    return distance


def shape_distances(x, y):
    """Signed distances of the shapes at radius 1 around the origin, in the order of SHAPES."""
    ax, ay, length = x.abs(), y.abs(), torch.sqrt(x * x + y * y + 1e-12)
    circle = length - 0.95
    square = torch.maximum(ax, ay) - 0.75
    triangle = _polygon(x, y, [(0.0, -1.0), (0.9, 0.56), (-0.9, 0.56)])
    # A fifth of the star: the edge from the tip to the inner corner, folded by the angle.
    fifth = math.pi / 5
    turn = torch.atan2(ax, -y)  # 0 at the upper tip, pi at the bottom
    turn = (turn - 2 * fifth * torch.round(turn / (2 * fifth))).abs()
    inner = 0.42
    ex, ey = inner * math.cos(fifth) - 1.0, inner * math.sin(fifth)
    star = -((length * torch.cos(turn) - 1.0) * ey - length * torch.sin(turn) * ex) / -math.hypot(ex, ey)
    cross = torch.minimum(torch.maximum(ax - 0.95, ay - 0.30), torch.maximum(ax - 0.30, ay - 0.95))
    ring = (length - 0.74).abs() - 0.22
    half = 0.80
    lobe = torch.sqrt((ax - half / 2) ** 2 + (y + half / 2 - 0.1) ** 2 + 1e-12) - half / math.sqrt(2)
    heart = torch.minimum(lobe, (ax + (y - 0.1).abs() - half) / math.sqrt(2))
    diamond = (ax / 0.78 + ay - 1.0) / math.hypot(1 / 0.78, 1.0)
    return circle, square, triangle, star, cross, ring, heart, diamond


def paint(shape, colour, radius, x, y, background, pattern, chance, width, height, palette, ground):
    """Objects (B, 3) and backgrounds (B) -> (B, 3, height, width) in [0, 1]. chance (B, 4) varies the
    pattern. Pixel centres, edges one pixel wide."""
    short = min(width, height)
    device = shape.device
    px = ((torch.arange(width, device=device) + 0.5) / short)[None, None, :]
    py = ((torch.arange(height, device=device) + 0.5) / short)[None, :, None]
    column = lambda value: value[:, None, None]

    base = ground[background]  # (B, 3)
    other = torch.where(base.mean(1, keepdim=True) > 0.5, base - 0.11, base + 0.11)
    angle = torch.floor(chance[:, 0] * 4) * (math.pi / 4)
    cos, sin = column(torch.cos(angle)), column(torch.sin(angle))
    period = column(0.13 + 0.06 * chance[:, 1])
    u = (px * cos + py * sin) / period + column(chance[:, 2])
    v = (py * cos - px * sin) / period + column(chance[:, 3])
    soft = 6.0 * period * short / 19.0  # edges of about a pixel at any size
    wave = lambda t: torch.sin(2 * math.pi * t)
    stripes = (0.5 + wave(u) * soft / 2).clamp(0, 1)
    checks = (0.5 + wave(u / 2) * wave(v / 2) * soft).clamp(0, 1)
    cell = torch.sqrt((u - torch.floor(u) - 0.5) ** 2 + (v - torch.floor(v) - 0.5) ** 2 + 1e-12)
    dots = (0.5 + (0.24 - cell) * period * short).clamp(0, 1)
    reach = (width * cos.abs() + height * sin.abs()) / short
    ramp = ((px - width / short / 2) * cos + (py - height / short / 2) * sin) / reach + 0.5
    kind = column(pattern)
    mix = torch.where(kind == 1, ramp, torch.where(kind == 2, stripes, torch.where(kind == 3, checks, dots)))
    mix = torch.where(kind == 0, torch.zeros_like(mix), mix.expand(shape.shape[0], height, width))[:, None]
    image = base[:, :, None, None] + mix * (other - base)[:, :, None, None]
    for i in range(3):
        r = column(radius[:, i])
        which = column(shape[:, i])
        cover = torch.zeros_like(mix[:, 0])
        for number, distance in enumerate(shape_distances((px - column(x[:, i])) / r, (py - column(y[:, i])) / r)):
            cover = torch.where(which == number, (0.5 - distance * r * short).clamp(0, 1), cover)
        tint = palette[colour[:, i].clamp(min=0)][:, :, None, None]
        image = image + cover[:, None] * (tint - image)
    return image


class Painter:
    """Draws batches of scenes on one device; the same seed draws the same pictures."""

    def __init__(self, device, seed):
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.palette = torch.tensor(list(COLOURS.values()), device=self.device) / 255.0
        self.ground = torch.tensor(list(BACKGROUNDS.values()), device=self.device) / 255.0

    def _any(self, codes, classes):
        drawn = torch.randint(classes, codes.shape, generator=self.generator, device=self.device)
        return torch.where(codes < 0, drawn, codes)

    def __call__(self, codes, width, height):
        """codes (B, 11) int64 -> (B, 3, height, width) float32 in [-1, 1]"""
        codes = codes.to(self.device)
        objects = place_objects(codes, width, height, self.generator)
        chance = torch.rand(codes.shape[0], 4, generator=self.generator, device=self.device)
        image = paint(*objects, self._any(codes[:, 9], len(BACKGROUNDS)), self._any(codes[:, 10], len(PATTERNS)),
                      chance, width, height, self.palette, self.ground)
        return image * 2 - 1


def draw_captioned_scenes(count, seed):
    """Training scenes with their captions."""
    rng = random.Random(seed)
    scenes = [draw_scene(rng) for _ in range(count)]
    return scenes, [describe_scene(scene, rng) for scene in scenes]
