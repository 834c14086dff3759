"""How the answer ends."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._text import squeezed
from gristmill.constraints._wordings import wordings
from gristmill.constraints.base import Constraint, Outcome

_QUOTES = "\"'”’“»」』"


class EndWith(Constraint):
    """The answer ends with the phrase, in any case, and nothing follows; quotation marks at the
    very end are left out."""

    decides: ClassVar = frozenset({"end"})
    any_case: ClassVar = True

    phrase: Phrase
    """The words of the end, with their full stop or question mark."""

    def verify(self, text: str) -> Outcome:
        wanted = squeezed(self.phrase).rstrip(_QUOTES)
        # Case folding makes a letter two at most, white space is squeezed: so much is enough.
        tail = text[-len(self.phrase) * 2 - 2000 :]
        ended = squeezed(tail).rstrip(_QUOTES)
        whole = ended.endswith(wanted) and not _within_word(ended, wanted)
        return Outcome(
            whole, f"ends with {text[-len(self.phrase) - 20 :]!r}, wanted '{self.phrase}'"
        )

    def texts(self) -> tuple[str, ...]:
        return (self.phrase,)

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(phrase=random.choice(wordings(language).pick["ends"]))


def _within_word(ended: str, wanted: str) -> bool:
    """Whether the phrase begins in the middle of an ASCII word."""
    before = ended[: len(ended) - len(wanted)][-1:]
    return before.isascii() and before.isalnum() and wanted[:1].isalnum() and wanted[:1].isascii()
