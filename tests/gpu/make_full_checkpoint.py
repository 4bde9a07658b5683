#!/usr/bin/env python3
"""Writes a checkpoint with the sizes, names, dtypes and files of FLUX.1-dev and random values: 33.7 GB to load from.

    make_full_checkpoint.py OUT_DIR [--size full|tiny] [--tokenizers FOLDER] [--threads N] [--headers-only]

Norm scales are ones, biases zeros, matrices normal with a deviation of 1 / sqrt(fan-in), so that activations keep their
size; values are drawn on the GPU where there is one. The tokenizers are those of a pipeline that is there already.
With --headers-only the files have their full size and hold nothing (sparse): enough for `ditbatch check`.
"""
import argparse
import concurrent.futures
import contextlib
import json
import math
import os
import pathlib
import shutil
import sys
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from make_architecture import configs  # noqa: E402

SHARD_BYTES = {"transformer": 10_000_000_000, "text_encoder_2": 5_000_000_000}  # as published; the others are one file
BYTES_A_VALUE = 2  # bf16
TINY = {"transformer": dict(num_layers=1, num_single_layers=2, attention_head_dim=32, num_attention_heads=2,
                            joint_attention_dim=64, pooled_projection_dim=48, axes_dims_rope=[8, 12, 12]),
        "vae": dict(block_out_channels=[32, 64], up_block_types=["UpDecoderBlock2D"] * 2),
        "text_encoder": dict(hidden_size=48, intermediate_size=96, num_hidden_layers=1, num_attention_heads=2),
        "text_encoder_2": dict(d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4)}


class Shapes(dict):
    """name -> shape"""

    def linear(self, name, inputs, outputs, bias=True):
        self[name + ".weight"] = (outputs, inputs)
        if bias:
            self[name + ".bias"] = (outputs,)

    def convolution(self, name, inputs, outputs, kernel=3):
        self[name + ".weight"] = (outputs, inputs, kernel, kernel)
        self[name + ".bias"] = (outputs,)

    def norm(self, name, width, bias=True):
        self[name + ".weight"] = (width,)
        if bias:
            self[name + ".bias"] = (width,)


def transformer(c):
    shapes = Shapes()
    head, width = c["attention_head_dim"], c["attention_head_dim"] * c["num_attention_heads"]
    shapes.linear("x_embedder", c["in_channels"], width)
    shapes.linear("context_embedder", c["joint_attention_dim"], width)
    for name, inputs in (("timestep", 256), ("guidance", 256), ("text", c["pooled_projection_dim"])):
        shapes.linear(f"time_text_embed.{name}_embedder.linear_1", inputs, width)
        shapes.linear(f"time_text_embed.{name}_embedder.linear_2", width, width)
    for i in range(c["num_layers"]):
        block = f"transformer_blocks.{i}."
        for norm in ("norm1", "norm1_context"):
            shapes.linear(f"{block}{norm}.linear", width, 6 * width)
        for projection in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out"):
            shapes.linear(f"{block}attn.{projection}", width, width)
        for norm in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
            shapes.norm(f"{block}attn.{norm}", head, bias=False)
        for mlp in ("ff", "ff_context"):
            shapes.linear(f"{block}{mlp}.net.0.proj", width, 4 * width)
            shapes.linear(f"{block}{mlp}.net.2", 4 * width, width)
    for i in range(c["num_single_layers"]):
        block = f"single_transformer_blocks.{i}."
        shapes.linear(f"{block}norm.linear", width, 3 * width)
        shapes.linear(f"{block}proj_mlp", width, 4 * width)
        shapes.linear(f"{block}proj_out", 5 * width, width)
        for projection in ("to_q", "to_k", "to_v"):
            shapes.linear(f"{block}attn.{projection}", width, width)
        for norm in ("norm_q", "norm_k"):
            shapes.norm(f"{block}attn.{norm}", head, bias=False)
    shapes.linear("norm_out.linear", width, 2 * width)
    shapes.linear("proj_out", width, c["in_channels"])
    return shapes


