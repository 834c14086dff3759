"""A run's folder, opened for reading. Nothing here loads more than one batch of rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import ConfigError, DataError
from gristmill.page.text import LARGEST
from gristmill.parts import parse_yaml
from gristmill.storage import write_atomically
from gristmill.storage.tables import TABLES, count_rows, parts_of, place_of

AGAIN = "run `gristmill run` with the same --out again to write it anew"
BATCH = 32_768


@dataclass(frozen=True)
class Table:
    """A data set of the run, in one Parquet file or several. `rows` and `columns` come from their
    footers; path: what it is called."""

    path: Path
    parts: tuple[Path, ...]
    rows: int
    columns: frozenset[str]

    def batches(
        self,
        columns: list[str] | None,
        size: int = BATCH,
        row_groups: list[int] | None = None,
        dictionary: list[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some columns, batch by batch.

        columns: names or dotted paths into structs (`provenance.model`); None is all.
        dictionary: string columns with few values, read as codes.
        Raises DataError when a page of the file cannot be read.
        """
        start = 0
        for part in self.parts:
            try:
                # A buffer makes Arrow stream the column chunks instead of loading each one whole.
                with pq.ParquetFile(
                    part, read_dictionary=dictionary, buffer_size=1 << 20, pre_buffer=False
                ) as file:
                    inside = range(start, start := start + file.num_row_groups)
                    wanted = row_groups and [n - inside.start for n in row_groups if n in inside]
                    yield from file.iter_batches(
                        batch_size=size, columns=columns, row_groups=wanted, use_threads=False
                    )
            except (pa.ArrowException, OSError) as error:
                raise _unreadable(part, error) from error

    def group_sizes(self) -> list[int]:
        """The rows of every row group, in order."""
        metas = map(pq.read_metadata, self.parts)
        return [meta.row_group(i).num_rows for meta in metas for i in range(meta.num_row_groups)]


def numbers(column: Any) -> np.ndarray:
    """A column of scores as float64, NaN for what is none, or so large that its square is soon no
    number any more."""
    found = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    usable = np.abs(found) <= LARGEST
    return found if usable.all() else np.where(usable, found, np.nan)


@dataclass(frozen=True)
class Run:
    """What the files of one run say. `tables` holds only those that exist."""

    path: Path
    metrics: dict[str, Any]
    config: dict[str, Any]
    tables: dict[str, Table]

    @property
    def name(self) -> str:
        """The run's name: from the metrics, else the config, else the folder."""
        for found in (self.metrics.get("name"), self.config.get("name")):
            if isinstance(found, str | int | float) and str(found).strip():
                return str(found)
        return self.path.resolve().name

    def count(self, *keys: str) -> int:
        """A whole number of the metrics, 0 where there is none."""
        return int(self.number(*keys) or 0)

    def number(self, *keys: str) -> float | None:
        """A finite number of the metrics, or None."""
        found: Any = self.metrics
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, bool) or not isinstance(found, int | float):
            return None
        # JSON knows no NaN, but Python's reader takes it.
        return found if abs(found) < LARGEST else None

    def share(self, *keys: str) -> float | None:
        """A number from 0 to 1 of the metrics, or None."""
        found = self.number(*keys)
        return found if found is not None and 0 <= found <= 1 else None

    def counts(self, *keys: str) -> dict[str, int]:
        """A mapping of names to whole numbers, most first, then by name."""
        found: Any = self.metrics
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        pairs = found.items() if isinstance(found, dict) else ()
        kept = {str(k): int(v) for k, v in pairs if isinstance(v, int | float) and 0 < v < LARGEST}
        return dict(sorted(kept.items(), key=lambda item: (-item[1], item[0])))

    def place(self, name: str) -> str:
        """Where a data set is in the folder: `data/sft.parquet`, or `data/sft` of one in parts."""
        return f"data/{place_of(self.path / 'data' / f'{name}.parquet').name}"

    def rows(self, name: str) -> int:
        """How many rows a data set has: the file's own count, which cannot be stale."""
        return self.tables[name].rows if name in self.tables else 0


def open_run(folder: Path | str) -> Run:
    """Open the folder of a finished run.

    Raises DataError where a file that every run has is missing, or any is damaged.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder: name the --out folder of a run")
    metrics = _mapping(path / "metrics.json", json.loads)
    config = _mapping(path / "run.yaml", parse_yaml)
    tables = {}
    for name in TABLES:
        file = path / "data" / f"{name}.parquet"
        if parts := parts_of(file):
            tables[name] = _table(file, parts)
    return Run(path=path, metrics=metrics, config=config, tables=tables)


def require(table: Table, *columns: str) -> None:
    """Raise DataError unless the table has these columns."""
    for column in columns:
        if column not in table.columns:
            raise DataError(f"{table.path}: has no column `{column}`: {AGAIN}")


def write_page(path: Path, text: str) -> Path:
    """Write a file whole or not at all. Raises StorageError when the disk refuses."""
    # Lone surrogates can come out of JSON escapes; a page must not fail over one.
    write_atomically(path, text.encode("utf-8", "replace"))
    return path


def _mapping(path: Path, parse: Any) -> dict[str, Any]:
    try:
        found = parse(path.read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{path}: missing: name the --out folder of a finished run, or {AGAIN}"
        ) from None
    except (OSError, ValueError, RecursionError, ConfigError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds {type(found).__name__}, not a mapping: {AGAIN}")
    return found


def _table(path: Path, parts: list[Path]) -> Table:
    try:
        columns = frozenset(pq.read_schema(parts[0]).names)
        return Table(path, tuple(parts), count_rows(path), columns)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    cause = " ".join(str(error).split())[:120] or type(error).__name__
    return DataError(f"{path}: cannot be read ({cause}): {AGAIN}")
