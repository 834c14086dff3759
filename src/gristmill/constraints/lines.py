"""How many lines, as in a poem."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._counted import Counted


class Lines(Counted):
    """Counts the lines that are not blank, whatever stands in them."""

    what: ClassVar = "lines"
    usual: ClassVar = range(3, 13)
    decides: ClassVar = frozenset({"layout", "sentences"})
    clashes: ClassVar = frozenset({"title"})
    words_each: ClassVar = (3, 40)

    def measure(self, text: str) -> int:
        return sum(bool(line.strip()) for line in text.split("\n"))
