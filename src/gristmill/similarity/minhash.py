"""Near duplicates among very many texts: MinHash, and an index by bands of it.

The share of equal values in two sketches estimates the Jaccard similarity of two sets of shingles,
with a standard error of sqrt(J (1 - J) / permutations) (Broder 1997); texts that agree in a whole
band of values are candidates, and only those are compared. The sketches are rensa's (in Rust).
Candidates that differ in their signs, as `a + b` and `a - b`, or "5" and "-5" in a short text, are
not taken for each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gristmill.errors import MissingExtra
from gristmill.similarity.short import is_short
from gristmill.similarity.signs import Signs, signs_of
from gristmill.similarity.words import plain, shingles, words

RECALL = 0.9
"""Of pairs at the threshold exactly, how many must be candidates. Pairs above it are rarely missed
(99 % at 0.85, for a threshold of 0.8), and pairs below it are rarely candidates."""


MOST = 64
"""Candidates, the most similar ones, of which it is asked whether they differ in their signs: of a
template filled with thousands of numbers all do."""


class MinHashIndex:
    """Texts by key; `nearest` finds the most similar one.

    threshold: least Jaccard similarity of what is found, above 0 to 1. size: words in a shingle.
    permutations: values in a sketch, a multiple of 8; a text takes about 4 bytes for each, 1,500
    for the bands, and where it is short itself. Raises MissingExtra where rensa is not installed.
    """

    def __init__(
        self, threshold: float = 0.8, size: int = 5, permutations: int = 128, seed: int = 0
    ) -> None:
        try:
            from rensa import RMinHash, RMinHashLSH  # pyright: ignore[reportAttributeAccessIssue]
        except ImportError:
            raise MissingExtra("finding near duplicates", "curate") from None
        self.threshold, self.size, self.permutations = threshold, size, permutations
        self.bands = bands_for(threshold, permutations)
        self._seed, self._new = seed, RMinHash
        self._lsh = RMinHashLSH(threshold, permutations, self.bands)
        self._keys: list[str] = []
        self._signs: list[Signs | str] = []
        self._sketches = np.empty((64, permutations), dtype=np.uint32)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, text: str) -> None:
        """Remember a text under a key, which `nearest` gives back."""
        if (sketch := self._sketch(text)) is not None:
            self._add(key, *sketch)

    def nearest(self, text: str) -> tuple[str, float] | None:
        """Key and estimated similarity of the most similar text at or above the threshold, the
        earlier one of equals; None where there is none, or the text has nothing to compare."""
        sketch = self._sketch(text)
        return None if sketch is None else self._nearest(*sketch)

    def nearest_or_add(self, key: str, text: str) -> tuple[str, float] | None:
        """`nearest`, and where that is None the text is added: with half the work of both."""
        sketch = self._sketch(text)
        if sketch is None:
            return None
        found = self._nearest(*sketch)
        if found is None:
            self._add(key, *sketch)
        return found

    def _sketch(self, text: str) -> tuple[Any, Signs | str] | None:
        """The MinHash of a text, and what it does not see; of a short text that is looked for when
        there is something to compare it with, which is seldom."""
        found = words(text)
        parts = shingles(found, self.size)
        # A text without a word, such as emoji alone, is its characters.
        parts = parts or shingles(list("".join(plain(text).split())), self.size)
        if not parts:
            return None
        sketch = self._new(self.permutations, self._seed)
        sketch.update(parts)
        return sketch, text if is_short(text, found) else signs_of(text, found)

    def _nearest(self, sketch: Any, signs: Signs | str) -> tuple[str, float] | None:
        places = self._lsh.query(sketch)
        if not places:
            return None
        places = np.sort(np.asarray(places))
        same = (self._sketches[places] == _values(sketch)).mean(axis=1)
        for best in np.argsort(-same, kind="stable")[:MOST]:
            if same[best] < self.threshold:
                return None
            place = int(places[best])
            if signs == self._signs[place]:
                return self._keys[place], float(same[best])
            signs, known = _seen(signs), _seen(self._signs[place])
            self._signs[place] = known
            if signs.agree(known):
                return self._keys[place], float(same[best])
        return None

    def _add(self, key: str, sketch: Any, signs: Signs | str) -> None:
        place = len(self._keys)
        if place == len(self._sketches):
            more = np.empty((place // 2, self.permutations), dtype=np.uint32)
            self._sketches = np.concatenate([self._sketches, more])
        self._sketches[place] = _values(sketch)
        self._lsh.insert(place, sketch)
        self._keys.append(key)
        self._signs.append(signs)


def bands_for(threshold: float, permutations: int) -> int:
    """The fewest bands, equal in length, that find `RECALL` of the pairs at the threshold.

    Two texts of similarity J agree in one of b bands of r values with the probability
    1 - (1 - J^r)^b (Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4).
    """
    for bands in range(1, permutations + 1):
        length, rest = divmod(permutations, bands)
        if not rest and 1 - (1 - threshold**length) ** bands >= RECALL:
            return bands
    return permutations


def _seen(signs: Signs | str) -> Signs:
    return signs_of(signs, words(signs)) if isinstance(signs, str) else signs


def _values(sketch: Any) -> np.ndarray:
    return np.array(sketch.digest(), dtype=np.uint32)
