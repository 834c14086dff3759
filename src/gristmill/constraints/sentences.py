"""How many sentences."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints._counted import Counted
from gristmill.constraints._sentences import sentences_of
from gristmill.constraints.base import Constraint


class Sentences(Counted):
    """Counts sentences: each ends with . ! ? or the like, or with its paragraph or list item.
    Headings, titles, tables and code have none."""

    what: ClassVar = "sentences"
    usual: ClassVar = range(3, 13)
    decides: ClassVar = frozenset({"sentences"})
    # How many sentences a list or a table has is a matter of opinion.
    clashes: ClassVar = frozenset(
        {"bullets", "numbered_list", "sections", "headings", "table", "code_block", "lines"}
        | {"title", "postscript", "repeat_request", "two_responses"}
    )
    words_each: ClassVar = (4, 40)

    def measure(self, text: str) -> int:
        return len(sentences_of(text))

    def agrees(self, other: Constraint) -> bool:
        return other.least_sentences() <= self.high
