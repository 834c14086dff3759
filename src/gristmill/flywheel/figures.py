"""Shares, gains and win rates with honest intervals.

Answers to one prompt go together, so the prompt is the unit: a figure is a mean over prompts of
each prompt's mean, and its standard error is s / sqrt(P), with s the deviation over P prompts. For
equal numbers of answers this is the cluster-robust error (Miller, "Adding Error Bars to Evals",
2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from gristmill.intervals import Z95, mean_of, wilson


@dataclass(frozen=True)
class Marks:
    """What one model did on P evaluation prompts.

    right: (P, n) 1.0 or 0.0, a failed answer being a wrong one; None without a truth. rewards:
    (P, n), NaN where no judge gave one. greedy, greedy_rewards: (P,), the same of the greedy
    answer. failed: answers that are missing, of P (n + 1).
    """

    right: np.ndarray | None
    rewards: np.ndarray
    greedy: np.ndarray | None
    greedy_rewards: np.ndarray
    failed: int = 0

    @property
    def reward(self) -> np.ndarray:
        """(P,) each prompt's mean reward, NaN where no answer has one."""
        return row_means(self.rewards)

    @property
    def score(self) -> np.ndarray:
        """(P,) what rounds are compared by: a prompt's share of right answers, or mean reward."""
        return self.reward if self.right is None else self.right.mean(1)

    @property
    def mean_score(self) -> float:
        """The mean score over the prompts that have one; -inf where none has."""
        mean = mean_of(self.score)["mean"]
        return -inf if mean is None else mean


def row_means(values: np.ndarray) -> np.ndarray:
    """(P,) means of the finite values of each row of (P, n); NaN for a row without any."""
    known = np.isfinite(values)
    sums, counts = np.where(known, values, 0.0).sum(1), known.sum(1)
    means = np.full(len(values), np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def clear(found: dict[str, Any] | None) -> int:
    """1 or -1 for a difference of more than two standard errors, else 0."""
    if not found or found["se"] is None or abs(found["mean"]) <= 2 * found["se"]:
        return 0
    return 1 if found["mean"] > 0 else -1


def share_of(right: np.ndarray) -> dict[str, Any]:
    """A share with Wilson's 95 % interval. right: (P,) of 1.0 and 0.0, one answer a prompt."""
    found = mean_of(right)
    low, high = wilson(int(right.sum()), len(right)) or (None, None)
    return {**found, "low": low, "high": high}


def summary(marks: Marks) -> dict[str, Any]:
    """One model's figures: sampled accuracy and reward, greedy accuracy and reward, failures."""
    return {
        "accuracy": None if marks.right is None else mean_of(marks.right.mean(1)),
        "greedy": None if marks.greedy is None else share_of(marks.greedy),
        "reward": mean_of(marks.reward),
        "greedy_reward": mean_of(marks.greedy_rewards),
        "failed": marks.failed,
    }


def gain(now: Marks, before: Marks) -> dict[str, Any]:
    """The paired difference of two models on the same prompts, by what rounds are compared by."""
    return mean_of(now.score - before.score)


def gains(now: Marks, before: Marks) -> dict[str, Any]:
    """Paired differences: of the score, of greedy accuracy (None without a truth), of reward."""
    greedy = None
    if now.greedy is not None and before.greedy is not None:
        greedy = mean_of(now.greedy - before.greedy)
    return {
        "score": gain(now, before),
        "greedy": greedy,
        "reward": mean_of(now.reward - before.reward),
    }


def share_of_gain(now: Marks, best: Marks, before: Marks) -> dict[str, Any] | None:
    """How much of the gain that `best` makes over `before` the model `now` makes too.

    A ratio of paired means, its error by the delta method over prompts. None where `best` does not
    clearly gain (two standard errors): a share of nothing says nothing.
    """
    theirs, mine = best.score - before.score, now.score - before.score
    both = np.isfinite(theirs) & np.isfinite(mine)
    whole = mean_of(theirs[both])
    if not clear(whole) or whole["mean"] < 0:
        return None
    share = float(mine[both].mean()) / whole["mean"]
    rest = mean_of(mine[both] - share * theirs[both])
    se = rest["se"] / whole["mean"]
    low, high = share - Z95 * se, share + Z95 * se
    return {"mean": share, "se": se, "low": low, "high": high, "n": rest["n"]}


def win_rate(row: Marks, column: Marks) -> dict[str, Any]:
    """How often `row` has the higher reward than `column`, a tie being half a win.

    Every sample of a prompt against every one of the other model's to it, which has the same mean
    as one against one and less noise; the prompt stays the unit. Failed answers are left out.
    """
    a, b = row.rewards[:, :, None], column.rewards[:, None, :]
    wins = np.where(a > b, 1.0, np.where(a == b, 0.5, 0.0))
    wins[~(np.isfinite(a) & np.isfinite(b))] = np.nan
    flat = wins.reshape(len(wins), -1)
    return {**mean_of(row_means(flat)), "battles": int(np.isfinite(flat).sum())}
