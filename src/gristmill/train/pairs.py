"""Preference pairs as training examples."""

from __future__ import annotations

from typing import Any

from gristmill.intake.pairs import check_differ, numbered_sides, sides, strength_of
from gristmill.intake.turns import Unusable, number_of
from gristmill.train.examples import Compared

Row = dict[str, Any]


def pair(row: Row, where: str) -> Compared:
    """A row with `chosen` and `rejected` (see `intake.pairs.sides`)."""
    prompt, chosen, rejected = sides(row)
    strength = strength_of(row)
    if strength is not None and strength < 0:
        raise Unusable("bad_strength", f"'preference_strength' is {strength:g}, against the pair")
    scores = _score(row, "chosen"), _score(row, "rejected")
    check_differ(chosen, rejected)
    return Compared(prompt, chosen, rejected, where, strength, *scores)


def numbered_pair(row: Row, where: str) -> Compared:
    """A row with `response_1` and `response_2` (see `intake.pairs.numbered_sides`)."""
    prompt, chosen, rejected, strength = numbered_sides(row)
    check_differ(chosen, rejected)
    return Compared(prompt, chosen, rejected, where, strength)


def _score(row: Row, side: str) -> float | None:
    for name in (f"{side}_score", f"{side}_reward", f"score_{side}"):
        if row.get(name) is not None:
            return number_of(row[name], name, "bad_score")
    return None
