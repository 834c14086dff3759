"""A run's data sets as JSON lines: the rows of the Parquet files, key for key.

What is JSON in a cell there (`tools`, a call's arguments) is JSON here, too, and no text of it: a
chat template writes such a text in quotes, and a model would learn these. A message has the fields
alone that it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from gristmill.errors import DataError, InputError, StorageError
from gristmill.report.folder import Table, open_run
from gristmill.storage import write_atomically

BATCH = 1024
"""Rows in memory at once."""


def write_jsonl(folder: Path, out: Path | None = None) -> dict[str, int]:
    """Write `sft.jsonl`, `preference.jsonl`, ... of a run's folder: each data set that is there,
    one in parts too, is one file, whole or not at all. Returns the rows of each.

    out: a folder; by default the run's own `data/`, where the next run that decides removes them.
    Raises DataError where there is no finished run, InputError, StorageError.
    """
    run = open_run(folder)
    place = folder / "data" if out is None else out
    if place.suffix in (".jsonl", ".parquet"):
        raise InputError(f"{place}: name a folder with --out: each data set is a file in it")
    if not run.tables:
        raise DataError(f"{folder}: has no data sets; name the --out folder of a run")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{place}: cannot write: {error.strerror}") from None
    for name, table in run.tables.items():
        write_atomically(place / f"{name}.jsonl", _lines(table))
    return {name: table.rows for name, table in run.tables.items()}


def _lines(table: Table) -> Iterator[bytes]:
    for batch in table.batches(None, BATCH):
        yield b"".join(orjson.dumps(_opened(row)) + b"\n" for row in batch.to_pylist())


def _opened(row: dict[str, Any]) -> dict[str, Any]:
    for name in ("messages", "prompt", "chosen", "rejected"):
        if isinstance(said := row.get(name), list):
            row[name] = [_message(message) for message in said]
    if row.get("tools"):
        row["tools"] = orjson.loads(row["tools"])
    return row


def _message(message: dict[str, Any]) -> dict[str, Any]:
    for call in message.get("tool_calls") or ():
        call["function"]["arguments"] = orjson.loads(call["function"]["arguments"])
        if call["id"] is None:
            del call["id"]
    return {name: value for name, value in message.items() if value is not None}
