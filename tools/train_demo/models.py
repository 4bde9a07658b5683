"""The parts of the demo model: FLUX.1's architecture with small sizes; `tiny` ones for dry runs."""
import json
import pathlib

import torch
from torch import nn

SIZES = {
    "demo": dict(
        # 8 heads of 32: ulysses can use up to 8 ranks. 8 of a head's 32 values have no position.
        transformer=dict(num_layers=2, num_single_layers=5, num_attention_heads=8, attention_head_dim=32,
                         axes_dims_rope=(8, 12, 12)),
        vae=dict(block_out_channels=(32, 64, 96, 112), norm_num_groups=16),
        t5=dict(d_model=192, d_kv=32, d_ff=320, num_layers=3, num_heads=6),
        clip=dict(hidden_size=128, intermediate_size=512, num_hidden_layers=3, num_attention_heads=4)),
    "tiny": dict(
        transformer=dict(num_layers=1, num_single_layers=1, num_attention_heads=2, attention_head_dim=16,
                         axes_dims_rope=(4, 6, 6)),
        vae=dict(block_out_channels=(8, 8, 16, 16), norm_num_groups=4),
        t5=dict(d_model=32, d_kv=16, d_ff=32, num_layers=1, num_heads=2),
        clip=dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)),
}
LATENT_CHANNELS = 16

# FLUX.1-dev's schedule with a stronger shift: what is drawn where is decided early, at high noise,
# and flat shapes need few steps at low noise.
SCHEDULER = dict(num_train_timesteps=1000, shift=3.0, use_dynamic_shifting=True, base_shift=0.8, max_shift=1.5,
                 base_image_seq_len=256, max_image_seq_len=4096)


def schedule_mu(image_tokens):
    slope = (SCHEDULER["max_shift"] - SCHEDULER["base_shift"]) / (SCHEDULER["max_image_seq_len"] - SCHEDULER["base_image_seq_len"])
    return SCHEDULER["base_shift"] + slope * (image_tokens - SCHEDULER["base_image_seq_len"])


def make_vae(size, scaling_factor=1.0, shift_factor=0.0):
    from diffusers import AutoencoderKL
    sizes = SIZES[size]["vae"]
    return AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                         layers_per_block=1, latent_channels=LATENT_CHANNELS, sample_size=256, force_upcast=False,
                         use_quant_conv=False, use_post_quant_conv=False, mid_block_add_attention=True,
                         scaling_factor=scaling_factor, shift_factor=shift_factor, **sizes)


def make_text_encoders(size, tokens):
    """tokens: sizes.json of the tokenizers -> CLIPTextModel, T5EncoderModel"""
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel
    clip = CLIPTextModel(CLIPTextConfig(
        vocab_size=tokens["clip_vocabulary"], max_position_embeddings=77, bos_token_id=tokens["clip_bos"],
        eos_token_id=tokens["clip_eos"], pad_token_id=tokens["clip_eos"], hidden_act="quick_gelu", projection_dim=32,
        **SIZES[size]["clip"]))
    t5 = T5EncoderModel(T5Config(
        vocab_size=tokens["t5_vocabulary"], is_encoder_decoder=False, use_cache=False, feed_forward_proj="gated-gelu",
        dropout_rate=0.0, pad_token_id=0, eos_token_id=1, **SIZES[size]["t5"]))
    return clip, t5


def make_transformer(size):
    """Without embedded guidance: it would have to be distilled from a larger model. True CFG, which
    caption dropout makes possible, is what the model is trained for."""
    from diffusers import FluxTransformer2DModel
    sizes = SIZES[size]
    model = FluxTransformer2DModel(
        patch_size=1, in_channels=4 * LATENT_CHANNELS, joint_attention_dim=sizes["t5"]["d_model"],
        pooled_projection_dim=sizes["clip"]["hidden_size"], guidance_embeds=False, **sizes["transformer"])
    # Every block starts as the identity and the prediction as zero.
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and (name.endswith("norm.linear") or name.endswith("norm1.linear")
                                              or name.endswith("norm1_context.linear")
                                              or name in ("norm_out.linear", "proj_out")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    return model


class SceneReader(nn.Module):
    """Training aid, not part of the pipeline: reads the fields of a scene from a caption's embedding, so
    that the text encoders learn in seconds what a caption says."""

    def __init__(self, width, classes):
        super().__init__()
        self.classes = classes
        self.body = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 256), nn.GELU(), nn.Linear(256, sum(classes)))

    def forward(self, embedding):
        return self.body(embedding).split(self.classes, dim=-1)

    def loss(self, embedding, codes, weight=None):
        """embedding (B, width), codes (B, fields) with -1 for absent -> mean cross entropy, right share"""
        total, right, known = 0.0, 0.0, 0.0
        for field, logits in enumerate(self(embedding)):
            target = codes[:, field]
            use = (target >= 0).float() if weight is None else (target >= 0).float() * weight
            cost = nn.functional.cross_entropy(logits.float(), target.clamp(min=0), reduction="none")
            total = total + (cost * use).sum() / use.sum().clamp(min=1)
            right = right + ((logits.argmax(-1) == target).float() * use).sum().detach()
            known = known + use.sum()
        return total / len(self.classes), right / known


