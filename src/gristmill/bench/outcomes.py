"""What a judge said of an item, and what that is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.bench.items import Item

SAID = 4000
"""Characters of a judge's reply that are kept, its end, where the verdict is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One reply of a chat model that was shown answers and asked which is best.

    order: the answers (places in the item) as they were shown. pick: the answer it chose, None
    for a reply without a verdict.
    """

    order: tuple[int, ...]
    pick: int | None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A judge's work on one item: `scores` of all answers, or what it `asked`, or its `failure`
    (kind and detail), which is no verdict and is tried again.

    said: of a chat model that rated each answer, its replies.
    """

    scores: tuple[float, ...] | None = None
    asked: tuple[Asked, ...] = ()
    said: tuple[str, ...] = ()
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failure: tuple[str, str] | None = None

    def pack(self) -> dict[str, Any]:
        """A verdict as JSON; `unpack` is its inverse."""
        packed: dict[str, Any] = {"tokens": [self.prompt_tokens, self.completion_tokens]}
        if self.scores is not None:
            packed["scores"] = list(self.scores)
        if self.asked:
            packed["asked"] = [[list(a.order), a.pick, a.said[-SAID:]] for a in self.asked]
        if self.said:
            packed["said"] = [text[-SAID:] for text in self.said]
        return packed

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Outcome:
        """From what `pack` gave."""
        scores = packed.get("scores")
        read, written = packed["tokens"]
        return cls(
            None if scores is None else tuple(scores),
            tuple(Asked(tuple(order), pick, said) for order, pick, said in packed.get("asked", ())),
            tuple(packed.get("said", ())),
            read,
            written,
        )


def credit(item: Item, outcome: Outcome, orders: int = 2) -> float:
    """What an outcome is worth: 1 for the better answer, 0 for another one; NaN where there is
    no verdict because the call failed.

    By scores: in a pair the better answer's must be higher, a tie is a loss (reward-bench's
    `scripts/run_rm.py`); among more than two it gets 1 / m if it is one of m that share the
    highest (`reroll_and_score_dataset`); several better answers must all be higher than all
    others. A grid is the mean of its comparisons. By choice: a reply without a verdict is worth
    what chance is, 0.5 in a pair and 0.25 among four (`scripts/run_generative.py`, `_v2.py`).
    orders: how many of the orders in which it was asked count.
    """
    if outcome.failure:
        return math.nan
    if item.grid:
        return sum(map(sum, grid_credits(item, outcome, orders))) / item.right**2
    if outcome.scores is not None:
        return _by_scores(outcome.scores, item.right)
    asked = outcome.asked[:orders]
    return sum(worth(a, 0) for a in asked) / len(asked)


def _by_scores(scores: Sequence[float], right: int) -> float:
    best = max(scores[right:])
    if right > 1 or len(scores) == 2:
        return float(min(scores[:right]) > best)
    return 1 / (1 + scores[1:].count(best)) if scores[0] == best else float(scores[0] > best)


def worth(asked: Asked, better: int) -> float:
    """What one reply is worth where `better` is the right answer; see `credit`."""
    return 1 / len(asked.order) if asked.pick is None else float(asked.pick == better)


def grid_credits(item: Item, outcome: Outcome, orders: int = 2) -> list[list[float]]:
    """Of a grid of s styles, (s, s): what each better answer (row) got against each worse one."""
    size = item.right
    if outcome.scores is not None:
        better, worse = outcome.scores[:size], outcome.scores[size:]
        return [[float(a > b) for b in worse] for a in better]
    cells: dict[tuple[int, int], list[float]] = {}
    for asked in outcome.asked:
        row, column = sorted(asked.order)
        cells.setdefault((row, column - size), []).append(worth(asked, row))
    found = [[cells[row, column][:orders] for column in range(size)] for row in range(size)]
    return [[sum(cell) / len(cell) for cell in row] for row in found]


def margin(item: Item, outcome: Outcome) -> float | None:
    """How far the worst of the better answers is above the best of the others; None where there
    are no scores."""
    if outcome.scores is None:
        return None
    return min(outcome.scores[: item.right]) - max(outcome.scores[item.right :])