def vae(c):
    shapes = Shapes()
    channels, layers, latent = c["block_out_channels"], c["layers_per_block"], c["latent_channels"]

    def resnet(name, inputs, outputs):
        shapes.norm(f"{name}.norm1", inputs)
        shapes.convolution(f"{name}.conv1", inputs, outputs)
        shapes.norm(f"{name}.norm2", outputs)
        shapes.convolution(f"{name}.conv2", outputs, outputs)
        if inputs != outputs:
            shapes.convolution(f"{name}.conv_shortcut", inputs, outputs, 1)

    def middle(name, width):
        for i in range(2):
            resnet(f"{name}.mid_block.resnets.{i}", width, width)
        shapes.norm(f"{name}.mid_block.attentions.0.group_norm", width)
        for projection in ("to_q", "to_k", "to_v", "to_out.0"):
            shapes.linear(f"{name}.mid_block.attentions.0.{projection}", width, width)

    def half(name, blocks, outer, path, resnets, resampler):
        inputs = path[0]
        for level, outputs in enumerate(path):
            for i in range(resnets):
                resnet(f"{name}.{blocks}.{level}.resnets.{i}", inputs if i == 0 else outputs, outputs)
            if level + 1 < len(path):
                shapes.convolution(f"{name}.{blocks}.{level}.{resampler}.0.conv", outputs, outputs)
            inputs = outputs
        middle(name, channels[-1])
        shapes.norm(f"{name}.conv_norm_out", path[-1])
        shapes.convolution(f"{name}.conv_in", outer[0], path[0])
        shapes.convolution(f"{name}.conv_out", path[-1], outer[1])

    half("encoder", "down_blocks", (3, 2 * latent), channels, layers, "downsamplers")  # nobody reads this half
    half("decoder", "up_blocks", (latent, 3), channels[::-1], layers + 1, "upsamplers")
    return shapes


def clip(c):
    shapes = Shapes()
    width = c["hidden_size"]
    shapes["text_model.embeddings.token_embedding.weight"] = (c["vocab_size"], width)
    shapes["text_model.embeddings.position_embedding.weight"] = (c["max_position_embeddings"], width)
    for i in range(c["num_hidden_layers"]):
        layer = f"text_model.encoder.layers.{i}."
        for norm in ("layer_norm1", "layer_norm2"):
            shapes.norm(layer + norm, width)
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            shapes.linear(f"{layer}self_attn.{projection}", width, width)
        shapes.linear(f"{layer}mlp.fc1", width, c["intermediate_size"])
        shapes.linear(f"{layer}mlp.fc2", c["intermediate_size"], width)
    shapes.norm("text_model.final_layer_norm", width)
    return shapes


def t5(c):
    shapes = Shapes()
    width, inner = c["d_model"], c["num_heads"] * c["d_kv"]
    shapes["shared.weight"] = (c["vocab_size"], width)
    shapes["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (
        c["relative_attention_num_buckets"], c["num_heads"])
    for i in range(c["num_layers"]):
        layer = f"encoder.block.{i}.layer."
        for projection in "qkv":
            shapes.linear(f"{layer}0.SelfAttention.{projection}", width, inner, bias=False)
        shapes.linear(f"{layer}0.SelfAttention.o", inner, width, bias=False)
        for projection in ("wi_0", "wi_1"):
            shapes.linear(f"{layer}1.DenseReluDense.{projection}", width, c["d_ff"], bias=False)
        shapes.linear(f"{layer}1.DenseReluDense.wo", c["d_ff"], width, bias=False)
        for i_norm in (0, 1):
            shapes.norm(f"{layer}{i_norm}.layer_norm", width, bias=False)
    shapes.norm("encoder.final_layer_norm", width, bias=False)
    return shapes


def size_bytes(shape):
    return BYTES_A_VALUE * math.prod(shape)


def shards_of(shapes, most_bytes):
    """-> [[name]], filled in the order of names, as safetensors writes them"""
    shards, room = [], 0
    for name in sorted(shapes):
        if not shards or size_bytes(shapes[name]) > room:
            shards.append([])
            room = most_bytes
        shards[-1].append(name)
        room -= size_bytes(shapes[name])
    return shards


