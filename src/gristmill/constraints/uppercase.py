"""Capital letters only."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._text import words_of
from gristmill.constraints.base import SPACED, Constraint, Outcome

_NO_CAPITAL = str.maketrans("", "", "ßªº")
"""These look small, and have no capital in common use."""


class Uppercase(Constraint):
    """No small letter stands in the answer, and at least one capital."""

    languages: ClassVar = SPACED
    decides: ClassVar = frozenset({"case"})
    clashes: ClassVar = frozenset({"code_block", "choice"})

    def verify(self, text: str) -> Outcome:
        bare = text.translate(_NO_CAPITAL)
        small = next((w for w in words_of(bare) if any(map(str.islower, w))), "")
        evidence = f"small letters in '{small:.40}'" if small else "no small letters"
        return Outcome(bare.isupper(), evidence if any(map(str.isalpha, bare)) else "no letters")

    def agrees(self, other: Constraint) -> bool:
        # "Straße" in capitals is another word to a checker, whatever case it looks at.
        if other.any_case:
            return all(len(text) == len(text.upper()) for text in other.texts())
        return all(text == text.upper() for text in other.texts())
