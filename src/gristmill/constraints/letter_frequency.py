"""How often a letter is used."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar, Self

from pydantic import field_validator

from gristmill.constraints._counted import Counted
from gristmill.constraints._wordings import wordings
from gristmill.constraints.base import ENDLESS, SPACED, Outcome


class LetterFrequency(Counted):
    """Counts a letter in any case; one with an accent is another letter. Signs such as `!` can be
    counted too."""

    languages: ClassVar = SPACED
    what: ClassVar = "occurrences"
    usual: ClassVar = range(3, 16)
    kinds: ClassVar = ("at_least", "at_most")
    inline: ClassVar = True
    any_case: ClassVar = True

    letter: str
    """One letter, or one sign."""

    @field_validator("letter")
    @classmethod
    def _one(cls, letter: str) -> str:
        letter = unicodedata.normalize("NFC", letter.strip()).lower()
        if len(letter) != 1:
            raise ValueError("write one letter or sign")
        return letter

    def measure(self, text: str) -> int:
        return text.lower().count(self.letter)

    def verify(self, text: str) -> Outcome:
        found = super().verify(text)
        return found._replace(evidence=f"'{self.letter}': {found.evidence}")

    def texts(self) -> tuple[str, ...]:
        return (self.letter,) * self.low

    def span(self) -> tuple[float, float]:
        return self.low * 2, ENDLESS

    def variant(self) -> str:
        return "letter" if self.letter.isalpha() else "sign"

    def values(self, language: str) -> Mapping[str, Any]:
        return {**super().values(language), "letter": self.letter}

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        amount = cls.amount(random)
        # A text cannot do without its common letters.
        letters = wordings(language).pick["letters"]["rare" if "at_most" in amount else "common"]
        return cls(letter=random.choice(letters), **amount)
