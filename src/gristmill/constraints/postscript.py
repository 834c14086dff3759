"""A postscript."""

from __future__ import annotations

import re
from random import Random
from typing import ClassVar, Self

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._text import LEAD, word_end
from gristmill.constraints._wordings import wordings
from gristmill.constraints.base import Constraint, Outcome


class Postscript(Constraint):
    """After other text a line begins with the marker, in any case, marks of headings, lists and
    quotations before it and points and spaces between its letters aside; behind it, or on the next
    line that is not blank, something is said."""

    decides: ClassVar = frozenset({"end", "layout"})

    marker: Phrase = "P.S."
    """What the postscript begins with: `P.S.`, `P.P.S.`."""

    def verify(self, text: str) -> Outcome:
        letters = re.sub(r"[\s.]", "", self.marker) or self.marker
        marker = r"[ \t.]*".join(map(re.escape, letters))
        opening = rf"\n[{re.escape(LEAD)}]*{marker}{word_end(letters)}(.*)\s*(.*)"
        said = (m[1] + m[2] for m in re.finditer(opening, text, re.IGNORECASE))
        found = any(any(map(str.isalnum, rest)) for rest in said)
        return Outcome(found, f"{'a' if found else 'no'} postscript that begins with {self.marker}")

    def texts(self) -> tuple[str, ...]:
        return (self.marker,)

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(marker=random.choice(wordings(language).pick["postscripts"]))
