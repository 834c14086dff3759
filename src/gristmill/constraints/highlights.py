"""How many highlighted passages."""

from __future__ import annotations

import re
from typing import ClassVar

from gristmill.constraints._counted import Counted
from gristmill.constraints._text import prose_lines

# A star beside a Latin letter or digit multiplies; beside other letters it may well highlight.
_MARKED = re.compile(r"(?<![A-Za-z0-9*\\])(\*{1,3})(?![\s*])([^*\n]*[^\s*])\1(?![A-Za-z0-9*])")


class Highlights(Counted):
    """Counts the passages between asterisks, `*so*` or `**so**`, within one line; not those in
    code."""

    what: ClassVar = "highlighted passages"
    usual: ClassVar = range(1, 6)
    kinds: ClassVar = ("count", "at_least", "at_least", "at_least")
    inline: ClassVar = True

    def measure(self, text: str) -> int:
        return sum(len(_MARKED.findall(line)) for line in prose_lines(text))
