"""Two different answers."""

from __future__ import annotations

import re
from typing import ClassVar

from gristmill.constraints._text import squeezed
from gristmill.constraints.base import Constraint, Outcome

_DIVIDER = re.compile(r"(?<!\*)\*{6}(?!\*)")


class TwoResponses(Constraint):
    """Two answers that differ, with six asterisks between them and nowhere else, unless before the
    first or after the second."""

    decides: ClassVar = frozenset({"layout", "start", "end", "sentences"})
    clashes: ClassVar = frozenset({"choice"})

    def verify(self, text: str) -> Outcome:
        parts = [squeezed(part) for part in _DIVIDER.split(text)]
        parts = parts[not parts[0] :]
        if parts and not parts[-1]:
            parts.pop()
        if len(parts) != 2 or not all(parts):
            return Outcome(False, f"answers divided by ******: {len(parts)}, wanted 2")
        same = parts[0] == parts[1]
        return Outcome(not same, "both answers are the same" if same else "two answers")
