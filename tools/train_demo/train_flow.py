#!/usr/bin/env python3
"""Stage 2: text encoders and transformer, by flow matching on the latents of stage 1.

    train_flow.py --work DIR --vae DIR --out DIR [--start DIR] [--minutes 8] [--rates FIRST LAST]
                  [--size demo|tiny] [--device cuda|cpu]

DIR of --work has the tokenizers (text_tokenizers.py), DIR of --vae has vae.safetensors and vae.json, DIR of --start is
the --out of an earlier run, which this one continues.
Writes to --out: transformer-1.safetensors, transformer-2.safetensors, encoders.safetensors (bf16), flow.json (curves,
scores of a quick evaluation) and samples.png.
"""
import argparse
import json
import math
import os
import pathlib
import sys
import time
import traceback

import torch

import models
import sampling
from flow_step import FlowStep, Trainer
from scene import Painter
from scene_pool import PictureStore, make_pool, tokenize
from train_text import embed_captions, train_text_encoders

# width, height, images a step, share of the steps in the first two thirds of the first run and later. No
# batch equals a number of tokens: the compiler would take the two for the same thing and compile again.
BUCKETS = (
    (128, 128, 300, 8, 3), (192, 128, 220, 3, 2), (128, 192, 220, 3, 2), (192, 192, 164, 3, 3), (256, 192, 130, 1, 2),
    (192, 256, 130, 1, 2), (256, 256, 100, 1, 4), (320, 192, 106, 0, 2), (192, 320, 106, 0, 2), (384, 256, 70, 0, 2),
    (256, 384, 70, 0, 2), (384, 384, 46, 0, 1), (512, 256, 52, 0, 1), (256, 512, 52, 0, 1), (512, 512, 28, 0, 1.5),
)
TINY_BUCKETS = ((64, 64, 8, 2, 2), (96, 64, 7, 1, 1))
POOL = 640000  # captioned scenes
TEXT_SECONDS = 24
AVERAGE_EVERY, AVERAGE = 8, 0.9995 ** 8


def compile_blocks(transformer):
    # Both trip over symbolic sizes in torch 2.11: an assertion in tiling_utils.py, and a view of another size.
    torch._inductor.config.triton.coalesce_tiling_analysis = False
    torch._inductor.config.triton.mix_order_reduction = False
    blocks = [*transformer.transformer_blocks, *transformer.single_transformer_blocks]
    for block in blocks:
        block.compile(dynamic=True)
    return blocks


