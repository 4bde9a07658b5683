"""Training material: captioned scenes as numbers, and latents of their pictures, made while training."""
import concurrent.futures
import multiprocessing
import os
import pathlib

import torch

import models
from scene import draw_captioned_scenes, encode_scene
from text_tokenizers import CLIP_TOKENS, T5_TOKENS


def tokenize(work, captions):
    """-> CLIP ids (N, 77) and T5 ids (N, T5_TOKENS), int16"""
    from tokenizers import Tokenizer
    sizes = models.read_sizes(work)
    clip, t5 = Tokenizer.from_file(str(work / "clip.json")), Tokenizer.from_file(str(work / "t5.json"))
    for tokenizer, length, pad in ((clip, CLIP_TOKENS, sizes["clip_eos"]), (t5, T5_TOKENS, 0)):
        tokenizer.enable_truncation(length)
        tokenizer.enable_padding(length=length, pad_id=pad)
    ids = lambda tokenizer: torch.tensor([e.ids for e in tokenizer.encode_batch(captions)], dtype=torch.int16)
    return ids(clip), ids(t5)


def _make_part(task):
    work, count, seed = task
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    scenes, captions = draw_captioned_scenes(count, seed)
    clip, t5 = tokenize(pathlib.Path(work), captions)
    return torch.tensor([encode_scene(scene) for scene in scenes], dtype=torch.int8).numpy(), clip.numpy(), t5.numpy()


def make_pool(work, count, seed, workers):
    """-> codes (N, 11) int8, CLIP ids, T5 ids; the same pool whatever the number of workers"""
    parts = 64 if count >= 64000 else 2
    tasks = [(str(work), count // parts, seed * 1000 + part) for part in range(parts)]
    made = None
    if workers > 1:
        try:
            with concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
                made = list(pool.map(_make_part, tasks))
        except Exception as error:
            print(f"captions by one process alone ({type(error).__name__}: {error})", flush=True)
    if made is None:
        made = [_make_part(task) for task in tasks]
    return [torch.cat([torch.from_numpy(part[i]) for part in made]) for i in range(3)]


class PictureStore:
    """Pictures of one size, encoded. Drawing them costs as much as a step of training: each is used about
    RECYCLE times, with other noise every time, and new ones come in large batches."""

    RECYCLE = 8
    CHUNK = 2  # batches drawn at once
    KEPT = 40  # chunks

    def __init__(self, painter, encode, codes, batch, width, height, generator):
        self.painter, self.encode, self.codes, self.batch = painter, encode, codes, batch
        self.width, self.height, self.generator = width, height, generator
        self.pictures, self.scenes, self.draws, self.oldest = None, None, 0, 0

    @torch.no_grad()
    def _make(self, count):
        scenes = torch.randint(len(self.codes), (count,), generator=self.generator, device=self.codes.device)
        return self.encode(self.painter(self.codes[scenes].long(), self.width, self.height)), scenes

    def draw(self):
        """-> encoded pictures (batch, ...), the numbers of their scenes (batch)"""
        count = self.CHUNK * self.batch
        if self.pictures is None:
            self.pictures, self.scenes = self._make(2 * count)
        elif self.draws % (self.CHUNK * self.RECYCLE) == 0:
            pictures, scenes = self._make(count)
            if len(self.pictures) < self.KEPT * count:
                self.pictures, self.scenes = torch.cat([self.pictures, pictures]), torch.cat([self.scenes, scenes])
            else:
                self.pictures[self.oldest:self.oldest + count], self.scenes[self.oldest:self.oldest + count] = pictures, scenes
                self.oldest = (self.oldest + count) % (self.KEPT * count)
        self.draws += 1
        pick = torch.randint(len(self.pictures), (self.batch,), generator=self.generator, device=self.pictures.device)
        return self.pictures[pick], self.scenes[pick]
