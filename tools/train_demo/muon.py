"""Muon: momentum whose update is made orthogonal, for matrices and convolutions inside a network.

Jordan et al. 2024, with the scale of Liu et al. 2025 ("Muon is scalable"): an update has the root mean square of
AdamW's, so that both take the same rate. After four minutes of the flow stage on an H100 half of the evaluation's
pictures were right, with AdamW for all weights a third.
"""
import collections

import torch

MOMENTUM = 0.95
ITERATIONS = ((3.4445, -4.7750, 2.0315),) * 5  # Newton-Schulz, coefficients of Jordan et al.


def orthogonalize(stack):
    """(N, rows, columns) -> the same, all singular values near 1"""
    x = stack.bfloat16() if stack.is_cuda else stack
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for a, b, c in ITERATIONS:
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).float()


class Muon:
    """Of weights (out, in) or (out, in, height, width); those of one shape are updated together."""

    def __init__(self, weights, rate, weight_decay):
        """rate: a tensor, read at every step"""
        self.rate, self.weight_decay = rate, weight_decay
        shapes = collections.defaultdict(list)
        for weight in weights:
            shapes[weight.shape].append(weight)
        self.groups = [(group, torch.zeros(len(group), shape[0], shape[1:].numel(), device=group[0].device))
                       for shape, group in shapes.items()]

    @torch.no_grad()
    def step(self):
        for weights, momentum in self.groups:
            gradient = torch.stack([weight.grad.flatten(1) for weight in weights])
            momentum.lerp_(gradient, 1 - MOMENTUM)
            update = orthogonalize(torch.lerp(gradient, momentum, MOMENTUM))
            update = update * (0.2 * max(update.shape[1:]) ** 0.5 * self.rate)
            torch._foreach_mul_(weights, 1 - self.weight_decay * self.rate)
            torch._foreach_sub_(weights, [part.view_as(weight) for part, weight in zip(update, weights)])


class Optimizer:
    """Muon for the inner weights, AdamW for the rest, both at one rate, which is written between two steps."""

    def __init__(self, parameters, inner, rate, weight_decay):
        device = parameters[0].device
        cuda = device.type == "cuda"
        self.parameters, self.rate = parameters, torch.tensor(rate, device=device)
        by_muon = set(inner)
        rest = [p for p in parameters if p not in by_muon]
        groups = [{"params": [p for p in rest if p.dim() >= 2], "weight_decay": weight_decay},
                  {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0}]
        self.adam = torch.optim.AdamW(groups, lr=self.rate if cuda else rate, betas=(0.9, 0.98), fused=cuda, capturable=cuda)
        self.muon = Muon(inner, self.rate, weight_decay)

    def set_rate(self, rate):
        self.rate.fill_(rate)
        for group in self.adam.param_groups:
            if not isinstance(group["lr"], torch.Tensor):
                group["lr"] = rate

    def clear(self):
        for parameter in self.parameters:
            parameter.grad = None

    def step(self):
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.adam.step()
        self.muon.step()