def pack(latents):
    """(B, C, 2h, 2w) -> (B, h * w, 4 C)"""
    b, c, h, w = latents.shape
    return latents.view(b, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(b, h * w // 4, c * 4)


def unpack(tokens, height, width):
    """(B, h * w, 4 C) -> (B, C, 2h, 2w); height and width in pixels"""
    b, _, c = tokens.shape
    h, w = height // 16, width // 16
    return tokens.view(b, h, w, c // 4, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(b, c // 4, h * 2, w * 2)


def image_ids(height, width, device):
    ids = torch.zeros(height // 16, width // 16, 3, device=device)
    ids[..., 1] += torch.arange(height // 16, device=device)[:, None]
    ids[..., 2] += torch.arange(width // 16, device=device)[None, :]
    return ids.reshape(-1, 3)


def encode_text(clip, t5, clip_ids, t5_ids):
    """-> T5's states (B, tokens, d), CLIP's pooled state (B, p). Without masks, as the pipeline does."""
    return t5(input_ids=t5_ids)[0], clip(input_ids=clip_ids).pooler_output


def parameter_count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def save_weights(module, path):
    _save_tensors(module.state_dict(), path)


def load_weights(module, path):
    from safetensors.torch import load_file
    _load(module, load_file(str(path)))
    return module


def read_sizes(folder):
    return json.loads(pathlib.Path(folder, "sizes.json").read_text())


def save_transformer_parts(transformer, folder):
    """Two files, double-stream blocks and the rest, each well below 16 MiB."""
    halves = ({}, {})
    for name, tensor in transformer.state_dict().items():
        halves[name.startswith("single_")][name] = tensor
    for number, half in enumerate(halves, 1):
        _save_tensors(half, folder / f"transformer-{number}.safetensors")


def save_encoders(clip, t5, path):
    # Some versions of transformers prefix CLIP's names, some do not.
    tensors = {f"clip.{name.removeprefix('text_model.')}": tensor for name, tensor in clip.state_dict().items()}
    tensors |= {f"t5.{name}": tensor for name, tensor in t5.state_dict().items() if "embed_tokens" not in name}
    _save_tensors(tensors, path)


def _save_tensors(tensors, path):
    from safetensors.torch import save_file
    save_file({name: tensor.detach().to("cpu", torch.bfloat16 if tensor.is_floating_point() else tensor.dtype).contiguous()
               for name, tensor in tensors.items()}, str(path))
    pathlib.Path(path).chmod(0o644)


def load_trained(size, tokens, vae_folder, flow_folder):
    """-> vae (with its scale and shift), clip, t5, transformer, from what the stages hand over"""
    from safetensors.torch import load_file
    vae_facts = json.loads(pathlib.Path(vae_folder, "vae.json").read_text())
    vae = load_weights(make_vae(vae_facts["size"], vae_facts["scaling_factor"], vae_facts["shift_factor"]),
                       pathlib.Path(vae_folder, "vae.safetensors"))
    clip, t5 = make_text_encoders(size, tokens)
    tensors = load_file(str(pathlib.Path(flow_folder, "encoders.safetensors")))
    prefix = "text_model." if any(name.startswith("text_model.") for name in clip.state_dict()) else ""
    _load(clip, {prefix + name[5:]: tensor for name, tensor in tensors.items() if name.startswith("clip.")})
    _load(t5, {name[3:]: tensor for name, tensor in tensors.items() if name.startswith("t5.")})
    transformer = make_transformer(size)
    parts = [load_file(str(path)) for path in sorted(pathlib.Path(flow_folder).glob("transformer-*.safetensors"))]
    _load(transformer, {name: tensor for part in parts for name, tensor in part.items()})
    return vae, clip, t5, transformer


def _load(module, tensors):
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    missing = [name for name in missing if "embed_tokens" not in name and "position_ids" not in name]
    if missing or unexpected:
        raise ValueError(f"not the weights of this model (missing {missing}, unexpected {unexpected})")