def draw(name, shape, seed, device):
    values = torch.empty(shape, dtype=torch.bfloat16, device=device)
    if len(shape) == 1:
        return values.fill_(1.0 if name.endswith("weight") else 0.0)
    deviation = 0.02 if "embedding" in name else 1.0 if name == "shared.weight" else math.prod(shape[1:]) ** -0.5
    return values.normal_(0.0, deviation, generator=torch.Generator(device).manual_seed(seed))


def write_at(file, offset, values):
    data = memoryview(values.reshape(-1).view(torch.uint8).cpu().numpy())
    while data:
        written = os.pwrite(file, data[:1 << 28], offset)
        data, offset = data[written:], offset + written


def write_component(folder, stem, shapes, most_bytes, device, pool, files, headers_only):
    """Makes the files, and lets the pool fill them. -> [future]"""
    shards, futures, weight_map = shards_of(shapes, most_bytes), [], {}
    for number, names in enumerate(shards):
        file_name = f"{stem}.safetensors" if len(shards) == 1 else f"{stem}-{number + 1:05}-of-{len(shards):05}.safetensors"
        header, end = {"__metadata__": {"format": "pt"}}, 0
        for name in names:
            header[name] = {"dtype": "BF16", "shape": shapes[name], "data_offsets": [end, end + size_bytes(shapes[name])]}
            end += size_bytes(shapes[name])
            weight_map[name] = file_name
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        file = os.open(folder / file_name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
        files.callback(os.close, file)
        os.pwrite(file, len(text).to_bytes(8, "little") + text, 0)
        os.ftruncate(file, 8 + len(text) + end)
        for seed, name in enumerate(() if headers_only else names):
            def write(name=name, file=file, offset=8 + len(text) + header[name]["data_offsets"][0], seed=seed + 10_000 * number):
                write_at(file, offset, draw(name, shapes[name], seed, device))
            futures.append(pool.submit(write))
    if len(shards) > 1:
        total = sum(map(size_bytes, shapes.values()))
        (folder / f"{stem}.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}, indent=2) + "\n")
    return futures


def make_checkpoint(out_dir, size, tokenizers, threads, headers_only):
    """-> bytes of weights"""
    out_dir = pathlib.Path(out_dir)
    made = configs("dev")
    for component, changes in TINY.items() if size == "tiny" else ():
        made[f"{component}/config.json"].update(changes)
    for name, config in made.items():
        path = out_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config, indent=2) + "\n")
    for name in ("tokenizer", "tokenizer_2"):
        shutil.copytree(pathlib.Path(tokenizers) / name, out_dir / name, dirs_exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    total, futures = 0, []
    with contextlib.ExitStack() as files, concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for component, shapes_of in (("transformer", transformer), ("vae", vae), ("text_encoder", clip), ("text_encoder_2", t5)):
            shapes = shapes_of(made[f"{component}/config.json"])
            total += sum(map(size_bytes, shapes.values()))
            stem = "model" if component.startswith("text_encoder") else "diffusion_pytorch_model"
            most = SHARD_BYTES.get(component, sys.maxsize) if size == "full" else 200_000
            futures += write_component(out_dir / component, stem, shapes, most, device, pool, files, headers_only)
        for future in futures:
            future.result()
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_dir")
    parser.add_argument("--size", choices=("full", "tiny"), default="full")
    parser.add_argument("--tokenizers", default=ROOT / "jobs" / "shapes" / "model", help="a pipeline's folder")
    parser.add_argument("--threads", type=int, default=min(8, os.cpu_count()))
    parser.add_argument("--headers-only", action="store_true")
    args = parser.parse_args()
    begun = time.monotonic()
    total = make_checkpoint(args.out_dir, args.size, args.tokenizers, args.threads, args.headers_only)
    print(f"{total * 1e-9:.2f} GB of weights in {args.out_dir}, {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
