"""What each kind of training minimises, on items that were computed together.

An objective says which head it needs, gives sums over items (never means), and counts what those
sums are to be divided by. The trainer divides by the count of the whole step, so that however a
step is cut into parts, and over however many processes, the gradient is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gristmill.records import ATTRIBUTES
from gristmill.train import losses
from gristmill.train.config import DpoConfig, PreferenceConfig, RewardConfig, RpoConfig
from gristmill.train.encode import Item
from gristmill.train.examples import Compared, Rated

Sums = dict[str, Tensor]

Reference = dict[int, Tensor]
"""By the identity of each pair's `Item`: (2,) the starting model's log-probabilities of chosen and
rejected."""


class Objective:
    """head: what `model.load` is to give. terms: weight of each named term in the loss.

    Terms of weight 0 are shown and not minimised.
    """

    head: str
    terms: dict[str, float]

    def weights(self, step: int) -> dict[str, float]:
        """What each term weighs in a step, from 1."""
        return self.terms

    def counts(self, items: Sequence[Item]) -> dict[str, float]:
        """What each term's sum is divided by, over these items."""
        raise NotImplementedError

    def sums(self, outputs: Tensor, owners: Tensor, items: Sequence[Item]) -> Sums:
        """Each term's sum. outputs: what `Packed` gives; owners: (R,) whose sequence each is."""
        raise NotImplementedError


class LanguageObjective(Objective):
    """Mean of -log p over learned tokens: fine-tuning and pretraining."""

    head = "tokens"

    def __init__(self) -> None:
        self.terms = {"loss": 1.0}

    def counts(self, items: Sequence[Item]) -> dict[str, float]:
        return {"loss": sum(item.reads for item in items)}

    def sums(self, outputs: Tensor, owners: Tensor, items: Sequence[Item]) -> Sums:
        return {"loss": -outputs.sum()}


class RewardObjective(Objective):
    """Masked regression of rated responses, Bradley-Terry on pairs, or both; beside it the aim
    `likelihood`, on the way to the end."""

    def __init__(self, config: RewardConfig) -> None:
        self.head = "scalar" if config.loss == "bradley_terry" else "attributes"
        self._config = config
        self._weights = torch.tensor([config.weights.get(name, 0.0) for name in ATTRIBUTES])
        self.terms = {}
        if config.loss != "bradley_terry":
            self.terms["regression"] = 1.0
        if config.loss != "regression":
            weight = config.pair_weight if config.loss == "both" else 1.0
            self.terms |= {"pairs": weight, "accuracy": 0.0}
            if config.centring:
                self.terms["centring"] = config.centring * weight
        if config.likelihood:
            self.terms["likelihood"] = config.likelihood

    def weights(self, step: int) -> dict[str, float]:
        if step > self._config.likelihood_steps:
            return self.terms
        return {name: (name == "likelihood") * weight for name, weight in self.terms.items()}

    def counts(self, items: Sequence[Item]) -> dict[str, float]:
        known = sum(
            label is not None
            for item in items
            if isinstance(item.example, Rated)
            for label in item.example.labels
        )
        pairs = sum(isinstance(item.example, Compared) for item in items)
        inner = sum(item.reads - len(item.sequences) for item in items)
        own = {"regression": known, "likelihood": inner}
        return {name: own.get(name, pairs) for name in self.terms}

    def sums(self, outputs: Tensor, owners: Tensor, items: Sequence[Item]) -> Sums:
        kinds = [isinstance(i.example, Rated) for i in items for _ in i.sequences]
        is_rated = torch.tensor(kinds, device=outputs.device)
        found: Sums = {}
        if len(outputs) > len(kinds):
            # What is only measured is read at its end alone.
            found["likelihood"], outputs = _apart(outputs, owners)
        if "regression" in self.terms and any(kinds):
            rated = [i.example.labels for i in items if isinstance(i.example, Rated)]
            labels = label_tensor(rated).to(outputs.device)
            found["regression"] = losses.squared_errors(outputs[is_rated], labels)[0].sum()
        if "pairs" in self.terms and not all(kinds):
            rewards = self.reward(outputs[~is_rated]).view(-1, 2)
            pairs = [i.example for i in items if isinstance(i.example, Compared)]
            found |= self._pairs(rewards, pairs)
        return found

    def reward(self, outputs: Tensor) -> Tensor:
        """The number that ranks, (N,): the scalar, or the attributes' weighted sum."""
        if outputs.shape[1] == 1:
            return outputs[:, 0]
        return outputs @ self._weights.to(outputs)

    def _pairs(self, rewards: Tensor, pairs: list[Compared]) -> Sums:
        gap = rewards[:, 0] - rewards[:, 1]
        strength = torch.tensor(
            [1.0 if p.strength is None else p.strength for p in pairs], device=gap.device
        )
        how = self._config.pairs
        each = losses.bradley_terry(
            gap,
            margin=strength if how == "margin" else None,
            scale=strength if how == "scaled" else None,
        )
        found = {"pairs": each.sum(), "accuracy": (gap.detach() > 0).float().sum()}
        if "centring" in self.terms:
            found["centring"] = losses.centring(rewards[:, 0], rewards[:, 1]).sum()
        return found


class PreferenceObjective(Objective):
    """DPO and RPO, with the term that keeps the chosen response likely."""

    head = "tokens"

    def __init__(self, config: PreferenceConfig, reference: Reference) -> None:
        self._config = config
        self._reference = reference
        self.terms = {"preference": 1.0, "sft": config.sft_weight, "accuracy": 0.0, "margin": 0.0}

    def counts(self, items: Sequence[Item]) -> dict[str, float]:
        return dict.fromkeys(self.terms, float(len(items)))

    def sums(self, outputs: Tensor, owners: Tensor, items: Sequence[Item]) -> Sums:
        policy = sequence_sums(outputs, owners, 2 * len(items)).view(-1, 2)
        reference = torch.stack([self._reference[id(item)] for item in items]).to(policy)
        b = losses.implied_gap(policy, reference, self._config.beta)
        if isinstance(self._config, RpoConfig):
            t = self._config.eta * _reward_gaps(items).to(b)
            each = losses.rpo(b, t, self._config.divergence)
        else:
            assert isinstance(self._config, DpoConfig)
            each = losses.dpo(b)
        return {
            "preference": each.sum(),
            "sft": -policy[:, 0].sum(),
            "accuracy": (b.detach() > 0).float().sum(),
            "margin": b.detach().sum(),
        }


def _apart(outputs: Tensor, owners: Tensor) -> tuple[Tensor, Tensor]:
    """The sum of the squared errors of what is said of tokens on the way, and what the ends say."""
    last = F.pad(owners[1:] != owners[:-1], (0, 1), value=True)
    said, log_probabilities = outputs[~last, -2:].T
    return losses.likelihood(said, log_probabilities).sum(), outputs[last, :-2]


def _reward_gaps(items: Sequence[Item]) -> Tensor:
    gaps = []
    for item in items:
        pair: Any = item.example
        gaps.append(pair.chosen_score - pair.rejected_score)
    return torch.tensor(gaps)


def sequence_sums(values: Tensor, owners: Tensor, number: int) -> Tensor:
    """(number,): the sum over each sequence's values."""
    return torch.zeros(number, device=values.device).index_add(0, owners, values)


def label_tensor(labels: Sequence[Sequence[float | None]]) -> Tensor:
    """(N, 5) float32, `losses.MISSING` where a label was not given."""
    rows = [[losses.MISSING if x is None else x for x in row] for row in labels]
    return torch.tensor(rows, dtype=torch.float32)
