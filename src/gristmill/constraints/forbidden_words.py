"""Words that must not be used."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from gristmill.constraints._arguments import Phrases
from gristmill.constraints._keywords import some_keywords
from gristmill.constraints._text import phrase_pattern
from gristmill.constraints.base import Constraint, Outcome


class ForbiddenWords(Constraint):
    """None of the words is there, in any case, as a whole word: `cat` is not in `cats`; in scripts
    without spaces, anywhere."""

    clashes: ClassVar = frozenset({"repeat_request"})

    words: Phrases
    """Words or phrases."""

    def verify(self, text: str) -> Outcome:
        used = [word for word in self.words if phrase_pattern(word).search(text)]
        return Outcome(not used, f"used: {', '.join(used) or 'none'}")

    def agrees(self, other: Constraint) -> bool:
        return all(self.verify(text) for text in other.texts())

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(words=some_keywords(random, language, text, random.randint(1, 3)))
