#!/usr/bin/env python3
"""Makes a small random Flux pipeline in the layout of published checkpoints, for tests and demos.

    make_pipeline.py --arch a --kind dev --tokenizers legacy OUT_DIR

The architectures a, b, c, d share no size. The weights are drawn large enough that prompt, guidance
and negative prompt each change the image visibly (--report measures it with diffusers).
Tokenizers: `legacy` is vocab.json + merges.txt and spiece.model, as published; `json` is
tokenizer.json alone, as transformers 5 saves.
"""
import argparse
import io
import json
import pathlib
import sys

import torch

ARCHITECTURES = {
    "a": dict(
        transformer=dict(num_layers=2, num_single_layers=2, num_attention_heads=4, attention_head_dim=32,
                         joint_attention_dim=48, pooled_projection_dim=40, axes_dims_rope=(8, 12, 12)),
        vae=dict(block_out_channels=(16, 32, 32, 48), layers_per_block=1, norm_num_groups=8, latent_channels=4,
                 mid_block_add_attention=True, use_post_quant_conv=False, use_quant_conv=False,
                 scaling_factor=0.3611, shift_factor=0.1159),
        t5=dict(d_model=48, d_kv=16, d_ff=96, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"),
        clip=dict(hidden_size=40, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
                  hidden_act="quick_gelu", legacy_eos=True)),
    "b": dict(
        transformer=dict(num_layers=1, num_single_layers=3, num_attention_heads=6, attention_head_dim=24,
                         joint_attention_dim=56, pooled_projection_dim=36, axes_dims_rope=(4, 8, 12)),
        vae=dict(block_out_channels=(12, 24, 36), layers_per_block=2, norm_num_groups=6, latent_channels=8,
                 mid_block_add_attention=False, use_post_quant_conv=True, use_quant_conv=True,
                 scaling_factor=0.5, shift_factor=0.0),
        t5=dict(d_model=56, d_kv=12, d_ff=64, num_layers=1, num_heads=3, feed_forward_proj="relu"),
        clip=dict(hidden_size=36, intermediate_size=60, num_hidden_layers=1, num_attention_heads=3,
                  hidden_act="gelu", legacy_eos=False)),
    "c": dict(
        transformer=dict(num_layers=3, num_single_layers=1, num_attention_heads=3, attention_head_dim=40,
                         joint_attention_dim=32, pooled_projection_dim=24, axes_dims_rope=(8, 16, 16)),
        vae=dict(block_out_channels=(20, 40), layers_per_block=1, norm_num_groups=5, latent_channels=16,
                 mid_block_add_attention=True, use_post_quant_conv=True, use_quant_conv=True,
                 scaling_factor=1.2, shift_factor=-0.05),
        t5=dict(d_model=32, d_kv=8, d_ff=48, num_layers=3, num_heads=5, feed_forward_proj="gated-gelu"),
        clip=dict(hidden_size=24, intermediate_size=44, num_hidden_layers=3, num_attention_heads=2,
                  hidden_act="quick_gelu", legacy_eos=False)),
    "d": dict(
        transformer=dict(num_layers=2, num_single_layers=4, num_attention_heads=8, attention_head_dim=16,
                         joint_attention_dim=64, pooled_projection_dim=28, axes_dims_rope=(4, 6, 6)),
        vae=dict(block_out_channels=(8, 16, 24, 32), layers_per_block=1, norm_num_groups=4, latent_channels=16,
                 mid_block_add_attention=True, use_post_quant_conv=False, use_quant_conv=False,
                 scaling_factor=0.18215, shift_factor=0.02),
        t5=dict(d_model=64, d_kv=10, d_ff=72, num_layers=2, num_heads=6, feed_forward_proj="relu"),
        clip=dict(hidden_size=28, intermediate_size=52, num_hidden_layers=2, num_attention_heads=7,
                  hidden_act="gelu", legacy_eos=True)),
}

WORDS = """a the of and with on in at by near under over red green blue yellow white black small large old new
circle square triangle star moon river mountain forest house boat lamp clock piano fox cat dog bird whale
photo painting drawing sketch watercolor portrait landscape fjord lake snow rain storm sunrise night city street
quiet loud bright dark soft sharp golden silver wooden glass paper stone one two three many few dancing sleeping
running standing flying misty ancient modern tiny giant beautiful strange simple detailed 4k 8k hd it's don't
we'll they've I'm you're he'd""".split()


def training_lines():
    lines = [" ".join(WORDS[(i * 7 + j * j * 3) % len(WORDS)] for j in range(3 + i % 9)) for i in range(600)]
    lines += ["Ein Bär im Wald, größer als gedacht!", "été à la plage", "東京の夜景 と 富士山", "Привет, мир", "naïve café №5",
              "price: $3.50 (50% off) #1 @home", "日本語 テスト", "🙂 happy 🦊 fox", "αβγ Ωμέγα"] * 8
    return lines


def make_clip_tokenizer(arrangement, folder):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = CLIPTokenizer().backend_tokenizer.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    # Pairs that are equally frequent are merged in the order of their ids. The trainer would give ids to the ends of words
    # in an order of chance; as "special tokens" they have them beforehand, and one seed makes one checkpoint.
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, special_tokens=[c + "</w>" for c in alphabet],
                                  end_of_word_suffix="</w>", show_progress=False)
    tokenizer.train_from_iterator(training_lines(), trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    # CLIP's order: bytes, bytes at the end of a word, merges, begin, end.
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in trained["merges"]]
    names = alphabet + [c + "</w>" for c in alphabet] + ["".join(m) for m in merges]
    vocab = {}
    for name in names + ["<|startoftext|>", "<|endoftext|>"]:
        vocab.setdefault(name, len(vocab))
    return save_clip_tokenizer(vocab, merges, arrangement, folder)


