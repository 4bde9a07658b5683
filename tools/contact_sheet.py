#!/usr/bin/env python3
"""Draws the images of a run folder beside their prompts: contact_sheet.py RUN_DIR OUT.png [IMAGES]"""
import pathlib
import sys
import textwrap

import h5py
from PIL import Image, ImageDraw, ImageFont

PICTURE, TEXT, COLUMNS, GAP = 128, 152, 4, 6  # pixels; a cell is a picture and the text to its right
LETTERS, LINES = 24, 8


def read(run_dir):
    rows = []
    for shard in sorted(pathlib.Path(run_dir, "shards").rglob("*.h5")):
        with h5py.File(shard) as file:
            rows += zip(file["id"].asstr()[:], file["index"][:], file["prompt"].asstr()[:], file["images"][:])
    return sorted(rows, key=lambda row: (row[0], row[1]))


def main(run_dir, out, most=64):
    rows = read(run_dir)[:most]
    if not rows:
        sys.exit(f"{run_dir}: no published images")
    width, height = PICTURE + TEXT + 2 * GAP, PICTURE + GAP
    sheet = Image.new("RGB", (COLUMNS * width, (len(rows) + COLUMNS - 1) // COLUMNS * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default()
    for number, (identifier, index, prompt, pixels) in enumerate(rows):
        x, y = number % COLUMNS * width + GAP, number // COLUMNS * height + GAP
        image = Image.fromarray(pixels)
        image.thumbnail((PICTURE, PICTURE), Image.Resampling.LANCZOS)
        sheet.paste(image, (x + (PICTURE - image.width) // 2, y + (PICTURE - image.height) // 2))
        lines = [f"{identifier}" + (f"[{index}]" if index else "")] + textwrap.wrap(prompt, LETTERS)
        draw.multiline_text((x + PICTURE + GAP, y), "\n".join(lines[:LINES]), fill="black", font=font, spacing=3)
    sheet.save(out, optimize=True)
    print(f"{len(rows)} images on {out}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(n) for n in sys.argv[3:]))
