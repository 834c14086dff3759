"""The Parquet files of a run's data sets, written batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq

from gristmill.mill.columns import Row, extras, schema_of, widened
from gristmill.mill.rows import Origin, table

BATCH_ROWS = 2048
"""Rows held before they are written as one row group."""


def close_parquet(file: pq.ParquetWriter) -> None:
    """Close a file; where the disk refuses, so that pyarrow does not try and complain again."""
    try:
        file.close()
    finally:
        file.is_open = False


class Writers:
    """One Parquet file each for the named data sets, written beside the old ones, then swapped."""

    def __init__(self, folder: Path, names: Sequence[str], origin: Origin) -> None:
        self._folder = folder
        self._origin = origin
        self._rows: dict[str, list[Row]] = {name: [] for name in names}
        self._more: dict[str, frozenset[str]] = dict.fromkeys(names, frozenset())
        self.written = dict.fromkeys(names, 0)
        self._files: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Writers:
        for name in self._rows:
            self._files[name] = self._opened(name)
        return self

    def _opened(self, name: str) -> pq.ParquetWriter:
        schema = schema_of(name, self._more[name])
        return pq.ParquetWriter(self._path(name, ".new"), schema, compression="zstd")

    def add(self, name: str, row: Row) -> None:
        batch = self._rows.get(name)
        if batch is None:
            return
        batch.append(row)
        self.written[name] += 1
        if len(batch) >= BATCH_ROWS:
            self._flush(name)

    def _flush(self, name: str) -> None:
        batch = self._rows[name]
        if batch:
            if more := extras(name, batch) - self._more[name]:
                self._widen(name, more)
            self._files[name].write_table(table(batch, name, self._more[name], self._origin))
            batch.clear()

    def _widen(self, name: str, more: frozenset[str]) -> None:
        """Begin a file anew, with columns that no row had before and one has now."""
        self._more[name] |= more
        close_parquet(self._files[name])
        narrow = self._path(name, ".new").replace(self._path(name, ".narrow"))
        try:
            wide = self._files[name] = self._opened(name)
            with pq.ParquetFile(narrow) as file:
                for group in range(file.num_row_groups):
                    wide.write_table(widened(file.read_row_group(group), wide.schema))
        finally:
            narrow.unlink(missing_ok=True)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            with ExitStack() as stack:
                for name in self._files:
                    # By name: a last batch may begin its file anew.
                    stack.callback(lambda name: close_parquet(self._files[name]), name)
                if kind is None:
                    for name in self._rows:
                        self._flush(name)
            if kind is None:
                for name in self._rows:
                    self._path(name, ".new").replace(self._path(name))
        finally:
            for name in self._rows:
                self._path(name, ".new").unlink(missing_ok=True)

    def _path(self, name: str, suffix: str = "") -> Path:
        return self._folder / f"{name}.parquet{suffix}"
