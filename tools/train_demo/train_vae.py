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
from scene import Painter, draw_captioned_scenes, encode_scene

# width, height, images a step, share of the steps
BUCKETS = ((128, 128, 96, 6), (192, 128, 64, 2), (128, 192, 64, 2), (256, 256, 24, 3), (512, 512, 6, 1))
TINY_BUCKETS = ((64, 64, 4, 2), (96, 64, 2, 1))


def edges(image):
    return image[..., :, 1:] - image[..., :, :-1], image[..., 1:, :] - image[..., :-1, :]


def reconstruction_loss(made, image):
    error = made - image
    loss = error.abs().mean() + 0.5 * error.square().mean()
    for a, b in zip(edges(made), edges(image)):
        loss = loss + 0.5 * (a - b).abs().mean()
    return loss


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
    device = torch.device(args.device)
    buckets = TINY_BUCKETS if args.size == "tiny" else BUCKETS

    scenes, _ = draw_captioned_scenes(2000 if args.size == "tiny" else 60000, args.seed)
    codes = torch.tensor([encode_scene(scene) for scene in scenes], device=device)
    codes[:, 9:] = -1  # any background
    paint = None
    if device.type == "cuda":
        import scene
        paint = torch.compile(scene.paint, dynamic=True)
        try:
            Painter(device, 1, paint)(codes[:5], 192, 128)
        except Exception as error:  # the pictures are the same without it
            print(f"painting without compilation ({type(error).__name__}: {str(error)[:300]})", flush=True)
            paint = None
    painter = Painter(device, args.seed, paint)

    vae = models.make_vae(args.size).to(device)
    ema = [p.detach().clone() for p in vae.parameters()]
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=1e-3,
                                  fused=device.type == "cuda")
    choose = torch.Generator().manual_seed(args.seed)
    shares = torch.tensor([float(bucket[3]) for bucket in buckets])
    budget_s = args.minutes * 60 - (15 if device.type == "cuda" else 0)
    curve, recent, step, told, first = [], [], 0, time.monotonic(), time.monotonic()
    while True:
        elapsed = time.monotonic() - started
        progress = max(elapsed / budget_s, step / args.max_steps)
        if progress >= 1:
            break
        rate = 1.2e-3 * min(1, (step + 1) / 200) * min(1, (1 - progress) / 0.6 + 1e-3)
        for group in optimizer.param_groups:
            group["lr"] = rate
        width, height, batch, _ = buckets[int(torch.multinomial(shares, 1, generator=choose))]
        pick = torch.randint(len(codes), (batch,), generator=choose)
        image = painter(codes[pick.to(device)], width, height)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            posterior = vae.encode(image).latent_dist
            mean, logvar = posterior.mean.float(), posterior.logvar.float()
            noise = torch.randn_like(mean)
            latents = mean + torch.exp(0.5 * logvar) * noise
            # The sampler's latents are never quite right: the decoder learns to live with it.
            wobble = 0.1 * torch.rand(batch, 1, 1, 1, device=device) * mean.detach().std()
            latents = latents + wobble * torch.randn_like(mean)
            made = vae.decode(latents).sample.float()
        divergence = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        loss = reconstruction_loss(made, image) + 1e-4 * divergence
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(ema, list(vae.parameters()), 1 - min(0.998, (step + 1) / (step + 10)))
        step += 1
        recent.append(loss.detach())
        if time.monotonic() - told > 20 or step == 20:
            value = float(torch.stack(recent).mean())
            told, recent = time.monotonic(), []
            print(f"vae {elapsed:.0f} s, step {step}, {step / (told - first):.1f} it/s, loss {value:.4f}, "
                  f"divergence {float(divergence.detach()):.2f}, rate {rate:.1e}", flush=True)
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
