"""Votes that were taken back: whether some were because of whom they were against.

A vote that is taken back once the names are known is a way to rig a board: whoever takes back each
loss of a model makes it the first. The web page knows no such undo, but files of earlier versions
and of other pages hold votes that were withdrawn like that. Withdrawing out of honest reasons has
nothing to do with the model, so that of its withdrawn decisive votes a model wins

- the share that it wins of those that stand: then Fisher's exact test (The logic of inductive
  inference, J. R. Stat. Soc. 98, 1935, 39-82) is that of the table of withdrawn and standing votes;
- or half, where they were slips of the mouse: then it is the binomial one.

Slips and other reasons mixed lie between, so that the larger p of the two is the one that honest
withdrawing is held to; twice that, for both directions. Looked at are each model's votes and each
judge's on each model, and p is corrected for their number by Holm's procedure (Scand. J. Stat. 6,
1979, 65-70).
"""

from __future__ import annotations

from collections import Counter
from math import exp, lgamma, log
from typing import Any

import numpy as np

from gristmill.arena.battles import A, B, Battles

LEAST = 5
"""Decisive votes taken back below which nothing can be said."""

Group = tuple[str, str | None]
"""A model, and one judge or all of them."""


def withdrawn(battles: Battles, rate: float) -> dict[str, Any] | None:
    """The models, and judges with them, whose votes were taken back by how they ended, with a
    chance below `rate` under honest withdrawing.

    Returns how many `votes` were taken back, the groups `tested`, the `rate`, and `flagged`: the
    `model`, the `judge` (null for all of them), `won` and `lost` of what was taken back,
    `kept_won` and `kept_lost`, and the corrected `p`. None where no vote was taken back.
    """
    if not battles.withdrawn:
        return None
    taken: Counter[tuple[Group, bool]] = Counter()
    for each in battles.withdrawn:
        if each.winner in ("model_a", "model_b"):
            for model in (each.model_a, each.model_b):
                won = (each.winner == "model_a") == (model == each.model_a)
                taken.update(((model, judge), won) for judge in {None, each.judge or None})
    found = []
    for model, judge in {group for group, _ in taken}:
        won, lost = (taken[(model, judge), side] for side in (True, False))
        if won + lost >= LEAST:
            kept_won, kept_lost = _kept(battles, model, judge)
            found.append(
                {
                    "model": model,
                    "judge": judge,
                    "won": won,
                    "lost": lost,
                    "kept_won": kept_won,
                    "kept_lost": kept_lost,
                    "p": chance(won, lost, kept_won, kept_lost),
                }
            )
    found.sort(key=lambda row: (row["p"], row["model"], row["judge"] or ""))
    least = 0.0
    for place, row in enumerate(found):
        row["p"] = least = max(least, min(1.0, row["p"] * (len(found) - place)))
    return {
        "votes": len(battles.withdrawn),
        "tested": len(found),
        "rate": rate,
        "flagged": [row for row in found if row["p"] < rate],
    }


def chance(won: int, lost: int, kept_won: int, kept_lost: int) -> float:
    """The chance that honest withdrawing is as lopsided as this, as the module describes."""
    few, many = (
        max(_fisher(some, rest, kept, others), _coin(some, rest))
        for some, rest, kept, others in (
            (won, lost, kept_won, kept_lost),
            (lost, won, kept_lost, kept_won),
        )
    )
    return min(1.0, 2 * min(few, many))


def _kept(battles: Battles, model: str, judge: str | None) -> tuple[int, int]:
    """How many decisive votes that stand a model won and lost: all judges', or one's."""
    if model not in battles.models:
        return 0, 0
    rows = np.ones(len(battles), dtype=bool)
    if judge is not None:
        judges = battles.names.get("judge")
        if judges is None or judge not in judges.names:
            return 0, 0
        rows = judges.codes == judges.names.index(judge)
    place = battles.models.index(model)
    sides = [(battles.a == place) & rows, (battles.b == place) & rows]
    of_a, of_b = (battles.outcome == outcome for outcome in (A, B))
    won = (sides[0] & of_a).sum() + (sides[1] & of_b).sum()
    lost = (sides[0] & of_b).sum() + (sides[1] & of_a).sum()
    return int(won), int(lost)


def _fisher(won: int, lost: int, kept_won: int, kept_lost: int) -> float:
    """The chance of `won` or fewer, given the sums of the table of four."""
    wins, losses, drawn = won + kept_won, lost + kept_lost, won + lost
    least = max(0, drawn - losses)
    whole = _choose(wins + losses, drawn)
    ways = (_choose(wins, n) + _choose(losses, drawn - n) - whole for n in range(least, won + 1))
    return min(1.0, sum(map(exp, ways)))


def _coin(won: int, lost: int) -> float:
    """The chance of `won` or fewer where each vote was won with a chance of one half."""
    drawn = won + lost
    return min(1.0, sum(exp(_choose(drawn, n) - drawn * log(2)) for n in range(won + 1)))


def _choose(n: int, k: int) -> float:
    """The logarithm of the number of ways to choose k of n."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
