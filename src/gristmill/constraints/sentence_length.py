"""How long a sentence may be."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from pydantic import Field

from gristmill.constraints._sentences import sentences_of
from gristmill.constraints._text import words_of
from gristmill.constraints.base import SPACED, Constraint, Outcome


class SentenceLength(Constraint):
    """No sentence has more words than this, counted as `sentences` and `words` do."""

    languages: ClassVar = SPACED
    decides: ClassVar = frozenset({"sentences"})
    clashes: ClassVar = frozenset({"repeat_request", "table", "code_block"})

    at_most: int = Field(ge=1)
    """The most words in one sentence."""

    def verify(self, text: str) -> Outcome:
        longest = max((len(words_of(s)) for s in sentences_of(text)), default=0)
        return Outcome(
            longest <= self.at_most,
            f"words in the longest sentence: {longest}, wanted at most {self.at_most}",
        )

    def agrees(self, other: Constraint) -> bool:
        return all(self.verify(text) for text in other.texts())

    def number(self) -> int:
        return self.at_most

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(at_most=random.randint(10, 20))
