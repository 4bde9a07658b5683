#!/usr/bin/env python3
"""Stage 2: text encoders and transformer, by flow matching on the latents of stage 1.

    train_flow.py --work DIR --vae DIR --out DIR [--start DIR] [--minutes 8] [--size demo|tiny] [--device cuda|cpu]

DIR of --work has the tokenizers (text_tokenizers.py), DIR of --vae has vae.safetensors and vae.json, DIR of --start is
the --out of an earlier run, which this one continues.
Writes to --out: transformer-1.safetensors, transformer-2.safetensors, encoders.safetensors (bf16), flow.json (curve,
scores of a quick evaluation) and samples.png.
"""
import argparse
import concurrent.futures
import json
import math
import multiprocessing
import os
import pathlib
import sys
import time
import traceback

import torch

import models
import sampling
from scene import CLASSES, Painter, draw_captioned_scenes, encode_scene
from text_tokenizers import CLIP_TOKENS, T5_TOKENS

# width, height, images a step, share of the steps in the first third and later. No batch equals a
# number of tokens: the compiler would take the two for the same thing and compile again.
BUCKETS = (
    (128, 128, 832, 8, 4), (192, 128, 640, 3, 3), (128, 192, 640, 3, 3), (192, 192, 480, 3, 4), (256, 128, 560, 1, 2),
    (128, 256, 560, 1, 2), (256, 256, 312, 1, 4), (320, 192, 320, 0, 2), (192, 320, 320, 0, 2), (384, 256, 208, 0, 2),
    (256, 384, 208, 0, 2), (384, 384, 152, 0, 1), (512, 256, 168, 0, 1), (256, 512, 168, 0, 1), (512, 512, 88, 0, 1),
)
TINY_BUCKETS = ((64, 64, 8, 2, 2), (96, 64, 8, 1, 1))
POOL = 640000  # captioned scenes
RECYCLE = 3  # how often a picture is trained on, with other noise and another arrangement next time
TEXT_SHARE = 0.08  # of the time: the text encoders alone
DROPPED = 0.1  # captions replaced by the empty one


def tokenize(work, captions):
    """-> CLIP ids (N, 77) and T5 ids (N, 48), int16"""
    from tokenizers import Tokenizer
    sizes = models.read_sizes(work)
    clip, t5 = Tokenizer.from_file(str(work / "clip.json")), Tokenizer.from_file(str(work / "t5.json"))
    for tokenizer, length, pad in ((clip, CLIP_TOKENS, sizes["clip_eos"]), (t5, T5_TOKENS, 0)):
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=length, pad_id=pad)
    ids = lambda tokenizer: torch.tensor([e.ids for e in tokenizer.encode_batch(captions)], dtype=torch.int16)
    return ids(clip), ids(t5)


def make_pool_part(task):
    work, count, seed = task
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    scenes, captions = draw_captioned_scenes(count, seed)
    clip, t5 = tokenize(pathlib.Path(work), captions)
    return torch.tensor([encode_scene(scene) for scene in scenes], dtype=torch.int8).numpy(), clip.numpy(), t5.numpy()


