"""What a cell of a user's row holds, and what is wrong with a row that cannot be used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

Row = dict[str, Any]

RAW = 2000
"""Characters of a row's text that are kept to show it."""


class Unusable(Exception):
    """A row that cannot be used. `reason` is one short word, `detail` says it in full."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is not used: `file:line`, one short word, the whole of it, and the row's text."""

    where: str
    reason: str
    detail: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}: {self.detail}"


def refused(where: str, error: Unusable, read: bytes | Row) -> Refused:
    """A row that cannot be used, with the beginning of what it was read from."""
    return Refused(where, error.reason, error.detail, _shown(read))


def _shown(read: bytes | Row) -> str:
    text = read[:RAW].decode("utf-8", "replace") if isinstance(read, bytes) else str(read)[:RAW]
    return text.encode("utf-8", "replace").decode()


def text_of(row: Mapping[str, Any], field: str, blank: str) -> str:
    """A field that has to be a text with something in it; `blank` is the reason if it is not."""
    if field not in row:
        raise Unusable("missing_field", f"no '{field}' (columns: {', '.join(row)})")
    text = row[field]
    if not isinstance(text, str) or not text.strip():
        raise Unusable(blank, f"'{field}' is empty or not a text")
    return text


def name_of(value: Any, field: str, reason: str = "bad_field") -> str | None:
    """A text, or a number as one; None where nothing is given. 8.0 is 8: a table's column of whole
    numbers holds them so where one is missing."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        kind = type(value).__name__
        raise Unusable(reason, f"'{field}' is {kind}, not a text or number")
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return str(value)


def number_of(value: Any, name: str, reason: str) -> float | None:
    """A finite number, given as one or as text (CSV has no other); None if it is not given."""
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Unusable(reason, f"'{name}' is {value!r:.40}, not a number")
    return number


def json_of(value: Any, name: str) -> str:
    """A value as JSON; raises Unusable for what JSON cannot hold, as a table may."""
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        raise Unusable("bad_field", f"'{name}' is not writable as JSON: {error}") from None


def switch_of(value: Any, name: str) -> bool:
    """Yes or no, given as true, 1, 1.0, "on" and their likes."""
    said = str(value).strip().casefold()
    if said in ("true", "1", "1.0", "yes", "on"):
        return True
    if said in ("false", "0", "0.0", "no", "off"):
        return False
    raise Unusable("bad_field", f"'{name}' is {value!r:.40}; give true or false, 1 or 0")
