"""Text that repeats itself: the rules that web corpora are cleaned with, and endless loops."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pydantic import Field

from gristmill.filters._texts import prose, response_of, shown
from gristmill.filters.base import Filter
from gristmill.records import Drop, Prompt, Sample
from gristmill.similarity.words import words

DUPLICATES = {"line": (0.3, 0.2), "paragraph": (0.3, 0.2)}
"""Largest share of lines or paragraphs, and of their characters, that were there before."""
TOP = {2: 0.20, 3: 0.18, 4: 0.16}
"""Words in an n-gram -> largest share of the text's characters in its most frequent one."""
AGAIN = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
"""Words in an n-gram -> largest share of the text's characters in n-grams that are there twice."""
# All from Rae et al. 2021, "Scaling language models" (Gopher, arXiv:2112.11446), table A1.

_RUN = re.compile(r"([^\W\d_])\1{29,}")
_UNIT = 60


class Repetition(Filter):
    """Drops a response that repeats itself. Reason: `repetition:<what>`.

    `line`, `paragraph`: too many were there before. `top_2` to `top_4`: one run of so many words
    makes up too much of the text. `again_5` to `again_10`: too much of it is in runs of so many
    words that are there more than once. These are Gopher's rules for web pages, and apply from
    `min_words` on. `loop`: the text ends in the same words over and over. `run`: one letter 30
    times. Fenced code is not looked at. In scripts without spaces two letters are taken for a word.
    """

    tolerance: float = Field(default=2.0, gt=0, le=6)
    """All of Gopher's limits times this. They are made for long pages: at 1 they drop a tenth of
    good answers, which are short and name their subject again and again; at 2 a fiftieth, most of
    which do repeat themselves."""
    min_words: int = Field(default=50, ge=10)
    """Shorter texts are not measured: few words repeat by chance."""
    loops: int = Field(default=4, ge=2)
    """So many times the same words in a row at the end, at least 12 words together, are a loop."""

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        text = prose(response_of(sample))
        found = words(text)
        said = _run(text) or self._loop(found)
        if said or len(found) < self.min_words:
            return said or ""
        return self._lines(text) or self._n_grams(found) or ""

    def _loop(self, found: list[str]) -> Drop | None:
        for period in range(1, min(_UNIT, len(found) // self.loops) + 1):
            length = period
            while length < len(found) and found[-1 - length] == found[period - 1 - length]:
                length += 1
            if length >= max(12, period * self.loops):
                unit = shown(" ".join(found[-period:]))
                return Drop("repetition:loop", f'ends in "{unit}", {length // period} times')
        return None

    def _lines(self, text: str) -> Drop | None:
        for kind, parts in (("line", text.split("\n")), ("paragraph", re.split(r"\n\s*\n", text))):
            stripped = [part.strip() for part in parts]
            # A rule or a bullet alone is layout.
            kept = [part for part in stripped if any(map(str.isalnum, part))]
            if len(kept) < 4:
                continue
            counts = Counter(kept)
            limits = DUPLICATES[kind]
            lines = 1 - len(counts) / len(kept)
            characters = sum(len(p) * (n - 1) for p, n in counts.items()) / sum(map(len, kept))
            if lines > limits[0] * self.tolerance or characters > limits[1] * self.tolerance:
                most, times = counts.most_common(1)[0]
                share = f"{lines:.0%} of {kind}s, {characters:.0%} of their characters"
                return Drop(f"repetition:{kind}", f'{share} again: "{shown(most)}" {times} times')
        return None

    def _n_grams(self, found: list[str]) -> Drop | None:
        total = sum(map(len, found))
        # Where most words are single letters, the script has no spaces.
        scale = 2 if total < 1.5 * len(found) else 1
        for size, limit in TOP.items():
            most, times = Counter(_grams(found, size * scale)).most_common(1)[0]
            share = sum(map(len, most)) * times / total
            if times > 2 and share > limit * self.tolerance:
                what = f'{share:.0%} is "{shown(" ".join(most))}", {times} times'
                return Drop(f"repetition:top_{size}", what)
        for size, limit in AGAIN.items():
            share, most = _again(found, size * scale, total)
            if share > limit * self.tolerance:
                what = f'{share:.0%} in runs of {size * scale} words again: "{shown(most)}"'
                return Drop(f"repetition:again_{size}", what)
            if not share:
                break
        return None


def _run(text: str) -> Drop | None:
    run = _RUN.search(text)
    return Drop("repetition:run", f"'{run[1]}' {len(run[0])} times") if run else None


def _grams(found: list[str], size: int) -> Iterator[tuple[str, ...]]:
    return zip(*(found[i:] for i in range(size)), strict=False)


def _again(found: list[str], size: int, total: int) -> tuple[float, str]:
    """The share of characters in n-grams that were there before, each word once, and the first
    such n-gram."""
    seen: set[tuple[str, ...]] = set()
    covered, end, first = 0, 0, ""
    for start, gram in enumerate(_grams(found, size)):
        if gram not in seen:
            seen.add(gram)
            continue
        first = first or " ".join(gram)
        covered += sum(map(len, found[max(start, end) : start + size]))
        end = start + size
    return covered / total, first
