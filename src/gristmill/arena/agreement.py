"""How far judges agree on the same pairs of answers: people, models, and people with models.

Krippendorff's alpha (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", for nominal
values and any number of observers, with values missing): 1 - D_o / D_e, the disagreement that was
observed over the one that values dealt at random would show. 1 is full agreement, 0 is chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gristmill.arena.battles import MODEL_JUDGE, TIE, UNNAMED, A, B, Battles

ROUNDS = 2000
"""Resamples of the bootstrap: its ends then move by about a hundredth of the interval's width."""

_KINDS = 3
"""What a vote may say once its sides are put in order: the first model, the second, neither."""


def krippendorff(
    units: np.ndarray, judges: np.ndarray, values: np.ndarray, level: str = "nominal"
) -> float | None:
    """Alpha of N values. units, judges, values: (N,) integer codes, in any order.

    A value below 0 is missing. Of several values that one judge gave a unit the last one counts;
    a judge below 0 is unnamed, and each such value counts as another judge's. level: `nominal`
    alone is known. None where no unit has two values, or where all of those are the same, so that
    nothing could have disagreed.
    """
    if level != "nominal":
        raise ValueError(f"level '{level}' is not known; use nominal")
    kept = _one_each(units, judges) & (values >= 0)
    _, unit = np.unique(units[kept], return_inverse=True)
    kinds, value = np.unique(values[kept], return_inverse=True)
    # Sparse: a unit has few values, and there may be many kinds of them.
    cells, n = np.unique(unit.astype(np.int64) * max(len(kinds), 1) + value, return_counts=True)
    of_unit, of_kind = np.divmod(cells, max(len(kinds), 1))
    size = np.bincount(of_unit, n)[of_unit] if len(n) else n
    paired = size >= 2
    n, size, of_kind = n[paired].astype(float), size[paired], of_kind[paired]
    same = float((n * (n - 1) / (size - 1)).sum())
    return _alpha(same, np.bincount(of_kind, n))


def agreement(battles: Battles, *, seed: int = 0, rounds: int = ROUNDS) -> dict[str, Any]:
    """Agreement on pairs of answers (`id`) that two or more judged.

    For `people`, for `models` (judges whose name begins with `MODEL_JUDGE`) and for
    `people_with_models` (one of each): units, pairs of votes, the share of these that agree, and
    alpha with a 95 % interval by resampling units (`value`, `low`, `high`); None where nothing
    could be compared. Votes are compared by model, not by side, and both bad is a tie. Between
    the two groups alpha is that of one person and one model drawn at random on each unit, in
    expectation.
    """
    names, judges = battles.names.get("id"), battles.names.get("judge")
    groups = ("people", "models", "people_with_models")
    if names is None:
        return dict.fromkeys(groups)
    who = np.full(len(battles), UNNAMED, np.int32) if judges is None else judges.codes
    automatic = np.array([n.startswith(MODEL_JUDGE) for n in judges.names] if judges else [], bool)
    is_model = np.zeros(len(battles), bool)
    is_model[who >= 0] = automatic[who[who >= 0]]
    unit, value = _units(battles, names.codes)
    kept = (unit >= 0) & _one_each(unit, who)
    people = _counts(unit[kept & ~is_model], value[kept & ~is_model], unit)
    models = _counts(unit[kept & is_model], value[kept & is_model], unit)
    rng = np.random.default_rng(seed)
    return {
        "people": _within(people, rng, rounds),
        "models": _within(models, rng, rounds),
        "people_with_models": _between(people, models, rng, rounds),
    }


