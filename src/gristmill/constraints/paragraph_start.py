"""The first word of a paragraph."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from pydantic import Field, model_validator

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._keywords import some_keywords
from gristmill.constraints._text import LEAD, paragraphs_of, phrase_pattern
from gristmill.constraints.base import ENDLESS, Constraint, Outcome


class ParagraphStart(Constraint):
    """There are so many paragraphs, divided by blank lines, and one of them begins with the word,
    in any case, marks of quotation, headings, lists and emphasis before it aside."""

    decides: ClassVar = frozenset({"layout", "start"})
    clashes: ClassVar = frozenset({"title"})
    any_case: ClassVar = True

    count: int = Field(ge=1)
    """How many paragraphs there are."""
    paragraph: int = Field(ge=1)
    """Which of them, from 1."""
    word: Phrase
    """Its first word."""

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.paragraph > self.count:
            raise ValueError(f"paragraph {self.paragraph} of {self.count} does not exist")
        return self

    def verify(self, text: str) -> Outcome:
        paragraphs = paragraphs_of(text)
        if len(paragraphs) != self.count:
            return Outcome(False, f"paragraphs: {len(paragraphs)}, wanted exactly {self.count}")
        begins = paragraphs[self.paragraph - 1].lstrip(LEAD + "\n")
        found = phrase_pattern(self.word).match(begins)
        shown = begins[: len(self.word) + 10]
        return Outcome(
            bool(found), f"paragraph {self.paragraph} begins with {shown!r}, wanted '{self.word}'"
        )

    def texts(self) -> tuple[str, ...]:
        return (self.word,)

    def span(self) -> tuple[float, float]:
        return self.count * 8, ENDLESS

    def number(self) -> int:
        return self.count

    def least_sentences(self) -> int:
        return self.count

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        count = random.randint(2, 5)
        (word,) = some_keywords(random, language, text, 1)
        return cls(count=count, paragraph=random.randint(1, count), word=word)
