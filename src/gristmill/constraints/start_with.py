"""How the answer begins."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._text import phrase_pattern
from gristmill.constraints._wordings import wordings
from gristmill.constraints.base import Constraint, Outcome


class StartWith(Constraint):
    """The answer begins with the phrase, in any case, and nothing stands before it."""

    decides: ClassVar = frozenset({"start"})
    any_case: ClassVar = True

    phrase: Phrase
    """The words of the beginning."""

    def verify(self, text: str) -> Outcome:
        found = phrase_pattern(self.phrase).match(text)
        begins = text[: len(self.phrase) + 20]
        return Outcome(bool(found), f"begins with {begins!r}, wanted '{self.phrase}'")

    def texts(self) -> tuple[str, ...]:
        return (self.phrase,)

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(phrase=random.choice(wordings(language).pick["starts"]))
