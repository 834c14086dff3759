"""The language of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar, Self

from pydantic import field_validator

from gristmill.constraints._text import prose_lines
from gristmill.constraints._wordings import wordings
from gristmill.constraints.base import LANGUAGES, Constraint, Outcome
from gristmill.errors import ConfigError
from gristmill.languages import LANGUAGES as KNOWN
from gristmill.languages import language_of
from gristmill.languages.detect import DETECTED, alike, detect


class Language(Constraint):
    """The answer as a whole is in this language, as lingua detects it; code and addresses are left
    out, and languages that it cannot tell apart (Bosnian and Croatian, Indonesian and Malay, the
    two kinds of Norwegian) are taken for each other. Needs the extra `curate`. The detector is
    wrong for one in twenty sentences, and for one in eight of less than 60 characters."""

    decides: ClassVar = frozenset({"language"})
    clashes: ClassVar = frozenset({"code_block", "repeat_request", "choice"})

    language: str
    """Its code, `de`, or its name."""

    @field_validator("language")
    @classmethod
    def _known(cls, language: str) -> str:
        try:
            code = language_of(language).code
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if code not in DETECTED:
            raise ValueError(f"{KNOWN[code].name} cannot be detected; choose another language")
        return code

    def verify(self, text: str) -> Outcome:
        found = (detect("\n".join(prose_lines(text))) or ("", 0.0))[0]
        name = KNOWN[found].name if found in KNOWN else found or "unknown"
        wanted = KNOWN[self.language].name
        return Outcome(alike(found, self.language), f"language: {name}, wanted {wanted}")

    def agrees(self, other: Constraint) -> bool:
        # What the prompt's language put into words would stand in an answer in another.
        if any(any(map(str.isalpha, text)) for text in other.texts()):
            return False
        return self.language in other.languages

    def values(self, language: str) -> Mapping[str, Any]:
        names = wordings(language).names
        if self.language not in names:
            own = KNOWN[self.language].own
            raise ValueError(f"no name in '{language}' for {own}; add it to the wordings")
        return {"name": names[self.language]}

    @classmethod
    def draw(cls, random: Random, language: str, text: str) -> Self:
        return cls(language=random.choice([code for code in LANGUAGES if code != language]))
