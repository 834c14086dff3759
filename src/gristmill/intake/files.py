"""Rows of a user's file, or of a built-in source, one at a time, whatever is wrong with some."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from gristmill.errors import DataError
from gristmill.foreign import read_json
from gristmill.intake.builtin import PREFIX, TutorRows
from gristmill.intake.cells import Refused, Row, Unusable, refused
from gristmill.intake.hub import read_hub
from gristmill.intake.places import File, files_of, on_hub, said

Found = tuple[str, Row | Refused, bytes | Row]
"""`file:line` (for a built-in source `tutor:4000:line`), the row or what is wrong, and what it was
read from: a line, or a table's row.

A row has what the file gives it: what is null is not there, in JSON as in a table."""


def check_files(sources: Sequence[str | Path]) -> None:
    """Raises DataError where a source is missing, unreadable, empty or of an unknown kind."""
    for name in sources:
        if next(read_rows(name), None) is None:
            raise DataError(f"{name}: the file is empty; write one row a line")


def count_rows(source: str | Path) -> int | None:
    """How many rows there are, for a progress bar; None where counting would mean parsing."""
    name = str(source)
    if name.startswith(PREFIX):
        return TutorRows.parse(name).count
    if on_hub(name):
        return None
    counts = [_count(file) for file in files_of(name)]
    return None if None in counts else sum(c for c in counts if c is not None)


def read_rows(
    source: str | Path, *, split: str | None = None, splits: Sequence[str] = ()
) -> Iterator[Found]:
    """Every row behind a name (see `places`, `builtin` and `hub`), file after file.

    split: of an `hf:` data set. splits: see `places.files_of`.
    Raises DataError where the source cannot be read, MissingExtra where a library is absent.
    """
    name = str(source)
    if name.startswith(PREFIX):
        for number, row in enumerate(TutorRows.parse(name), 1):
            yield f"{name}:{number}", row, row
    elif on_hub(name):
        for where, row in read_hub(name, split):
            yield where, _given(row), row
    else:
        for file in files_of(name, splits):
            yield from rows_of(file)


def rows_of(file: File) -> Iterator[Found]:
    """Every row of one file. Raises DataError where it cannot be read."""
    try:
        if file.kind == ".parquet":
            yield from _parquet_rows(file)
        elif file.kind in (".arrow", ".feather"):
            yield from _table_rows(file, _arrow_batches(file))
        elif file.kind in (".csv", ".tsv"):
            yield from _csv_rows(file)
        else:
            yield from _json_rows(file)
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        kind = file.kind.removeprefix(".").capitalize()
        raise DataError(f"{file.place}: not a readable {kind} file: {said(error)}") from None


def header_of(file: File) -> list[str] | None:
    """The columns of a table, which all its rows have; None for a file of JSON."""
    if file.kind in (".csv", ".tsv"):
        with _text(file) as text:
            lines, sign = _parted(file, text)
            return next((row for row in csv.reader(lines, delimiter=sign) if row), [])
    if file.kind in (".arrow", ".feather"):
        with file.open() as opened:
            return arrow_reader(file, opened).schema.names
    if file.kind == ".parquet":
        with file.open() as opened:
            return pq.read_schema(whole(file, opened)).names
    return None


def _count(file: File) -> int | None:
    if file.kind == ".parquet":
        with file.open() as opened:
            return pq.read_metadata(whole(file, opened)).num_rows
    if file.kind not in (".jsonl", ".ndjson"):
        return None
    with file.open() as opened:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: opened.read(1 << 20), b""))


def _json_rows(file: File) -> Iterator[Found]:
    with file.open() as lines:
        if file.kind == ".json":
            start = lines.read(4096)
            if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"[":
                yield from _json_array(file, start + lines.read())
                return
        else:
            start = b""
    with file.open() as lines:
        for number, line in enumerate(lines, 1):
            # A byte-order mark is what some editors and exports put first.
            line = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if not line:
                continue
            where = f"{file.name}:{number}"
            try:
                row = read_json(line)
            except orjson.JSONDecodeError as error:
                yield where, refused(where, Unusable("bad_json", str(error)), line), line
                continue
            yield where, _object(row, where, line), line


def _json_array(file: File, data: bytes) -> Iterator[Found]:
    """The elements of a file that is one array; line 3 is the third element."""
    try:
        rows = read_json(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{file.place}: not valid JSON: {error}") from None
    for number, row in enumerate(rows, 1):
        where = f"{file.name}:{number}"
        read = row if isinstance(row, dict) else orjson.dumps(row)
        yield where, _object(row, where, read), read


def _object(row: Any, where: str, read: bytes | Row) -> Row | Refused:
    if isinstance(row, dict):
        return _given(row)
    error = Unusable("bad_json", f"expected an object, found {type(row).__name__}")
    return refused(where, error, read)


def _given(row: Row) -> Row:
    return {k: v for k, v in row.items() if v is not None} if None in row.values() else row


def _parquet_rows(file: File) -> Iterator[Found]:
    with file.open() as opened, pq.ParquetFile(whole(file, opened)) as table:
        yield from _table_rows(file, table.iter_batches(batch_size=1024))


def whole(file: File, opened: BinaryIO) -> Any:
    """What Arrow can jump about in: a file's own bytes, or a packed one's, unpacked."""
    return pa.BufferReader(opened.read()) if file.packed else opened


def arrow_reader(
    file: File, opened: BinaryIO
) -> ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader:
    """Of a file, or of a stream as the library `datasets` keeps it."""
    source = whole(file, opened)
    try:
        return ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
        return ipc.open_stream(source)


def _arrow_batches(file: File) -> Iterator[pa.RecordBatch]:
    with file.open() as opened:
        reader = arrow_reader(file, opened)
        if isinstance(reader, ipc.RecordBatchFileReader):
            yield from map(reader.get_batch, range(reader.num_record_batches))
        else:
            yield from reader


def _table_rows(file: File, batches: Iterator[pa.RecordBatch]) -> Iterator[Found]:
    number = 0
    try:
        for batch in batches:
            for row in _to_microseconds(batch).to_pylist():
                number += 1
                yield f"{file.name}:{number}", _given(row), row
    except UnicodeDecodeError as error:
        raise DataError(f"{file.place}: row {number + 1}: not UTF-8: {error}") from None


def _to_microseconds(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Python's dates have no nanoseconds; those of a file lose them."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            kind = pa.timestamp("us", field.type.tz)
            batch = batch.set_column(place, field.name, batch.column(place).cast(kind, safe=False))
    return batch


def _text(file: File) -> TextIOWrapper:
    # newline="" and the csv module: quoted fields may hold line ends.
    return TextIOWrapper(file.open(), encoding="utf-8-sig", errors="surrogateescape", newline="")


def delimiter_of(file: File) -> str:
    """What parts the columns of a table of texts: in a .csv without a comma in its first line a
    semicolon or a tab that stands there, as spreadsheets write it where the comma is the decimal
    sign."""
    with _text(file) as text:
        return _parted(file, text)[1]


def _parted(file: File, text: TextIOWrapper) -> tuple[Iterator[str], str]:
    """The lines, and what parts their columns."""
    first = next(text, "")
    signs = "\t" if file.kind == ".tsv" else ",;\t"
    return chain([first] if first else [], text), next((s for s in signs if s in first), signs[0])


def _csv_rows(file: File) -> Iterator[Found]:
    # The module's own limit of 128 KiB a field is too small for a long document.
    csv.field_size_limit(1 << 30)
    with _text(file) as text:
        lines, sign = _parted(file, text)
        reader = csv.DictReader(lines, delimiter=sign)
        try:
            if not any(name.strip() for name in reader.fieldnames or []):
                return
            for row in reader:
                yield _csv_row(f"{file.name}:{reader.line_num}", row)
        except csv.Error as error:
            raise DataError(f"{file.place}: line {reader.line_num}: {error}") from None


def _csv_row(where: str, row: dict[Any, Any]) -> Found:
    named = {k: v for k, v in row.items() if k is not None and v not in (None, "")}
    try:
        "".join([*named, *named.values()]).encode()
    except UnicodeEncodeError:
        error = Unusable("bad_encoding", "not UTF-8; save the file as UTF-8")
        return where, refused(where, error, named), named
    return where, named, named
