"""Token sequences laid out as a forest of segments, each computed once.

    a b c d e        a b c ─┬─ d e
    a b c f     ->          └─ f          one row: a b c d e f x y, three trees' worth of
    x y              x y                  positions: 0 1 2 3 4 3 0 1

A segment is read after its ancestors: a token attends to all of its ancestors' tokens and to what
stands before it in its own segment, which is exactly what it sees when the sequence is alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from torch import Tensor

LEAST_SHARED = 16
"""Tokens that must be common before they become a segment of their own. Each segment costs a call
of the attention kernel in every layer; fewer tokens than this cost less when they are repeated."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """One text. ids: (L,) token ids. reads: positions whose final state is wanted, rising."""

    ids: np.ndarray
    reads: np.ndarray


@dataclass(frozen=True, slots=True)
class Pack:
    """Sequences laid out in one row of T tokens.

    ids, positions: (T,). layout: (1, 1, S, 1 + D) int32, a row a segment: its length, then the
    indices of its ancestors, outermost first, -1 where there is none. rows: where the sequences'
    `reads` lie, one sequence behind the other; owners: which sequence each of them belongs to;
    before: where the token before it in its sequence lies, of a first token itself.
    """

    ids: Tensor
    positions: Tensor
    layout: Tensor
    rows: Tensor
    owners: Tensor
    before: Tensor

    @property
    def tokens(self) -> int:
        """Tokens that are computed."""
        return len(self.ids)

    def to(self, device: torch.device) -> Pack:
        """The same on a device; the layout stays in the CPU's memory, where it is read."""
        names = [f.name for f in fields(self) if f.name != "layout"]
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


@dataclass(slots=True)
class _Forest:
    """What grows while sequences are laid out."""

    texts: list[np.ndarray]
    common: list[int]
    least: int
    segments: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    parts: list[tuple[int, int, int]] = field(default_factory=list)
    paths: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.paths = [()] * len(self.texts)

    def grow(self, first: int, last: int, done: int, path: tuple[int, ...]) -> None:
        """Lay out texts `first` to `last` (exclusive, in sorted order) from token `done` on."""
        while True:
            if last - first == 1:
                length = len(self.texts[first])
                self.paths[first] = self._segment(first, done, length, path)
                return
            shared = min(self.common[first + 1 : last])
            if shared - done < self.least:
                break
            path = self._segment(first, done, shared, path)
            done = shared
        begin = first
        for i in range(first + 1, last + 1):
            if i == last or self.common[i] - done < self.least:
                self.grow(begin, i, done, path)
                begin = i

    def _segment(self, text: int, begin: int, end: int, path: tuple[int, ...]) -> tuple[int, ...]:
        if begin == end:
            return path
        self.segments.append((end - begin, path))
        self.parts.append((text, begin, end))
        return (*path, len(self.segments) - 1)


def _sorted(texts: list[np.ndarray]) -> tuple[list[int], list[int]]:
    """(order, common): texts in lexicographic order, and the tokens that each shares with the one
    before it."""
    keys = [text.astype(">u4").tobytes() for text in texts]
    order = sorted(range(len(texts)), key=keys.__getitem__)
    common = [0] * len(texts)
    for i in range(1, len(order)):
        a, b = texts[order[i - 1]], texts[order[i]]
        n = min(len(a), len(b))
        differ = np.flatnonzero(a[:n] != b[:n])
        common[i] = int(differ[0]) if len(differ) else n
    return order, common


def packed_length(texts: list[np.ndarray], least: int = LEAST_SHARED) -> int:
    """Tokens that these texts take when what they share is laid out once."""
    forest = _forest(texts, least)[0]
    return sum(length for length, _ in forest.segments)


def _forest(texts: list[np.ndarray], least: int) -> tuple[_Forest, list[int]]:
    order, common = _sorted(texts)
    forest = _Forest([texts[i] for i in order], common, least)
    begin = 0
    # A tree for each run of texts with a common beginning.
    for i in range(1, len(order) + 1):
        if i == len(order) or common[i] < least:
            forest.grow(begin, i, 0, ())
            begin = i
    return forest, order


def pack(sequences: list[Sequence], least: int | None = LEAST_SHARED) -> Pack:
    """Lay sequences out. least: shared tokens from which on they are computed once; None shares
    nothing. Raises ValueError for an empty sequence."""
    texts = [sequence.ids for sequence in sequences]
    if not texts or not all(map(len, texts)):
        raise ValueError("a sequence has no tokens: there is nothing to compute")
    forest, order = _forest(texts, max(map(len, texts)) + 1 if least is None else least)
    starts = np.cumsum([0, *(length for length, _ in forest.segments)])
    ids = np.concatenate([forest.texts[text][a:b] for text, a, b in forest.parts])
    positions = np.concatenate([np.arange(a, b) for _, a, b in forest.parts])
    places = _places(forest, order, starts)
    placed = list(zip(places, sequences, strict=True))
    rows = [place[s.reads] for place, s in placed]
    before = [place[np.maximum(s.reads - 1, 0)] for place, s in placed]
    owners = np.repeat(np.arange(len(sequences)), [len(r) for r in rows])
    return Pack(
        torch.from_numpy(ids.astype(np.int64)),
        torch.from_numpy(positions),
        _layout(forest),
        torch.from_numpy(np.concatenate(rows)),
        torch.from_numpy(owners),
        torch.from_numpy(np.concatenate(before)),
    )


def _places(forest: _Forest, order: list[int], starts: np.ndarray) -> list[np.ndarray]:
    """For each sequence, in the caller's order, where each of its tokens lies in the row."""
    places: list[np.ndarray] = [np.empty(0, np.int64)] * len(order)
    for text, path in enumerate(forest.paths):
        spans = [np.arange(starts[s], starts[s + 1]) for s in path]
        places[order[text]] = np.concatenate(spans)
    return places


def _layout(forest: _Forest) -> Tensor:
    depth = max(len(path) for _, path in forest.segments)
    rows = [(length, *path, *[-1] * (depth - len(path))) for length, path in forest.segments]
    return torch.tensor(rows, dtype=torch.int32)[None, None]
