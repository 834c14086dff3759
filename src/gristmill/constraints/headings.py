"""How many Markdown headings."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._counted import Counted
from gristmill.constraints._text import HEADING, prose_lines


class Headings(Counted):
    """Counts the lines that begin with one to six `#` and a space, of every level; not those in
    code."""

    what: ClassVar = "headings"
    usual: ClassVar = range(2, 6)
    decides: ClassVar = frozenset({"layout"})
    words_each: ClassVar = (8, float("inf"))

    def measure(self, text: str) -> int:
        return sum(bool(HEADING.match(line)) for line in prose_lines(text))
