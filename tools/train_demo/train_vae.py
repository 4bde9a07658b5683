#!/usr/bin/env python3
"""Stage 1: the autoencoder.

    train_vae.py --out DIR [--minutes 4] [--size demo|tiny] [--device cuda|cpu] [--max-steps N]

Writes DIR/vae.safetensors (bf16) and DIR/vae.json (scale and shift of the latents, curve, PSNR).
"""
import argparse
import json
import pathlib
import time

import torch

import models
from graphed_step import GraphedStep, Graphs
from muon import Optimizer
from scene import Painter, draw_captioned_scenes, encode_scene
from scene_pool import PictureStore

# width, height, images a step, share of the steps
BUCKETS = ((128, 128, 48, 6), (192, 128, 32, 4), (256, 256, 12, 2), (512, 512, 3, 1))
TINY_BUCKETS = ((64, 64, 4, 2), (96, 64, 2, 1))
RATE = 1.5e-3
AVERAGE_EVERY, AVERAGE = 4, 0.998 ** 4


def edges(image):
    return image[..., :, 1:] - image[..., :, :-1], image[..., 1:, :] - image[..., :-1, :]


def reconstruction_loss(made, image):
    error = made - image
    loss = error.abs().mean() + 0.5 * error.square().mean()
    for a, b in zip(edges(made), edges(image)):
        loss = loss + 0.5 * (a - b).abs().mean()
    return loss


class VaeStep:
    """One training step for one picture size; on a GPU a CUDA graph."""

    def __init__(self, graphs, vae, optimizer, batch, width, height, device):
        self.vae, self.optimizer = vae, optimizer
        self.image = torch.zeros(batch, 3, height, width, device=device)
        self.loss = torch.zeros((), device=device)
        self.run = GraphedStep(graphs, self._train)

    def _train(self):
        image, device = self.image, self.image.device
        self.optimizer.clear()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            posterior = self.vae.encode(image).latent_dist
            mean, logvar = posterior.mean.float(), posterior.logvar.float()
            latents = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
            # The sampler's latents are never quite right: the decoder learns to live with it.
            wobble = 0.1 * torch.rand(len(image), 1, 1, 1, device=device) * mean.detach().std()
            latents = latents + wobble * torch.randn_like(mean)
            made = self.vae.decode(latents).sample.float()
        divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        loss = reconstruction_loss(made, image) + 1e-4 * divergence
        loss.backward()
        self.optimizer.step()
        self.loss.copy_(loss.detach())

    def __call__(self, image):
        """image (batch, 3, height, width) -> the loss before the step"""
        self.image.copy_(image)
        self.run()
        return self.loss.clone()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--size", choices=sorted(models.SIZES), default="demo")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--max-steps", type=int, default=10**9)
    parser.add_argument("--seed", type=int, default=11)
    args = parser.parse_args()
    started = time.monotonic()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.benchmark_limit = 4
    torch.backends.cuda.enable_cudnn_sdp(False)  # see train_flow.py
    device = torch.device(args.device)
    cuda = device.type == "cuda"
    buckets = TINY_BUCKETS if args.size == "tiny" else BUCKETS

    scenes, _ = draw_captioned_scenes(2000 if args.size == "tiny" else 60000, args.seed)
    codes = torch.tensor([encode_scene(scene) for scene in scenes], device=device)
    codes[:, 9:] = -1  # any background
    painter = Painter(device, args.seed)
    generator = torch.Generator(device).manual_seed(args.seed)
    stores = [PictureStore(painter, lambda image: image, codes, b, w, h, generator) for w, h, b, _ in buckets]

    vae = models.make_vae(args.size).to(device)
    ema = [p.detach().clone() for p in vae.parameters()]
    parameters = list(vae.named_parameters())
    inner = [p for name, p in parameters if p.dim() >= 2 and "conv_in" not in name and "conv_out" not in name]
    optimizer = Optimizer([p for _, p in parameters], inner, RATE, weight_decay=1e-3)
    graphs = Graphs(device)
    steps = [VaeStep(graphs, vae, optimizer, b, w, h, device) for w, h, b, _ in buckets]
    choose = torch.Generator().manual_seed(args.seed)
    shares = torch.tensor([float(bucket[3]) for bucket in buckets])
    budget_s = args.minutes * 60 - (15 if cuda else 0)
    curve, recent, step, told, told_step = [], [], 0, time.monotonic(), 0
    while True:
        elapsed = time.monotonic() - started
        progress = max(elapsed / budget_s, step / args.max_steps)
        if progress >= 1:
            break
        optimizer.set_rate(RATE * min(1, (step + 1) / 200) * min(1, (1 - progress) / 0.6 + 1e-3))
        which = int(torch.multinomial(shares, 1, generator=choose))
        recent.append(steps[which](stores[which].draw()[0]))
        if step % AVERAGE_EVERY == 0:
            with torch.no_grad():
                torch._foreach_lerp_(ema, [p.detach() for p in vae.parameters()], 1 - min(AVERAGE, (step + 1) / (step + 40)))
        step += 1
        # The host runs ahead of the GPU: look at the clock of what is done, not of what is queued.
        if cuda and step % 20 == 0:
            torch.cuda.synchronize()
        if time.monotonic() - told > 20 or step == 20:
            value = float(torch.stack(recent).mean())
            print(f"vae {elapsed:.0f} s, step {step}, {(step - told_step) / (time.monotonic() - told):.1f} it/s, loss {value:.4f}, "
                  f"rate {float(optimizer.rate):.1e}", flush=True)
            told, told_step, recent = time.monotonic(), step, []
            if not value < 1e4:
                raise SystemExit("the loss is not finite")
            curve.append([round(elapsed, 1), step, value])
    with torch.no_grad():
        for parameter, mean in zip(vae.parameters(), ema):
            parameter.copy_(mean.bfloat16().float())  # as it will be stored
    vae.eval()
    # Scale and shift that make the latents of all sizes zero-mean and unit-variance, and what gets lost.
    checker = Painter(device, args.seed + 1)
    total, psnr = [], {}
    with torch.no_grad():
        for width, height, batch, _ in buckets:
            image = checker(codes[:min(batch, 16)], width, height)
            latents = vae.encode(image).latent_dist.mean
            total.append(latents.float().permute(1, 0, 2, 3).flatten(1))
            error = (vae.decode(latents).sample.clamp(-1, 1) - image).float().square().mean() / 4
            psnr[f"{width}x{height}"] = round(float(-10 * torch.log10(error)), 2)
    values = torch.cat(total, dim=1)
    report = {"scaling_factor": float(1 / values.std()), "shift_factor": float(values.mean()), "steps": step, "psnr_db": psnr,
              "channel_std": [round(float(s), 3) for s in values.std(dim=1)], "seconds": round(time.monotonic() - started, 1),
              "parameters": models.parameter_count(vae), "size": args.size, "curve": curve,
              "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu"}
    models.save_weights(vae, args.out / "vae.safetensors")
    (args.out / "vae.json").write_text(json.dumps(report, indent=1) + "\n")
    print("vae: " + json.dumps({k: v for k, v in report.items() if k != "curve"}), flush=True)


if __name__ == "__main__":
    main()
