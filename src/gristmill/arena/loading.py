"""CSV, TSV, Parquet and Arrow files as Arrow's tables, or one line that says where they are not."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from gristmill.errors import DataError
from gristmill.intake.files import arrow_reader, delimiter_of, header_of, whole
from gristmill.intake.places import File, said
from gristmill.page.text import one_line

TEXTS, ARROWS = (".csv", ".tsv"), (".arrow", ".feather")
TABLES = (*TEXTS, ".parquet", *ARROWS)
LONGEST_LINE = 8 << 20
"""Bytes of one line. A longer one is no battle, but a file without line ends or a mistake."""
BLOCK = 1 << 20
"""Bytes of a CSV file that are parsed at once, as long as no row is longer."""
_NAME = pa.dictionary(pa.int32(), pa.string())
_UNREADABLE = (pa.ArrowException, OSError, EOFError, csv.Error, zlib.error)


def columns_of(file: File) -> list[str]:
    """The names of a table's columns. Raises DataError."""
    try:
        found = header_of(file)
    except _UNREADABLE as error:
        raise _unreadable(file, error) from None
    if not found:
        raise DataError(f"{file.place}: the file is empty; write a header and one battle a line")
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        raise DataError(f"{file.place}: line 1 is not UTF-8; save the file as UTF-8") from None
    return found


def load(file: File, columns: Sequence[str], plain: Sequence[str]) -> pa.Table:
    """Some columns of a table, all but the `plain` ones as names with a dictionary.

    Raises DataError.
    """
    columns = list(dict.fromkeys(columns))
    try:
        if file.kind in TEXTS:
            try:
                return _load_csv(file, columns, plain, BLOCK)
            except pa.ArrowInvalid as error:
                if "straddling" not in str(error):
                    raise
                check_lines(file)
                return _load_csv(file, columns, plain, LONGEST_LINE)
        with file.open() as opened:
            if file.kind in ARROWS:
                return arrow_reader(file, opened).read_all().select(columns)
            source = whole(file, opened)
            schema = pq.read_schema(source)
            flat = [c for c in columns if not pa.types.is_nested(schema.field(c).type)]
            names = [c for c in flat if c not in plain]
            # Not `read_table`: it takes the names of folders for columns, and loads pandas.
            with pq.ParquetFile(source, read_dictionary=names) as parquet:
                return parquet.read(columns=columns)
    except _UNREADABLE as error:
        raise _unreadable(file, error) from None


def _load_csv(file: File, columns: list[str], plain: Sequence[str], block: int) -> pa.Table:
    with file.open() as opened:
        return pv.read_csv(
            opened,
            # With threads it is no faster, and holds several blocks at once.
            read_options=pv.ReadOptions(block_size=block, use_threads=False),
            parse_options=pv.ParseOptions(delimiter=delimiter_of(file), newlines_in_values=True),
            convert_options=pv.ConvertOptions(
                include_columns=columns,
                column_types={c: pa.string() if c in plain else _NAME for c in columns},
                strings_can_be_null=False,
            ),
        )


@contextmanager
def given_back() -> Iterator[None]:
    """Arrow's own allocators keep what was freed, which here is most of what was used."""
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)


def check_lines(file: File) -> None:
    """Raises DataError where a line is longer than `LONGEST_LINE`. A JSON array may be one line."""
    number = size = 0
    try:
        with file.open() as opened:
            block = opened.read(BLOCK)
            start = block[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
            if file.kind == ".json" and start.startswith(b"["):
                return
            while block:
                ends = block.count(b"\n")
                size += block.find(b"\n") if ends else len(block)
                if size > LONGEST_LINE:
                    raise DataError(
                        f"{file.place}: line {number + 1} is longer than {LONGEST_LINE >> 20} MB; "
                        "write one battle a line"
                    )
                if ends:
                    number += ends
                    size = len(block) - block.rfind(b"\n") - 1
                block = opened.read(BLOCK)
    except _UNREADABLE as error:
        raise _unreadable(file, error, looked=True) from None


def _unreadable(file: File, error: Exception, *, looked: bool = False) -> DataError:
    """What to say of a file that cannot be parsed: the line, where it can be found."""
    if file.kind in TEXTS and not looked and isinstance(error, pa.ArrowException | csv.Error):
        check_lines(file)
        with file.open() as opened:
            for number, line in enumerate(opened, 1) if "UTF8" in str(error) else ():
                try:
                    line.decode()
                except UnicodeDecodeError as bad:
                    shown = f"line {number} is not UTF-8 ({line[bad.start : bad.end + 8]!r})"
                    return DataError(f"{file.place}: {shown}; save the file as UTF-8")
    return DataError(f"{file.place}: cannot read it: {one_line(said(error), 200)}")
