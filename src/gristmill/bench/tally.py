"""Counting: every outcome of a judge as a few numbers an item, so that millions of items fit."""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from gristmill.bench.boards import TIES, Board
from gristmill.bench.items import Item
from gristmill.bench.judges import Judge
from gristmill.bench.outcomes import Outcome, credit, grid_credits, margin, worth
from gristmill.bench.ties import Margins, margins

WORST = 3
"""Failures of each judge in each subset that are kept whole, for the page."""

WATCHED = 200
"""Subsets of which failures are kept."""


@dataclass
class Bench:
    """What all judges are asked about. counts: rows of each subset, in the data's order."""

    source: str
    board: Board | None
    counts: dict[str, int]
    _subset: array = field(default_factory=lambda: array("l"))
    _longer: array = field(default_factory=lambda: array("d"))

    def __post_init__(self) -> None:
        known = self.board.subsets if self.board else ()
        self.subsets = [
            *(name for name in known if name in self.counts),
            *(name for name in self.counts if name not in known),
        ]
        self._index = {name: place for place, name in enumerate(self.subsets)}

    @property
    def rows(self) -> int:
        """Items of all subsets."""
        return sum(self.counts.values())

    def add(self, item: Item) -> None:
        """Count one item; the judges' tallies follow in the same order."""
        self._subset.append(self._index[item.subset])
        longer = math.nan
        if len(item.answers) == 2:
            better, worse = item.lengths
            longer = float((better > worse) - (better < worse))
        self._longer.append(longer)

    @property
    def subset(self) -> np.ndarray:
        """(N,) place of each item's subset in `subsets`."""
        return np.array(self._subset, int)

    @property
    def longer(self) -> np.ndarray:
        """(N,) 1 where the better answer of a pair is the longer one, -1 where it is the shorter
        one, 0 where they are as long; NaN where there are not two."""
        return np.array(self._longer, float)


Name = Literal["credit", "both", "first", "when_first", "when_later", "flipped", "leaning"]
NAMES: tuple[Name, ...] = get_args(Name)


@dataclass
class Tally:
    """One judge's outcomes. `values` are (N,) in the items' order, NaN for what there is not:

    credit: by the benchmark's rule, one order (`outcomes.credit`). both: over all orders asked.
    first: share of readable replies that chose the answer shown first. when_first, when_later:
    credit where the better answer was shown first, and where it was not. flipped: 1 where the two
    orders disagree. leaning: to which of two answers the judge leans, 1 to the better one; as
    `both`, but 0.5 where it scores both alike, for by the benchmark's rule a tie is a loss.
    """

    bench: Bench
    judge: Judge
    _arrays: dict[Name, array] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    said: str = ""
    replies: int = 0
    unreadable: int = 0
    equal: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    ties: list[tuple[str, Margins]] = field(default_factory=list)
    grids: dict[str, list[np.ndarray]] = field(default_factory=dict)
    worst: dict[str, list[tuple[float, int, Item, Outcome]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._arrays = {name: array("d") for name in NAMES}

    def values(self, name: Name) -> np.ndarray:
        """(N,) one figure of every item; see the class."""
        return np.array(self._arrays[name], float)

    def add(self, item: Item, outcome: Outcome) -> dict[str, Any]:
        """Count one item's outcome. Returns its row for `rows.jsonl`."""
        found: dict[str, float] = dict.fromkeys(NAMES, math.nan)
        found["both"] = credit(item, outcome)
        # Scores have no order.
        found["credit"] = credit(item, outcome, 1) if outcome.asked else found["both"]
        if outcome.failure:
            self.failed[outcome.failure[0]] += 1
            self.said = self.said or outcome.failure[1]
        else:
            tied = len(item.answers) == 2 and margin(item, outcome) == 0
            found["leaning"] = 0.5 if tied else found["both"]
            self._count(item, outcome, 1 - found["both"])
            found |= _position(outcome) if outcome.asked else {}
        for name, values in self._arrays.items():
            values.append(found[name])
        return _row(item, outcome, found)

    def _count(self, item: Item, outcome: Outcome, lost: float) -> None:
        self.prompt_tokens += outcome.prompt_tokens
        self.completion_tokens += outcome.completion_tokens
        self.replies += len(outcome.asked)
        self.unreadable += sum(asked.pick is None for asked in outcome.asked)
        gap = margin(item, outcome)
        self.equal += gap == 0 and len(item.answers) == 2
        if item.subset == TIES and outcome.scores is not None:
            self.ties.append((item.id, margins(outcome.scores, item.right)))
        if item.grid:
            cells = np.array(grid_credits(item, outcome))
            self.grids.setdefault(item.subset, []).append(cells)
        if lost > 0.5 and (item.subset in self.worst or len(self.worst) < WATCHED):
            badness = lost if gap is None else -gap
            kept = self.worst.setdefault(item.subset, [])
            entry = (badness, -len(self._arrays["credit"]), item, outcome)
            (heapq.heappush if len(kept) < WORST else heapq.heappushpop)(kept, entry)


def _position(outcome: Outcome) -> dict[str, float]:
    """How the order that answers were shown in went with what was chosen."""
    read = [asked for asked in outcome.asked if asked.pick is not None]
    found: dict[str, float] = {}
    if read:
        found["first"] = sum(a.pick == a.order[0] for a in read) / len(read)
    for name, firsts in (("when_first", True), ("when_later", False)):
        # The better of those shown has the lowest place, in a grid too.
        shown = [a for a in outcome.asked if (a.order[0] == min(a.order)) == firsts]
        if shown:
            found[name] = sum(worth(a, min(a.order)) for a in shown) / len(shown)
    if len(outcome.asked) == 2 and len(read) == 2:
        found["flipped"] = float(read[0].pick != read[1].pick)
    return found


def _row(item: Item, outcome: Outcome, found: dict[str, float]) -> dict[str, Any]:
    """An outcome under the names that reward-bench's own files have, as far as they go."""
    row: dict[str, Any] = {"id": item.id, "subset": item.subset, "where": item.where}
    if outcome.failure:
        return {**row, "results": None, "failure": ": ".join(outcome.failure)}
    row["results"] = found["credit"]
    if outcome.scores is not None:
        pair = len(outcome.scores) == 2
        names = {"scores_chosen": outcome.scores[0], "scores_rejected": outcome.scores[1]}
        row |= names if pair else {"scores": list(outcome.scores)}
    if outcome.asked:
        row["asked"] = [{"order": list(a.order), "pick": a.pick} for a in outcome.asked]
    return row
