"""Where sequences share a run of symbols, exactly, at the speed of NumPy.

All windows of the known sequences are hashed once and sorted; a new sequence hashes its own (a
polynomial over prefix sums modulo 2^64, so that a window costs the same whatever its width), looks
them up, and compares symbol for symbol what was found: a collision is never a match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)


@dataclass(frozen=True, slots=True)
class Run:
    """A run that a sequence shares with an item: `start` and `length` in the sequence. share: of
    the item's windows, how many the sequence has, anywhere; above 0 to 1."""

    item: int
    start: int
    length: int
    share: float


class WindowIndex:
    """Sequences of whole numbers, none negative or so large that a table up to it would not fit,
    each at least `width` long; and every `stride`-th of their windows.

    names: what `Run.item` says for each of them. A common run is found if it is at least
    `width + stride - 1` long.
    """

    def __init__(
        self, items: Sequence[np.ndarray], names: Sequence[int], width: int, stride: int = 1
    ) -> None:
        assert all(len(item) >= width for item in items)
        self._width = width
        self._names = np.asarray(names, dtype=np.int64)
        lengths = np.array([len(item) for item in items], dtype=np.int64)
        most = max((int(item.max()) for item in items), default=0)
        # The last place is for all symbols that no item has.
        self._mixed = _mixed(np.arange(most + 2))
        self._ends = np.cumsum(lengths)
        self._symbols = np.concatenate(items).astype(np.uint32) if items else np.empty(0, np.uint32)
        self._index_windows(items, lengths, stride)

    def __len__(self) -> int:
        return len(self._names)

    def _index_windows(self, items: Sequence[np.ndarray], lengths: np.ndarray, stride: int) -> None:
        hashes, places = [], []
        for item, end, length in zip(items, self._ends, lengths, strict=True):
            found = window_hashes(self._mixed[item], self._width)[::stride]
            hashes.append(found)
            places.append(np.arange(len(found), dtype=np.int32) * stride + (end - length))
        every = np.concatenate(hashes) if hashes else np.empty(0, np.uint64)
        order = np.argsort(every, kind="stable")
        self._hashes = every[order]
        self._places = (np.concatenate(places) if places else np.empty(0)).astype(np.int32)[order]
        self._counts = np.array([len(each) for each in hashes], dtype=np.int64)
        # A bit of each hash tells almost all sequences that share nothing apart in one step.
        bits = max(16, int(len(every) * 16 - 1).bit_length())
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(1 << bits, dtype=bool)
        self._filter[every >> self._shift] = True

    def runs(self, sequence: np.ndarray, most: int = 8) -> list[Run]:
        """The longest run with each item that shares a window, largest share first, `most` items
        at the most; equal ones in their order."""
        if len(sequence) < self._width or not len(self._hashes):
            return []
        mixed = self._mixed[np.minimum(sequence, len(self._mixed) - 1)]
        hashes = window_hashes(mixed, self._width)
        starts = np.flatnonzero(self._filter[hashes >> self._shift])
        near = np.searchsorted(self._hashes, hashes[starts], "left")
        starts = starts[self._hashes[np.minimum(near, len(self._hashes) - 1)] == hashes[starts]]
        if not len(starts):
            return []
        windows, firsts = np.unique(hashes[starts], return_index=True)
        low = np.searchsorted(self._hashes, windows, "left")
        high = np.searchsorted(self._hashes, windows, "right")
        counts = high - low
        at = np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        places, first = self._places[at], np.repeat(starts[firsts], counts)
        items = np.searchsorted(self._ends, places, "right")
        having, shared = np.unique(items, return_counts=True)
        shares = shared / self._counts[having]
        found = []
        for place in np.argsort(-shares, kind="stable")[:most]:
            item = int(having[place])
            of = items == item
            start, length = self._longest(sequence, item, places[of], first[of])
            if length >= self._width:
                found.append(Run(int(self._names[item]), start, length, float(shares[place])))
        return found

    def _longest(
        self, sequence: np.ndarray, item: int, places: np.ndarray, starts: np.ndarray
    ) -> tuple[int, int]:
        """Start and length of the longest run through one of the windows; length 0 where none of
        them is what its hash says."""
        begin = int(self._ends[item - 1]) if item else 0
        known = self._symbols[begin : int(self._ends[item])]
        best = (0, 0)
        done: dict[int, int] = {}
        for place, start in sorted(zip((places - begin).tolist(), starts.tolist(), strict=True)):
            # Windows of one run lie on one diagonal; the first of them has told its end.
            if place < done.get(start - place, 0):
                continue
            before = _equal(known[:place][::-1], sequence[:start][::-1])
            after = _equal(known[place:], sequence[start:])
            done[start - place] = place + max(after, 1)
            if after >= self._width and before + after > best[1]:
                best = (start - before, before + after)
        return best


def window_hashes(mixed: np.ndarray, width: int) -> np.ndarray:
    """A 64-bit hash of each run of `width` symbols, len(mixed) - width + 1 of them; the symbols are
    given as 64-bit numbers that are as good as random."""
    powers, inverses = _powers(len(mixed))
    sums = np.zeros(len(mixed) + 1, dtype=np.uint64)
    np.cumsum(mixed * powers, out=sums[1:])
    found = (sums[width:] - sums[:-width]) * inverses[: len(mixed) - width + 1]
    return found ^ (found >> np.uint64(29))


def _mixed(symbols: np.ndarray) -> np.ndarray:
    """Small numbers far apart, however close they are (SplitMix64; Steele et al. 2014)."""
    z = (symbols.astype(np.uint64) + np.uint64(1)) * np.uint64(_BASE)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


_known_powers = (np.ones(1, dtype=np.uint64), np.ones(1, dtype=np.uint64))


def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The powers of the base and of its inverse modulo 2^64, `count` of each."""
    global _known_powers
    if len(_known_powers[0]) < count:
        size = max(1024, 2 * count)
        both = []
        for base in (_BASE, _INVERSE):
            steps = np.full(size, base, dtype=np.uint64)
            steps[0] = 1
            both.append(np.cumprod(steps))
        _known_powers = (both[0], both[1])
    return _known_powers[0][:count], _known_powers[1][:count]


def _equal(a: np.ndarray, b: np.ndarray) -> int:
    """How many symbols two sequences have in common from their first on."""
    size = min(len(a), len(b))
    differ = a[:size] != b[:size]
    return int(differ.argmax()) if differ.any() else size
