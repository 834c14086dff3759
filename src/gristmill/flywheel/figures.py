"""Shares, gains and win rates with honest intervals.

Answers to one prompt go together, so the prompt is the unit: a figure is a mean over prompts of
each prompt's mean, and its standard error is s / sqrt(P), with s the deviation over P prompts. For
equal numbers of answers this is the cluster-robust error.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

Z95 = 1.959964


@dataclass(frozen=True)
class Marks:
    """What one model did on the evaluation prompts.

    right: (P, n) 1.0 or 0.0; None without a truth. A failed answer is a wrong one. rewards:
    (P, n), NaN for a failed answer. greedy: (P,) as `right`.
    """

    right: np.ndarray | None
    rewards: np.ndarray
    greedy: np.ndarray | None
    greedy_rewards: np.ndarray

    @property
    def score(self) -> np.ndarray:
        """(P,) what rounds are compared by: a prompt's share of right answers, or mean reward."""
        if self.right is not None:
            return self.right.mean(1)
        return np.nanmean(np.where(np.isfinite(self.rewards), self.rewards, np.nan), axis=1)


def mean_of(values: np.ndarray) -> dict[str, Any]:
    """Mean over prompts with its standard error and 95 % interval. values: (P,); NaN is left out."""
    values = values[np.isfinite(values)]
    if not len(values):
        return {"mean": None, "se": None, "low": None, "high": None, "n": 0}
    mean = float(values.mean())
    se = float(values.std(ddof=1) / sqrt(len(values))) if len(values) > 1 else None
    low, high = (None, None) if se is None else (mean - Z95 * se, mean + Z95 * se)
    return {"mean": mean, "se": se, "low": low, "high": high, "n": len(values)}


def summary(marks: Marks) -> dict[str, Any]:
    """One model's figures."""
    rewards = marks.rewards
    with np.errstate(invalid="ignore"):
        each = np.array([row[np.isfinite(row)].mean() if np.isfinite(row).any() else np.nan
                         for row in rewards])  # fmt: skip
    found: dict[str, Any] = {"reward": mean_of(each), "failed": int((~np.isfinite(rewards)).sum())}
    found["accuracy"] = None if marks.right is None else mean_of(marks.right.mean(1))
    found["greedy"] = None if marks.greedy is None else mean_of(marks.greedy)
    found["greedy_reward"] = mean_of(marks.greedy_rewards)
    return found


def gain(now: Marks, before: Marks) -> dict[str, Any]:
    """The paired difference of two models on the same prompts, by what rounds are compared by."""
    return mean_of(now.score - before.score)


def greedy_gain(now: Marks, before: Marks) -> dict[str, Any] | None:
    """The paired difference of greedy accuracy."""
    if now.greedy is None or before.greedy is None:
        return None
    return mean_of(now.greedy - before.greedy)


def win_rate(row: Marks, column: Marks) -> dict[str, Any]:
    """How often `row` has the higher reward: sample against sample of one prompt, all pairs of
    them, a tie half a win. Failed answers are left out."""
    a, b = row.rewards[:, :, None], column.rewards[:, None, :]
    wins = np.where(a > b, 1.0, np.where(a == b, 0.5, 0.0))
    wins[~(np.isfinite(a) & np.isfinite(b))] = np.nan
    flat = wins.reshape(len(wins), -1)
    known = np.isfinite(flat)
    sums, counts = np.nansum(flat, axis=1), known.sum(1)
    means = np.full(len(flat), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return {**mean_of(means), "battles": int(counts.sum())}
