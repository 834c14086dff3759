"""How often a word is used."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._counted import Counted
from gristmill.constraints._keywords import some_keywords
from gristmill.constraints._text import phrase_pattern
from gristmill.constraints.base import ENDLESS, Outcome


class KeywordFrequency(Counted):
    """Counts a word or phrase, in any case, as a whole word, in this form; in scripts without
    spaces, anywhere."""

    what: ClassVar = "uses"
    usual: ClassVar = range(1, 6)
    kinds: ClassVar = ("count", "at_least", "at_least", "at_most")
    inline: ClassVar = True
    any_case: ClassVar = True

    keyword: Phrase
    """The word, or several in a row."""

    def measure(self, text: str) -> int:
        return len(phrase_pattern(self.keyword).findall(text))

    def verify(self, text: str) -> Outcome:
        found = super().verify(text)
        return found._replace(evidence=f"'{self.keyword}': {found.evidence}")

    def texts(self) -> tuple[str, ...]:
        return (self.keyword,) * self.low

    def span(self) -> tuple[float, float]:
        return self.low * 4, ENDLESS

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        (keyword,) = some_keywords(random, language, text, 1)
        return cls(keyword=keyword, **cls.amount(random))
