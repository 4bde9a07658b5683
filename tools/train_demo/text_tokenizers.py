#!/usr/bin/env python3
"""Trains both tokenizers on captions and saves them as published FLUX.1 folders have them.

    text_tokenizers.py OUT_DIR

OUT_DIR/tokenizer: vocab.json + merges.txt (CLIP's byte-level BPE). OUT_DIR/tokenizer_2: spiece.model
(T5's unigram model). OUT_DIR/clip.json and t5.json: the same as files of the `tokenizers` library,
which is all that training needs.
"""
import io
import json
import pathlib
import re
import sys

from scene import draw_captioned_scenes

CLIP_TOKENS, T5_TOKENS = 77, 32  # padded lengths
CAPTIONS, SEED = 20000, 1
CLIP_VOCABULARY, T5_VOCABULARY = 900, 320


def train_clip(captions, folder):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import CLIPTokenizer
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = CLIPTokenizer().backend_tokenizer.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(captions, trainers.BpeTrainer(
        vocab_size=CLIP_VOCABULARY, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False))
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" "))
              for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    # CLIP's order: bytes, bytes at the end of a word, merges, begin, end.
    vocab = {}
    for name in alphabet + [c + "</w>" for c in alphabet] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]:
        vocab.setdefault(name, len(vocab))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in merges))
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="CLIPTokenizer", model_max_length=CLIP_TOKENS, unk_token="<|endoftext|>", pad_token="<|endoftext|>",
        bos_token="<|startoftext|>", eos_token="<|endoftext|>", do_lower_case=True, add_prefix_space=False), indent=2) + "\n")
    return CLIPTokenizer.from_pretrained(folder)


def train_t5(captions, folder):
    import sentencepiece
    from transformers import T5TokenizerFast
    model = io.BytesIO()
    # All letters, digits and marks, so that any prompt has pieces.
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,'-!?"
    # From sentences alone the few words get split (they occur with few others); words by themselves,
    # often, become pieces.
    words = sorted({word for caption in captions for word in re.findall("[A-Za-z]+", caption)})
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(captions[:300] + words * 20), model_writer=model, vocab_size=T5_VOCABULARY, model_type="unigram", pad_id=0,
        eos_id=1, unk_id=2, bos_id=-1, hard_vocab_limit=False, required_chars=alphabet, minloglevel=2, num_threads=1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(model.getvalue())
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(
        tokenizer_class="T5Tokenizer", model_max_length=512, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        extra_ids=100), indent=2) + "\n")
    return T5TokenizerFast.from_pretrained(folder)


def main(out_dir):
    out_dir = pathlib.Path(out_dir)
    captions = draw_captioned_scenes(CAPTIONS, SEED)[1]
    clip = train_clip(captions, out_dir / "tokenizer")
    t5 = train_t5(captions, out_dir / "tokenizer_2")
    clip.backend_tokenizer.save(str(out_dir / "clip.json"))
    t5.backend_tokenizer.save(str(out_dir / "t5.json"))
    sizes = {"clip_vocabulary": len(clip), "clip_bos": clip.bos_token_id, "clip_eos": clip.eos_token_id,
             "t5_vocabulary": len(t5)}
    (out_dir / "sizes.json").write_text(json.dumps(sizes, indent=2) + "\n")
    fresh = draw_captioned_scenes(5000, SEED + 1)[1]
    longest = [max(len(ids) for ids in tokenizer(fresh).input_ids) for tokenizer in (clip, t5)]
    print(f"tokenizers: {sizes}, longest caption: CLIP {longest[0]} of {CLIP_TOKENS}, T5 {longest[1]} of {T5_TOKENS}")
    assert longest[0] <= CLIP_TOKENS and longest[1] <= T5_TOKENS


if __name__ == "__main__":
    main(*sys.argv[1:])
