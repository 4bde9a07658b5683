#!/usr/bin/env python3
"""On a GPU: how far bf16 is from float32, in ditbatch and in diffusers.

    bf16_parity.py DITBATCH PARITY_DIR WORK_DIR

PARITY_DIR holds the pipelines and cases of make_references.py. Noise is drawn in bf16 and handed as `latents=`
to diffusers in float32 and in bf16; ditbatch draws the same noise from the seed. Fails where the PSNR of
ditbatch against the float32 image is more than 1 dB below that of diffusers in bf16.
"""
import json
import pathlib
import subprocess
import sys

import h5py
import numpy
import torch
from diffusers import FluxPipeline

PROGRAM, PARITY, WORK = sys.argv[1], pathlib.Path(sys.argv[2]).resolve(), pathlib.Path(sys.argv[3])


def psnr(a, b):
    mean = numpy.mean((a.astype(numpy.float64) - b.astype(numpy.float64)) ** 2)
    return 99.0 if mean == 0 else float(10 * numpy.log10(255.0**2 / mean))


def draw(pipeline, case, latents):
    arguments = {k: v for k, v in case.items() if k not in ("id", "seed", "steps")}
    image = pipeline(num_inference_steps=case["steps"], latents=latents, output_type="np", **arguments).images[0]
    return numpy.round(image.astype(numpy.float32) * 255).astype(numpy.uint8)


def made_by_ditbatch(name, cases):
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.jsonl").write_text("".join(json.dumps(c) + "\n" for c in cases))
    (folder / "job.toml").write_text(f'[job]\nmanifest = "manifest.jsonl"\nrun_dir = "run"\n[model]\npath = "{PARITY / name}"\n'
                                     'dtype = "bf16"\n[runtime]\ndevice = "cuda"\n')
    subprocess.run([PROGRAM, "run", str(folder / "job.toml")], check=True, stderr=subprocess.DEVNULL)
    images = {}
    for shard in (folder / "run" / "shards").rglob("*.h5"):
        with h5py.File(shard) as file:
            for identifier, image in zip(file["id"].asstr()[:], file["images"][:]):
                images[identifier] = image
    return images


def main():
    worst = 99.0
    for path in sorted(PARITY.glob("*.cases.json")):
        name = path.name.removesuffix(".cases.json")
        cases = json.loads(path.read_text())
        ours = made_by_ditbatch(name, cases)
        wide = FluxPipeline.from_pretrained(PARITY / name, torch_dtype=torch.float32).to("cuda")
        half = FluxPipeline.from_pretrained(PARITY / name, torch_dtype=torch.bfloat16).to("cuda")
        for pipeline in (wide, half):
            pipeline.set_progress_bar_config(disable=True)
        channels, scale = wide.vae.config.latent_channels, wide.vae_scale_factor
        for case in cases:
            height, width = case["height"] // scale, case["width"] // scale
            noise = torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(case["seed"]), dtype=torch.bfloat16)
            packed = FluxPipeline._pack_latents(noise, 1, channels, height, width).to("cuda")
            reference = draw(wide, case, packed.float())
            theirs, mine = psnr(draw(half, case, packed), reference), psnr(ours[case["id"]], reference)
            worst = min(worst, mine - theirs)
            print(f"{name:18} {case['id']:15} ditbatch bf16 {mine:6.2f} dB, diffusers bf16 {theirs:6.2f} dB, difference {mine - theirs:+.2f}", flush=True)
    print(f"worst difference {worst:+.2f} dB")
    sys.exit(worst < -1.0)


if __name__ == "__main__":
    main()