def save_clip_tokenizer(vocab, merges, arrangement, folder):
    from transformers import CLIPTokenizer
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in merges))
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="CLIPTokenizer", model_max_length=77, unk_token="<|endoftext|>", pad_token="<|endoftext|>",
        bos_token="<|startoftext|>", eos_token="<|endoftext|>", do_lower_case=True, add_prefix_space=False)))
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    if arrangement == "json":
        for file in folder.iterdir():
            file.unlink()
        tokenizer.save_pretrained(folder)
    return CLIPTokenizer.from_pretrained(folder)


def make_t5_tokenizer(arrangement, folder, vocab_size=400):
    import sentencepiece
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(training_lines()), model_writer=model, vocab_size=vocab_size, model_type="unigram",
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, minloglevel=2, num_threads=1)
    return save_t5_tokenizer(model.getvalue(), arrangement, folder)


def save_t5_tokenizer(model_bytes, arrangement, folder):
    from transformers import T5TokenizerFast
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(model_bytes)
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="T5Tokenizer", model_max_length=512, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        extra_ids=100)))
    tokenizer = T5TokenizerFast.from_pretrained(folder)
    if arrangement == "json":
        for file in folder.iterdir():
            file.unlink()
        tokenizer.save_pretrained(folder)
    return T5TokenizerFast.from_pretrained(folder)


def draw_weights(module, generator, gain=1.0):
    """Normal weights with deviation gain / sqrt(fan-in): activations keep their size, inputs matter."""
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() >= 2 and "embed" in name and "embedder" not in name or name.startswith("shared"):
            value = noise
        elif parameter.dim() >= 2:
            value = noise * gain / (parameter[0].numel() ** 0.5)
        elif name.endswith("bias"):
            value = 0.05 * noise
        else:
            value = 1 + 0.1 * noise
        parameter.data.copy_(value)
    return module.eval()


