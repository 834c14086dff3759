"""Responses that are too short or too long."""

from __future__ import annotations

from pydantic import Field, model_validator

from gristmill.filters._texts import response_of
from gristmill.filters.base import Filter
from gristmill.records import Drop, Prompt, Sample
from gristmill.similarity.words import words


class Length(Filter):
    """Drops a response by its length. Reason: `length:short` or `length:long`.

    A word is a run of letters and digits, in any script; in scripts without spaces between words
    (Chinese, Japanese, Thai, ...) each letter is one.
    """

    min_words: int | None = Field(default=None, ge=1)
    """Fewest words that are kept."""
    max_words: int | None = Field(default=None, ge=1)
    """Most words that are kept."""
    min_characters: int | None = Field(default=None, ge=1)
    """Fewest characters that are kept, white space at the ends aside."""
    max_characters: int | None = Field(default=None, ge=1)
    """Most characters that are kept, white space at the ends aside."""

    @model_validator(mode="after")
    def _some_bound(self) -> Length:
        if not self._bounds("words") + self._bounds("characters"):
            raise ValueError("name at least one of min_words, max_words, min_characters, "
                             "max_characters")  # fmt: skip
        for unit in ("words", "characters"):
            low, high = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if low is not None and high is not None and low > high:
                raise ValueError(f"min_{unit} {low} is above max_{unit} {high}: nothing could pass")
        return self

    def _bounds(self, unit: str) -> list[int]:
        both = (getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}"))
        return [bound for bound in both if bound is not None]

    def reason(self, prompt: Prompt, sample: Sample) -> str | Drop:
        text = response_of(sample).strip()
        if not text:
            return ""  # it calls tools, and says nothing
        for unit in ("words", "characters"):
            if not self._bounds(unit):
                continue
            count = len(words(text)) if unit == "words" else len(text)
            low, high = getattr(self, f"min_{unit}"), getattr(self, f"max_{unit}")
            if low is not None and count < low:
                return Drop("length:short", f"{count:,} {unit}, fewest {low:,}")
            if high is not None and count > high:
                return Drop("length:long", f"{count:,} {unit}, most {high:,}")
        return ""
