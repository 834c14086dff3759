"""JSON that others wrote, which is never nested deeper than it can be handed on.

orjson reads 1,024 levels and writes 254, and Python's own stack ends between the two: what was read
without a word would end whoever walks through it, or writes it.
"""

from __future__ import annotations

from typing import Any

import orjson

DEEPEST = 100
"""Levels of lists and objects in each other; no message, tool or row has half as many."""


def read_json(text: bytes | str) -> Any:
    """As `orjson.loads`. Raises orjson.JSONDecodeError also where `is_too_deep`."""
    value = orjson.loads(text)
    brackets = (b"[", b"{") if isinstance(text, bytes) else ("[", "{")
    if sum(map(text.count, brackets)) > DEEPEST and is_too_deep(value):  # type: ignore[arg-type]
        raise orjson.JSONDecodeError(f"nested more than {DEEPEST} levels deep", "", 0)
    return value


def is_too_deep(value: Any) -> bool:
    """Whether a value of JSON is nested more than `DEEPEST` levels deep."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
