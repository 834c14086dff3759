"""The content words of a prompt: what constraints on words are drawn from."""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random

from gristmill.constraints._sentences import sentences_of
from gristmill.constraints._text import words_of
from gristmill.constraints._wordings import wordings
from gristmill.constraints.base import SPACED

_KATAKANA = re.compile(r"[ァ-ヺー]{3,10}")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_LONGEST = 20_000
"""Characters of a prompt that are looked at."""


@lru_cache(maxsize=256)
def keywords_of(text: str, language: str) -> tuple[str, ...]:
    """The content words of a text, in the order in which they come, each once.

    These are the words of four letters or more that are not among the language's common ones, with
    their capital letter unless a sentence begins with them; in Chinese and Japanese stretches of
    two to four characters between common ones, and words in katakana.
    """
    common = wordings(language).common
    text = text[:_LONGEST]
    if language in SPACED:
        found: dict[str, str] = {}
        for word, first in _words(text):
            if 4 <= len(word) <= 20 and word.isalpha() and word.casefold() not in common:
                # German nouns keep their capital wherever they stand.
                small = word.isupper() or (first and language != "de")
                found.setdefault(word.casefold(), word.lower() if small else word)
        return tuple(found.values())
    stops = re.compile("|".join(map(re.escape, sorted(common, key=len, reverse=True))))
    runs = [(m.start(), m[0]) for m in _KATAKANA.finditer(text) if language == "ja"]
    for piece in _HAN.finditer(text):
        start = piece.start()
        runs += [(start, part) for part in stops.split(piece[0]) if 2 <= len(part) <= 4]
    return tuple(dict.fromkeys(part for _, part in sorted(runs)))


def _words(text: str) -> list[tuple[str, bool]]:
    """The words, and whether a sentence begins with each."""
    return [
        (word, place == 0)
        for sentence in sentences_of(text)
        for place, word in enumerate(words_of(sentence))
    ]


def some_keywords(random: Random, language: str, text: str, count: int) -> tuple[str, ...]:
    """So many different words, from the text where it has them, else common nouns."""
    known = keywords_of(text, language)
    chosen = random.sample(known, min(count, len(known)))
    if short := count - len(chosen):
        spare = [word for word in wordings(language).pick["nouns"] if word not in chosen]
        chosen += random.sample(spare, short)
    return tuple(chosen)
