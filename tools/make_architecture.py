#!/usr/bin/env python3
"""Writes the config files of FLUX.1 at full size, without weights: for `[model] random_weights = true`.

    make_architecture.py dev|schnell|small OUT_DIR

`small` is schnell with few and narrow layers, but with heads of 128 channels, which GPU kernels are made for.

The tokenizers are small ones trained here; their ids lie within the full vocabularies.
"""
import json
import pathlib
import sys

from make_pipeline import make_clip_tokenizer, make_t5_tokenizer


SMALL = {
    "transformer/config.json": dict(num_layers=2, num_single_layers=3, num_attention_heads=4, joint_attention_dim=64,
                                    pooled_projection_dim=48),
    "vae/config.json": dict(block_out_channels=[16, 32, 32, 32], norm_num_groups=8),
    "text_encoder/config.json": dict(hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4),
    "text_encoder_2/config.json": dict(d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4),
}


def configs(kind):
    return {
        "model_index.json": {
            "_class_name": "FluxPipeline", "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"], "text_encoder_2": ["transformers", "T5EncoderModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"], "tokenizer_2": ["transformers", "T5TokenizerFast"],
            "transformer": ["diffusers", "FluxTransformer2DModel"], "vae": ["diffusers", "AutoencoderKL"]},
        "scheduler/scheduler_config.json": {
            "_class_name": "FlowMatchEulerDiscreteScheduler", "base_image_seq_len": 256, "base_shift": 0.5,
            "max_image_seq_len": 4096, "max_shift": 1.15, "num_train_timesteps": 1000,
            "shift": 3.0 if kind == "dev" else 1.0, "use_dynamic_shifting": kind == "dev"},
        "transformer/config.json": {
            "_class_name": "FluxTransformer2DModel", "patch_size": 1, "in_channels": 64, "num_layers": 19,
            "num_single_layers": 38, "attention_head_dim": 128, "num_attention_heads": 24, "joint_attention_dim": 4096,
            "pooled_projection_dim": 768, "guidance_embeds": kind == "dev", "axes_dims_rope": [16, 56, 56]},
        "vae/config.json": {
            "_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
            "latent_channels": 16, "norm_num_groups": 32, "out_channels": 3, "act_fn": "silu",
            "mid_block_add_attention": True, "use_post_quant_conv": False, "use_quant_conv": False,
            "scaling_factor": 0.3611, "shift_factor": 0.1159, "up_block_types": ["UpDecoderBlock2D"] * 4},
        "text_encoder/config.json": {
            "_class_name": "CLIPTextModel", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
            "num_attention_heads": 12, "max_position_embeddings": 77, "vocab_size": 49408, "hidden_act": "quick_gelu",
            "layer_norm_eps": 1e-05, "eos_token_id": 2},
        "text_encoder_2/config.json": {
            "_class_name": "T5EncoderModel", "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
            "vocab_size": 32128, "feed_forward_proj": "gated-gelu", "relative_attention_num_buckets": 32,
            "relative_attention_max_distance": 128, "layer_norm_epsilon": 1e-06},
    }


def main(kind, out_dir):
    out_dir = pathlib.Path(out_dir)
    for name, config in configs(kind).items():
        if kind == "small":
            config |= SMALL.get(name, {})
        path = out_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(config, indent=2) + "\n")
    make_clip_tokenizer("legacy", out_dir / "tokenizer")
    make_t5_tokenizer("legacy", out_dir / "tokenizer_2")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
