"""How many words."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._counted import Counted
from gristmill.constraints._text import words_of
from gristmill.constraints.base import SPACED


class Words(Counted):
    """Counts words: letters and digits, joined by apostrophes and hyphens (`don't`, `well-known`
    are one each). Not for languages that put no space between words."""

    languages: ClassVar = SPACED
    what: ClassVar = "words"
    usual: ClassVar = range(50, 401, 10)
    kinds: ClassVar = ("at_least", "at_most", "between")
    decides: ClassVar = frozenset({"length"})
    words_each: ClassVar = (1, 1)

    def measure(self, text: str) -> int:
        return len(words_of(text))
