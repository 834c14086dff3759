"""The request is repeated before the answer."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._text import squeezed
from gristmill.constraints.base import Constraint, Outcome


class RepeatRequest(Constraint):
    """The answer begins with the request, word for word, case and white space aside, and goes on
    with something else."""

    lasting: ClassVar = False
    decides: ClassVar = frozenset({"start", "layout", "sentences"})
    clashes: ClassVar = frozenset(
        {"highlights", "placeholders", "keyword_frequency", "letter_frequency", "no_digits"}
    )

    request: Phrase
    """The text to repeat: the prompt without its constraints."""

    def verify(self, text: str) -> Outcome:
        said, wanted = squeezed(text), squeezed(self.request)
        if not said.startswith(wanted):
            return Outcome(False, f"does not begin with the request: {text[:60]!r}")
        answered = any(map(str.isalnum, said[len(wanted) :]))
        return Outcome(answered, "repeated" if answered else "repeated, but no answer follows")

    def texts(self) -> tuple[str, ...]:
        return (self.request,)

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(request=text)
