"""In what language a response is, by lingua."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from gristmill.errors import ConfigError
from gristmill.filters._texts import prose, texts_of
from gristmill.filters.base import Filter
from gristmill.languages import LANGUAGES, language_of
from gristmill.languages.detect import check, detect, elsewhere
from gristmill.records import Drop, Prompt, Sample


class Language(Filter):
    """Drops what is in another language than was wanted. Reason: `language:<found code>`.

    Wanted is `expect`, else the prompt's own `language`, else the language that the prompt is
    written in, or one that it names in English or by its own name ("Translate into French"). Code,
    addresses, numbers, tags and formulas are not looked at, and of long texts three parts are.
    What is too short to tell, or in a language that cannot be told, is kept, and so is what is in
    another language only by its names and terms. The models take about 100 MB.
    """

    expect: tuple[str, ...] = ()
    """Languages that are wanted, any of them, by code (`de`) or name (`German`)."""
    of: Literal["response", "both"] = "response"
    """`both` looks at the prompt too, where `expect` or its `language` says what it should be."""
    min_confidence: float = Field(default=0.8, ge=0, le=1)
    """How sure lingua must be of another language for a text to be dropped. Over 0.8 it is wrong
    for 2 % of single sentences and 0.6 % of short paragraphs, of 75 languages."""
    min_letters: int = Field(default=60, ge=1)
    """What has fewer letters is too short to tell. A letter of Chinese, Japanese, Korean, Thai,
    Lao, Khmer or Burmese counts for three."""

    @field_validator("expect", mode="before")
    @classmethod
    def _codes(cls, value: Any) -> Any:
        names = (value,) if isinstance(value, str) else value
        if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
            return value
        try:
            return tuple(language_of(name).code for name in names)
        except ConfigError as error:
            raise ValueError(str(error)) from None

    def check(self) -> None:
        check()

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        wanted = self.expect or _given(prompt.language)
        for place, text in texts_of(self.of, prompt, sample):
            if place == "prompt" and not wanted:
                continue
            text = prose(text)
            expected = wanted or self._asked(prompt, text)
            if expected and (found := elsewhere(text, expected, *self._limits)):
                return Drop(f"language:{found[0]}", _evidence(place, found, expected))
        return ""

    @property
    def _limits(self) -> tuple[int, float]:
        return self.min_letters, self.min_confidence

    def _asked(self, prompt: Prompt, text: str) -> tuple[str, ...]:
        """The language of the prompt's last message, if it is clear, and that of a response, if the
        message names it."""
        if (found := detect(text, self.min_letters)) is None or found[1] < self.min_confidence:
            return ()
        asked = prompt.messages[-1].content
        own = detect(prose(asked), max(self.min_letters, 100))
        # Nobody said what the prompt is in: more must be sure, and English is the likelier.
        if own is None or own[1] < max(self.min_confidence, 0.95):
            return ()
        language = LANGUAGES[found[0]]
        names = (language.name, language.own)
        named = any(re.search(rf"(?i)\b{re.escape(name)}", asked) for name in names)
        return (own[0], found[0]) if named else own[:1]


def _given(name: str | None) -> tuple[str, ...]:
    try:
        return (language_of(name).code,) if name else ()
    except ConfigError:
        return ()


def _evidence(place: str, found: tuple[str, float], wanted: tuple[str, ...]) -> str:
    names = " or ".join(LANGUAGES[code].name for code in wanted)
    which = "the prompt is " if place == "prompt" else ""
    return f"{which}{LANGUAGES[found[0]].name} ({found[1]:.2f}), wanted {names}"
