"""The Parquet files of a run's data sets, written batch by batch."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq

from gristmill.mill.columns import Row, extras, schema_of, widened
from gristmill.mill.rows import Origin, table
from gristmill.storage import tables

BATCH_ROWS = 2048
"""Rows held before they are written as one row group."""

PART_ROWS, PART_BYTES = 1_000_000, 1 << 30
"""A data set that is longer, or larger on the disk, is cut into parts. What most people make stays
one file, and a part is still read by one process in seconds."""


def close_parquet(file: pq.ParquetWriter) -> None:
    """Close a file; where the disk refuses, so that pyarrow does not try and complain again."""
    try:
        file.close()
    finally:
        file.is_open = False


class Writers:
    """The named data sets, written beside those that are there, then put in their place."""

    def __init__(self, folder: Path, names: Sequence[str], origin: Origin) -> None:
        self._sets = {name: _DataSet(folder / f"{name}.parquet", origin) for name in names}

    @property
    def written(self) -> dict[str, int]:
        """Rows of each data set."""
        return {name: one.rows for name, one in self._sets.items()}

    def __enter__(self) -> Writers:
        for one in self._sets.values():
            one.begin()
        return self

    def add(self, name: str, row: Row) -> None:
        if (one := self._sets.get(name)) is not None:
            one.add(row)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            with ExitStack() as stack:
                for one in self._sets.values():
                    stack.callback(one.close)
                if kind is None:
                    for one in self._sets.values():
                        one.finish()
            if kind is None:
                for one in self._sets.values():
                    tables.publish(one.table, one.parts)
        finally:
            for one in self._sets.values():
                one.forget()


class _DataSet:
    """One data set, and the part of it that is being written.

    table: what it is called, `data/sft.parquet`. parts: the files so far, the last one open.
    """

    def __init__(self, table: Path, origin: Origin) -> None:
        self.table = table
        self.parts: list[Path] = []
        self.rows = 0
        self._origin = origin
        self._batch: list[Row] = []
        self._more: frozenset[str] = frozenset()
        self._before = 0
        """Rows in the parts that are done."""

    def begin(self) -> None:
        self._staging = tables.staging(self.table)
        self._next_part()

    def _next_part(self) -> None:
        path = self._staging / f"{len(self.parts):05}.parquet"
        self._file = self._opened(path)
        self.parts.append(path)

    def _opened(self, path: Path) -> pq.ParquetWriter:
        schema = schema_of(self.table.stem, self._more)
        return pq.ParquetWriter(path, schema, compression="zstd")

    def add(self, row: Row) -> None:
        self._batch.append(row)
        self.rows += 1
        if len(self._batch) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are held."""
        batch, name = self._batch, self.table.stem
        if not batch:
            return
        written = self.rows - len(batch) - self._before
        if written >= PART_ROWS or self.parts[-1].stat().st_size >= PART_BYTES:
            self.close()
            self._before += written
            self._next_part()
        made = (row.get("provenance") for row in batch)
        if more := (extras(name, batch) | self._origin.extras(made)) - self._more:
            # Columns that no row had before and one has now.
            self._more |= more
            self.close()
            self._widen(self.parts[-1])
        self._file.write_table(table(batch, name, self._more, self._origin))
        batch.clear()

    def _widen(self, path: Path) -> None:
        """Begin a file anew with all columns, and what it held in it."""
        narrow = path.replace(path.with_suffix(".narrow"))
        wide = self._file = self._opened(path)
        with pq.ParquetFile(narrow) as file:
            for group in range(file.num_row_groups):
                wide.write_table(widened(file.read_row_group(group), wide.schema))
        narrow.unlink()

    def finish(self) -> None:
        """Write what is held, and give earlier parts the columns that came later: all have the
        same."""
        self.flush()
        self.close()
        schema = schema_of(self.table.stem, self._more)
        for path in self.parts[:-1]:
            if not pq.read_schema(path).equals(schema):
                self._widen(path)
                self.close()

    def close(self) -> None:
        """Close the file that is being written."""
        if self.parts:
            close_parquet(self._file)

    def forget(self) -> None:
        """Remove what was not put in its place."""
        if self.parts:
            shutil.rmtree(self._staging, ignore_errors=True)