def round_as_stored(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.bfloat16().float())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--vae", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--start", type=pathlib.Path)
    parser.add_argument("--records", type=pathlib.Path, help="a manifest to score the result on, with the small sampler")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--rates", type=float, nargs=2, default=(2e-3, 1e-5))
    parser.add_argument("--size", choices=sorted(models.SIZES), default="demo")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--max-steps", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=21, help="another one for every run")
    parser.add_argument("--no-compile", action="store_true")
    args = parser.parse_args()
    started = time.monotonic()
    elapsed = lambda: time.monotonic() - started
    args.out.mkdir(parents=True, exist_ok=True)
    tiny, cuda = args.size == "tiny", args.device == "cuda"
    device = torch.device(args.device)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    # With cuDNN's attention these batches of short sequences end in an illegal memory access (torch 2.11, H200).
    torch.backends.cuda.enable_cudnn_sdp(False)
    workers = min(14, os.cpu_count() or 1) if cuda else 1
    pool = make_pool(args.work, 2000 if tiny else POOL if cuda else 20000, args.seed, workers)
    codes, clip_ids, t5_ids = (part.to(device) for part in pool)
    print(f"flow {elapsed():.0f} s: {len(codes)} captioned scenes", flush=True)

    # ---- the parts
    vae_facts = json.loads((args.vae / "vae.json").read_text())
    scale, shift = vae_facts["scaling_factor"], vae_facts["shift_factor"]
    sizes = models.read_sizes(args.work)
    earlier = json.loads((args.start / "flow.json").read_text()) if args.start else None
    if args.start:
        vae, clip, t5, transformer = models.load_trained(args.size, sizes, args.vae, args.start)
    else:
        vae = models.load_weights(models.make_vae(vae_facts["size"]), args.vae / "vae.safetensors")
        (clip, t5), transformer = models.make_text_encoders(args.size, sizes), models.make_transformer(args.size)
    vae, clip, t5, transformer = (module.to(device) for module in (vae, clip, t5, transformer))
    vae.eval().requires_grad_(False)

    reading = []
    if not args.start:
        reading = train_text_encoders(clip.train(), t5.train(), codes, clip_ids, t5_ids, TEXT_SECONDS if cuda else 2,
                                      16 if tiny else 1536 if cuda else 32, args.seed, args.max_steps)
    for module in (clip, t5):
        round_as_stored(module)
        module.eval().requires_grad_(False)
    empty = [ids.to(device) for ids in tokenize(args.work, [""])]
    states, pooled = embed_captions(clip, t5, torch.cat([clip_ids, empty[0]]), torch.cat([t5_ids, empty[1]]))
    print(f"flow {elapsed():.0f} s: captions embedded", flush=True)

    # ---- flow matching
    buckets = TINY_BUCKETS if tiny else BUCKETS
    if not cuda and not tiny:
        buckets = tuple((w, h, max(1, b // 40), e, l) for w, h, b, e, l in BUCKETS if w * h <= 192 * 192)
    generator = torch.Generator(device).manual_seed(args.seed)

    def encode(image):
        with torch.autocast(device.type, torch.bfloat16, enabled=cuda):
            mean = torch.cat([vae.encode(part).latent_dist.mean for part in image.split(128)])
        return models.pack((mean.float() - shift) * scale)

    painter = Painter(device, args.seed)
    stores = [PictureStore(painter, encode, codes, b, w, h, generator) for w, h, b, _, _ in buckets]
    shares = torch.tensor([bucket[3:] for bucket in buckets], dtype=torch.float)
    choose = torch.Generator().manual_seed(args.seed)
    compiled = compile_blocks(transformer) if cuda and not args.no_compile else []
    trainer = Trainer(transformer.train(), states, pooled, args.rates[0], device)
    steps = [FlowStep(trainer, b, w, h) for w, h, b, _, _ in buckets]
    average = [p.detach().clone() for p in trainer.parameters]
    budget_s = args.minutes * 60 - (30 if cuda else 0)
    step, seen, curve, told_step, told = 0, 0, [], 0, time.monotonic()
    flow_start = elapsed()
    while step < args.max_steps:
        progress = (elapsed() - flow_start) / max(1.0, budget_s - flow_start)
        if progress >= 1:
            break
        first, last = args.rates
        trainer.optimizer.set_rate((first + (last - first) * progress) * min(1, (step + 1) / 400))
        early = progress < 0.67 and not args.start
        which = int(torch.multinomial(shares[:, 0 if early else 1], 1, generator=choose))
        try:
            steps[which](*stores[which].draw())
        except Exception as error:
            if not compiled:
                raise
            print(f"training without compilation ({type(error).__name__}: {str(error)[:500]})", flush=True)
            for block in compiled:
                block._compiled_call_impl = None
            compiled = []
            continue
        step, seen = step + 1, seen + buckets[which][2]
        if step % AVERAGE_EVERY == 0:
            with torch.no_grad():
                torch._foreach_lerp_(average, [p.detach() for p in trainer.parameters], 1 - min(AVERAGE, (step + 1) / (step + 400)))
        # The host runs ahead of the GPU: look at the clock of what is done, not of what is queued.
        if cuda and step % 50 == 0:
            torch.cuda.synchronize()
        if time.monotonic() - told > 20 or step in (1, 20):
            value = float(trainer.loss_sum) / (step - told_step)
            trainer.loss_sum.zero_()
            speed = (step - told_step) / (time.monotonic() - told)
            told, told_step = time.monotonic(), step
            curve.append([round(elapsed(), 1), step, seen, value])
            memory = torch.cuda.max_memory_allocated() / 2**30 if cuda else 0
            print(f"flow {elapsed():.0f} s, step {step}, {speed:.2f} it/s, {seen} images, loss {value:.4f}, "
                  f"rate {float(trainer.optimizer.rate):.1e}, {memory:.1f} GiB", flush=True)
            if not value < 1e4:
                raise SystemExit("the loss is not finite")
    with torch.no_grad():
        for parameter, mean in zip(trainer.parameters, average):
            parameter.copy_(mean)
    round_as_stored(transformer)

    run = {"steps": step, "images": seen, "seconds": round(elapsed(), 1), "rates": args.rates, "seed": args.seed, "curve": curve,
           "device": torch.cuda.get_device_name() if cuda else "cpu"}
    facts = {"size": args.size, "runs": (earlier["runs"] if earlier else []) + [run],
             "reading": earlier["reading"] if earlier else reading,
             "parameters": {"transformer": models.parameter_count(transformer), "text_encoder": models.parameter_count(clip),
                            "text_encoder_2": models.parameter_count(t5)}}
    write = lambda: (args.out / "flow.json").write_text(json.dumps(facts, indent=1) + "\n")
    models.save_transformer_parts(transformer, args.out)
    models.save_encoders(clip, t5, args.out / "encoders.safetensors")
    write()
    print(f"flow {elapsed():.0f} s: saved after {step} steps, {seen} images", flush=True)

    # ---- look at it, with a small sampler
    transformer.eval()
    sampler = sampling.Sampler(transformer, clip, t5, vae, scale, shift, lambda prompts: tokenize(args.work, prompts), device)
    try:  # the weights are safe: nothing here may fail the stage
        with torch.compiler.set_stance("force_eager"):
            sampling.write_sheet(sampler, args.out / "samples.png", tiny)
            if args.records:
                limit = args.minutes * 60 + 15 if cuda else math.inf
                facts["scores"] = sampling.score_records(sampler, args.records, 8 if tiny else 10**6 if cuda else 24, workers,
                                                         lambda: limit - elapsed())
    except Exception:
        traceback.print_exc()
    write()
    print(f"flow {elapsed():.0f} s: done", flush=True)


if __name__ == "__main__":
    sys.exit(main())
