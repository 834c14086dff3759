"""What is evaluated, and what its data holds, found before any model is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gristmill.bench.boards import REWARDBENCH, Board, board_of, spelt
from gristmill.bench.items import Item, items_of
from gristmill.bench.judges import Judge
from gristmill.errors import DataError
from gristmill.intake.cells import Refused
from gristmill.intake.source import Source
from gristmill.page.text import plural


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated on what.

    source: in `limit` rows at most. scored: whether the subsets must be those of a known board,
    RewardBench or another; else every category counts as it comes.
    """

    source: Source
    judges: Sequence[Judge]
    scored: bool

    def items(self, unused: Counter[str] | None = None) -> Iterator[Item | Refused]:
        """The rows in order; see `items.items_of`."""
        for item in items_of(self.source, unused):
            if self.scored and isinstance(item, Item):
                item = replace(item, subset=spelt(item.subset))
            yield item


@dataclass
class Survey:
    """What the data holds, found before any model is loaded. unused: rows of each column that
    nothing reads."""

    board: Board | None = None
    counts: dict[str, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    truncated: int = 0
    unused: Counter[str] = field(default_factory=Counter)


MOST_REFUSED = 100_000
"""Refused rows that are kept in `refused.jsonl`; more are counted."""


def look(evaluation: Evaluation) -> Survey:
    """Read the data once: its board, its rows in each subset, and what cannot be used.

    Raises DataError where nothing can, or, if `scored`, where a subset is of no board or of
    another one than the first.
    """
    survey = Survey()
    for item in evaluation.items(survey.unused):
        if isinstance(item, Refused):
            if len(survey.refused) < MOST_REFUSED:
                survey.refused.append(item)
            else:
                survey.truncated += 1
            continue
        if evaluation.scored:
            survey.board = _board(item, survey.board)
        survey.counts[item.subset] = survey.counts.get(item.subset, 0) + 1
    if not survey.counts:
        name = evaluation.source.file
        if not survey.refused:
            raise DataError(f"{name}: holds no rows")
        first = survey.refused[0]
        raise DataError(
            f"{name}: none of {plural(len(survey.refused), 'row')} can be used; the first, "
            f"{first.where}: {first.reason}: {first.detail}"
        )
    return survey


def _board(item: Item, before: Board | None) -> Board:
    board = board_of(item.subset)
    if board is not None and before in (None, board):
        return board
    if board is not None and before is not None:
        raise DataError(
            f"{item.where}: subset '{item.subset}' is of {board.name}, the rows before it are of "
            f"{before.name}; evaluate them apart"
        )
    near = (before or REWARDBENCH).nearest(item.subset)
    hint = f"did you mean '{near}'?" if near else "RewardBench has no such subset;"
    raise DataError(
        f"{item.where}: unknown subset '{item.subset}': {hint} pairs of your own go to "
        "`gristmill judge-eval`"
    )
