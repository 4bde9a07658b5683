#!/usr/bin/env python3
"""Draws the images of a run folder with their prompts: contact_sheet.py RUN_DIR OUT.png [IMAGES]"""
import pathlib
import sys
import textwrap

import h5py
from PIL import Image, ImageDraw, ImageFont

CELL, TEXT, COLUMNS = 200, 48, 6


def read(run_dir):
    rows = []
    for shard in sorted(pathlib.Path(run_dir, "shards").rglob("*.h5")):
        with h5py.File(shard) as file:
            rows += zip(file["id"].asstr()[:], file["index"][:], file["prompt"].asstr()[:], file["images"][:])
    return sorted(rows, key=lambda row: (row[0], row[1]))


def main(run_dir, out, most=48):
    rows = read(run_dir)[:most]
    if not rows:
        sys.exit(f"{run_dir}: no published images")
    lines = (len(rows) + COLUMNS - 1) // COLUMNS
    sheet = Image.new("RGB", (COLUMNS * CELL, lines * (CELL + TEXT)), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default()
    for number, (identifier, index, prompt, pixels) in enumerate(rows):
        x, y = number % COLUMNS * CELL, number // COLUMNS * (CELL + TEXT)
        image = Image.fromarray(pixels)
        image.thumbnail((CELL - 8, CELL - 8), Image.Resampling.NEAREST)
        sheet.paste(image, (x + (CELL - image.width) // 2, y + (CELL - image.height) // 2))
        draw.multiline_text((x + 6, y + CELL), "\n".join(textwrap.wrap(f"{identifier}: {prompt}", 31)[:3]), fill="black", font=font)
    sheet.save(out, optimize=True)
    print(f"{len(rows)} images on {out}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(n) for n in sys.argv[3:]))
