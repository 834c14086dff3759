"""What a text shares with the items of a benchmark: runs of words, and runs of characters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, repeat

import numpy as np

from gristmill.similarity.windows import Run, WindowIndex
from gristmill.similarity.words import words

LEAST_WORDS = 8
"""Items with fewer words are only looked for as a whole text: "What is the capital of France?"
stands in many texts that have never seen a benchmark. GPT-3's n-grams are not shorter either
(Brown et al. 2020, arXiv:2005.14165, appendix C)."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a text shares with an item.

    item: its place. text: the longest shared run, as `words` writes it. words: how many words it
    has, in part or whole. share: of the item's n-grams (for `substring` of its characters) that
    the text has, above 0 to 1. by: `words` or `substring`.
    """

    item: int
    text: str
    words: int
    share: float
    by: str


class Overlaps:
    """The items of a benchmark, to be looked for in texts.

    size: words in an n-gram. An item that is shorter must be there as a whole; one of fewer than
    `LEAST_WORDS` must be all of the text. substring: characters, letters and digits alone, of a
    common substring that counts as well, however it is cut into words; None looks for none.
    """

    def __init__(self, items: Iterable[str], size: int = 13, substring: int | None = None) -> None:
        self._ids: dict[str, int] = {}
        self._whole: dict[tuple[str, ...], int] = {}
        self._size, self._substring = size, substring
        self._lengths: dict[int, int] = {}
        by_width: dict[int, tuple[list[np.ndarray], list[int]]] = {}
        letters: tuple[list[np.ndarray], list[int]] = ([], [])
        for place, item in enumerate(items):
            found = words(item)
            if len(found) < min(LEAST_WORDS, size):
                if found:
                    self._whole.setdefault(tuple(found), place)
                continue
            known, names = by_width.setdefault(min(size, len(found)), ([], []))
            known.append(self._learn(found))
            names.append(place)
            if substring and sum(map(len, found)) >= substring:
                letters[0].append(_letters(found))
                letters[1].append(place)
                self._lengths[place] = len(letters[0][-1])
        self._by_words = [WindowIndex(*by_width[n], width=n) for n in sorted(by_width)]
        if substring:
            # The windows of a substring's half, that far apart, leave none without one.
            width = (substring + 1) // 2
            self._by_letters = WindowIndex(*letters, width, stride=substring - width + 1)

    def find(self, text: str, share: float = 0.0) -> Overlap | None:
        """The item that the text has most of, if it has at least `share` of its n-grams; with
        `substring`, else the longest common one. None where it has nothing of any."""
        found = words(text)
        if not found:
            return None
        if (place := self._whole.get(tuple(found))) is not None:
            return Overlap(place, " ".join(found), len(found), 1.0, "words")
        ids = np.fromiter(map(self._ids.get, found, repeat(0)), np.uint32, len(found))
        runs = [run for index in self._by_words for run in index.runs(ids) if run.share >= share]
        if runs:
            best = max(runs, key=lambda run: (run.share, run.length, -run.item))
            shared = found[best.start : best.start + best.length]
            return Overlap(best.item, " ".join(shared), len(shared), best.share, "words")
        return self._find_letters(found, share) if self._substring else None

    def _find_letters(self, found: list[str], share: float) -> Overlap | None:
        assert self._substring is not None
        runs = self._by_letters.runs(_letters(found))

        def part(run: Run) -> float:
            return run.length / self._lengths[run.item]

        runs = [run for run in runs if run.length >= self._substring and part(run) >= share]
        if not runs:
            return None
        best = max(runs, key=lambda run: (run.length, -run.item))
        ends = list(accumulate(map(len, found)))
        first = int(np.searchsorted(ends, best.start, "right"))
        last = int(np.searchsorted(ends, best.start + best.length, "left"))
        shared = found[first : last + 1]
        return Overlap(best.item, " ".join(shared), len(shared), part(best), "substring")

    def _learn(self, found: list[str]) -> np.ndarray:
        ids = self._ids
        return np.array([ids.setdefault(word, len(ids) + 1) for word in found], dtype=np.uint32)


def _letters(found: list[str]) -> np.ndarray:
    """The characters of the words, without anything between them, as numbers."""
    return np.frombuffer("".join(found).encode("utf-32-le"), dtype=np.uint32)
