"""Small letters only."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._text import words_of
from gristmill.constraints.base import SPACED, Constraint, Outcome


class Lowercase(Constraint):
    """No capital letter stands in the answer, and at least one small one."""

    languages: ClassVar = SPACED
    decides: ClassVar = frozenset({"case"})
    clashes: ClassVar = frozenset({"code_block", "choice"})

    def verify(self, text: str) -> Outcome:
        capital = next((w for w in words_of(text) if any(map(str.isupper, w))), "")
        evidence = f"capital letters in '{capital:.40}'" if capital else "no capital letters"
        return Outcome(text.islower(), evidence if any(map(str.isalpha, text)) else "no letters")

    def agrees(self, other: Constraint) -> bool:
        return other.any_case or all(text == text.lower() for text in other.texts())
