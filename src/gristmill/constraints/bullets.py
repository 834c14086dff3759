"""How many bullet points."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._counted import Counted
from gristmill.constraints._text import BULLET, prose_lines


class Bullets(Counted):
    """Counts the lines that begin with `- `, `* `, `+ ` or a dot (`•`, `・`) and hold a letter or
    digit, nested ones among them; not those in code."""

    what: ClassVar = "bullet points"
    usual: ClassVar = range(2, 8)
    decides: ClassVar = frozenset({"layout"})
    words_each: ClassVar = (2, float("inf"))

    def measure(self, text: str) -> int:
        found = filter(None, map(BULLET.match, prose_lines(text)))
        return sum(any(map(str.isalnum, item[1])) for item in found)
