"""One of the given answers."""

from __future__ import annotations

from random import Random
from typing import Annotated, ClassVar, Self

from pydantic import Field

from gristmill.constraints._arguments import Phrase
from gristmill.constraints._text import phrase_pattern, squeezed
from gristmill.constraints._wordings import wordings
from gristmill.constraints.base import Constraint, Outcome

_AROUND = " \t\n\"'“”„’«»「」『』*_`.。!！"


class Choice(Constraint):
    """The answer is one of the options, case, quotation marks and the full stop aside; with
    `alone: false`, exactly one of them stands in it as a whole."""

    special: ClassVar = True
    lasting: ClassVar = False
    decides: ClassVar = frozenset({"layout", "start", "end", "sentences", "case", "length"})
    clashes: ClassVar = frozenset(
        {"keywords", "keyword_frequency", "letter_frequency", "highlights", "placeholders"}
        | {"language", "no_commas", "no_digits", "forbidden_words"}
    )

    options: Annotated[tuple[Phrase, ...], Field(min_length=2)]
    """The answers to choose from."""
    alone: bool = True
    """Whether nothing else may stand in the answer."""

    def verify(self, text: str) -> Outcome:
        if self.alone:
            said = squeezed(text.strip(_AROUND))
            chosen = [o for o in self.options if squeezed(o.strip(_AROUND)) == said]
            return Outcome(bool(chosen), f"answer: {text[:60]!r}")
        chosen = [o for o in self.options if phrase_pattern(o).search(text)]
        # "Not sure" is not also a "sure".
        chosen = [
            o for o in chosen if not any(o != p and phrase_pattern(o).search(p) for p in chosen)
        ]
        return Outcome(len(chosen) == 1, f"options in the answer: {', '.join(chosen) or 'none'}")

    def variant(self) -> str:
        return "text" if self.alone else "within"

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(options=tuple(random.choice(wordings(language).pick["options"])))
