#!/usr/bin/env bash
# diffusers honours the alpha of a layer in a kohya LoRA file, except in attention: to_q, to_k, to_v and to_out get the
# alpha that is most frequent in the file, since their own is kept under a name that matches no layer (PEFT says only that
# alpha_pattern keys "were ignored"). Merged and resized LoRAs have mixed alphas, and come out weaker or stronger.
# What to do: to have diffusers' result, copy it; to have the file's, scale each layer by its own alpha over its rank.
set -euo pipefail
. "$(dirname "$0")/site.sh"
python_with diffusers==0.42.1 peft==0.21.2 transformers==5.23.0 torch==2.11.0 numpy==2.4.6 Pillow==13.0.0
cd "$work"
"$python" -W ignore - <<'PY'
import diffusers
import torch
import transformers

diffusers.logging.set_verbosity_error()
transformers.logging.set_verbosity_error()
torch.manual_seed(0)
unet = diffusers.UNet2DConditionModel(
    sample_size=8, block_out_channels=(32,), down_block_types=("CrossAttnDownBlock2D",), layers_per_block=1,
    up_block_types=("CrossAttnUpBlock2D",), cross_attention_dim=16, attention_head_dim=8, norm_num_groups=8)

rank, block = 4, "down_blocks.0.attentions.0.transformer_blocks.0"
alphas = {"attn1.to_q": 1.0, "attn2.to_k": 2.0, "ff.net.2": 2.0}
alphas |= {f"attn{i}.to_v": 4.0 for i in (1, 2)} | {"attn2.to_q": 4.0}  # the most frequent one
file = {}
for layer, alpha in alphas.items():
    linear = unet.get_submodule(f"{block}.{layer}")
    key = f"lora_unet_{block}.{layer}".replace(".", "_")
    file[f"{key}.lora_down.weight"] = torch.randn(rank, linear.in_features)
    file[f"{key}.lora_up.weight"] = torch.randn(linear.out_features, rank)
    file[f"{key}.alpha"] = torch.tensor(alpha)

state, network_alphas = diffusers.StableDiffusionPipeline.lora_state_dict(file)
unet.load_lora_adapter(state, network_alphas=network_alphas, prefix="unet")
scaled = {}
for layer, alpha in alphas.items():
    (scaled[layer],) = unet.get_submodule(f"{block}.{layer}").scaling.values()
    print(f"{layer:12} alpha {alpha} of the file, over rank {rank}: {alpha / rank:.2f}, loaded {scaled[layer]:.2f}")
if (scaled["attn1.to_q"], scaled["attn2.to_k"], scaled["ff.net.2"]) != (1.0, 1.0, 0.5):
    raise SystemExit("changed: other scales")
PY
