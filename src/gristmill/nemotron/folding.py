"""A reward model whose head has no bias, as every engine knows them. Importing this loads torch.

transformers' `...ForSequenceClassification`, and with it vLLM and SGLang, have a linear head
without a bias. Nemotron's last norm has one, and the head's can go into it:

    scores = W (n + b) + c = W (n + b + W⁺ c)      where W W⁺ = 1, W having full row rank

with n the normalised state, b the norm's bias, W and c the head's weight and bias, W⁺ the
pseudo-inverse.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gristmill.records import ATTRIBUTES

HEAD, BIAS, NORM = "score.weight", "score.bias", "model.norm.bias"
BLOCK = 64
"""Numbers that are rounded at once, while there are many left to make up for it."""
WORST = 0.01
"""A score may be so far off afterwards; labels go from 0 to 4."""


def folded(
    weights: dict[str, Tensor], columns: tuple[int, ...], dtype: torch.dtype
) -> dict[str, Tensor]:
    """A reward model's weights with a head of the five attributes in order, and no bias.

    weights: with `score.weight` (K, d) and `score.bias` (K,); a head with no bias stays as it is.
    columns: which outputs are the attributes. dtype: as which the weights will be stored, which
    decides how the norm's bias is rounded. Raises ValueError where the head's rows depend on each
    other, so that no such bias exists.
    """
    rest = {name: tensor for name, tensor in weights.items() if name not in (HEAD, BIAS)}
    head = weights[HEAD][list(columns)]
    if BIAS not in weights:
        return {**rest, HEAD: head}
    # As it will be stored: its own rounding is then no part of the error.
    rows = head.to(dtype).double()
    constant = weights[BIAS][list(columns)].double()
    before = weights[NORM].double()
    bias = _rounded(rows, before + torch.linalg.pinv(rows) @ constant, dtype)
    worst = (rows @ (bias.double() - before) - constant).abs().max().item()
    if not worst <= WORST:
        raise ValueError(f"the head's rows depend on each other: its bias is missed by {worst:.3g}")
    return {**rest, HEAD: head, NORM: bias}


def _rounded(rows: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """A bias (d,) in a coarser type, with nearly the same `rows @ bias`: what the rounding of some
    numbers does to it is made up for by those that are still to be rounded."""
    bias, left = bias.clone(), rows @ rows.T
    # The last ones have nobody to make up for them: let them be those that matter least.
    order = (rows.norm(dim=0) * bias.abs()).argsort(descending=True)
    place = 0
    while place < len(order):
        step = BLOCK if len(order) - place > 2 * BLOCK else 1
        now, later = order[place : place + step], order[place + step :]
        kept = bias[now].to(dtype).double()
        missed = rows[:, now] @ (bias[now] - kept)
        bias[now] = kept
        left = left - rows[:, now] @ rows[:, now].T
        if len(later) >= len(rows):
            bias[later] += rows[:, later].T @ (torch.linalg.pinv(left, hermitian=True) @ missed)
        place += step
    return bias.to(dtype)


def as_classifier(config: Any) -> Any:
    """A config of a model with the five attributes as `...ForSequenceClassification` has it."""
    config = type(config).from_dict(config.to_dict())
    for name in ("attributes", "num_outputs"):
        if hasattr(config, name):
            delattr(config, name)
    config.architectures = ["NemotronForSequenceClassification"]
    config.id2label = dict(enumerate(ATTRIBUTES))
    config.label2id = {name: number for number, name in enumerate(ATTRIBUTES)}
    # Five float labels would otherwise make transformers choose binary cross-entropy.
    config.problem_type = "regression"
    return config
