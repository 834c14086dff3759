"""How many characters."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._counted import Counted


class Characters(Counted):
    """Counts characters, spaces, punctuation and line ends among them; not the white space around
    the answer. An accented letter is one."""

    what: ClassVar = "characters"
    usual: ClassVar = range(200, 2001, 50)
    kinds: ClassVar = ("at_least", "at_most", "between")
    decides: ClassVar = frozenset({"length"})
    words_each: ClassVar = (0.2, 0.12)

    def measure(self, text: str) -> int:
        return len(text)
