"""What a reward model is worth, measured on responses and pairs that it was not trained on.

Every figure is a plain number that JSON can hold: what cannot be determined is None, never a NaN.
Correlations need three responses at least; a side that does not vary has none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import isfinite, sqrt
from typing import Any

import numpy as np

from gristmill.intervals import wilson
from gristmill.records import ATTRIBUTES

LEAST = 3
"""Labels below which nothing is said of an attribute."""
TO_A_BIN = 5
"""Labels behind a bin of the calibration at least: the mean of fewer is noise."""
STRENGTHS = 4
"""Rows at most in which pairs are told apart by strength."""
OF_A_PROMPT = 100
"""Responses of one prompt that are compared with each other; further ones are left out, since
the pairs grow with the square."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Rated responses as a reward model sees them, one row each.

    scores: (N, 5) the model's attributes, 0 to 4; NaN in a row or column that it does not give.
    labels: (N, 5) the raters', NaN where not given.
    rewards: (N,) the model's number that ranks.
    lengths: (N,) tokens of the response.
    prompts: (N,) the key of the prompt, equal for responses to the same.
    """

    scores: np.ndarray
    labels: np.ndarray
    rewards: np.ndarray
    lengths: np.ndarray
    prompts: np.ndarray


def attribute_figures(judged: Judged) -> dict[str, dict[str, Any]]:
    """How close the scores are to the labels, for each attribute.

    n: responses with that label. pearson, spearman: correlations. mae, rmse: mean absolute and
    root mean square error, in points of the 0 to 4 scale. baseline_mae: the error of always
    saying the mean of these very labels, which a useful model is below. label_mean, label_std:
    of the labels (deviation with the divisor n). constant: all labels are the same, so that no
    correlation exists. All but n are None for fewer than three labels.
    """
    return {name: _attribute(*known) for name, known in _known(judged)}


def _attribute(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    if len(labels) < LEAST:
        names = ("pearson", "spearman", "mae", "rmse", "baseline_mae", "label_mean", "label_std")
        return {"n": len(labels), **dict.fromkeys((*names, "constant"))}
    errors = np.abs(scores - labels)
    return {
        "n": len(labels),
        "pearson": pearson(scores, labels),
        "spearman": pearson(ranks(scores), ranks(labels)),
        "mae": _mean(errors),
        "rmse": _number(sqrt(_mean(errors * errors) or 0.0)),
        "baseline_mae": _mean(np.abs(labels - labels.mean())),
        "label_mean": _mean(labels),
        "label_std": _number(labels.std()),
        "constant": bool((labels == labels[0]).all()),
    }


def calibration(judged: Judged, bins: int = 10) -> dict[str, dict[str, Any]]:
    """Whether a score of 3 means a label of 3, for each attribute.

    bins: how many, of as equal a number of responses as equal scores, which stay together,
    allow; fewer where a bin would hold less than five. Each gives `predicted` (mean score),
    `label` (mean label) and `n`. error: the expected calibration error, the mean over bins,
    weighted by n, of |predicted - label|, in points; it is never quite zero, since the mean of
    a few labels is not. None for fewer than three labels.
    """
    return {name: _calibrated(*known, bins) for name, known in _known(judged)}


def _calibrated(scores: np.ndarray, labels: np.ndarray, bins: int) -> dict[str, Any]:
    n = len(labels)
    if n < LEAST:
        return {"n": n, "error": None, "bins": []}
    bins = max(1, min(bins, n // TO_A_BIN))
    # Equal scores have equal ranks, so no bin's edge runs between them.
    places = ((ranks(scores) - 0.5) * bins // n).astype(int)
    rows = [
        {"predicted": _mean(scores[at]), "label": _mean(labels[at]), "n": int(at.sum())}
        for at in (places == i for i in range(bins))
        if at.any()
    ]
    gaps = [r["n"] * abs(r["predicted"] - r["label"]) for r in rows]
    return {"n": n, "error": _number(sum(gaps) / n), "bins": rows}


def pair_figures(
    chosen: np.ndarray, rejected: np.ndarray, strength: np.ndarray | None = None
) -> dict[str, Any]:
    """How often the chosen response has the higher reward.

    chosen, rejected: (P,) rewards. strength: (P,) how clear each preference is, NaN where unknown.
    accuracy: the share; a tie is a loss, and so is a reward that is no number. low, high: its
    Wilson 95 % interval. margin: mean of chosen - rejected. ties: how many. by_strength: where
    strengths are given, n and accuracy for each of them (`from` equals `to`), or for ranges of
    about equally many pairs where more than four different ones occur.
    """
    with np.errstate(invalid="ignore"):
        margins = np.asarray(chosen, float) - np.asarray(rejected, float)
    wins = margins > 0
    figures: dict[str, Any] = {
        **_share(wins),
        "margin": _mean(margins[np.isfinite(margins)]),
        "ties": int((margins == 0).sum()),
    }
    if strength is not None:
        figures["by_strength"] = _by_strength(wins, np.asarray(strength, float))
    return figures


def _by_strength(wins: np.ndarray, strength: np.ndarray) -> list[dict[str, Any]]:
    known = np.isfinite(strength)
    wins, strength = wins[known], strength[known]
    values, places = np.unique(strength, return_inverse=True)
    if len(values) > STRENGTHS:
        places = ((ranks(strength) - 0.5) * STRENGTHS // len(strength)).astype(int)
    groups = (places == i for i in np.unique(places))
    return [
        {"from": float(strength[at].min()), "to": float(strength[at].max()), **_share(wins[at])}
        for at in groups
    ]


def implied_pairs(judged: Judged, weights: np.ndarray) -> dict[str, Any]:
    """The figures of `pair_figures` for the pairs that ratings imply.

    Two responses to one prompt make a pair where their labels' weighted sums differ and the same
    attributes of both are known, of those that weigh anything: sums of different things do not
    compare. The difference of the sums is the pair's strength. weights: (5,), in the order of the
    attributes. implied: true, to tell these pairs from people's own.
    """
    quality, known = _quality(judged.labels, weights)
    of_prompt: dict[Any, list[int]] = defaultdict(list)
    for i, key in enumerate(judged.prompts.tolist()):
        if known[i] and len(of_prompt[key]) < OF_A_PROMPT:
            of_prompt[key].append(i)
    pairs = [pair for rows in of_prompt.values() for pair in combinations(rows, 2)]
    first, second = np.array(pairs, int).reshape(-1, 2).T
    gap = quality[first] - quality[second]
    # Sums of labels that are equal on paper may differ in the last digit.
    usable = (known[first] == known[second]) & (np.abs(gap) > 1e-9)
    better, worse = np.where(gap > 0, [first, second], [second, first])[:, usable]
    strength = np.abs(gap[usable]).round(6)
    return {
        **pair_figures(judged.rewards[better], judged.rewards[worse], strength),
        "implied": True,
    }


def length_bias(judged: Judged, weights: np.ndarray) -> dict[str, Any]:
    """How much the reward of rated responses goes with their length, beyond their quality.

    quality is the weighted sum of the labels, over the largest group of responses of which the
    same attributes are known. With R(x) the ranks of x and e(x) what is left of R(x) after a
    linear regression on R(quality),

        partial = Pearson(e(reward), e(log length)),

    the partial Spearman correlation: 0 where length says nothing about the reward that quality
    does not say. (Ranks of lengths are those of their logarithms.) spearman: the plain one of
    reward and length, and quality_spearman that of quality and length, which a perfect model
    would show as well. n: responses. None where undetermined.
    """
    quality, known = _quality(judged.labels, weights)
    usable = known.astype(bool) & np.isfinite(judged.rewards) & np.isfinite(judged.lengths)
    if usable.any():
        usable &= known == np.bincount(known[usable]).argmax()
    reward, length, given = (
        ranks(values[usable]) for values in (judged.rewards, judged.lengths, quality)
    )
    return {
        "n": int(usable.sum()),
        "partial": pearson(_left(reward, given), _left(length, given)),
        "spearman": pearson(reward, length),
        "quality_spearman": pearson(given, length),
    }


def pair_length_bias(rewards: np.ndarray, lengths: np.ndarray) -> dict[str, Any]:
    """How often the longer response of a pair has the higher reward.

    rewards, lengths: (P, 2), the chosen response first. Pairs of equal length are left out; a tie
    of rewards is no win. longer_wins: the share overall. longer_is_chosen: the share in which
    people chose it, which longer_wins should be near. longer_wins_if_chosen and
    longer_wins_if_rejected: the shares among those where it was, or was not; a model that only
    measures length has 1 and 1, a perfect one 1 and 0. None where there is no such pair.
    """
    differ = lengths[:, 0] != lengths[:, 1]
    chosen, rejected = rewards[differ].T
    is_chosen = lengths[differ, 0] > lengths[differ, 1]
    wins = np.where(is_chosen, chosen > rejected, rejected > chosen)
    return {
        "n": int(differ.sum()),
        "longer_wins": _mean(wins),
        "longer_is_chosen": _mean(is_chosen),
        "longer_wins_if_chosen": _mean(wins[is_chosen]),
        "longer_wins_if_rejected": _mean(wins[~is_chosen]),
    }


def pearson(a: np.ndarray, b: np.ndarray) -> float | None:
    """Pearson's r; None for fewer than three values or where a side does not vary."""
    if len(a) < LEAST:
        return None
    sides = []
    for side in (np.asarray(a, float), np.asarray(b, float)):
        centred = side - side.mean()
        spread = float(np.abs(centred).max())
        # What rounding alone leaves of a constant is no variation.
        if not isfinite(spread) or spread <= 1e-12 * float(np.abs(side).max()):
            return None
        sides.append(centred / spread)  # Scaled, so that no square is lost to underflow.
    a, b = sides
    return _number(np.clip((a @ b) / sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]


def _left(values: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Residuals of a linear regression on `given`; zeros where it explains everything."""
    if not len(values):
        return values
    values, given = values - values.mean(), given - given.mean()
    left = values - given * (float(values @ given) / max(float(given @ given), 1e-12))
    return left if left @ left > 1e-12 * float(values @ values) else np.zeros_like(left)


def _quality(labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted sums of what is known, and a number that says which attributes that were.

    0 stands for nothing known.
    """
    known = np.isfinite(labels) & (weights != 0)
    return np.where(known, labels, 0.0) @ weights, known @ (1 << np.arange(len(ATTRIBUTES)))


def _known(judged: Judged) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Each attribute's name, and scores and labels where there are both."""
    for i, name in enumerate(ATTRIBUTES):
        scores, labels = (np.asarray(x, float)[:, i] for x in (judged.scores, judged.labels))
        both = np.isfinite(scores) & np.isfinite(labels)
        yield name, (scores[both], labels[both])


def _share(wins: np.ndarray) -> dict[str, Any]:
    low, high = wilson(int(wins.sum()), len(wins)) or (None, None)
    return {"n": len(wins), "accuracy": _mean(wins), "low": low, "high": high}


def _mean(values: np.ndarray) -> float | None:
    return _number(values.mean()) if len(values) else None


def _number(value: Any) -> float | None:
    return float(value) if isfinite(value) else None
