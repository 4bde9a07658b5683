#!/usr/bin/env python3
"""Draws small random VAEs and decodes with them in diffusers.

    make_vae_references.py OUT_DIR

OUT_DIR/NAME/: config.json and the weights as AutoencoderKL saves them, and references.safetensors:
latents.HxW, and for each the image as a pipeline rounds it (0 to 255, in float32), decoded in float32
(image.HxW), in bfloat16 (bf16.HxW), and in float32 from weights and latents in float16 (upcast.HxW).
"""
import json
import pathlib
import sys

import torch
from diffusers import AutoencoderKL
from diffusers.image_processor import VaeImageProcessor
from safetensors.torch import load_file, save_file

SIZES = [(5, 7), (7, 4), (9, 3), (13, 6), (1, 5), (3, 2), (16, 8)]

# Only what differs from the class is in these; the sizes of no two agree.
VAES = {
    "like-flux": dict(block_out_channels=(16, 32, 48, 48), layers_per_block=2, norm_num_groups=8, latent_channels=16,
                      use_post_quant_conv=False, use_quant_conv=False, scaling_factor=0.3611, shift_factor=0.1159),
    "plain": dict(block_out_channels=(12, 24, 36), layers_per_block=2, norm_num_groups=6, latent_channels=8,
                  mid_block_add_attention=False, scaling_factor=0.5, shift_factor=0.0),
    "negative-shift": dict(block_out_channels=(20, 40), norm_num_groups=5, latent_channels=12, act_fn="swish",
                           scaling_factor=1.2, shift_factor=-0.75),
    "one-level": dict(block_out_channels=(24,), layers_per_block=3, norm_num_groups=4, latent_channels=3,
                      scaling_factor=0.9, shift_factor=0.3, force_upcast=False),
    "five-levels": dict(block_out_channels=(32, 16, 64, 24, 8), norm_num_groups=8, latent_channels=6),
    "defaults": dict(block_out_channels=(32, 96)),
}
# As files from before the attention layers were renamed: other keys, and 1x1 convolutions for linear layers.
OLD_ATTENTION = ["five-levels"]


def make_vae(number, sizes):
    levels = len(sizes["block_out_channels"])
    vae = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
                        **sizes).eval()
    generator = torch.Generator().manual_seed(300 + number)
    for name, parameter in vae.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        gain = 2.0 if ".to_q." in name or ".to_k." in name else 1.0  # the attention picks some pixels
        if parameter.dim() >= 2:
            noise *= gain / parameter[0].numel() ** 0.5
        else:
            noise = 0.2 * noise + (1 if name.endswith("weight") else 0)
        parameter.data.copy_(noise)
    latents = torch.randn(1, vae.config.latent_channels, 8, 8, generator=generator) / vae.config.scaling_factor
    vae.decoder.conv_out.weight.data.mul_(0.45 / vae.decode(latents).sample.std())
    return vae, generator


def decode(vae, latents):
    """The last lines of FluxPipeline.__call__."""
    scaled = latents / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
    image = VaeImageProcessor().postprocess(vae.decode(scaled, return_dict=False)[0], output_type="np")
    return torch.from_numpy(image[0] * 255).round()


def to_old_attention(path):
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    old = {}
    for key, value in load_file(path).items():
        for new_name, old_name in names.items():
            if f"attentions.0.{new_name}." in key:
                key = key.replace(f".{new_name}.", f".{old_name}.")
                value = value[:, :, None, None].contiguous() if value.dim() == 2 else value
        old[key] = value
    assert any(".proj_attn." in key for key in old)
    save_file(old, path)


def leave_defaults_out(path, sizes):
    config = json.loads(path.read_text())
    kept = {k: v for k, v in config.items() if k.startswith("_") or k in sizes or k.endswith("_block_types")}
    kept["shift_factor"] = None
    path.write_text(json.dumps(kept, indent=2))


@torch.no_grad()
def main(out_dir):
    torch.set_num_threads(1)
    for number, (name, sizes) in enumerate(VAES.items()):
        folder = pathlib.Path(out_dir) / name
        vae, generator = make_vae(number, sizes)
        vae.save_pretrained(folder)
        if name == "defaults":
            leave_defaults_out(folder / "config.json", sizes)
        vae = AutoencoderKL.from_pretrained(folder)
        half = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.bfloat16)
        upcast = AutoencoderKL.from_pretrained(folder, torch_dtype=torch.float16).float()
        if name in OLD_ATTENTION:
            to_old_attention(folder / "diffusion_pytorch_model.safetensors")
        out = {}
        for height, width in SIZES:
            # Values that bfloat16 and float16 hold alike: every dtype starts from the same latents.
            latents = torch.randn(1, vae.config.latent_channels, height, width, generator=generator).bfloat16()
            latents = latents.half().float() * (latents.abs() > 1e-3)
            size = f"{height}x{width}"
            out[f"latents.{size}"] = latents
            out[f"image.{size}"] = decode(vae, latents)
            out[f"bf16.{size}"] = decode(half, latents.bfloat16())
            out[f"upcast.{size}"] = decode(upcast, latents)
        save_file({k: v.contiguous() for k, v in out.items()}, folder / "references.safetensors")


if __name__ == "__main__":
    main(sys.argv[1])
