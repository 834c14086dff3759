"""Muon for the hidden matrices, Adam for embeddings, head and norms; one flat state.

Muon steps along the orthogonalised momentum of each matrix. Work is shared
among the data-parallel workers: each orthogonalises its share of the matrices,
and the shares are summed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

Weights = dict[str, Tensor]


@torch.no_grad()
def orthogonalised(m: Tensor, steps: int = 5) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly, by a quintic Newton-Schulz iteration."""
    x = m.bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.T if tall else x).float()


@dataclass(slots=True)
class Optimizer:
    """Holds the momenta. `rank` and `world` say which share of Muon's work is ours."""

    weights: Weights
    muon_lr: float = 0.02
    adam_lr: float = 3e-3
    betas: tuple[float, float] = (0.9, 0.98)
    rank: int = 0
    world: int = 1
    steps: int = 0
    state: Weights = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, w in self.weights.items():
            self.state.setdefault(f"m.{name}", torch.zeros_like(w))
            if not is_matrix(name):
                self.state.setdefault(f"v.{name}", torch.zeros_like(w))

    @torch.no_grad()
    def step(self, grads: Weights, scale: float) -> None:
        """One update with fp32 gradients; `scale` in 0..1 is the schedule's factor."""
        self.steps += 1
        self._muon({k: g for k, g in grads.items() if is_matrix(k)}, scale)
        b1, b2 = self.betas
        for name, g in grads.items():
            if is_matrix(name):
                continue
            m, v = self.state[f"m.{name}"], self.state[f"v.{name}"]
            m.lerp_(g, 1 - b1)
            v.mul_(b2).addcmul_(g, g, value=1 - b2)
            root = (v / (1 - b2**self.steps)).sqrt_().add_(1e-8)
            rate = self.adam_lr * scale / (1 - b1**self.steps)
            self.weights[name].addcdiv_(m, root, value=-rate)

    def _muon(self, grads: Weights, scale: float) -> None:
        flat = torch.zeros(sum(g.numel() for g in grads.values()))
        at = 0
        for i, (name, g) in enumerate(grads.items()):
            m = self.state[f"m.{name}"]
            m.mul_(0.95).add_(g)
            if i % self.world == self.rank:
                o = orthogonalised(g + 0.95 * m) * max(1, g.shape[0] / g.shape[1]) ** 0.5
                flat[at : at + g.numel()] = o.flatten()
            at += g.numel()
        if self.world > 1:
            torch.distributed.all_reduce(flat)
        at = 0
        for name, g in grads.items():
            w = self.weights[name]
            w.add_(flat[at : at + g.numel()].view_as(w), alpha=-self.muon_lr * scale)
            at += g.numel()


def is_matrix(name: str) -> bool:
    """Whether Muon steps this weight: the layers' projection matrices."""
    return name.endswith("_proj.weight")
