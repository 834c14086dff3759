"""A table."""

from __future__ import annotations

import re
from random import Random
from typing import ClassVar, Self

from pydantic import Field

from gristmill.constraints._text import prose_lines
from gristmill.constraints.base import ENDLESS, Constraint, Outcome

_RULE = re.compile(r"[ \t]*\|?(?:[ \t]*:?-+:?[ \t]*\|)*[ \t]*(?::?-+:?[ \t]*)?")


class Table(Constraint):
    """A Markdown table of so many columns: a line of headings, a line of dashes, and at least one
    row with as many cells."""

    decides: ClassVar = frozenset({"layout"})

    columns: int = Field(ge=2, le=50)
    """How many columns it has."""

    def verify(self, text: str) -> Outcome:
        lines = prose_lines(text)
        sizes = []
        for above, rule, row in zip(lines, lines[1:], lines[2:], strict=False):
            if "|" not in rule or "-" not in rule or not _RULE.fullmatch(rule):
                continue
            size = _cells(rule)
            if "|" in above and "|" in row and _cells(above) == _cells(row) == size:
                sizes.append(size)
        shown = ", ".join(map(str, sizes[:9])) or "no table"
        found = self.columns in sizes
        return Outcome(found, f"columns of tables: {shown}, wanted {self.columns}")

    def span(self) -> tuple[float, float]:
        return self.columns * 3, ENDLESS

    def number(self) -> int:
        return self.columns

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(columns=random.randint(2, 5))


def _cells(row: str) -> int:
    row = row.strip().replace("\\|", "")
    return row.removeprefix("|").removesuffix("|").count("|") + 1
