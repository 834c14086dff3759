"""Few-shot examples: turns that a model is shown before each prompt, and that are in no row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from gristmill.errors import ConfigError, DataError
from gristmill.intake.cells import Refused, Row, Unusable
from gristmill.intake.record import CONVERSATION, Record
from gristmill.intake.source import Source
from gristmill.intake.turns import Turns
from gristmill.parts import build
from gristmill.records import prompt_id

Example = Source | Row
"""One entry of `examples`: rows of a file, or one row as a file would have it."""


def open_example(entry: Any, where: str) -> Example:
    """An entry of `examples`, checked as far as no file is opened. Raises ConfigError."""
    if isinstance(entry, Source):
        return entry
    if not isinstance(entry, dict):
        raise ConfigError(
            f"{where}: write {{prompt: ..., response: ...}}, {{messages: [...]}} or {{file: ...}} "
            f"(got {entry!r:.60})"
        )
    if "file" in entry:
        return build(Source, entry, where)
    try:
        _turns(_record(entry, where))
    except Unusable as error:
        shape = "write {prompt: ..., response: ...} or {messages: [...]}"
        raise ConfigError(f"{where}: {error.detail}; {shape}") from None
    except DataError as error:
        raise ConfigError(str(error)) from None
    return entry


def read_examples(examples: Sequence[Example], where: str) -> list[Turns]:
    """The conversations that examples are, in order.

    where: their key in the config. Raises DataError at the first row that is none: of a few rows
    none is left out in silence.
    """
    found: list[Turns] = []
    for number, entry in enumerate(examples):
        key = f"{where}[{number}]"
        try:
            turns = [_turns(record) for record in _records(entry, key)]
        except DataError as error:
            raise DataError(f"{key}: {error}") from None
        if not turns:
            raise DataError(f"{key}: there is no row in it; write one example a line")
        found += turns
    return found


def questions(examples: Iterable[Turns]) -> frozenset[str]:
    """What is asked in examples, each as its `prompt_id`."""
    return frozenset(
        prompt_id(turns[:place])
        for turns in examples
        for place, turn in enumerate(turns)
        if turn.role == "assistant"
    )


def _records(entry: Example, where: str) -> Iterator[Record | Refused]:
    if isinstance(entry, Source):
        return entry.records(CONVERSATION)
    return iter([_record(entry, where)])


def _record(row: Row, where: str) -> Record:
    # As a row of a file is read; the file itself is never opened.
    return Source(file="-").record(row, where, (CONVERSATION,))


def _turns(record: Record | Refused) -> Turns:
    if isinstance(record, Refused):
        raise DataError(str(record))
    turns = record.content.turns
    if turns[0].role == "system":
        raise DataError(
            f"{record.where}: an example has a system message; put it into `system`, or leave it "
            "out"
        )
    return turns
