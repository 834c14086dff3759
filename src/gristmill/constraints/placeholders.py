"""How many placeholders in square brackets."""

from __future__ import annotations

import re
from typing import ClassVar

from gristmill.constraints._counted import Counted

_PLACEHOLDER = re.compile(r"\[([^\[\]\n]+)\](?!\()")


class Placeholders(Counted):
    """Counts square brackets around text with a letter, `[name]`; links, `[1]` and the ticked box
    `[x]` aside."""

    what: ClassVar = "placeholders"
    usual: ClassVar = range(1, 6)
    kinds: ClassVar = ("count", "at_least", "at_least")
    inline: ClassVar = True

    def measure(self, text: str) -> int:
        found = (inside for inside in _PLACEHOLDER.findall(text) if inside.lower() != "x")
        return sum(any(map(str.isalpha, inside)) for inside in found)
