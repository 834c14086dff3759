"""How alike two texts are in meaning: their embeddings, and the nearest among very many of them.

An embedding here is a float32 vector of length 1, so that the inner product of two is their cosine.
A checkpoint keeps it as text: what was embedded, a colon, and float16 in base64 (770 bytes become
1,024 characters for 384 numbers; the cosine of two changes by less than 0.001).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np

from gristmill.page.text import plural

SPARSE = 32
"""Copying a row costs as much as multiplying about so many where they lie: rows are picked out only
where fewer than one in so many is left."""

BLOCK = 1 << 24
"""Bytes of vectors that lie together. Memory grows by these, and nothing is ever copied."""

DIGITS = 6
"""A cosine is rounded to so many before it is compared: what the order of summing changes lies far
below, so that every machine decides alike."""

ROUNDING = 2.0**-24
"""Relative error of one float32 operation."""

SAMPLE = 1024
"""Vectors after which it is looked at in which directions they lie."""

SHARES = (8, 3)
"""Directions that a vector is compared in first, and then, before all of it is: one for so many of
its numbers. Fewer rule out less, more cost more."""

DIRECTIONS = 512
"""Of these at most."""


def unit(values: Any) -> np.ndarray:
    """`values` as an embedding, (D,) float32 of length 1. Raises ValueError saying why they are
    none."""
    try:
        found = np.asarray(values)
    except ValueError:  # Rows of unequal length.
        found = np.empty((0, 0))
    if found.ndim != 1 or not len(found) or found.dtype.kind not in "fiu":
        raise ValueError("it is not a list of numbers")
    found = found.astype(np.float64)
    if not np.isfinite(found).all():
        raise ValueError("a number in it is not finite")
    largest = np.abs(found).max()
    if not largest:
        raise ValueError("all its numbers are zero")
    # Scaled first, so that no square is too large or too small for a float.
    found /= largest
    return (found / np.sqrt(found @ found)).astype(np.float32)


def pack(of: str, vector: np.ndarray) -> str:
    """An embedding of `of` (`response`, ...) as text."""
    return f"{of}:{b64encode(vector.astype('<f2').tobytes()).decode()}"


def unpack(text: str) -> np.ndarray:
    """The embedding that `pack` made into this text."""
    return unit(np.frombuffer(b64decode(text.partition(":")[2]), "<f2"))


class VectorIndex:
    """Embeddings by key; `nearest` finds the most similar one, and misses none.

    threshold: least cosine of what is found, above 0 to 1. A vector takes 5.4 bytes a number.

    Most vectors are ruled out by their parts in the few directions in which embeddings differ most.
    With p and q these parts of a and b, and r and s the lengths of what is left of them, by Cauchy
    and Schwarz cos(a, b) <= p q + r s; only where that reaches the threshold is more computed.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.width = 0
        """Numbers in a vector; 0 while there is none."""
        self._keys: list[str] = []
        self._blocks: list[_Block] = []
        self._plan: _Plan | None = None

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, vector: np.ndarray) -> None:
        """Remember a vector under a key. Raises ValueError for one of another length than the
        first."""
        self._add(key, vector, self._outlined(vector))

    def nearest(self, vector: np.ndarray) -> tuple[str, float] | None:
        """Key and cosine of the most similar vector at or above the threshold, the earlier one of
        equals; None where there is none. Raises ValueError as `add`."""
        return self._nearest(vector, self._outlined(vector))

    def nearest_or_add(self, key: str, vector: np.ndarray) -> tuple[str, float] | None:
        """`nearest`, and where that is None the vector is added. Raises ValueError as `add`."""
        outline = self._outlined(vector)
        found = self._nearest(vector, outline)
        if found is None:
            self._add(key, vector, outline)
        return found

    def _outlined(self, vector: np.ndarray) -> _Outline:
        self.width = self.width or len(vector)
        if len(vector) != self.width:
            raise ValueError(f"{plural(len(vector), 'number')} where the first has {self.width}")
        return self._plan.outline(vector) if self._plan else _NOTHING

    def _nearest(self, vector: np.ndarray, outline: _Outline) -> tuple[str, float] | None:
        # Summing n products in float32 errs by n roundings at most (Higham 2002, 3.1); the rest is
        # for the lengths.
        least = self.threshold - (self.width + 64) * ROUNDING
        exact = vector.astype(np.float64)
        place, best = -1, -1.0
        for block in self._blocks:
            rows = block.near(vector, outline, least)
            if len(rows):
                cosines = np.round(block.whole[rows].astype(np.float64) @ exact, DIGITS)
                first = int(cosines.argmax())
                if cosines[first] > best:
                    place, best = block.start + int(rows[first]), float(cosines[first])
        return (self._keys[place], best) if best >= self.threshold else None

    def _add(self, key: str, vector: np.ndarray, outline: _Outline) -> None:
        if not self._blocks or self._blocks[-1].full:
            rows = max(256, BLOCK // (4 * self.width))
            self._blocks.append(_Block(rows, self.width, self._plan, len(self._keys)))
        self._blocks[-1].add(vector, outline)
        self._keys.append(key)
        if len(self._keys) == SAMPLE:
            self._plan = plan = _Plan(np.concatenate([b.whole[: b.count] for b in self._blocks]))
            for block in self._blocks:
                block.draw(plan)


@dataclass(frozen=True, slots=True)
class _Outline:
    """A vector's parts in the first directions and in those after them, and after each the length
    of what is left."""

    parts: list[np.ndarray]
    rests: list[float]


_NOTHING = _Outline([], [])


class _Plan:
    """The directions in which vectors differ most, and which of them are looked at first."""

    def __init__(self, sample: np.ndarray) -> None:
        width = sample.shape[1]
        ends = sorted({min(DIRECTIONS, -(-width // share)) for share in SHARES})
        self.sizes = np.diff([0, *ends]).tolist()
        self._cuts = ends[:-1]
        directions = np.linalg.svd(sample.astype(np.float64), full_matrices=False)[2]
        self._directions = np.ascontiguousarray(directions[: ends[-1]])

    def outline(self, vector: np.ndarray) -> _Outline:
        exact = vector.astype(np.float64)
        parts = np.split(self._directions @ exact, self._cuts)
        left = exact @ exact - np.cumsum([part @ part for part in parts])
        rests = np.sqrt(np.maximum(left, 0.0)).tolist()
        return _Outline([part.astype(np.float32) for part in parts], rests)


class _Block:
    """Up to `size` vectors, `whole`, and their outlines; the first is the index's `start`-th."""

    def __init__(self, size: int, width: int, plan: _Plan | None, start: int) -> None:
        self.start = start
        self.count = 0
        # Pages that nothing was written to take no memory.
        self.whole = np.empty((size, width), np.float32)
        self._parts: list[np.ndarray] = []
        self._rests: list[np.ndarray] = []
        if plan is not None:
            self._make_room(plan)

    @property
    def full(self) -> bool:
        return self.count == len(self.whole)

    def add(self, vector: np.ndarray, outline: _Outline) -> None:
        self.whole[self.count] = vector
        self._note(self.count, outline)
        self.count += 1

    def draw(self, plan: _Plan) -> None:
        """Make the outlines of what is here already."""
        self._make_room(plan)
        for row in range(self.count):
            self._note(row, plan.outline(self.whole[row]))

    def near(self, vector: np.ndarray, outline: _Outline, least: float) -> np.ndarray:
        """The rows whose cosine may be `least` or more, ascending."""
        rows: np.ndarray | None = None
        sums = np.zeros(self.count, np.float32)
        for part, rest, mine, left in zip(
            self._parts, self._rests, outline.parts, outline.rests, strict=True
        ):
            sums = sums + self._products(part, mine, rows)
            bounds = rest[: self.count] if rows is None else rest[rows]
            possible = np.flatnonzero(sums + bounds * np.float32(left) >= least)
            if rows is not None or SPARSE * len(possible) <= self.count:
                rows = possible if rows is None else rows[possible]
                sums = sums[possible]
                if not len(rows):
                    return rows
        found = np.flatnonzero(self._products(self.whole, vector, rows) >= least)
        return found if rows is None else rows[found]

    def _products(self, kept: np.ndarray, mine: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
        return (kept[: self.count] if rows is None else kept.take(rows, axis=0)) @ mine

    def _make_room(self, plan: _Plan) -> None:
        size = len(self.whole)
        self._parts = [np.empty((size, width), np.float32) for width in plan.sizes]
        self._rests = [np.empty(size, np.float32) for _ in plan.sizes]

    def _note(self, row: int, outline: _Outline) -> None:
        for kept, part in zip(self._parts, outline.parts, strict=True):
            kept[row] = part
        for kept, rest in zip(self._rests, outline.rests, strict=True):
            kept[row] = rest
