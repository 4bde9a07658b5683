"""The text encoders, trained by themselves: a caption's embedding has to tell the whole scene.

They are frozen afterwards, so that the flow stage embeds every caption once.
"""
import time

import torch

import models
from scene import CLASSES


def train_text_encoders(clip, t5, codes, clip_ids, t5_ids, seconds, batch, seed, most_steps):
    """codes (N, 11), ids (N, tokens) -> curve of [seconds, steps, share read right from CLIP, from T5]"""
    device, cuda = codes.device, codes.device.type == "cuda"
    readers = [models.SceneReader(width, CLASSES).to(device) for width in (clip.config.hidden_size, t5.config.d_model)]
    parameters = [p for module in (clip, t5, *readers) for p in module.parameters()]
    optimizer = torch.optim.AdamW([{"params": [p for p in parameters if p.dim() >= 2], "weight_decay": 0.01},
                                   {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0}],
                                  betas=(0.9, 0.98), fused=cuda)
    generator = torch.Generator(device).manual_seed(seed)
    started, step, told, curve = time.monotonic(), 0, 0.0, []
    while step < most_steps:
        elapsed = time.monotonic() - started
        if elapsed >= seconds:
            break
        for group in optimizer.param_groups:
            group["lr"] = 1.5e-3 * min(1, (step + 1) / 100) * (1 - 0.95 * elapsed / seconds)
        pick = torch.randint(len(codes), (batch,), generator=generator, device=device)
        scenes = codes[pick].long()
        with torch.autocast(device.type, torch.bfloat16, enabled=cuda):
            states, pooled = models.encode_text(clip, t5, clip_ids[pick].long(), t5_ids[pick].long())
            loss_clip, right_clip = readers[0].loss(pooled.float(), scenes)
            loss_t5, right_t5 = readers[1].loss(states.float().mean(1), scenes)
        optimizer.zero_grad(set_to_none=True)
        (loss_clip + loss_t5).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        if elapsed - told > 6 or step == 20:
            told = elapsed
            curve.append([round(elapsed, 1), step, float(right_clip), float(right_t5)])
            print(f"text {elapsed:.0f} s, step {step}, loss {float(loss_clip.detach()):.4f} {float(loss_t5.detach()):.4f}, "
                  f"fields read right {float(right_clip):.4f} {float(right_t5):.4f}", flush=True)
    return curve


@torch.no_grad()
def embed_captions(clip, t5, clip_ids, t5_ids, rows=8192):
    """-> T5's states (N, tokens, d), CLIP's pooled states (N, p); bf16 on a GPU"""
    kind = torch.bfloat16 if clip_ids.device.type == "cuda" else torch.float32
    states, pooled = None, None
    for start in range(0, len(clip_ids), rows):
        part = slice(start, start + rows)
        a, b = models.encode_text(clip, t5, clip_ids[part].long(), t5_ids[part].long())
        if states is None:
            states = torch.empty(len(clip_ids), *a.shape[1:], dtype=kind, device=a.device)
            pooled = torch.empty(len(clip_ids), b.shape[1], dtype=kind, device=b.device)
        states[part], pooled[part] = a.to(kind), b.to(kind)
    return states, pooled
