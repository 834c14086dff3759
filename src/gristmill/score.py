"""Grade conversations that are already there: `gristmill score`."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.backends import loop
from gristmill.backends.base import Backend
from gristmill.errors import BackendError, DataError, RunError, StorageError
from gristmill.intake.cells import Refused, Unusable
from gristmill.intake.record import CONVERSATION
from gristmill.intake.source import Source
from gristmill.judges.reward import Reward
from gristmill.mill.parquet import close_parquet
from gristmill.records import ATTRIBUTES, Message, Prompt, Response

READ_AHEAD = 4
"""Rows under way for each request in flight: enough that a slow one does not hold the rest."""

COLUMNS = (*ATTRIBUTES, "reward", "error")
TYPES = {name: pa.float64() for name in COLUMNS} | {"error": pa.string()}


@dataclass(frozen=True)
class Scored:
    """Of a scored file: rows written, and how many of them have an `error` instead of a score."""

    rows: int
    failed: int
    bad_input: int


Row = tuple[dict[str, Any], tuple[Message, ...] | Refused]


def score_file(
    source: Path, judge: Reward, out: Path, watch: Callable[[int, int], None] | None = None
) -> Scored:
    """Write `out` (JSONL or Parquet): each row of `source` in order with its scores.

    source: JSONL, Parquet or CSV with `messages` ending in the assistant's turn, or `prompt` and
    `response`. Every row of it is in `out`: with the five attributes and `reward`, or with
    `error` saying why it has none. Columns of these names that it had before (people's labels,
    say) go on as `given_helpfulness` and so on.
    watch: called with rows done and rows failed.
    Raises DataError, StorageError, BackendFatal, or RunError if no row could be scored.
    """
    Source(file=str(source)).check(CONVERSATION)
    if out.suffix.lower() not in (".jsonl", ".parquet"):
        raise DataError(f"{out}: name the output .jsonl or .parquet")
    if out.exists() and out.resolve() == source.resolve():
        raise DataError(f"{out}: is the input itself; name another file with --out")
    fresh = out.with_name(out.name + ".new")
    try:
        with _Writer(fresh) as write:
            done = loop.run(_score(source, judge, write, watch or (lambda *_: None)))
        fresh.replace(out)
    except OSError as error:
        # pyarrow's own text wraps the system's.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StorageError(f"{out}: cannot write: {reason}") from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
    if done.bad_input == done.rows:
        raise DataError(f"{source}: no row is a conversation; the column 'error' of {out} says why")
    if done.failed == done.rows:
        raise RunError(f"no row could be scored; the column 'error' of {out} says why")
    return done


def _conversations(source: Source) -> Iterator[Row]:
    """Each row with its conversation, which ends in the assistant's turn, or what is wrong."""
    for where, row, raw in source.rows():
        if isinstance(row, Refused):
            yield {"line": raw}, row
            continue
        try:
            yield row, source.record(row, where, (CONVERSATION,)).content.turns
        except Unusable as error:
            yield row, Refused(where, error.reason, error.detail, raw)


async def _score(
    source: Path,
    judge: Reward,
    write: Callable[[dict[str, Any]], None],
    watch: Callable[[int, int], None],
) -> Scored:
    rows = failed = bad = 0
    pending: deque[asyncio.Task[dict[str, Any]]] = deque()

    async with judge.open() as backend:
        ahead = READ_AHEAD * judge.concurrency
        conversations: Iterator[Row] = _conversations(Source(file=str(source)))
        more = True
        try:
            while more or pending:
                while more and len(pending) < ahead:
                    row = next(conversations, None)
                    more = row is not None
                    if row is not None:
                        bad += isinstance(row[1], Refused)
                        pending.append(asyncio.create_task(_score_row(judge, backend, row)))
                if pending:
                    result = await pending[0]
                    pending.popleft()
                    rows += 1
                    failed += result["error"] is not None
                    write(result)
                    watch(rows, failed)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
    return Scored(rows, failed, bad)


async def _score_row(judge: Reward, backend: Backend, row: Row) -> dict[str, Any]:
    given, messages = row
    values = {f"given_{k}" if k in COLUMNS else k: v for k, v in given.items()}
    scores: dict[str, Any] = dict.fromkeys(COLUMNS)
    if isinstance(messages, Refused):
        return {**values, **scores, "error": f"{messages.reason}: {messages.detail}"}
    prompt = Prompt("", messages[:-1])
    try:
        verdict = await judge.judge(backend, prompt, Response(messages[-1].content, ""))
    except BackendError as error:
        return {**values, **scores, "error": f"{error.kind}: {error}"}
    if verdict.attributes is not None:
        scores.update(zip(ATTRIBUTES, verdict.attributes, strict=True))
    return {**values, **scores, "reward": verdict.reward}


class _Writer:
    """Gives a function that writes one row; the file is whole when the block ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Callable[[dict[str, Any]], None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.name.endswith(".parquet.new"):
            return self._rows.append
        self._file = self._path.open("wb")
        return lambda row: (self._file.write(orjson.dumps(row, default=str) + b"\n"), None)[1]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if hasattr(self, "_file"):
            self._file.close()
        elif kind is None:
            # Columns differ between users' files, so that the schema is known only at the end.
            table = _table(self._rows)
            file = pq.ParquetWriter(self._path, table.schema, compression="zstd")
            with ExitStack() as stack:
                stack.callback(close_parquet, file)
                file.write_table(table)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """All columns that any row has; one whose values have no common type becomes JSON text."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {}
    for name in (*(n for n in names if n not in COLUMNS), *COLUMNS):
        values = [row.get(name) for row in rows]
        try:
            columns[name] = pa.array(values, TYPES.get(name))
        except (pa.ArrowException, OverflowError):
            columns[name] = pa.array([_json(v) for v in values], pa.string())
    return pa.table(columns)


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()