def make_pipeline(arch, kind, arrangement, seed, folder):
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel
    sizes = ARCHITECTURES[arch]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    clip_tokenizer = make_clip_tokenizer(arrangement, folder / "tokenizer")
    t5_tokenizer = make_t5_tokenizer(arrangement, folder / "tokenizer_2")

    clip_sizes = dict(sizes["clip"])
    eos = 2 if clip_sizes.pop("legacy_eos") else clip_tokenizer.eos_token_id
    clip = CLIPTextModel(CLIPTextConfig(vocab_size=len(clip_tokenizer), max_position_embeddings=77, eos_token_id=eos,
                                        bos_token_id=clip_tokenizer.bos_token_id, pad_token_id=1,
                                        projection_dim=16, **clip_sizes))
    t5 = T5EncoderModel(T5Config(vocab_size=len(t5_tokenizer) + 3, is_encoder_decoder=False, use_cache=False, **sizes["t5"]))
    vae_sizes = dict(sizes["vae"])
    levels = len(vae_sizes["block_out_channels"])
    vae = AutoencoderKL(down_block_types=("DownEncoderBlock2D",) * levels, up_block_types=("UpDecoderBlock2D",) * levels,
                        sample_size=64, force_upcast=True, **vae_sizes)
    transformer = FluxTransformer2DModel(patch_size=1, in_channels=4 * vae_sizes["latent_channels"],
                                         guidance_embeds=kind == "dev", **sizes["transformer"])
    for module, gain in ((clip, 1.0), (t5, 1.0), (vae, 1.0), (transformer, 1.0)):
        draw_weights(module, generator, gain)
    with torch.no_grad():  # contrast: pixels use the range and do not clip
        latents = torch.randn(1, vae_sizes["latent_channels"], 8, 8, generator=generator) / vae_sizes["scaling_factor"]
        spread = vae.decode(latents).sample.std()
        vae.decoder.conv_out.weight.mul_(0.4 / spread)
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=kind == "dev", shift=3.0 if kind == "dev" else 1.0,
                                                base_shift=0.5, max_shift=1.15, base_image_seq_len=256,
                                                max_image_seq_len=4096)
    pipeline = FluxPipeline(scheduler=scheduler, vae=vae, text_encoder=clip, tokenizer=clip_tokenizer,
                            text_encoder_2=t5, tokenizer_2=t5_tokenizer, transformer=transformer)
    pipeline.save_pretrained(folder)
    if arrangement == "legacy":  # save_pretrained wrote tokenizer.json: put the published layout back
        for name, make in (("tokenizer", make_clip_tokenizer), ("tokenizer_2", make_t5_tokenizer)):
            for file in (folder / name).iterdir():
                file.unlink()
            make("legacy", folder / name)
    return FluxPipeline.from_pretrained(folder)


def report(pipeline):
    """How much each input changes an image: mean absolute difference in 1/255."""
    import numpy
    pipeline.set_progress_bar_config(disable=True)
    scale = pipeline.vae_scale_factor * 2

    def draw(prompt="a red fox on a hill", **more):
        out = pipeline(prompt=prompt, height=scale * 6, width=scale * 8, num_inference_steps=4, output_type="np",
                       generator=torch.Generator().manual_seed(3), max_sequence_length=24,
                       **{"guidance_scale": 3.5, **more}).images[0]
        return numpy.round(out * 255)

    base = draw()
    cfg = draw(true_cfg_scale=2.5, negative_prompt="blurry")
    change = lambda a, b: float(numpy.abs(a - b).mean())
    print(f"deviation {base.std():.1f}, clipped {float(((base == 0) | (base == 255)).mean()):.3f}, "
          f"prompt {change(base, draw('two blue boats')):.2f}, guidance {change(base, draw(guidance_scale=7.0)):.2f}, "
          f"true cfg {change(base, cfg):.2f}, "
          f"negative prompt {change(cfg, draw(true_cfg_scale=2.5, negative_prompt='many yellow birds')):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", choices=sorted(ARCHITECTURES), default="a")
    parser.add_argument("--kind", choices=("dev", "schnell"), default="dev")
    parser.add_argument("--tokenizers", choices=("legacy", "json"), default="legacy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="print how much each input changes an image")
    parser.add_argument("out_dir")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = make_pipeline(args.arch, args.kind, args.tokenizers, args.seed, args.out_dir)
    if args.report:
        report(pipeline)


if __name__ == "__main__":
    sys.exit(main())
