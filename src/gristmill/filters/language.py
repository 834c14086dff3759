"""In what language a response is, by lingua."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, field_validator

from gristmill.errors import ConfigError, MissingExtra
from gristmill.filters._texts import prose, texts_of
from gristmill.filters.base import Filter
from gristmill.languages import LANGUAGES, language_of
from gristmill.records import Drop, Prompt, Sample

SAMPLE = 750
"""Characters of a text that are looked at: from its beginning, middle and end."""

_ALIKE = ({"bs", "hr"}, {"id", "ms"}, {"nb", "nn"})
"""Languages that lingua confuses in more than a tenth of sentences: one is as good as the other."""

_NOISE = re.compile(r"https?://\S+|www\.\S+|[^\s@]{1,64}@\S+|<[^<>]{1,200}>|\$\$?[^$]{1,500}\$\$?|[\d_*#|]+")
_DENSE = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3041-\u9fff\uac00-\ud7af]")
"""Scripts of which few letters tell as much as a sentence of Latin ones."""


class Language(Filter):
    """Drops what is in another language than was wanted. Reason: `language:<found code>`.

    Wanted is `expect`, else the prompt's own `language`, else the language that the prompt is
    written in, or one that it names in English or by its own name ("Translate into French"). Code,
    addresses, numbers, tags and formulas are not looked at, and of long texts three parts are.
    What is too short to tell, or in a language that lingua does not know, is kept. The models take
    about 100 MB.
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

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        wanted = self.expect or _given(prompt.language)
        for place, text in texts_of(self.of, prompt, sample):
            if place == "prompt" and not wanted:
                continue
            if not (found := self._sure_of(text)):
                continue
            expected = wanted or self._asked(prompt, found[0])
            if expected and not _fits(found[0], expected):
                return Drop(f"language:{found[0]}", _evidence(place, found, expected))
        return ""

    def _sure_of(self, text: str) -> tuple[str, float] | None:
        found = detect(text, self.min_letters)
        return found if found and found[1] >= self.min_confidence else None

    def _asked(self, prompt: Prompt, found: str) -> tuple[str, ...]:
        """The language of the prompt's last message, if it is clear, and `found` if it names
        that."""
        asked = prompt.messages[-1].content
        own = detect(asked, max(self.min_letters, 100))
        # Nobody said what the prompt is in: more must be sure, and English is the likelier.
        if own is None or own[1] < max(self.min_confidence, 0.95):
            return ()
        language = LANGUAGES[found]
        names = (language.name, language.own)
        named = any(re.search(rf"(?i)\b{re.escape(name)}", asked) for name in names)
        return (own[0], found) if named else own[:1]


@lru_cache(maxsize=64)
def detect(text: str, min_letters: int = 1) -> tuple[str, float] | None:
    """The code of the language that a text is in, and how sure that is, 0 to 1; None where it has
    fewer letters, or none that any language has. Raises MissingExtra."""
    text = _part(_NOISE.sub(" ", prose(text))).encode("utf-8", "replace").decode()
    letters = sum(map(str.isalpha, text))
    if letters < min_letters and letters + 2 * len(_DENSE.findall(text)) < min_letters:
        return None
    found = _detector().compute_language_confidence_values(text)
    if not found or not found[0].value:
        return None
    return found[0].language.iso_code_639_1.name.lower(), found[0].value


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        from lingua import LanguageDetectorBuilder
    except ImportError:
        raise MissingExtra("telling languages apart", "curate") from None
    # From 200 letters on as often right as the other mode, which takes 1.2 GB and loads for 6 s.
    return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()


def _part(text: str) -> str:
    """Beginning, middle and end of a long text: an answer may begin in the right language only."""
    text = " ".join(text.split())
    if len(text) <= SAMPLE:
        return text
    size, middle = SAMPLE // 3, len(text) // 2
    return f"{text[:size]} {text[middle - size // 2 : middle + size // 2]} {text[-size:]}"


def _given(name: str | None) -> tuple[str, ...]:
    try:
        return (language_of(name).code,) if name else ()
    except ConfigError:
        return ()


def _fits(found: str, wanted: tuple[str, ...]) -> bool:
    if found in wanted or any({found, code} <= alike for code in wanted for alike in _ALIKE):
        return True
    # What lingua has no model of it takes for another language.
    return not all(known_to_lingua(code) for code in wanted)


@lru_cache(maxsize=256)
def known_to_lingua(code: str) -> bool:
    """Whether lingua can tell a language. Raises MissingExtra."""
    try:
        from lingua import Language as Known
    except ImportError:
        raise MissingExtra("telling languages apart", "curate") from None
    return any(known.iso_code_639_1.name.lower() == code for known in Known.all())


def _evidence(place: str, found: tuple[str, float], wanted: tuple[str, ...]) -> str:
    names = " or ".join(LANGUAGES[code].name for code in wanted)
    which = "the prompt is " if place == "prompt" else ""
    return f"{which}{LANGUAGES[found[0]].name} ({found[1]:.2f}), wanted {names}"
