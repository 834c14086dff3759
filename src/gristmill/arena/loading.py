"""CSV and Parquet files as Arrow's tables, or one line that says where they are not."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from gristmill.errors import DataError
from gristmill.page.text import one_line

LONGEST_LINE = 8 << 20
"""Bytes of one line. A longer one is no battle, but a file without line ends or a mistake."""
BLOCK = 1 << 20
"""Bytes of a CSV file that are parsed at once, as long as no row is longer."""
_NAME = pa.dictionary(pa.int32(), pa.string())


def columns_of(path: Path) -> list[str]:
    """The names of the columns. Raises DataError."""
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_schema(path).names
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            found = next((row for row in csv.reader(file) if row), [])
    except (pa.ArrowException, OSError, csv.Error) as error:
        raise _unreadable(path, error) from None
    if not found:
        raise DataError(f"{path}: the file is empty; write a header and one battle a line")
    try:
        "".join(found).encode()
    except UnicodeEncodeError:
        raise DataError(f"{path}: line 1 is not UTF-8; save the file as UTF-8") from None
    return found


def load(path: Path, columns: list[str], plain: Sequence[str]) -> pa.Table:
    """Some columns of a file, all but the `plain` ones as names with a dictionary.

    Raises DataError.
    """
    columns = list(dict.fromkeys(columns))
    try:
        if path.suffix.lower() == ".parquet":
            schema = pq.read_schema(path)
            flat = [c for c in columns if not pa.types.is_nested(schema.field(c).type)]
            names = [c for c in flat if c not in plain]
            # Not `read_table`: it takes the names of folders for columns, and loads pandas.
            with pq.ParquetFile(path, read_dictionary=names) as file:
                return file.read(columns=columns)
        try:
            return _load_csv(path, columns, plain, BLOCK)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
            check_lines(path)
            return _load_csv(path, columns, plain, LONGEST_LINE)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _load_csv(path: Path, columns: list[str], plain: Sequence[str], block: int) -> pa.Table:
    return pv.read_csv(
        path,
        # With threads it is no faster, and holds several blocks at once.
        read_options=pv.ReadOptions(block_size=block, use_threads=False),
        parse_options=pv.ParseOptions(newlines_in_values=True),
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


def check_lines(path: Path) -> None:
    """Raises DataError where a line is longer than `LONGEST_LINE`. A JSON array may be one line."""
    number = size = 0
    try:
        with path.open("rb") as file:
            start = file.peek(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            if path.suffix.lower() == ".json" and start.startswith(b"["):
                return
            while block := file.read(1 << 20):
                ends = block.count(b"\n")
                size += block.find(b"\n") if ends else len(block)
                if size > LONGEST_LINE:
                    raise DataError(
                        f"{path}: line {number + 1} is longer than {LONGEST_LINE >> 20} MB; write "
                        "one battle a line"
                    )
                if ends:
                    number += ends
                    size = len(block) - block.rfind(b"\n") - 1
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from None


def _unreadable(path: Path, error: Exception) -> DataError:
    """What to say of a file that cannot be parsed: the line, where it can be found."""
    if path.suffix.lower() == ".csv" and not isinstance(error, OSError):
        check_lines(path)
        with path.open("rb") as file:
            for number, line in enumerate(file, 1) if "UTF8" in str(error) else ():
                try:
                    line.decode()
                except UnicodeDecodeError as bad:
                    said = f"line {number} is not UTF-8 ({line[bad.start : bad.end + 8]!r})"
                    return DataError(f"{path}: {said}; save the file as UTF-8")
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return DataError(f"{path}: cannot read it: {one_line(said, 200)}")