def make_pool(work, count, seed, workers):
    """The same pool whatever the number of workers."""
    parts = 64 if count >= 64000 else 2
    tasks = [(str(work), count // parts, seed * 1000 + part) for part in range(parts)]
    made = None
    if workers > 1:
        try:
            with concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
                made = list(pool.map(make_pool_part, tasks))
        except Exception as error:
            print(f"captions by one process alone ({type(error).__name__}: {error})", flush=True)
    if made is None:
        made = [make_pool_part(task) for task in tasks]
    return [torch.cat([torch.from_numpy(part[i]) for part in made]) for i in range(3)]


class LatentStore:
    """Latents of one size with the numbers of their scenes; each is used about RECYCLE times."""

    def __init__(self, make, batch):
        self.make, self.batch, self.next = make, batch, 0
        self.fresh = max(1, batch // RECYCLE)
        self.capacity = batch * 8
        self.latents, self.scenes = None, None

    def draw(self, generator):
        count = self.fresh if self.latents is not None else self.batch
        latents, scenes = self.make(count)
        if self.latents is None:
            self.latents, self.scenes = latents, scenes
            return latents, scenes
        if len(self.latents) < self.capacity:
            self.latents, self.scenes = torch.cat([self.latents, latents]), torch.cat([self.scenes, scenes])
        else:
            places = (torch.arange(count, device=latents.device) + self.next) % len(self.latents)
            self.latents[places], self.scenes[places] = latents, scenes
            self.next = (self.next + count) % len(self.latents)
        kept = torch.randint(len(self.latents), (self.batch - count,), generator=generator, device=latents.device)
        return torch.cat([latents, self.latents[kept]]), torch.cat([scenes, self.scenes[kept]])


def compile_blocks(transformer):
    # This analysis trips over symbolic sizes in torch 2.11 (an assertion in tiling_utils.py).
    torch._inductor.config.triton.coalesce_tiling_analysis = False
    blocks = list(transformer.transformer_blocks) + list(transformer.single_transformer_blocks)
    for block in blocks:
        block.compile(dynamic=True)
    return blocks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--vae", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--start", type=pathlib.Path)
    parser.add_argument("--records", type=pathlib.Path, help="a manifest to score the result on, with the small sampler")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--size", choices=sorted(models.SIZES), default="demo")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--max-steps", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--rate", type=float, default=1e-3)
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
    empty_clip, empty_t5 = (ids.to(device).long() for ids in tokenize(args.work, [""]))
    print(f"flow {elapsed():.0f} s: {len(codes)} captioned scenes", flush=True)

    vae_facts = json.loads((args.vae / "vae.json").read_text())
    vae = models.load_weights(models.make_vae(vae_facts["size"]), args.vae / "vae.safetensors").to(device).eval().requires_grad_(False)
    scale, shift = vae_facts["scaling_factor"], vae_facts["shift_factor"]
    sizes = models.read_sizes(args.work)
    if args.start:
        _, clip, t5, transformer = models.load_trained(args.size, sizes, args.vae, args.start)
    else:
        (clip, t5), transformer = models.make_text_encoders(args.size, sizes), models.make_transformer(args.size)
    clip, t5, transformer = (module.to(device).train() for module in (clip, t5, transformer))
    read_pooled = models.SceneReader(clip.config.hidden_size, CLASSES).to(device)
    read_states = models.SceneReader(t5.config.d_model, CLASSES).to(device)
    kept = [*transformer.parameters(), *clip.parameters(), *t5.parameters()]
    text = [*clip.parameters(), *t5.parameters(), *read_pooled.parameters(), *read_states.parameters()]
    decays = lambda p: p.dim() >= 2
    every = [*transformer.parameters(), *text]
    optimizer = torch.optim.AdamW([{"params": [p for p in every if decays(p)], "weight_decay": 0.01},
                                   {"params": [p for p in every if not decays(p)], "weight_decay": 0.0}],
                                  lr=args.rate, betas=(0.9, 0.98), eps=1e-8, fused=cuda)
    cast = lambda: torch.autocast(device.type, torch.bfloat16, enabled=cuda)

    # ---- the text encoders alone: a caption's embedding tells the scene (a continued training knows it)
    budget_s = args.minutes * 60 - (45 if cuda else 0)
    pick_generator = torch.Generator(device).manual_seed(args.seed)
    batch, step, told = 16 if tiny else 1536 if cuda else 32, 0, time.monotonic()
    text_until = elapsed() + (0 if args.start else TEXT_SHARE * budget_s)
    text_start, readers = elapsed(), []
    while elapsed() < text_until and step < args.max_steps:
        done = (elapsed() - text_start) / (text_until - text_start)
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * min(1, (step + 1) / 100) * (1 - 0.7 * done)
        pick = torch.randint(len(codes), (batch,), generator=pick_generator, device=device)
        scene_codes = codes[pick].long()
        with cast():
            states, pooled = models.encode_text(clip, t5, clip_ids[pick].long(), t5_ids[pick].long())
            loss_a, right_a = read_pooled.loss(pooled.float(), scene_codes)
            loss_b, right_b = read_states.loss(states.float().mean(1), scene_codes)
        optimizer.zero_grad(set_to_none=True)
        (loss_a + loss_b).backward()
        torch.nn.utils.clip_grad_norm_(text, 1.0)
        optimizer.step()
        step += 1
        if time.monotonic() - told > 8 or step == 20:
            told = time.monotonic()
            readers.append([round(elapsed(), 1), step, float(right_a), float(right_b)])
            print(f"text {elapsed():.0f} s, step {step}, loss {float(loss_a.detach()):.3f} {float(loss_b.detach()):.3f}, "
                  f"fields read right {float(right_a):.4f} {float(right_b):.4f}", flush=True)

    # ---- flow matching
    buckets = TINY_BUCKETS if tiny else BUCKETS
    if not cuda and not tiny:
        buckets = tuple((w, h, max(1, b // 100), e, l) for w, h, b, e, l in BUCKETS if w * h <= 192 * 192)
    painter = Painter(device, args.seed)

    def make_latents(width, height):
        @torch.no_grad()
        def make(count):
            pick = torch.randint(len(codes), (count,), generator=pick_generator, device=device)
            image = painter(codes[pick].long(), width, height)
            with cast():
                mean = torch.cat([vae.encode(part).latent_dist.mean for part in image.split(128)])
            return models.pack((mean.float() - shift) * scale), pick
        return make

    stores = [LatentStore(make_latents(w, h), b) for w, h, b, _, _ in buckets]
    text_ids = torch.zeros(T5_TOKENS, 3, device=device)
    grids = [models.image_ids(h, w, device) for w, h, _, _, _ in buckets]
    shares = torch.tensor([bucket[3:] for bucket in buckets], dtype=torch.float)
    choose = torch.Generator().manual_seed(args.seed)
    blocks = compile_blocks(transformer) if cuda and not args.no_compile else []

    def flow_loss(which):
        latents, pick = stores[which].draw(pick_generator)
        rows = len(latents)
        noise = torch.randn(latents.shape, generator=pick_generator, device=device)
        # As at inference: a logistic shift by mu; a fifth of the times even over the whole range.
        normal = torch.randn(rows, generator=pick_generator, device=device)
        even = torch.rand(rows, generator=pick_generator, device=device)
        shifted = torch.sigmoid(normal * 1.1 + models.schedule_mu(latents.shape[1]))
        sigma = torch.where(torch.rand(rows, generator=pick_generator, device=device) < 0.2, even, shifted).clamp(0.001, 0.999)
        mixed = torch.lerp(latents, noise, sigma[:, None, None])
        told_rows = torch.rand(rows, generator=pick_generator, device=device) >= DROPPED
        ids_c = torch.where(told_rows[:, None], clip_ids[pick].long(), empty_clip)
        ids_t = torch.where(told_rows[:, None], t5_ids[pick].long(), empty_t5)
        with cast():
            states, pooled = models.encode_text(clip, t5, ids_c, ids_t)
            guess = transformer(hidden_states=mixed, timestep=sigma, encoder_hidden_states=states, pooled_projections=pooled,
                                txt_ids=text_ids, img_ids=grids[which], return_dict=False)[0]
            scene_codes, weight = codes[pick].long(), told_rows.float()
            reading = (read_pooled.loss(pooled.float(), scene_codes, weight)[0]
                       + read_states.loss(states.float().mean(1), scene_codes, weight)[0])
        flow = (guess.float() - (noise - latents)).square().mean()
        return flow, reading, rows

    ema, step, seen = [p.detach().clone() for p in kept], 0, 0
    curve, recent, told_steps, told = [], [], 0, time.monotonic()
    flow_start = elapsed()
    while step < args.max_steps:
        progress = (elapsed() - flow_start) / max(1.0, budget_s - flow_start)
        if progress >= 1:
            break
        rate = args.rate * min(1, (step + 1) / 250) * min(1, (1 - progress) / 0.5 + 1e-3)
        for group in optimizer.param_groups:
            group["lr"] = rate
        which = int(torch.multinomial(shares[:, 0 if progress < 0.33 else 1], 1, generator=choose))
        optimizer.zero_grad(set_to_none=True)
        try:
            flow, reading, rows = flow_loss(which)
            (flow + 0.02 * reading).backward()
        except Exception as error:
            if not blocks:
                raise
            print(f"training without compilation ({type(error).__name__}: {str(error)[:500]})", flush=True)
            for block in blocks:
                block._compiled_call_impl = None
            blocks = []
            continue
        torch.nn.utils.clip_grad_norm_(every, 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(ema, [p.detach() for p in kept], 1 - min(0.998, (step + 1) / (step + 20)))
        step, seen = step + 1, seen + rows
        recent.append(torch.stack([flow.detach(), reading.detach()]))
        if time.monotonic() - told > 20 or step in (1, 20):
            value, read = torch.stack(recent).mean(0).tolist()
            speed = (step - told_steps) / (time.monotonic() - told)
            told, told_steps, recent = time.monotonic(), step, []
            curve.append([round(elapsed(), 1), step, seen, value, read])
            memory = torch.cuda.max_memory_allocated() / 2**30 if cuda else 0
            print(f"flow {elapsed():.0f} s, step {step}, {speed:.2f} it/s, {seen} images, loss {value:.4f}, "
                  f"reading {read:.3f}, rate {rate:.1e}, {memory:.1f} GiB", flush=True)
            if not value < 1e4:
                raise SystemExit("the loss is not finite")
    with torch.no_grad():
        for parameter, mean in zip(kept, ema):
            parameter.copy_(mean.bfloat16().float())  # as they will be stored

    facts = {"steps": step, "images": seen, "seconds": round(elapsed(), 1), "size": args.size, "curve": curve, "reading": readers,
             "parameters": {"transformer": models.parameter_count(transformer), "text_encoder": models.parameter_count(clip),
                            "text_encoder_2": models.parameter_count(t5)},
             "compiled": bool(blocks), "device": torch.cuda.get_device_name() if cuda else "cpu"}
    write = lambda: (args.out / "flow.json").write_text(json.dumps(facts, indent=1) + "\n")
    models.save_transformer_parts(transformer, args.out)
    models.save_encoders(clip, t5, args.out / "encoders.safetensors")
    write()
    print(f"flow {elapsed():.0f} s: saved after {step} steps, {seen} images", flush=True)

    # ---- look at it, with a small sampler
    for module in (transformer, clip, t5):
        module.eval()
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
