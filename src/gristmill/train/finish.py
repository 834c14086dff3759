"""What a run is worth: figures on the validation data, for each kind of training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gristmill.records import ATTRIBUTES
from gristmill.train import measure
from gristmill.train.config import RewardConfig
from gristmill.train.encode import Item
from gristmill.train.examples import Compared, Rated, prompt_of
from gristmill.train.loop import Trainer
from gristmill.train.objectives import Objective, RewardObjective


def terms(objective: Objective, outputs: Sequence[Tensor], items: Sequence[Item]) -> dict[str, Any]:
    """The objective's loss and terms over items, as means."""
    counts = objective.counts(items)
    lengths = [len(s.reads) for item in items for s in item.sequences]
    owners = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    sums = objective.sums(torch.cat(list(outputs)), owners, items)
    means = {name: total.item() / counts[name] for name, total in sums.items() if counts[name]}
    loss = sum(objective.terms[name] * value for name, value in means.items())
    rounded = {name: round(value, 6) for name, value in means.items() if name != "loss"}
    return {"loss": round(loss, 6), **rounded}


def validation(trainer: Trainer, items: Sequence[Item], *, whole: bool = False) -> dict[str, Any]:
    """Figures on items that were not trained on. whole: with all that is said of a reward model,
    as at the end of a run."""
    if not items:
        return {}
    outputs = trainer.outputs(items)
    found = terms(trainer.objective, outputs, items)
    if isinstance(trainer.objective, RewardObjective):
        if whole:
            assert isinstance(trainer.config, RewardConfig)
            found |= reward_figures(trainer.objective, trainer.config, outputs, items)
    elif set(trainer.objective.terms) == {"loss"}:
        found["perplexity"] = round(math.exp(min(50.0, found["loss"])), 4)
    return found


def reward_figures(
    objective: RewardObjective,
    config: RewardConfig,
    outputs: Sequence[Tensor],
    items: Sequence[Item],
) -> dict[str, Any]:
    """Correlations, pair accuracy, calibration and length bias, by `measure`."""
    found: dict[str, Any] = {}
    rated = [(o, i) for o, i in zip(outputs, items, strict=True) if isinstance(i.example, Rated)]
    weights = np.array([config.weights.get(name, 0.0) for name in ATTRIBUTES])
    if rated:
        judged = _judged(objective, rated)
        found["attributes"] = measure.attribute_figures(judged)
        found["calibration"] = measure.calibration(judged)
        found["pairs"] = measure.implied_pairs(judged, weights)
        found["length_bias"] = measure.length_bias(judged, weights)
    pairs = [(o, i) for o, i in zip(outputs, items, strict=True) if isinstance(i.example, Compared)]
    if pairs:
        rewards = torch.stack([objective.reward(output) for output, _ in pairs]).numpy()
        examples: list[Any] = [item.example for _, item in pairs]
        strengths = [e.strength for e in examples]
        lengths = np.array([[len(s.ids) for s in item.sequences] for _, item in pairs])
        known = None if None in strengths else np.array(strengths, dtype=float)
        found["pairs"] = measure.pair_figures(rewards[:, 0], rewards[:, 1], known)
        found["pair_length_bias"] = measure.pair_length_bias(rewards, lengths)
    return found


def response_tokens(item: Item) -> int:
    """About how many tokens the last turn takes: the conversation's, by the share of its text."""
    example = item.example
    assert isinstance(example, Rated)
    whole = len(example.response) + sum(len(m.content) for m in example.prompt)
    return max(1, round(len(item.sequences[0].ids) * len(example.response) / max(1, whole)))


def _judged(objective: RewardObjective, rated: Sequence[tuple[Tensor, Item]]) -> measure.Judged:
    scores = torch.cat([output for output, _ in rated])
    examples: list[Any] = [item.example for _, item in rated]
    labels = [[np.nan if x is None else x for x in e.labels] for e in examples]
    return measure.Judged(
        scores=scores.numpy(),
        labels=np.array(labels, dtype=float),
        rewards=objective.reward(scores).numpy(),
        lengths=np.array([response_tokens(item) for _, item in rated]),
        prompts=np.array([prompt_of(e) for e in examples]),
    )
