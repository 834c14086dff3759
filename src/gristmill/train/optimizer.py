"""What steps the weights: AdamW, or Muon for the layers' matrices beside it; and how fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gristmill.train.config import Optimizer


class Stepper:
    """One or two of torch's optimizers as one, for the weights that are trained.

    Muon (https://kellerjordan.github.io/posts/muon/) moves a matrix along its orthogonalised
    momentum. It is for the matrices that hidden layers multiply with; embeddings, heads, norms and
    biases are AdamW's. Muon's steps are scaled to the size of AdamW's (Moonshot AI,
    arXiv:2502.16982), so that both have one learning rate and one weight decay.
    """

    def __init__(self, module: Any, options: Optimizer) -> None:
        """module: a `Packed`."""
        trained = [p for p in module.parameters() if p.requires_grad]
        matrices = _hidden(module.plain) if options.name == "muon" else set()
        hidden = [p for p in trained if id(p) in matrices]
        rest = [p for p in trained if id(p) not in matrices]
        self._each: list[torch.optim.Optimizer] = [_adamw(rest, options)] if rest else []
        if hidden:
            self._each.append(
                torch.optim.Muon(
                    hidden,
                    lr=options.lr,
                    weight_decay=options.weight_decay,
                    adjust_lr_fn="match_rms_adamw",
                )
            )

        self._of = {
            id(p): optimizer
            for optimizer in self._each
            for group in optimizer.param_groups
            for p in group["params"]
        }

    def step(self, lr: float) -> None:
        """Step all weights by their gradients, which are gone then."""
        for optimizer in self._each:
            for group in optimizer.param_groups:
                group["lr"] = lr
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def moments(self, parameter: Tensor) -> dict[str, Any]:
        """What is remembered of a weight's gradients, to be read and written."""
        return self._of[id(parameter)].state[parameter]


def _hidden(plain: Any) -> set[int]:
    """The identities of the matrices of a model's linear layers, its head's aside."""
    return {id(m.weight) for m in plain.base_model.modules() if isinstance(m, nn.Linear)}


def _adamw(parameters: Sequence[Any], options: Optimizer) -> torch.optim.AdamW:
    matrices = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=options.lr, betas=options.betas)


def rates(options: Optimizer, total: int) -> Callable[[int], float]:
    """The learning rate of a step, from 1 to `total`."""

    def rate(step: int) -> float:
        warm = min(1.0, step / options.warmup) if options.warmup else 1.0
        left = 1 - (step - 1) / max(1, total)
        if options.schedule == "linear":
            return options.lr * warm * left
        if options.schedule == "cosine":
            return options.lr * warm * 0.5 * (1 + math.cos(math.pi * (1 - left)))
        if options.schedule == "wsd":
            return options.lr * warm * min(1.0, left / options.decay)
        return options.lr * warm

    return rate
