"""Scripted models for comparisons, named as `scripted:compared:FUNCTION`, and rows for them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from gristmill.errors import BackendError

asked: Counter[str] = Counter()
"""How often each function was asked; tests clear it."""

broken: list[str] = []
"""Words; a request that holds one of them fails."""


def _check(name: str, messages: list[dict[str, Any]]) -> str:
    asked[name] += 1
    text = messages[-1]["content"]
    if any(word in text for word in broken):
        raise BackendError("timeout", "no reply in time")
    return text


def _number(text: str) -> float:
    return float("".join(c for c in text if c.isdigit()) or 0)


def up(messages: list[dict[str, Any]]) -> list[float]:
    """Five attributes that grow with the number in an answer."""
    value = _number(_check("up", messages)) / 10
    return [value, value, 1.0, value / 2, value]


def half(messages: list[dict[str, Any]]) -> list[float]:
    """As `up`, half a point higher, but a number of 5 counts as 0."""
    number = _number(_check("half", messages))
    value = 0.0 if number == 5 else number / 10
    return [value + 0.5, value + 0.5, 1.5, value / 2 + 0.5, value + 0.5]


def down(messages: list[dict[str, Any]]) -> float:
    """The other way round than all the others."""
    return -_number(_check("down", messages))


def scalar(messages: list[dict[str, Any]]) -> float:
    """One number, ten times what `up` goes by."""
    return _number(_check("scalar", messages))


def right(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """Says what N plus N is."""
    return f"The answer is {2 * int(_number(_check('right', messages)[:12]))}."


def often(messages: list[dict[str, Any]], index: int, seed: int) -> str:
    """As `right`, but wrong where N can be divided by 4."""
    number = int(_number(_check("often", messages)[:12]))
    return f"The answer is {2 * number + (number % 4 == 0)}."


def pairs(folder: Path, count: int = 20, **more: Any) -> Path:
    """A better answer with the number n + 1, a worse one with n, to each of `count` prompts."""
    rows = [
        {"prompt": f"Q{'x' * n}?", "chosen": f"say {n + 1}", "rejected": f"say {n}", **more}
        for n in range(count)
    ]
    return _written(folder / "pairs.jsonl", rows)


def sums(folder: Path, count: int = 20, **more: Any) -> Path:
    """Prompts of which the right answer is given."""
    rows = [{"prompt": f"Double {n}!", "answer": str(2 * n), **more} for n in range(1, count + 1)]
    return _written(folder / "sums.jsonl", rows)


def _written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
