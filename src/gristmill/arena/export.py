"""A leaderboard as a table for other programs."""

from __future__ import annotations

import csv
import io
from typing import Any

COLUMNS = ("rank", "model", "rating", "lower", "upper", "se", "battles", "group", "note")


def as_csv(found: dict[str, Any]) -> bytes:
    """The ratings, a row each, best first; what is not finite is empty.

    A model's name that a spreadsheet would take for a formula has an apostrophe in front, and a
    carriage return in one is a line feed: unlike that, it would end a row.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in found["ratings"]:
        writer.writerow(_safe(row[column]) for column in COLUMNS)
    return text.getvalue().encode("utf-8", "replace")


def _safe(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{value}" if value.startswith(tuple("=+-@\t\n")) else value
