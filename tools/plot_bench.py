#!/usr/bin/env python3
"""Draws a study of `ditbatch bench` as SVG, with Python alone.

    plot_bench.py BENCH_DIR|bench.csv [--out bench.svg]

One row for each size, batch and kind of guidance. Left: seconds an image of every layout (bar: median, line: 95 %
confidence interval) with the floor of its ranks as a mark. Right: scaling efficiency over the ranks that share an image.
"""
import argparse
import csv
import math
import pathlib
from xml.sax.saxutils import escape

WIDTH, ROW_HEIGHT, TOP = 1120, 330, 50
LEFT = dict(x=70, width=600)
RIGHT = dict(x=780, width=300)
PLOT_HEIGHT = 200
COLORS = dict(bar="#4c78a8", floor="#d62728", line="#54a24b", grid="#dddddd", text="#222222")


def read_study(path):
    path = pathlib.Path(path)
    with open(path / "bench.csv" if path.is_dir() else path, newline="") as file:
        return [line for line in csv.DictReader(file) if line["image_s"]]


def groups_of(lines):
    """(width, height, batch, steps, true_cfg) -> its lines, in the order of the table"""
    groups = {}
    for line in lines:
        groups.setdefault(tuple(line[key] for key in ("width", "height", "batch", "steps", "true_cfg")), []).append(line)
    return groups


def ranks_per_image(line):
    return math.prod(int(line[key]) for key in ("cfg", "pipefusion", "ring", "ulysses"))


def short_name(line):
    """Only the dimensions that are split: "ulysses4", "cfg2.ring2", with the replicas in front."""
    parts = [key + line[key] for key in ("cfg", "pipefusion", "ring", "ulysses") if line[key] != "1"]
    return (f"{line['replicas']} x " if line["replicas"] != "1" else "") + (".".join(parts) or "1 rank")


def nice_steps(most, count=5):
    """Round numbers from 0 up to at least `most`."""
    raw = most / count
    scale = 10 ** math.floor(math.log10(raw))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= raw)
    return [step * i for i in range(math.ceil(most / step - 1e-9) + 1)]


class Drawing:
    def __init__(self):
        self.parts = []

    def line(self, x1, y1, x2, y2, color, width=1.0):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}" stroke-width="{width}"/>')

    def box(self, x, y, width, height, color):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{color}"/>')

    def dot(self, x, y, color):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}"/>')

    def text(self, x, y, text, anchor="middle", size=12):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{COLORS["text"]}">{escape(text)}</text>')

    def axes(self, panel, bottom, ticks, label):
        for tick in ticks:
            y = bottom - PLOT_HEIGHT * tick / ticks[-1]
            self.line(panel["x"], y, panel["x"] + panel["width"], y, COLORS["grid"])
            self.text(panel["x"] - 6, y + 4, f"{tick:g}", "end", 11)
        self.text(panel["x"], bottom - PLOT_HEIGHT - 12, label, "start")

    def svg(self, height):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif">\n'
                f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def draw_seconds(drawing, lines, bottom):
    most = max(float(line[key]) for line in lines for key in ("image_s_high", "floor_s") if line[key])
    ticks = nice_steps(most)
    drawing.axes(LEFT, bottom, ticks, "seconds an image")
    at = lambda seconds: bottom - PLOT_HEIGHT * seconds / ticks[-1]
    slot = LEFT["width"] / len(lines)
    bar = min(0.6 * slot, 60)
    for place, line in enumerate(lines):
        middle = LEFT["x"] + (place + 0.5) * slot
        seconds = float(line["image_s"])
        drawing.box(middle - bar / 2, at(seconds), bar, bottom - at(seconds), COLORS["bar"])
        drawing.line(middle, at(float(line["image_s_low"])), middle, at(float(line["image_s_high"])), COLORS["text"], 2)
        label = f"{seconds:.3g}"
        if line["floor_s"]:
            drawing.line(middle - bar * 0.65, at(float(line["floor_s"])), middle + bar * 0.65, at(float(line["floor_s"])), COLORS["floor"], 3)
            label += f" ({100 * float(line['floor_fraction']):.0f} %)"
        drawing.text(middle, at(max(seconds, float(line["image_s_high"]))) - 5, label, size=11)
        drawing.text(middle, bottom + 16 + 14 * (place % 2), short_name(line), size=11)


def draw_scaling(drawing, lines, bottom):
    points = sorted((ranks_per_image(line), 100 * float(line["scaling_efficiency"]), short_name(line)) for line in lines if line["scaling_efficiency"])
    ticks = nice_steps(max([100] + [share for _, share, _ in points]))
    drawing.axes(RIGHT, bottom, ticks, "scaling efficiency in %, over ranks an image")
    ranks = sorted({point[0] for point in points})
    x_of = {count: RIGHT["x"] + RIGHT["width"] * (place + 0.5) / len(ranks) for place, count in enumerate(ranks)}
    at = lambda share: bottom - PLOT_HEIGHT * share / ticks[-1]
    best = {count: max(share for other, share, _ in points if other == count) for count in ranks}
    for one, next_one in zip(ranks, ranks[1:]):
        drawing.line(x_of[one], at(best[one]), x_of[next_one], at(best[next_one]), COLORS["line"], 2)
    for count, share, name in points:
        drawing.dot(x_of[count], at(share), COLORS["line"])
        drawing.text(x_of[count] + 7, at(share) - 5, name, "start", 10)
    for count in ranks:
        drawing.text(x_of[count], bottom + 16, str(count), size=11)


def draw(lines):
    drawing = Drawing()
    drawing.text(20, 28, "bar: median; line: 95 % confidence interval of the median; red: floor of the denoising (denoising at its % of it)", "start", 13)
    groups = groups_of(lines)
    for row, ((width, height, batch, steps, true_cfg), members) in enumerate(groups.items()):
        bottom = TOP + row * ROW_HEIGHT + 60 + PLOT_HEIGHT
        title = f"{width}x{height}, {steps} steps, batch {batch}" + (", both CFG branches" if true_cfg == "1" else "")
        drawing.text(20, bottom - PLOT_HEIGHT - 34, title, "start", 15)
        draw_seconds(drawing, members, bottom)
        draw_scaling(drawing, members, bottom)
    return drawing.svg(TOP + len(groups) * ROW_HEIGHT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="what `bench --out` wrote, or its bench.csv")
    parser.add_argument("--out", help="default: bench.svg beside the table")
    args = parser.parse_args()
    lines = read_study(args.study)
    if not lines:
        parser.error(f"{args.study}: no case was measured")
    study = pathlib.Path(args.study)
    out = pathlib.Path(args.out) if args.out else (study if study.is_dir() else study.parent) / "bench.svg"
    out.write_text(draw(lines))
    print(f"{len(lines)} cases drawn to {out}")


if __name__ == "__main__":
    main()
