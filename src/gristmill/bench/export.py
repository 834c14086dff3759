"""Rows of a built-in source into a file."""

from __future__ import annotations

from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import DataError, StorageError
from gristmill.intake.builtin import PREFIX, TutorRows
from gristmill.storage import write_atomically


def write_rows(source: str, out: Path) -> int:
    """Write `out` (.jsonl or .parquet); returns the number of rows. Raises DataError or
    StorageError."""
    if not source.startswith(PREFIX):
        raise DataError(f"{source}: not a built-in source; those begin with {PREFIX}")
    rows = list(TutorRows.parse(source))
    kind = out.suffix.lower()
    if kind not in (".jsonl", ".parquet"):
        raise DataError(f"{out}: name the output .jsonl or .parquet")
    if kind == ".jsonl":
        content = b"".join(orjson.dumps(row) + b"\n" for row in rows)
    else:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        content = sink.getvalue().to_pybytes()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out}: cannot write: {error.strerror}") from None
    write_atomically(out, content)
    return len(rows)
