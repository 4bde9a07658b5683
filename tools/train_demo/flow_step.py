"""One training step of flow matching for one picture size: noise, forward, backward, optimizer."""
import torch

import models
from graphed_step import GraphedStep, Graphs
from muon import Optimizer

DROPPED = 0.1  # captions replaced by the empty one
EVEN = 0.2  # times drawn evenly, the others as the schedule spends its steps


class Trainer:
    """What all sizes share: the model, the optimizer, the captions' embeddings."""

    def __init__(self, transformer, states, pooled, rate, device):
        """states (N + 1, tokens, d), pooled (N + 1, p): the last row is the empty caption's"""
        self.transformer, self.states, self.pooled, self.device = transformer, states, pooled, device
        self.cuda, self.graphs = device.type == "cuda", Graphs(device)
        self.parameters = list(transformer.parameters())
        inner = [p for name, p in transformer.named_parameters() if p.dim() == 2 and "transformer_blocks." in name]
        self.optimizer = Optimizer(self.parameters, inner, rate, weight_decay=0.01)
        self.text_ids = torch.zeros(states.shape[1], 3, device=device)
        self.loss_sum = torch.zeros((), device=device)


class FlowStep:
    def __init__(self, trainer, batch, width, height):
        self.trainer, device = trainer, trainer.device
        tokens = width * height // 256
        self.latents = torch.zeros(batch, tokens, 4 * models.LATENT_CHANNELS, device=device)
        self.scenes = torch.zeros(batch, dtype=torch.long, device=device)
        self.image_ids = models.image_ids(height, width, device)
        self.mu = models.schedule_mu(tokens)
        self.run = GraphedStep(trainer.graphs, self._train)

    def _train(self):
        trainer, latents = self.trainer, self.latents
        trainer.optimizer.clear()
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
        trainer.optimizer.step()
        trainer.loss_sum += loss.detach()

    def __call__(self, latents, scenes):
        """latents (batch, tokens, 64), scenes (batch)"""
        self.latents.copy_(latents)
        self.scenes.copy_(scenes)
        self.run()
