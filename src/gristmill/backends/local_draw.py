"""How rows draw their next token: by seed and step alone, whatever stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from gristmill.backends.local_ask import Likelihood
from gristmill.errors import BackendError

LIKELIEST = 2048
"""Tokens that are looked at first for a nucleus: it is seldom larger, and to sort the 262,144 of a
large vocabulary takes several times the model's own step."""


class Drawn(Protocol):
    """What is needed of a row. temperature 0 is greedy; seed: 31 bits."""

    @property
    def seed(self) -> int: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_p(self) -> float: ...


def uniform(seeds: np.ndarray, step: int | np.ndarray) -> np.ndarray:
    """One number in (0, 1) for each 31-bit seed at its step: SplitMix64 of the pair.

    It lies on the middles of a grid of 2**22, so that float32 holds it exactly and never
    rounds it to 0 or 1.
    """
    z = (seeds.astype(np.uint64) << np.uint64(32)) | np.asarray(step, np.uint64)
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (((z >> np.uint64(42)).astype(np.float64) + 0.5) / 2**22).astype(np.float32)


class Draw:
    """How the rows of a batch draw their next token."""

    def __init__(self, rows: Sequence[Drawn], device: torch.device) -> None:
        self._device = device
        self._seeds = np.array([row.seed for row in rows], np.uint64)
        self._top_p = torch.tensor([row.top_p for row in rows], device=device)
        temperature = torch.tensor([row.temperature for row in rows], device=device)
        self._greedy = temperature <= 0
        self._temperature = temperature.masked_fill(self._greedy, 1.0)
        self._refresh()

    def keep(self, indices: torch.Tensor) -> None:
        """Only these rows go on."""
        self._seeds = self._seeds[indices.cpu().numpy()]
        self._top_p = self._top_p[indices]
        self._greedy = self._greedy[indices]
        self._temperature = self._temperature[indices]
        self._refresh()

    def _refresh(self) -> None:
        self._any_greedy = bool(self._greedy.any())
        self._all_greedy = bool(self._greedy.all())
        self._cut = (self._top_p < 1).nonzero()[:, 0]

    def tokens(self, logits: torch.Tensor, step: int | np.ndarray) -> torch.Tensor:
        """The next token of every row, from logits [rows, vocabulary]; step: of all, or of each.

        Raises BackendError where they are no numbers: a broken model says nothing, not token 0.
        """
        logits = logits.float()
        best = None
        if self._any_greedy:
            highest, best = logits.max(-1)
            _check(highest)  # of a row with a NaN, that
            if self._all_greedy:
                return best
        shares = torch.softmax(logits / self._temperature[:, None], -1)
        if len(self._cut):
            shares[self._cut] = _nucleus(shares[self._cut], self._top_p[self._cut])
        # The first token at which the summed shares reach the drawn number.
        sums = shares.cumsum(-1)
        total = sums[:, -1:]
        _check(total)
        number = torch.from_numpy(uniform(self._seeds, step)).to(self._device)
        drawn = torch.searchsorted(sums, number[:, None] * total)[:, 0]
        return drawn if best is None else torch.where(self._greedy, best, drawn)


def _check(values: torch.Tensor) -> None:
    if not bool(torch.isfinite(values).all()):
        raise BackendError("bad_reply", "the model's logits are not finite numbers")


def _nucleus(shares: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """Shares outside the smallest set that holds `top_p` of the mass, set to 0."""
    number = min(LIKELIEST, shares.shape[-1])
    falling = shares.topk(number, -1).values
    least = _least(falling, top_p)
    beyond = falling.sum(-1) < top_p
    if number < shares.shape[-1] and bool(beyond.any()):
        least[beyond] = _least(shares[beyond].sort(-1, descending=True).values, top_p[beyond])
    return shares.masked_fill(shares < least, 0.0)


def _least(falling: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """The smallest share within the set, one for each row, (rows, 1). falling: the largest."""
    before = falling.cumsum(-1) - falling
    inside = before < top_p[:, None]
    inside[:, 0] = True
    return falling.masked_fill(~inside, 2.0).amin(-1, keepdim=True)


def likelihoods(logits: torch.Tensor, tokens: torch.Tensor, top: int) -> list[Likelihood]:
    """How likely each row's token was to the model, and its `top` likeliest ones."""
    shares = torch.log_softmax(logits.float(), -1)
    drawn = shares.gather(-1, tokens[:, None])[:, 0].tolist()
    best = shares.topk(min(top, shares.shape[-1]), -1)
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    tops = (tuple(zip(ids, values, strict=True)) for ids, values in pairs)
    return [Likelihood(one, named) for one, named in zip(drawn, tops, strict=True)]
