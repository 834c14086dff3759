"""Files of texts that responses are compared with: corpora, benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import field_validator, model_validator

from gristmill.errors import DataError
from gristmill.filters.base import Filter
from gristmill.intake.cells import Refused, Row, Unusable
from gristmill.intake.source import Source
from gristmill.intake.turns import messages_of
from gristmill.records import Drop, Prompt


class Against(Filter):
    """A filter that compares with files."""

    against: tuple[str, ...] = ()
    """Files in any form that is known (docs/data.md), relative paths from the config's folder."""
    column: str | None = None
    """Which column of the files holds the text; by default what a row of its form asks, or
    answers."""

    @field_validator("against", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _rows_have_two_columns(self) -> Self:
        if getattr(self, "of", "") == "row" and self.column is not None:
            raise ValueError("'column' is one text, and 'of: row' compares two; leave one out")
        return self

    def located(self, folder: Path) -> Self:
        """The same filter with paths from a config's folder. Raises DataError where a file cannot
        be read, before anything is asked of a model."""
        sources = [Source(file=name).located(folder) for name in self.against]
        for source in sources:
            source.check()
        return self.model_copy(update={"against": tuple(source.file for source in sources)})

    @property
    def compared_with(self) -> str:
        """What of their rows is looked at: `prompt`, `response` or `row`."""
        return "prompt"

    def check(self) -> None:
        super().check()
        for path in self.against:
            next(rows_in((path,), self.column, self.compared_with), None)

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """The files and what tells a changed one: a key for what was made from them."""
        found = []
        for name in self.against:
            path = Path(name)
            status = path.stat() if path.is_file() else None
            found.append((name, status.st_mtime_ns, status.st_size) if status else (name, 0, 0))
        return tuple(found)

    @cached_property
    def _last(self) -> dict[Prompt, str | Drop]:
        return {}

    def once(self, prompt: Prompt, look: Callable[[], str | Drop]) -> str | Drop:
        """What `look` says of a prompt, for all of its samples: they are no duplicates of it."""
        if prompt not in self._last:
            self._last.clear()
            self._last[prompt] = look()
        return self._last[prompt]


def rows_in(files: Iterable[str], column: str | None, of: str) -> Iterator[tuple[str, str]]:
    """`file:line` and text of each row of several files: what it asks for `prompt`, what its
    answers say for `response`, and both for `row`. Raises DataError as `texts_in`."""
    for path in files:
        if of == "row":
            asked, answered = texts_in(path, None, "user"), texts_in(path, None, "assistant")
            yield from ((w, f"{a}\n{b}") for (w, a), (_, b) in zip(asked, answered, strict=True))
        else:
            yield from texts_in(path, column, "user" if of == "prompt" else "assistant")


def texts_in(path: str, column: str | None, role: str) -> Iterator[tuple[str, str]]:
    """`file:line` and text of each row; of a list of messages those of `role`, `user` or
    `assistant`. Raises DataError for a line that cannot be read or has no text."""
    source = Source(file=path)
    for where, row, _ in source.rows():
        if isinstance(row, Refused):
            raise DataError(f"{path}: {where}: {row.detail}")
        what = f"no text in '{column}'" if column else "none of the usual columns has a text"
        try:
            text = _text(row.get(column), role) if column else _said(source, row, role)
        except Unusable as error:
            text, what = "", what if error.reason == "unknown_format" else error.detail
        if not text:
            has = ", ".join(map(str, row))
            raise DataError(f"{path}: {where}: {what}; name one with 'column' (it has: {has})")
        yield where, text


def _said(source: Source, row: Row, role: str) -> str:
    """What a row asks, or what its answers say; of a text without turns, itself."""
    content = source.form(row).read(row)
    if role == "user":
        turns = content.prompt
    else:
        turns = tuple(turn for answer in content.answers for turn in answer.turns)
    said = [turn.content for turn in turns if turn.role == role]
    return "\n".join(said) or content.text


def _text(value: Any, role: str) -> str:
    """The text in a cell: a string, a list of them, or a list of messages."""
    if isinstance(value, list) and value and not all(isinstance(turn, str) for turn in value):
        said = messages_of(value, "column")
        return "\n".join(turn.content for turn in said if turn.role == role)
    texts = value if isinstance(value, list) else [value]
    return "\n".join(text for text in texts if isinstance(text, str))
