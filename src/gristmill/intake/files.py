"""Rows of a user's file, or of a built-in source, one at a time, whatever is wrong with some."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import DataError
from gristmill.intake.builtin import PREFIX, TutorRows

KINDS = (".jsonl", ".ndjson", ".json", ".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be used. `where` is `file:line`, `reason` one of `input:<word>`."""

    where: str
    reason: str
    detail: str
    text: str


Found = tuple[str, dict[str, Any] | BadLine, str]
"""`file:line` (for a built-in source `tutor:4000:line`), the row or what is wrong, its text."""


def located(source: str, folder: Path) -> str:
    """A source named in a config, its relative path starting from the config's folder."""
    return source if source.startswith(PREFIX) else str(folder / source)


def check_files(sources: Sequence[str], column: str | None = None) -> None:
    """Raises DataError where a source is missing, unreadable, empty or of an unknown kind.

    column: as in `read_rows`.
    """
    for name in sources:
        if next(read_rows(name, column), None) is None:
            raise DataError(f"{name}: the file is empty; write one row a line")


def count_rows(source: str | Path) -> int | None:
    """How many rows there are, for a progress bar; None where counting would mean parsing."""
    if str(source).startswith(PREFIX):
        return TutorRows.parse(str(source)).count
    path = Path(source)
    kind = path.suffix.lower()
    if kind in (".csv", ".json"):
        return None
    if kind == ".parquet":
        return pq.read_metadata(path).num_rows
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def read_rows(source: str | Path, column: str | None = None) -> Iterator[Found]:
    """Every row of a JSONL, JSON, Parquet or CSV file, or of `tutor:4000` (see `builtin`).

    column: one that a CSV file must have, so that a file without it is one error, not one a row.
    Raises DataError where the source cannot be read.
    """
    if str(source).startswith(PREFIX):
        yield from _builtin_rows(str(source))
        return
    path = Path(source)
    _check_file(path)
    kind = path.suffix.lower()
    if kind == ".parquet":
        yield from _parquet_rows(path)
    elif kind == ".csv":
        yield from _csv_rows(path, column)
    elif kind == ".json" and _is_array(path):
        yield from _json_array(path)
    else:
        yield from _json_rows(path)


def _builtin_rows(name: str) -> Iterator[Found]:
    for number, row in enumerate(TutorRows.parse(name), 1):
        yield f"{name}:{number}", row, orjson.dumps(row).decode()


def _check_file(path: Path) -> None:
    if path.suffix.lower() not in KINDS:
        raise DataError(f"{path}: unknown kind of file; use one of {', '.join(KINDS)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from None


def _json_rows(path: Path) -> Iterator[Found]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            # A byte-order mark is what some editors and exports put first.
            line = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if not line:
                continue
            raw = line[:2000].decode("utf-8", "replace")
            where = f"{path.name}:{number}"
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield where, BadLine(where, "input:bad_json", str(error), raw), raw
                continue
            yield where, _object(row, where, raw), raw


def _json_array(path: Path) -> Iterator[Found]:
    """The elements of a file that is one array; line 3 is the third element."""
    try:
        rows = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}: not valid JSON: {error}") from None
    for number, row in enumerate(rows, 1):
        raw = orjson.dumps(row)[:2000].decode("utf-8", "replace")
        where = f"{path.name}:{number}"
        yield where, _object(row, where, raw), raw


def _is_array(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _object(row: Any, where: str, raw: str) -> dict[str, Any] | BadLine:
    if isinstance(row, dict):
        return row
    detail = f"expected an object, found {type(row).__name__}"
    return BadLine(where, "input:bad_json", detail, raw)


def _parquet_rows(path: Path) -> Iterator[Found]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for row in _to_microseconds(batch).to_pylist():
                    number += 1
                    where = f"{path.name}:{number}"
                    yield where, {k: v for k, v in row.items() if v is not None}, str(row)[:2000]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable Parquet file: {error}") from None


def _to_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Python's dates have no nanoseconds; those of a file lose them."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            kind = pa.timestamp("us", field.type.tz)
            batch = batch.set_column(place, field.name, batch.column(place).cast(kind, safe=False))
    return batch


def _csv_rows(path: Path, column: str | None) -> Iterator[Found]:
    # The module's own limit of 128 KiB a field is too small for a long document.
    csv.field_size_limit(1 << 30)
    # newline="" and the csv module: quoted fields may hold line ends.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        reader = csv.DictReader(lines)
        try:
            header = reader.fieldnames or []
            if not any(name.strip() for name in header):
                return
            if column is not None and column not in header:
                columns = ", ".join(header).encode("utf-8", "replace").decode()
                raise DataError(f"{path}: line 1: no column '{column}' (columns: {columns})")
            for row in reader:
                yield _csv_row(f"{path.name}:{reader.line_num}", row)
        except csv.Error as error:
            raise DataError(f"{path}: line {reader.line_num}: {error}") from None


def _csv_row(where: str, row: dict[Any, Any]) -> Found:
    named = {k: v for k, v in row.items() if k is not None and v not in (None, "")}
    raw = str(named)[:2000]
    try:
        "".join([*named, *named.values()]).encode()
    except UnicodeEncodeError:
        raw = raw.encode("utf-8", "replace").decode()
        detail = "not UTF-8; save the file as UTF-8"
        return where, BadLine(where, "input:bad_encoding", detail, raw), raw
    return where, named, raw
