"""Data sets on the disk: each is one Parquet file, or, where it is large, a folder of parts.

    data/sft.parquet
    data/sft/part-00000-of-00012-8f3a61c2.parquet, ..., data/sft/_manifest.json

Both are called by the file's name, whichever is there. The folder is put in its place whole, its
manifest says which parts there are, and a part's name has a digest of its content: who reads while
another process writes anew finds the old parts, the new ones, or that one is gone, never a mixture.
(Whatever reads a folder of Parquet files as one table passes over a name that begins with `_`.)
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.errors import DataError

MANIFEST = "_manifest.json"
TABLES = ("sft", "preference", "scored", "rejected")
"""The data sets that a run can write, in the order in which people care about them."""


def folder_of(table: Path) -> Path:
    """Where the parts of `data/sft.parquet` are, if it has some: `data/sft`."""
    return table.parent / table.stem


def place_of(table: Path) -> Path:
    """What is there of a table, for people: its folder, or its file."""
    return folder_of(table) if _manifest(table) else table


def parts_of(table: Path) -> list[Path]:
    """The files of a table in order; the table itself where it is one file, none where there is
    nothing. Raises DataError where a part is not what the manifest says."""
    found = _manifest(table)
    if found is None:
        return [table] if table.exists() else []
    parts = []
    try:
        for part in orjson.loads(found.read_bytes())["parts"]:
            path = found.parent / part["file"]
            if path.stat().st_size != part["bytes"]:
                raise DataError(f"{path}: is not as {MANIFEST} says; {_AGAIN}")
            parts.append(path)
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: a part of {table.name} is missing; {_AGAIN}") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{found}: cannot be read ({error!r:.80}); {_AGAIN}") from None
    return parts


_AGAIN = "run again what wrote it, with the same folder"


def _manifest(table: Path) -> Path | None:
    """Where the manifest is; None where the table has no parts."""
    found = folder_of(table) / MANIFEST
    if found.exists():
        return found
    # Between two steps of `publish`, or where a crash came between them.
    found = _old(table) / MANIFEST
    return found if found.exists() and not table.exists() else None


def read_table(table: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a table, of some columns. Raises DataError where a part is missing, and what
    pyarrow raises."""
    found = []
    for part in _there(table):
        # Not pyarrow's `read_table`: it takes the names of folders (`a=1/`) for columns.
        with pq.ParquetFile(part) as file:
            found.append(file.read(columns=None if columns is None else list(columns)))
    return pa.concat_tables(found)


def columns_of(table: Path) -> list[str]:
    """The columns of a table, which are those of each part."""
    return pq.read_schema(_there(table)[0]).names


def count_rows(table: Path) -> int:
    """How many rows a table has."""
    return sum(pq.read_metadata(part).num_rows for part in _there(table))


def _there(table: Path) -> list[Path]:
    # Where nothing is there, the error is the one about the file.
    return parts_of(table) or [table]


def staging(table: Path) -> Path:
    """A new folder to write a table's parts to; what a crash left of an earlier one is gone."""
    fresh = table.parent / f".{table.stem}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    return fresh


def publish(table: Path, parts: Sequence[Path]) -> None:
    """Put what lies in `staging` in the table's place: one file as it is, several as its folder."""
    staged = parts[0].parent
    if len(parts) == 1:
        parts[0].replace(table)
        _remove_folder(table)
        staged.rmdir()
        return
    said = list(_named(parts))
    manifest = {"rows": sum(part["rows"] for part in said), "parts": said}
    (staged / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
    folder, old = folder_of(table), _old(table)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    staged.rename(folder)
    table.unlink(missing_ok=True)
    shutil.rmtree(old, ignore_errors=True)


def _named(parts: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Give each part its name; what the manifest says of it."""
    for number, part in enumerate(parts):
        with part.open("rb") as file:
            digest = file_digest(file, "blake2b").hexdigest()
        name = f"part-{number:05}-of-{len(parts):05}-{digest[:8]}.parquet"
        named = part.rename(part.with_name(name))
        rows = pq.read_metadata(named).num_rows
        yield {"file": name, "rows": rows, "bytes": named.stat().st_size, "blake2b": digest}


def remove(table: Path) -> None:
    """Remove a table, in whichever form it is there."""
    table.unlink(missing_ok=True)
    _remove_folder(table)
    shutil.rmtree(table.parent / f".{table.stem}.new", ignore_errors=True)


def _remove_folder(table: Path) -> None:
    """Remove the parts, seen by nobody half removed."""
    old = _old(table)
    shutil.rmtree(old, ignore_errors=True)
    with suppress(FileNotFoundError):
        folder_of(table).rename(old)
    shutil.rmtree(old, ignore_errors=True)


def _old(table: Path) -> Path:
    return table.parent / f".{table.stem}.old"
