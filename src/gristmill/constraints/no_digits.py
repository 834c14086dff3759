"""No digits."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints.base import Constraint, Outcome


class NoDigits(Constraint):
    """No digit of any script stands in the answer; numbers in words may."""

    clashes: ClassVar = frozenset({"code_block"})

    def verify(self, text: str) -> Outcome:
        place = next((i for i, char in enumerate(text) if char.isdigit()), None)
        if place is None:
            return Outcome(True, "no digit")
        return Outcome(False, f"a digit in {text[max(0, place - 20) : place + 10]!r}")

    def agrees(self, other: Constraint) -> bool:
        return all(self.verify(text) for text in other.texts())
