"""ROUGE-L between texts, and the nearest of thousands by it: how self-instruct asks what is new
(Wang et al. 2023, arXiv:2212.10560: an instruction is new if it is below 0.7 to all before)."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence

import numpy as np

from gristmill.similarity.words import words


def rouge_l(a: Sequence[str], b: Sequence[str]) -> float:
    """ROUGE-L F-measure of two lists of words: 2 LCS / (len(a) + len(b)), 0 to 1 (Lin 2004, with
    precision and recall weighted alike); 0 where one is empty."""
    return 2 * _common(_masks(a), len(a), b) / (len(a) + len(b)) if a and b else 0.0


class NoveltyIndex:
    """Texts in order; `nearest` finds the one with the highest ROUGE-L.

    threshold: least ROUGE-L of what is found, above 0 to 1. Finding takes about half a millisecond
    among 10,000 instructions, and grows with their number.
    """

    def __init__(self, threshold: float = 0.7) -> None:
        self.threshold = threshold
        self._texts: list[str] = []
        self._words: list[list[str]] = []
        self._lengths = array("q")
        self._having: dict[str, array[int]] = {}
        """The places of texts that have a word, and of those that have it a second time, ..."""

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, text: str) -> None:
        """Remember a text. One without a word is like no other."""
        found = words(text)
        place = len(self._texts)
        self._texts.append(text)
        self._lengths.append(len(found))
        self._words.append(found)
        for word in _numbered(found):
            self._having.setdefault(word, array("q")).append(place)

    def nearest(self, text: str) -> tuple[str, float] | None:
        """The most similar text at or above the threshold and its ROUGE-L, the earlier one of
        equals; or None."""
        found = words(text)
        masks = _masks(found)
        best, place = 0.0, -1
        for bound, candidate in self._candidates(found):
            if bound < best or (bound == best and candidate > place):
                break
            other = self._words[candidate]
            score = 2 * _common(masks, len(found), other) / (len(found) + len(other))
            if score >= self.threshold and (score > best or (score == best and candidate < place)):
                best, place = score, candidate
        return None if place < 0 else (self._texts[place], best)

    def _candidates(self, found: list[str]) -> list[tuple[float, int]]:
        """Texts that could be near, likeliest first: the words that two texts share in any order
        are at least as many as the longest common subsequence has."""
        lists = [self._having[word] for word in _numbered(found) if word in self._having]
        if not lists:
            return []
        places = np.concatenate([np.frombuffer(each, dtype=np.int64) for each in lists])
        shared = np.bincount(places, minlength=len(self._texts))
        lengths = np.frombuffer(self._lengths, dtype=np.int64)
        bounds = 2 * shared / (lengths + len(found))
        near = np.flatnonzero(bounds >= self.threshold)
        near = near[np.argsort(-bounds[near], kind="stable")]
        return list(zip(bounds[near].tolist(), near.tolist(), strict=True))


def _numbered(found: Sequence[str]) -> list[str]:
    """Each word, the second of its kind with a 2, and so on: shared words as shared elements."""
    seen: Counter[str] = Counter()
    result = []
    for word in found:
        seen[word] += 1
        result.append(word if seen[word] == 1 else f"{word} {seen[word]}")
    return result


def _masks(found: Sequence[str]) -> dict[str, int]:
    """For each word the places where it stands, as bits."""
    masks: dict[str, int] = {}
    for place, word in enumerate(found):
        masks[word] = masks.get(word, 0) | 1 << place
    return masks


def _common(masks: dict[str, int], length: int, other: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table at a time, as bits (Hyyrö
    2004, "Bit-parallel LCS-length computation revisited")."""
    every = (1 << length) - 1
    row = every
    for word in other:
        if match := masks.get(word):
            kept = row & match
            row = ((row + kept) | (row - kept)) & every
    return length - row.bit_count()
