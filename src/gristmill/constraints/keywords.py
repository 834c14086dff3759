"""Words that must be used."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Self

from gristmill.constraints._arguments import Phrases
from gristmill.constraints._keywords import some_keywords
from gristmill.constraints._text import phrase_pattern
from gristmill.constraints.base import Constraint, Outcome


class Keywords(Constraint):
    """Each of the words is there, in any case, as a whole word, in this form; in scripts without
    spaces, anywhere."""

    any_case: ClassVar = True

    words: Phrases
    """Words or phrases."""

    def verify(self, text: str) -> Outcome:
        missing = [word for word in self.words if not phrase_pattern(word).search(text)]
        return Outcome(not missing, f"missing: {', '.join(missing) or 'none'}")

    def texts(self) -> tuple[str, ...]:
        return self.words

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(words=some_keywords(random, language, text, random.randint(1, 3)))
