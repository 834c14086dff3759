"""The kinds of arguments that several constraints have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""A word, or some in a row: not blank."""

Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1)]
"""One or more."""
