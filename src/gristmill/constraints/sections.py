"""How many sections, each under a marker and its number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar, Self

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._counted import Counted
from gristmill.constraints._text import LEAD, prose_lines
from gristmill.constraints._wordings import wordings


class Sections(Counted):
    """Counts the different numbers that stand after the marker at the beginning of a line, in any
    case, as a heading, in bold, behind a quotation mark or plain: `Section 1`, `## SECTION 2: ...`.
    """

    what: ClassVar = "sections"
    usual: ClassVar = range(2, 6)
    kinds: ClassVar = ("count", "at_least")
    decides: ClassVar = frozenset({"layout"})
    clashes: ClassVar = frozenset({"no_digits"})
    words_each: ClassVar = (10, float("inf"))

    marker: Phrase = "Section"
    """The word before the number of each section."""

    def measure(self, text: str) -> int:
        marker = r"\s+".join(map(re.escape, self.marker.split()))
        opening = re.compile(rf"[{re.escape(LEAD)}]*{marker}\s*(\d{{1,9}})(?!\d)", re.IGNORECASE)
        return len({int(m[1]) for m in map(opening.match, prose_lines(text)) if m})

    def texts(self) -> tuple[str, ...]:
        return (f"{self.marker} 1",)

    def values(self, language: str) -> Mapping[str, Any]:
        return {**super().values(language), "one": f"{self.marker} 1", "two": f"{self.marker} 2"}

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        marker = random.choice(wordings(language).pick["markers"])
        return cls(marker=marker, **cls.amount(random))
