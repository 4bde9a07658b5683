#!/usr/bin/env python3
"""Makes small random Flux pipelines and draws with them in diffusers and transformers.

    make_references.py OUT_DIR

For each pipeline: OUT_DIR/NAME/ (the checkpoint) and OUT_DIR/NAME.references.safetensors (float32: token
ids, encoder outputs, one transformer evaluation, schedule, latents, images) with OUT_DIR/NAME.cases.json.
"""
import json
import pathlib
import shutil
import sys

import numpy
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from make_pipeline import make_pipeline  # noqa: E402

PIPELINES = [("a", "dev", "legacy"), ("b", "schnell", "json"), ("c", "dev", "json"), ("d", "schnell", "legacy"),
             ("b", "dev", "legacy"), ("a", "schnell", "json")]
PROMPTS = ["a red fox on a hill", "Two  blue BOATS, it's naïve! 4k </s> é", "", "東京の夜景 " + "quiet golden clock " * 30]


def cases(scale):
    """Two sizes, one not square; odd text lengths; true CFG on and off; seeds above 2^32."""
    return [
        dict(id="square", prompt=PROMPTS[0], width=6 * scale, height=6 * scale, steps=4, seed=7, guidance_scale=3.5,
             max_sequence_length=24),
        dict(id="wide", prompt=PROMPTS[1], width=9 * scale, height=5 * scale, steps=3, seed=2**32 + 12345,
             guidance_scale=1.7, max_sequence_length=31),
        dict(id="cfg", prompt=PROMPTS[0], negative_prompt="many blurry lines", true_cfg_scale=2.5, width=5 * scale,
             height=7 * scale, steps=3, seed=2**40 + 9, guidance_scale=3.5, max_sequence_length=17),
        dict(id="empty-negative", prompt=PROMPTS[3], prompt_2="a small house by the lake", negative_prompt="",
             true_cfg_scale=4.0, width=6 * scale, height=6 * scale, steps=2, seed=11, guidance_scale=0.0,
             max_sequence_length=13),
        dict(id="no-cfg", prompt=PROMPTS[2], negative_prompt="unused", true_cfg_scale=1.0, width=3 * scale,
             height=4 * scale, steps=1, seed=0, guidance_scale=3.5, max_sequence_length=9),
    ]


def draw(pipeline, case, output_type):
    arguments = {k: v for k, v in case.items() if k not in ("id", "seed", "steps")}
    return pipeline(num_inference_steps=case["steps"], generator=torch.Generator().manual_seed(case["seed"]),
                    output_type=output_type, **arguments).images[0]


def references(pipeline, all_cases):
    out = {}
    generator = torch.Generator().manual_seed(5)
    clip_ids = pipeline.tokenizer(PROMPTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    t5_ids = pipeline.tokenizer_2(PROMPTS, padding="max_length", max_length=24, truncation=True, return_tensors="pt").input_ids
    out["clip.ids"], out["t5.ids"] = clip_ids.double(), t5_ids.double()
    for i in range(len(PROMPTS)):
        out[f"clip.pooled.{i}"] = pipeline.text_encoder(clip_ids[i:i + 1]).pooler_output
        out[f"t5.hidden.{i}"] = pipeline.text_encoder_2(t5_ids[i:i + 1])[0]
    config = pipeline.transformer.config
    height, width, tokens = 3, 5, 11
    inputs = dict(hidden_states=torch.randn(1, height * width, config.in_channels, generator=generator),
                  encoder_hidden_states=torch.randn(1, tokens, config.joint_attention_dim, generator=generator),
                  pooled_projections=torch.randn(1, config.pooled_projection_dim, generator=generator))
    out.update({"step." + k: v for k, v in inputs.items()})
    ids = torch.zeros(height, width, 3)
    ids[..., 1] += torch.arange(height)[:, None]
    ids[..., 2] += torch.arange(width)[None, :]
    out["step.prediction"] = pipeline.transformer(
        timestep=torch.tensor([0.73]), guidance=torch.tensor([3.5]) if config.guidance_embeds else None,
        txt_ids=torch.zeros(tokens, 3), img_ids=ids.reshape(-1, 3), return_dict=False, **inputs)[0]
    for h, w in ((5, 7), (8, 8), (13, 3)):
        latents = torch.randn(1, pipeline.vae.config.latent_channels, h, w, generator=generator)
        image = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor + pipeline.vae.config.shift_factor).sample
        out[f"vae.latents.{h}x{w}"] = latents
        out[f"vae.image.{h}x{w}"] = pipeline.image_processor.postprocess(image, output_type="pt")[0].permute(1, 2, 0)
    for seed in (5, 2**32 + 12345, 2**64 - 1):
        for name, dtype in (("Float", torch.float32), ("BFloat16", torch.bfloat16), ("Half", torch.float16)):
            shape = (1, pipeline.vae.config.latent_channels, 6, 7)
            out[f"noise.{seed}.{name}"] = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    for case in all_cases:
        out["latents." + case["id"]] = draw(pipeline, case, "latent")
        sigmas = pipeline.scheduler.sigmas
        assert len(sigmas) == case["steps"] + 1
        out["sigmas." + case["id"]] = sigmas.clone()
        out["image." + case["id"]] = torch.from_numpy(numpy.round(draw(pipeline, case, "np") * 255))
    return {k: v.detach().contiguous() for k, v in out.items()}


def rename(path, names):
    """Writes a file of weights again under other names."""
    tensors = load_file(path)
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in names.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    assert set(renamed) != set(tensors), f"{path}: nothing to rename"
    save_file(renamed, path)


def publish(pipeline, folder):
    """The same weights as published folders have them: in several files, under older names."""
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    pipeline.transformer.save_pretrained(folder / "transformer", max_shard_size="500KB")
    assert list((folder / "transformer").glob("*.index.json"))
    rename(folder / "text_encoder" / "model.safetensors", {"embeddings.": "text_model.embeddings.", "encoder.layers": "text_model.encoder.layers",
                                                           "final_layer_norm": "text_model.final_layer_norm"})
    rename(folder / "text_encoder_2" / "model.safetensors", {"shared.weight": "encoder.embed_tokens.weight"})
    if pipeline.vae.config.mid_block_add_attention:
        rename(folder / "vae" / "diffusion_pytorch_model.safetensors",
               {"attentions.0.to_q": "attentions.0.query", "attentions.0.to_k": "attentions.0.key", "attentions.0.to_v": "attentions.0.value",
                "attentions.0.to_out.0": "attentions.0.proj_attn"})


def main(out_dir):
    torch.set_num_threads(1)
    out_dir = pathlib.Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    for number, (arch, kind, arrangement) in enumerate(PIPELINES):
        name = f"{arch}-{kind}-{arrangement}"
        shutil.rmtree(out_dir / name, ignore_errors=True)  # of an earlier run
        pipeline = make_pipeline(arch, kind, arrangement, 100 + number, out_dir / name)
        pipeline.set_progress_bar_config(disable=True)
        all_cases = cases(pipeline.vae_scale_factor * 2)
        with torch.no_grad():
            save_file(references(pipeline, all_cases), out_dir / f"{name}.references.safetensors")
        if arrangement == "legacy":
            publish(pipeline, out_dir / name)
        (out_dir / f"{name}.cases.json").write_text(json.dumps(all_cases))


if __name__ == "__main__":
    main(sys.argv[1])
