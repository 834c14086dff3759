"""A block of code."""

from __future__ import annotations

import re
from random import Random
from typing import ClassVar, Self

from gristmill.constraints._text import FENCE
from gristmill.constraints.base import Constraint, Outcome

_NAMES = ("python", "javascript", "java", "bash", "sql", "go", "rust")


class CodeBlock(Constraint):
    """A fenced block that is closed and not blank; with `name`, one that names this language of
    programming after its fence."""

    special: ClassVar = True
    decides: ClassVar = frozenset({"layout"})

    name: str = ""
    """What stands after the opening fence, `python`, in any case; empty: anything."""

    def verify(self, text: str) -> Outcome:
        names = _blocks(text)
        wanted = self.name.strip().lower()
        found = wanted in names if wanted else bool(names)
        shown = ", ".join(name or "unnamed" for name in names[:9]) or "none"
        return Outcome(found, f"blocks of code: {shown}, wanted {wanted or 'any'}")

    def texts(self) -> tuple[str, ...]:
        return (self.name,) if self.name else ()

    def variant(self) -> str:
        return "named" if self.name else "text"

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(name=random.choice(_NAMES))


def _blocks(text: str) -> list[str]:
    """The names of the closed blocks that hold something."""
    names, fence, name, filled = [], "", "", False
    for line in text.split("\n"):
        found = FENCE.match(line)
        if not fence:
            if found:
                words = re.findall(r"[^\s{}`~]+", line[found.end() : found.end() + 80])
                fence, name, filled = found[1], (words[0].lower() if words else ""), False
        elif found and found[1].startswith(fence) and not line.strip("`~ \t"):
            names += [name] * filled
            fence = ""
        else:
            filled = filled or bool(line.strip())
    return names
