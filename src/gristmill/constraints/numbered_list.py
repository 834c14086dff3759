"""A numbered list of so many items."""

from __future__ import annotations

import re
from typing import ClassVar

from gristmill.constraints._counted import Counted
from gristmill.constraints._text import prose_lines
from gristmill.constraints.base import Outcome

_ITEM = re.compile(r" {0,3}\**(\d{1,3})(?:[.)]\**(?=\s)|[、．])\s*(.*)")


class NumberedList(Counted):
    """Counts the lines that begin with `1. ` or `1) ` and hold a letter or digit: indented ones
    and those in code aside. They must be numbered 1, 2, 3 and so on, in one list."""

    what: ClassVar = "numbered items"
    usual: ClassVar = range(3, 9)
    decides: ClassVar = frozenset({"layout"})
    clashes: ClassVar = frozenset({"no_digits"})
    words_each: ClassVar = (2, float("inf"))

    def measure(self, text: str) -> int:
        return len(_numbers(text))

    def verify(self, text: str) -> Outcome:
        numbers = _numbers(text)
        if numbers != list(range(1, len(numbers) + 1)):
            shown = ", ".join(map(str, numbers[:12]))
            return Outcome(False, f"items are numbered {shown}; wanted 1, 2, 3, ...")
        return super().verify(text)


def _numbers(text: str) -> list[int]:
    found = filter(None, map(_ITEM.match, prose_lines(text)))
    return [int(item[1]) for item in found if any(map(str.isalnum, item[2]))]
