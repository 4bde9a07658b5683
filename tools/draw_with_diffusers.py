#!/usr/bin/env python3
"""Draws a manifest's records with diffusers, as PNGs: what ditbatch is compared with.

    draw_with_diffusers.py MANIFEST.jsonl MODEL OUT_DIR [--dtype fp32|bf16] [--device cuda|cpu] [--limit N] [--part i/N]

One image a record, OUT_DIR/ID.png, with the noise of a CPU generator of the record's seed. The records name
everything that they need; score_shapes.py --manifest reads the result.
"""
import argparse
import json
import pathlib

import numpy
import torch
from diffusers import FluxPipeline
from PIL import Image

ARGUMENTS = ("prompt", "prompt_2", "negative_prompt", "negative_prompt_2", "width", "height", "guidance_scale", "true_cfg_scale",
             "max_sequence_length")


def load(model, dtype, device):
    pipeline = FluxPipeline.from_pretrained(model, torch_dtype={"fp32": torch.float32, "bf16": torch.bfloat16}[dtype]).to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline, record):
    """-> (height, width, 3) uint8"""
    image = pipeline(num_inference_steps=record["steps"], generator=torch.Generator().manual_seed(record["seed"]), output_type="np",
                     **{name: record[name] for name in ARGUMENTS if name in record}).images[0]
    return numpy.round(image.astype(numpy.float32) * 255).astype(numpy.uint8)


def read_records(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest")
    parser.add_argument("model")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--part", default="0/1", help="i/N: every N-th record, from the i-th on")
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    args.out.mkdir(parents=True, exist_ok=True)
    pipeline = load(args.model, args.dtype, args.device)
    first, parts = map(int, args.part.split("/"))
    records = read_records(args.manifest)[:args.limit][first::parts]
    for record in records:
        Image.fromarray(draw(pipeline, record)).save(args.out / f"{record['id']}.png")
    print(f"{len(records)} images in {args.out}")


if __name__ == "__main__":
    main()
