"""What every constraint is."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar, NamedTuple, Self

from gristmill.constraints._text import composed
from gristmill.constraints._wordings import wordings
from gristmill.parts import Options, name_of

LANGUAGES = ("de", "en", "es", "fr", "it", "ja", "nl", "pl", "pt", "zh")
"""Codes of the languages that constraints are worded in."""

EVERY = frozenset(LANGUAGES)
SPACED = EVERY - {"ja", "zh"}
"""Languages whose words stand apart and whose letters have two cases."""

ENDLESS = float("inf")


class Outcome(NamedTuple):
    """Whether a response keeps to a constraint; true or false as such.

    evidence: what was found and what was wanted, in English.
    """

    satisfied: bool
    evidence: str

    def __bool__(self) -> bool:
        return self.satisfied


class Constraint(Options):
    """A validated demand on an answer. To add one, override `verify` and `draw`, and word it.

    The class of `constraints/my_rule.py` is called `MyRule`; a prompt names it `my_rule`, and so
    does the file of each language in `wordings/`. Its fields are its arguments.
    """

    languages: ClassVar[frozenset[str]] = EVERY
    """Where there is a wording for it, and its checker holds."""
    decides: ClassVar[frozenset[str]] = frozenset()
    """What of an answer it settles: `start`, `end`, `layout`, `case`, `length`, `sentences`,
    `language`. Two that settle the same thing do not stand together."""
    clashes: ClassVar[frozenset[str]] = frozenset()
    """Names of others that cannot stand beside it, whatever their arguments."""
    any_case: ClassVar[bool] = False
    """True if its texts may be written in any case."""
    special: ClassVar[bool] = False
    """True if it suits few prompts only: it is drawn where it is named, not else."""

    lasting: ClassVar[bool] = True
    """False if it belongs to one request, and makes no sense for all later answers."""

    def verify(self, text: str) -> Outcome:
        """Look at an answer: not blank, no white space around it, NFC, lines end in `\\n`."""
        raise NotImplementedError

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        """One with arguments that suit the prompt `text`, in one of its languages."""
        return cls()

    def texts(self) -> tuple[str, ...]:
        """What must stand in the answer, literally."""
        return ()

    def span(self) -> tuple[float, float]:
        """The fewest and the most words that an answer which keeps to it has, roughly."""
        return sum(len(text.split()) for text in self.texts()), ENDLESS

    def least_sentences(self) -> int:
        """The fewest sentences that such an answer has."""
        return 0

    def agrees(self, other: Constraint) -> bool:
        """False if the arguments of the two contradict each other. Asked both ways."""
        return True

    def variant(self) -> str:
        """Which of its wordings: a key of its entry in `wordings/`."""
        return "text"

    def number(self) -> int:
        """What the `unit` of its wording agrees with in number."""
        return 1

    def values(self, language: str) -> Mapping[str, Any]:
        """What its wording may mention: its arguments, and more."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def say(self, language: str) -> str:
        """What is asked of the model: one sentence or more, to be appended to a prompt.

        Raises ValueError for a language that it does not claim.
        """
        if language not in self.languages:
            known = ", ".join(sorted(self.languages))
            raise ValueError(f"'{name_of(self)}' has no wording in '{language}'; it has: {known}")
        return wordings(language).say(
            name_of(self), self.variant(), self.number(), self.values(language)
        )

    def check(self, response: str) -> Outcome:
        """Whether the response keeps to it as it stands. A blank one keeps to nothing."""
        text = plain(response)
        return self.verify(text) if text else Outcome(False, "the response is blank")

    def check_loose(self, response: str) -> Outcome:
        """As `check`, but it is enough if the response keeps to it without its first line, its
        last line, both, or its asterisks: IFEval's loose mode. The evidence of a failure is that
        of the response as it stands.
        """
        strict = self.check(response)
        if strict:
            return strict
        lines = plain(response).split("\n")
        cuts = (lines, lines[1:], lines[:-1], lines[1:-1])
        for body in map("\n".join, cuts):
            for text in (body, body.replace("*", "")):
                if found := self.check(text):
                    return found
        return strict


def plain(text: str) -> str:
    """NFC, lines that end in `\\n`, no white space or byte order mark around it."""
    return composed(text).replace("\r\n", "\n").replace("\r", "\n").strip().strip("\ufeff").strip()
