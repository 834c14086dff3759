"""How many paragraphs."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from gristmill.constraints._counted import Counted
from gristmill.constraints._text import paragraphs_of

_STARS = re.compile(r"^[ \t]*\*{3}[ \t]*$", re.MULTILINE)


class Paragraphs(Counted):
    """Counts paragraphs: what blank lines divide, headings and titles that stand alone aside."""

    what: ClassVar = "paragraphs"
    usual: ClassVar = range(2, 7)
    kinds: ClassVar = ("count", "count", "at_least", "at_most")
    decides: ClassVar = frozenset({"layout"})
    words_each: ClassVar = (8, float("inf"))

    separator: Literal["blank_line", "stars"] = "blank_line"
    """What stands between them: a blank line, or a line `***`, as in IFEval."""

    def measure(self, text: str) -> int:
        if self.separator == "blank_line":
            return len(paragraphs_of(text))
        return sum(any(map(str.isalnum, part)) for part in _STARS.split(text))

    def least_sentences(self) -> int:
        return self.low

    def variant(self) -> str:
        return self.separator
