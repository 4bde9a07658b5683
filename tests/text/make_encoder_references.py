#!/usr/bin/env python3
"""Draws small random text encoders and runs them in transformers.

    make_encoder_references.py OUT_DIR

OUT_DIR/{t5,clip}/NAME/: config.json and the weights as transformers saves them (some renamed as published
folders have them), and references.safetensors: ids.I, and for each prompt the output in float32 (f32.I), bfloat16
(bf16.I) and float16 (f16.I), loaded and called as FluxPipeline does.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

T5S = {
    "like-flux": dict(vocab_size=300, d_model=64, d_kv=16, d_ff=160, num_layers=3, num_heads=4, feed_forward_proj="gated-gelu"),
    "original": dict(vocab_size=211, d_model=40, d_kv=12, d_ff=96, num_layers=2, num_heads=5, feed_forward_proj="relu",
                     layer_norm_epsilon=1e-3),
    "few-buckets": dict(vocab_size=150, d_model=56, d_kv=7, d_ff=50, num_layers=4, num_heads=3, feed_forward_proj="gated-silu",
                        relative_attention_num_buckets=10, relative_attention_max_distance=37),
    "many-buckets": dict(vocab_size=97, d_model=24, d_kv=32, d_ff=36, num_layers=1, num_heads=2, feed_forward_proj="gelu_new",
                         relative_attention_num_buckets=64, relative_attention_max_distance=300),
    # Its MLP leaves the range of float16, as T5-XXL's does.
    "loud": dict(vocab_size=120, d_model=48, d_kv=16, d_ff=80, num_layers=3, num_heads=3, feed_forward_proj="gated-gelu"),
}
T5_LENGTHS = [1, 2, 7, 24, 33, 200]

CLIPS = {
    "like-flux": dict(vocab_size=500, hidden_size=48, intermediate_size=192, num_hidden_layers=4, num_attention_heads=6,
                      eos_token_id=2),
    "new-end-token": dict(vocab_size=333, hidden_size=36, intermediate_size=60, num_hidden_layers=2, num_attention_heads=3,
                          hidden_act="gelu", eos_token_id=332),
    "short": dict(vocab_size=90, hidden_size=40, intermediate_size=44, num_hidden_layers=3, num_attention_heads=2,
                  max_position_embeddings=20, eos_token_id=17, layer_norm_eps=1e-3, hidden_act="gelu_new"),
    "legacy-gelu": dict(vocab_size=64, hidden_size=28, intermediate_size=32, num_hidden_layers=1, num_attention_heads=7,
                        max_position_embeddings=77, hidden_act="gelu", eos_token_id=2),
}


def draw(model, generator):
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "embed" in name or "shared" in name or "relative_attention_bias" in name:
            value = noise
        elif parameter.dim() >= 2:
            value = noise / parameter.shape[1] ** 0.5
        else:
            value = 0.1 * noise + (1 if "norm" in name and name.endswith("weight") else 0)
        parameter.data.copy_(value)
    return model.eval()


def rename(path, new_name):
    save_file({new_name(key): value for key, value in load_file(path).items()}, path)


def save(folder, kind, model, prompts, output, new_name=None):
    model.save_pretrained(folder)
    references = {f"ids.{i}": torch.tensor(ids).double() for i, ids in enumerate(prompts)}
    for name, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16), ("f16", torch.float16)):
        loaded = type(model).from_pretrained(folder, torch_dtype=dtype)
        for i, ids in enumerate(prompts):
            made = output(loaded, torch.tensor([ids]))
            assert made.isfinite().all(), f"{kind} {folder.name} {name}"
            references[f"{name}.{i}"] = made.float().contiguous()
    if new_name:
        rename(folder / "model.safetensors", new_name)
    save_file(references, folder / "references.safetensors")


def t5_prompts(vocabulary, generator):
    return [torch.randint(0, vocabulary, (length,), generator=generator).tolist() for length in T5_LENGTHS]


def clip_prompts(config, generator):
    """As a tokenizer pads them; with several end tokens, with none, and with ids above the end token."""
    length, end = config.max_position_embeddings, config.eos_token_id
    if end == 2:
        end = config.vocab_size - 1
    below = [i for i in range(config.vocab_size) if i != end]
    text = [below[i] for i in torch.randint(0, len(below), (length,), generator=generator).tolist()]
    return [text[:5] + [end] * (length - 5), text[:length - 1] + [end], text[:3] + [end] + text[3:length - 2] + [end],
            text, text[:9], [end] * length]


@torch.no_grad()
def main(out_dir):
    torch.set_num_threads(1)
    out_dir = pathlib.Path(out_dir)
    for number, (name, sizes) in enumerate(T5S.items()):
        generator = torch.Generator().manual_seed(400 + number)
        model = draw(T5EncoderModel(T5Config(is_encoder_decoder=False, use_cache=False, **sizes)), generator)
        if name == "loud":
            for block in model.encoder.block:
                block.layer[1].DenseReluDense.wo.weight.data.mul_(2e5)
        new_name = (lambda key: key.replace("shared.weight", "encoder.embed_tokens.weight")) if name == "original" else None
        save(out_dir / "t5" / name, "t5", model, t5_prompts(sizes["vocab_size"], generator),
             lambda loaded, ids: loaded(ids, output_hidden_states=False)[0], new_name)
    for number, (name, sizes) in enumerate(CLIPS.items()):
        generator = torch.Generator().manual_seed(500 + number)
        model = draw(CLIPTextModel(CLIPTextConfig(**sizes)), generator)
        bare = lambda key: key.removeprefix("text_model.")
        prefixed = lambda key: "text_model." + bare(key)
        save(out_dir / "clip" / name, "clip", model, clip_prompts(model.config, generator),
             lambda loaded, ids: loaded(ids, output_hidden_states=False).pooler_output,
             prefixed if number % 2 == 0 else bare)


if __name__ == "__main__":
    main(sys.argv[1])
