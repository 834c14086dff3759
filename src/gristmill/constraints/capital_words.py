"""How many words in capital letters."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._counted import Counted
from gristmill.constraints._text import words_of
from gristmill.constraints.base import SPACED


class CapitalWords(Counted):
    """Counts the words of two letters or more that have capital letters alone: `NATO`, not `I`."""

    languages: ClassVar = SPACED
    what: ClassVar = "words in capital letters"
    usual: ClassVar = range(2, 9)
    kinds: ClassVar = ("at_least", "at_most", "between")
    decides: ClassVar = frozenset({"case"})
    inline: ClassVar = True

    def measure(self, text: str) -> int:
        return sum(w.isupper() and sum(map(str.isalpha, w)) >= 2 for w in words_of(text))
