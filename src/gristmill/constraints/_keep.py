"""A constraint as the JSON that `Prompt.constraints` holds, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gristmill.constraints.base import Constraint
from gristmill.errors import ConfigError, DataError
from gristmill.foreign import read_json
from gristmill.parts import name_of, open_part

ROOM = "gristmill.constraints"


@dataclass(frozen=True, slots=True)
class Demand:
    """A constraint in a conversation.

    since: the user's turn, from 1, which asked that all answers from there on keep to it; None
    where it is asked of the last answer alone.
    """

    constraint: Constraint
    since: int | None = None


def as_json(constraint: Constraint, since: int | None = None) -> str:
    """One line: `{"paragraphs":{"count":3}}`, with `"since":1` where it has held from there on.

    Defaults are left out, so that equal constraints are equal lines.
    """
    entry: dict[str, Any] = {
        name_of(constraint): constraint.model_dump(mode="json", exclude_defaults=True)
    }
    if since is not None:
        entry["since"] = since
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=1024)
def from_json(text: str) -> Demand:
    """The constraint of one such line. Raises DataError that names what is wrong in it."""
    where = f"constraint {text:.80}"
    try:
        entry = read_json(text)
    except ValueError as error:
        raise DataError(f"{where}: not JSON: {error}") from None
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, dict):
        raise DataError(f"{where}: write {{name: {{arguments}}}}, found {type(entry).__name__}")
    since = entry.pop("since", None)
    if since is not None and (type(since) is not int or since < 1):
        raise DataError(f"{where}: since: write the number of a user's turn, from 1 ({since!r})")
    if len(entry) != 1 or ":" in next(iter(entry)):
        # A name with a colon would import a module that a line of data names.
        raise DataError(f"{where}: write one constraint of gristmill's as {{name: {{arguments}}}}")
    try:
        return Demand(open_part(ROOM, entry, "constraints"), since)
    except ConfigError as error:
        raise DataError(f"{where}: {error}") from None
