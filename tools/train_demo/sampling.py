"""A small sampler in torch, to look at a model where it is trained. The pipeline's arithmetic, batched."""
import concurrent.futures
import json
import math
import multiprocessing
import pathlib
import random
import sys
import time

import numpy
import torch

import models
from scene import describe_scene, draw_scene

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import score_shapes  # noqa: E402


class Sampler:
    def __init__(self, transformer, clip, t5, vae, scale, shift, tokenize, device):
        self.transformer, self.clip, self.t5, self.vae = transformer, clip, t5, vae
        self.scale, self.shift, self.tokenize, self.device = scale, shift, tokenize, torch.device(device)

    @torch.no_grad()
    def __call__(self, prompts, width, height, steps, cfg, seed):
        """-> (B, height, width, 3) uint8 on the host"""
        rows, tokens = len(prompts), width * height // 256
        encode = lambda texts: models.encode_text(self.clip, self.t5, *(ids.to(self.device).long() for ids in self.tokenize(texts)))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            branches = [encode(prompts)]
            if cfg > 1:
                states, pooled = encode([""])
                branches.append((states.expand(rows, -1, -1), pooled.expand(rows, -1)))
            text_ids = torch.zeros(branches[0][0].shape[1], 3, device=self.device)
            grid = models.image_ids(height, width, self.device)
            generator = torch.Generator(self.device).manual_seed(seed)
            latents = torch.randn(rows, tokens, 4 * models.LATENT_CHANNELS, generator=generator, device=self.device)
            stretch = math.exp(models.schedule_mu(tokens))
            sigmas = [stretch / (stretch + 1 / t - 1) for t in numpy.linspace(1, 1 / steps, steps)] + [0.0]
            for now, then in zip(sigmas, sigmas[1:]):
                time_now = torch.full((rows,), now, device=self.device)
                guesses = [self.transformer(hidden_states=latents, timestep=time_now, encoder_hidden_states=states,
                                            pooled_projections=pooled, txt_ids=text_ids, img_ids=grid,
                                            return_dict=False)[0].float() for states, pooled in branches]
                guess = guesses[0] if cfg <= 1 else guesses[1] + cfg * (guesses[0] - guesses[1])
                latents = latents + (then - now) * guess
            latents = models.unpack(latents, height, width) / self.scale + self.shift
            images = torch.cat([self.vae.decode(part).sample.float() for part in latents.split(32)])
        return ((images.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def write_sheet(sampler, path, tiny):
    """Pictures of fresh captions at several sizes; the captions are printed."""
    from PIL import Image
    rng = random.Random(5)
    rows, columns = (2, 2) if tiny else (6, 8)
    plan = [(128, 128)] * 2 if tiny or sampler.device.type == "cpu" else [(128, 128), (192, 192), (256, 256), (256, 256), (256, 192), (384, 384)]
    cell = 128
    sheet = Image.new("RGB", (columns * cell, rows * cell), "white")
    for row, (width, height) in enumerate(plan[:rows]):
        prompts = [describe_scene(draw_scene(rng, "always" if row % 3 == 2 else "never"), rng) for _ in range(columns)]
        for column, pixels in enumerate(sampler(prompts, width, height, 4 if tiny else 20, 2.0, row)):
            image = Image.fromarray(pixels)
            image.thumbnail((cell - 4, cell - 4))
            sheet.paste(image, (column * cell, row * cell))
        print(f"samples row {row}, {width}x{height}: " + " | ".join(prompts), flush=True)
    sheet.save(path)


def score_records(sampler, records_path, most, workers, seconds_left):
    """Scores of a manifest's records for several guidance scales, while there is time."""
    records = [json.loads(line) for line in pathlib.Path(records_path).read_text().splitlines()][:most]
    shapes = {}
    for record in records:
        shapes.setdefault((record["width"], record["height"]), []).append(record)
    scores = {}
    pool = concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
    for cfg, steps in ((2.0, 20), (3.0, 20), (1.0, 20), (2.0, 12)):
        begun = time.monotonic()
        if seconds_left() < 0 or (scores and seconds_left() < last_s * 1.5):
            break
        found = []
        for (width, height), group in shapes.items():
            most_rows = max(1, 256 * 65536 // (width * height))
            for start in range(0, len(group), most_rows):
                part = group[start:start + most_rows]
                images = sampler([record["prompt"] for record in part], width, height, steps, cfg, start)
                found += [(record["metadata"], pool.submit(score_shapes.find_objects, image)) for record, image in zip(part, images)]
        results = [score_shapes.judge(truth, future.result()) for truth, future in found]
        scores[f"cfg {cfg}, {steps} steps"] = score_shapes.summarise(results)
        held = score_shapes.summarise([r for (truth, _), r in zip(found, results) if truth["held_out"]]) if any(t["held_out"] for t, _ in found) else {}
        scores[f"cfg {cfg}, {steps} steps"]["held_out"] = held
        last_s = time.monotonic() - begun
        print(f"scores cfg {cfg}, {steps} steps ({last_s:.0f} s): {json.dumps(scores[f'cfg {cfg}, {steps} steps'])}", flush=True)
    pool.shutdown()
    return scores
