"""No commas."""

from __future__ import annotations

import re
from typing import ClassVar

from gristmill.constraints.base import Constraint, Outcome

_COMMA = re.compile("[,，、،﹐﹑､]")


class NoCommas(Constraint):
    """No comma of any script stands in the answer, not in numbers either."""

    clashes: ClassVar = frozenset({"code_block", "repeat_request"})

    def verify(self, text: str) -> Outcome:
        found = _COMMA.search(text)
        if not found:
            return Outcome(True, "no comma")
        shown = text[max(0, found.start() - 20) : found.end() + 10]
        return Outcome(False, f"a comma in {shown!r}")

    def agrees(self, other: Constraint) -> bool:
        return all(self.verify(text) for text in other.texts())
