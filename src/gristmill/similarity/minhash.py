"""Near duplicates among very many texts: MinHash, and an index by bands of it.

The share of equal values in two sketches estimates the Jaccard similarity of two sets of shingles,
with a standard error of sqrt(J (1 - J) / permutations) (Broder 1997); texts that agree in a whole
band of values are candidates, and only those are compared. The sketches are rensa's (in Rust).
Texts that differ in their signs, as `a + b` and `a - b`, or "5" and "-5" in a short one, are not
taken for each other: short ones of other numbers are not even candidates, so that a template filled
with thousands of them costs no more than as many other texts; of all others the most similar are
looked at.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gristmill.errors import MissingExtra
from gristmill.similarity.short import SHORT, digits, is_short
from gristmill.similarity.signs import Signs, signs_of
from gristmill.similarity.words import plain, shingles, words

RECALL = 0.9
"""Of pairs at the threshold exactly, how many must be candidates. Pairs above it are rarely missed
(99 % at 0.85, for a threshold of 0.8), and pairs below it are rarely candidates."""


MOST = 64
"""Candidates, the most similar ones, of which it is asked whether they differ in their signs."""


class Sketch(NamedTuple):
    """own: the values that a text is compared by with texts of its kind, short ones of the same
    numbers or long ones. across: those that a short one is compared by with long ones, where it is
    long enough to be like one."""

    text: str
    words: list[str]
    short: bool
    own: Any
    across: Any | None


class MinHashIndex:
    """Texts by key; `nearest` finds the most similar one.

    threshold: least Jaccard similarity of what is found, above 0 to 1. size: words in a shingle.
    permutations: values in a sketch, a multiple of 8; a text takes about 4 bytes for each, 1,500
    for the bands, twice if it has just under 100 words, and where it is short itself. Raises
    MissingExtra where rensa is not installed.
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
        self._short, self._long, self._across = (
            RMinHashLSH(threshold, permutations, self.bands) for _ in range(3)
        )
        self._count = 0
        self._keys: list[str] = []
        self._signs: list[Signs | str] = []
        self._sketches = np.empty((64, permutations), dtype=np.uint32)

    def __len__(self) -> int:
        return self._count

    def add(self, key: str, text: str) -> None:
        """Remember a text under a key, which `nearest` gives back."""
        if (sketch := self._sketch(text)) is not None:
            self._add(key, sketch)

    def nearest(self, text: str) -> tuple[str, float] | None:
        """Key and estimated similarity of the most similar text at or above the threshold, the
        earlier one of equals; None where there is none, or the text has nothing to compare."""
        sketch = self._sketch(text)
        return None if sketch is None else self._nearest(sketch)

    def nearest_or_add(self, key: str, text: str) -> tuple[str, float] | None:
        """`nearest`, and where that is None the text is added: with half the work of both."""
        sketch = self._sketch(text)
        if sketch is None:
            return None
        found = self._nearest(sketch)
        if found is None:
            self._add(key, sketch)
        return found

    def _sketch(self, text: str) -> Sketch | None:
        found = words(text)
        parts = shingles(found, self.size)
        # A text without a word, such as emoji alone, is its characters.
        parts = parts or shingles(list("".join(plain(text).split())), self.size)
        if not parts:
            return None
        if not is_short(text, found):
            return Sketch(text, found, False, self._values_of(parts), None)
        # Of other numbers, other permutations: nothing in common.
        own = self._values_of(parts, digits(text) + 1)
        across = self._values_of(parts) if len(found) >= SHORT * self.threshold else None
        return Sketch(text, found, True, own, across)

    def _values_of(self, parts: list[str], salt: int = 0) -> Any:
        sketch = self._new(self.permutations, self._seed ^ (salt << 20))
        sketch.update(parts)
        return sketch

    def _nearest(self, sketch: Sketch) -> tuple[str, float] | None:
        if sketch.short:
            found = [(sketch.own, self._short)]
            found += [(sketch.across, self._long)] if sketch.across else []
        else:
            found = [(sketch.own, self._long), (sketch.own, self._across)]
        best: dict[int, float] = {}
        for values, known in found:
            if places := known.query(values):
                rows = np.sort(np.asarray(places))
                same = (self._sketches[rows] == _values(values)).mean(axis=1)
                near = same >= self.threshold
                best |= zip(rows[near].tolist(), same[near].tolist(), strict=True)
        return self._agreeing(sketch, sorted(best.items(), key=lambda item: (-item[1], item[0])))

    def _agreeing(
        self, sketch: Sketch, candidates: list[tuple[int, float]]
    ) -> tuple[str, float] | None:
        """The first of the candidates with the same signs."""
        if not candidates:
            return None
        signs = signs_of(sketch.text, sketch.words)
        for place, same in candidates[:MOST]:
            known = self._signs[place]
            if isinstance(known, str):
                known = self._signs[place] = signs_of(known, words(known))
            if signs.agree(known):
                return self._keys[place], same
        return None

    def _add(self, key: str, sketch: Sketch) -> None:
        self._count += 1
        # Of a short text they are looked for when there is something like it, which is seldom.
        signs = sketch.text if sketch.short else signs_of(sketch.text, sketch.words)
        self._insert(key, signs, sketch.own, self._short if sketch.short else self._long)
        if sketch.across:
            self._insert(key, signs, sketch.across, self._across)

    def _insert(self, key: str, signs: Signs | str, values: Any, among: Any) -> None:
        place = len(self._keys)
        if place == len(self._sketches):
            more = np.empty((place // 2, self.permutations), dtype=np.uint32)
            self._sketches = np.concatenate([self._sketches, more])
        self._sketches[place] = _values(values)
        among.insert(place, values)
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


def _values(sketch: Any) -> np.ndarray:
    return np.array(sketch.digest(), dtype=np.uint32)
