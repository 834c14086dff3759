"""A title in double angle brackets."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._text import TITLE
from gristmill.constraints.base import Constraint, Outcome


class Title(Constraint):
    """Somewhere stands a title in double angle brackets, `<<title>>`, on one line, not blank."""

    decides: ClassVar = frozenset({"start"})

    def verify(self, text: str) -> Outcome:
        found = next((t for t in TITLE.findall(text) if any(map(str.isalnum, t))), "")
        return Outcome(bool(found), f"title: {found:.60}" if found else "no <<title>>")
