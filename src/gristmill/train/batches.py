"""Which examples make a step, and which of them are computed together."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from gristmill.packing import packed_length
from gristmill.train.config import TrainConfig
from gristmill.train.corpus import Corpus, epoch
from gristmill.train.encode import Item


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the optimizer. number: from 1."""

    number: int
    epoch: int
    items: list[Item]


def groups(items: Sequence[Item]) -> list[list[Item]]:
    """Neighbours of one prompt together."""
    return [list(run) for _, run in groupby(items, key=lambda item: item.group)]


def step_sizes(order: Sequence[Item], examples: int) -> list[list[Item]]:
    """An epoch cut into steps of about `examples`; a prompt's examples stay in one step unless
    they alone are more."""
    steps: list[list[Item]] = [[]]
    for group in groups(order):
        for begin in range(0, len(group), examples):
            piece = group[begin : begin + examples]
            if steps[-1] and len(steps[-1]) + len(piece) > examples:
                steps.append([])
            steps[-1].extend(piece)
    return [step for step in steps if step]


def plan(corpus: Corpus, items: Sequence[Item], config: TrainConfig) -> Iterator[Step]:
    """All steps in order. `items` are those of `corpus.train`, at the same places. The same for
    the same seed, wherever it is begun: a resumed run passes over what it has done."""
    number = 0
    limit = config.steps or math.inf
    # With a number of steps given, the data is gone through as often as they need.
    last = config.epochs if config.steps is None else math.inf
    epoch_number = 0
    while epoch_number < last and number < limit:
        order = [items[i] for i in epoch(corpus, epoch_number, config.seed)]
        for part in step_sizes(order, config.batch.examples):
            if number >= limit:
                return
            number += 1
            yield Step(number, epoch_number + 1, part)
        epoch_number += 1


def parts(items: Sequence[Item], tokens: int, multiple: int = 1) -> list[list[Item]]:
    """Items of a step in parts of about equal cost, of at most `tokens` where items allow it.

    The number of parts is a multiple of `multiple`; where that is more than there are groups, some
    are empty. Cost is tokens after sharing. Longest first into the emptiest part: packed rows need
    no equal lengths.
    """
    pieces = enumerate(piece for group in groups(items) for piece in _cut(group, tokens))
    # The number breaks ties.
    costed = sorted(((_cost(piece), n, piece) for n, piece in pieces), reverse=True)
    least = math.ceil(sum(cost for cost, _, _ in costed) / tokens)
    # One group is one part at most, be it beyond the tokens.
    number = math.ceil(max(1, min(least, len(costed))) / multiple) * multiple
    while True:
        heap = [(0, n) for n in range(number)]
        bins: list[list[list[Item]]] = [[] for _ in heap]
        for cost, _, group in costed:
            filled, n = heapq.heappop(heap)
            bins[n].append(group)
            heapq.heappush(heap, (filled + cost, n))
        if max(heap)[0] <= tokens or number >= len(costed):
            return [[item for group in part for item in group] for part in bins]
        number += multiple


def _cost(items: Sequence[Item]) -> int:
    return packed_length([s.ids for item in items for s in item.sequences])


def _cut(group: list[Item], tokens: int) -> Iterator[list[Item]]:
    """A group, cut where it is too large for one part."""
    if _cost(group) <= tokens:
        yield group
        return
    piece: list[Item] = []
    for item in group:
        if piece and _cost([*piece, item]) > tokens:
            yield piece
            piece = []
        piece.append(item)
    yield piece