def _units(battles: Battles, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each battle its unit, and what it says once the sides are in order.

    A unit is an id and the two models: an id that a file gives to other pairs too joins none.
    """
    swapped = battles.a > battles.b
    low, high = np.minimum(battles.a, battles.b), np.maximum(battles.a, battles.b)
    keys = (ids.astype(np.int64) * len(battles.models) + low) * len(battles.models) + high
    _, unit = np.unique(keys, return_inverse=True)
    value = np.minimum(battles.outcome, TIE)
    exchanged = np.select([value == A, value == B], [B, A], TIE)
    return np.where(ids >= 0, unit, UNNAMED), np.where(swapped, exchanged, value)


def _one_each(units: np.ndarray, judges: np.ndarray) -> np.ndarray:
    """Which values count: all unnamed judges', and the last of each named one on each unit."""
    named = np.flatnonzero(judges >= 0)
    _, unit = np.unique(units[named], return_inverse=True)
    keys = unit.astype(np.int64) * (int(judges.max(initial=0)) + 1) + judges[named]
    _, last = np.unique(keys[::-1], return_index=True)
    kept = judges < 0
    kept[named[len(named) - 1 - last]] = True
    return kept


def _counts(unit: np.ndarray, value: np.ndarray, every: np.ndarray) -> np.ndarray:
    """(units, 3): how many said what of each unit."""
    total = int(every.max(initial=-1)) + 1
    return np.bincount(unit * _KINDS + value, minlength=total * _KINDS).reshape(total, _KINDS)


def _within(counts: np.ndarray, rng: np.random.Generator, rounds: int) -> dict[str, Any] | None:
    counts = counts[counts.sum(1) >= 2]
    if not len(counts):
        return None
    # Units with the same counts are alike, so a resample only says how many of each sort it has:
    # a million units are a few hundred sorts.
    sorts, times = np.unique(counts, axis=0, return_counts=True)
    n, size = sorts.astype(float), sorts.sum(1)
    same = (n * (n - 1)).sum(1)
    share = float(times @ same / (times @ (size * (size - 1))))
    pairs = int(times @ (size * (size - 1) // 2))
    return _figures(times, pairs, share, (same / (size - 1), n), rng, rounds)


def _between(
    people: np.ndarray, models: np.ndarray, rng: np.random.Generator, rounds: int
) -> dict[str, Any] | None:
    both = (people.sum(1) > 0) & (models.sum(1) > 0)
    if not both.any():
        return None
    sorts, times = np.unique(np.hstack([people, models])[both], axis=0, return_counts=True)
    p, m = sorts[:, :_KINDS].astype(float), sorts[:, _KINDS:].astype(float)
    size = p.sum(1) * m.sum(1)
    same = (p * m).sum(1)
    share = float(times @ same / (times @ size))
    values = p / p.sum(1, keepdims=True) + m / m.sum(1, keepdims=True)
    pairs = round(float(times @ size))
    return _figures(times, pairs, share, (2 * same / size, values), rng, rounds)


def _figures(
    times: np.ndarray,
    pairs: int,
    share: float,
    parts: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
    rounds: int,
) -> dict[str, Any]:
    """The row of one group. times: of each sort of unit; parts: what a unit of it adds to the
    coincidences of equal values, and to how often each value is there."""
    same, values = parts
    units = int(times.sum())
    alpha = _alpha(float(times @ same), times @ values)
    drawn = rng.multinomial(units, times / units, size=rounds)
    found = zip(drawn @ same, drawn @ values, strict=True)
    known = [a for s, n in found if (a := _alpha(float(s), n)) is not None]
    # Resamples of a few units may leave nothing that could disagree; then there is no interval.
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) > rounds / 2 else (None, None)
    return {
        "units": units,
        "pairs": pairs,
        "agreement": share,
        "alpha": {
            "value": alpha,
            "low": None if low is None or alpha is None else float(low),
            "high": None if high is None or alpha is None else float(high),
        },
    }


def _alpha(same: float, values: np.ndarray) -> float | None:
    """1 - (n - 1) (n - sum o_cc) / (n^2 - n - sum n_c (n_c - 1)). same: the sum of o_cc."""
    n = float(values.sum())
    expected = n * (n - 1) - float((values * (values - 1)).sum())
    if n < 2 or expected <= 0:
        return None
    return 1 - (n - 1) * (n - same) / expected
