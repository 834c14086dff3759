"""How long a paragraph may be."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from pydantic import Field

from gristmill.constraints._sentences import sentences_of
from gristmill.constraints._text import paragraphs_of
from gristmill.constraints.base import Constraint, Outcome


class ParagraphLength(Constraint):
    """No paragraph has more sentences than this, counted as `paragraphs` and `sentences` do."""

    decides: ClassVar = frozenset({"layout", "sentences"})

    at_most: int = Field(ge=1)
    """The most sentences in one paragraph."""

    def verify(self, text: str) -> Outcome:
        longest = max((len(sentences_of(p)) for p in paragraphs_of(text)), default=0)
        return Outcome(
            longest <= self.at_most,
            f"sentences in the longest paragraph: {longest}, wanted at most {self.at_most}",
        )

    def number(self) -> int:
        return self.at_most

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(at_most=random.randint(1, 4))
