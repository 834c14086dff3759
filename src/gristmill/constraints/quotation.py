"""Quotation marks around the answer."""

from __future__ import annotations

from typing import ClassVar

from gristmill.constraints.base import Constraint, Outcome

_PAIRS = ('""', "“”", "„“", "„”", "””", "«»", "»«", "「」", "『』", "＂＂", "〝〟")


class Quotation(Constraint):
    """The first and the last character are a pair of double quotation marks, straight or as some
    language has them, with something between."""

    decides: ClassVar = frozenset({"start", "end"})
    clashes: ClassVar = frozenset(
        {"bullets", "numbered_list", "sections", "headings", "table", "code_block", "choice"}
    )

    def verify(self, text: str) -> Outcome:
        ends = text[0] + text[-1]
        wrapped = len(text) > 2 and ends in _PAIRS and any(map(str.isalnum, text))
        return Outcome(wrapped, f"first and last character: {ends[0]} {ends[1]}")
