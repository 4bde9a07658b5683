"""One training step of flow matching for one picture size; on a GPU a CUDA graph.

A small model's step is short: launched kernel by kernel, most of it would be waiting for the host.
The graph holds noise, forward, backward and the optimizer.
"""
import torch

import models

DROPPED = 0.1  # captions replaced by the empty one
EVEN = 0.2  # times drawn evenly, the others as the schedule spends its steps


class Trainer:
    """What all sizes share: the model, the optimizer, the captions' embeddings."""

    def __init__(self, transformer, states, pooled, rate, device):
        """states (N + 1, tokens, d), pooled (N + 1, p): the last row is the empty caption's"""
        self.transformer, self.states, self.pooled, self.device = transformer, states, pooled, device
        self.cuda = self.graphs = device.type == "cuda"
        self.parameters = list(transformer.parameters())
        self.rate = torch.tensor(rate, device=device)  # written to between two steps
        groups = [{"params": [p for p in self.parameters if p.dim() >= 2], "weight_decay": 0.01},
                  {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.rate if self.cuda else rate, betas=(0.9, 0.98),
                                           fused=self.cuda, capturable=self.cuda)
        self.text_ids = torch.zeros(states.shape[1], 3, device=device)
        self.loss_sum = torch.zeros((), device=device)
        self.pool = None  # memory that the graphs share: only one runs at a time

    def set_rate(self, rate):
        self.rate.fill_(rate)
        if not self.cuda:
            for group in self.optimizer.param_groups:
                group["lr"] = rate


class FlowStep:
    def __init__(self, trainer, batch, width, height):
        self.trainer, device = trainer, trainer.device
        tokens = width * height // 256
        self.latents = torch.zeros(batch, tokens, 4 * models.LATENT_CHANNELS, device=device)
        self.scenes = torch.zeros(batch, dtype=torch.long, device=device)
        self.image_ids = models.image_ids(height, width, device)
        self.mu = models.schedule_mu(tokens)
        self.graph, self.plain_steps = None, 0

    def _train(self):
        trainer, latents = self.trainer, self.latents
        trainer.optimizer.zero_grad(set_to_none=True)
        rows, device = len(latents), latents.device
        noise = torch.randn_like(latents)
        # As at inference: a logistic shift by mu.
        shifted = torch.sigmoid(torch.randn(rows, device=device) * 1.1 + self.mu)
        sigma = torch.where(torch.rand(rows, device=device) < EVEN, torch.rand(rows, device=device), shifted).clamp(0.001, 0.999)
        mixed = torch.lerp(latents, noise, sigma[:, None, None])
        captions = torch.where(torch.rand(rows, device=device) < DROPPED, len(trainer.states) - 1, self.scenes)
        with torch.autocast(device.type, torch.bfloat16, enabled=trainer.cuda):
            guess = trainer.transformer(
                hidden_states=mixed, timestep=sigma, encoder_hidden_states=trainer.states[captions],
                pooled_projections=trainer.pooled[captions], txt_ids=trainer.text_ids, img_ids=self.image_ids,
                return_dict=False)[0]
        loss = (guess.float() - (noise - latents)).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainer.parameters, 1.0, foreach=True)
        trainer.optimizer.step()
        trainer.loss_sum += loss.detach()

    def __call__(self, latents, scenes):
        """latents (batch, tokens, 64), scenes (batch)"""
        self.latents.copy_(latents)
        self.scenes.copy_(scenes)
        if self.graph is not None:
            self.graph.replay()
            return
        # Two plain steps first: they compile, and make the optimizer's state.
        if self.trainer.graphs and self.plain_steps >= 2 and self._capture():
            self.graph.replay()
        elif self.trainer.graphs:
            self.plain_steps += 1
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self._train()
            torch.cuda.current_stream().wait_stream(side)
        else:
            self._train()

    def _capture(self):
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.trainer.pool, capture_error_mode="thread_local"):
                self._train()
        except Exception as error:  # slower, but as good
            print(f"training without graphs ({type(error).__name__}: {str(error)[:500]})", flush=True)
            self.trainer.graphs = False
            return False
        self.graph, self.trainer.pool = graph, graph.pool()
        return True
