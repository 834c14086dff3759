"""Files of texts that responses are compared with: corpora, benchmarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import field_validator

from gristmill.errors import DataError
from gristmill.filters.base import Filter
from gristmill.intake.builtin import PREFIX
from gristmill.intake.files import BadLine, located, read_rows

ASKED = (
    "prompt", "question", "problem", "instruction", "query", "turns", "messages",
    "conversations", "text", "input", "content",
)  # fmt: skip
"""Columns that hold what is asked, likeliest first."""
ANSWERED = (
    "response", "completion", "output", "answer", "messages", "conversations", "text", "content",
)  # fmt: skip
"""Columns that hold an answer."""

_ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


class Against(Filter):
    """A filter that compares with files."""

    against: tuple[str, ...] = ()
    """JSONL, JSON, Parquet or CSV files, relative paths from the config's folder."""
    column: str | None = None
    """Which column of the files holds the text; by default the first of the usual names that a
    file has."""

    @field_validator("against", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    def located(self, folder: Path) -> Self:
        """The same filter with paths from a config's folder. Raises DataError where a file cannot
        be read, before anything is asked of a model."""
        paths = tuple(located(name, folder) for name in self.against)
        for path in paths:
            if next(read_rows(path, self.column), None) is None:
                raise DataError(f"{path}: the file is empty; write one row a line")
        return self.model_copy(update={"against": paths})

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """The files and what tells a changed one: a key for what was made from them."""
        found = []
        for name in self.against:
            path = Path(name)
            status = path.stat() if not name.startswith(PREFIX) and path.is_file() else None
            found.append((name, status.st_mtime_ns, status.st_size) if status else (name, 0, 0))
        return tuple(found)


def texts_in(path: str, column: str | None, role: str) -> Iterator[tuple[str, str]]:
    """`file:line` and text of each row; of a list of messages those of `role`, `user` or
    `assistant`. Raises DataError for a line that cannot be read or has no text."""
    usual = ASKED if role == "user" else ANSWERED
    for where, row, _ in read_rows(path, column):
        if isinstance(row, BadLine):
            raise DataError(f"{path}: {where}: {row.detail}")
        name = column if column is not None else next((n for n in usual if row.get(n)), None)
        text = _text(row.get(name), role) if name is not None else None
        if text is None:
            what = f"no text in '{column}'" if column else "none of the usual columns has a text"
            has = ", ".join(map(str, row))
            raise DataError(f"{path}: {where}: {what}; name one with 'column' (it has: {has})")
        more = row.get("input") if name == "instruction" else None
        yield where, f"{text}\n{more}" if isinstance(more, str) else text


def _text(value: Any, role: str) -> str | None:
    """The text in a cell: a string, a list of them, or a list of messages."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(turn, str) for turn in value):
        return "\n".join(value)
    found = []
    for turn in value:
        if not isinstance(turn, dict):
            return None
        said = turn.get("content", turn.get("value"))
        by = str(turn.get("role", turn.get("from")))
        if _ROLES.get(by, by) == role and isinstance(said, str):
            found.append(said)
    return "\n".join(found) if found else None
