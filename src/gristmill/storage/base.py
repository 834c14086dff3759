"""SQLite files of ours: known by their header, and open to several processes at once."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gristmill.errors import DataError, StorageError

PATIENCE = 30.0
"""Seconds that a write waits for another process's."""


@dataclass(frozen=True)
class Kind:
    """What a file holds.

    what: for errors, such as `a file of votes`. application, version: numbers in its header.
    tables: SQL statements, a line break after each semicolon.
    """

    what: str
    application: int
    version: int
    tables: str

    def check(self, base: sqlite3.Connection, path: Path) -> None:
        """Raises DataError unless the header says that the file is one of these."""
        if base.execute("PRAGMA application_id").fetchone()[0] != self.application:
            raise DataError(f"{path}: not {self.what} (it is some other SQLite database)")
        version = base.execute("PRAGMA user_version").fetchone()[0]
        if version != self.version:
            raise DataError(
                f"{path}: written by another version of gristmill (tables {version}, "
                f"this one knows {self.version})"
            )

    @contextmanager
    def named(self, path: Path) -> Iterator[None]:
        """SQLite's errors as ours, naming the file."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StorageError(f"{path}: {error}") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # A damaged schema is quoted as it stands, over several lines.
            said = " ".join(str(error).split())
            raise DataError(f"{path}: not {self.what} ({said})") from None


def open_base(
    path: Path,
    kind: Kind,
    *,
    mode: int = 0o644,
    synchronous: str = "FULL",
    fill: Callable[[sqlite3.Connection], None] = lambda _: None,
) -> sqlite3.Connection:
    """The file, made where there is none. Nothing is written to one that is there already.

    mode: of a new file, as far as the umask lets it; its side files get the same. synchronous:
    FULL, where a commit must survive the machine's end, or NORMAL. fill: writes what a new file
    begins with. Raises StorageError, and DataError for a file that is something else.
    """
    _create(path, mode)
    with kind.named(path):
        base = sqlite3.connect(
            path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            base.execute(f"PRAGMA synchronous = {synchronous}")
            if _empty(base):
                _make(base, kind, fill)
            kind.check(base, path)
        except BaseException:
            base.close()
            raise
    return base


def _create(path: Path, mode: int) -> None:
    # Not one that is there: closing it would drop the locks that this process holds on it.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode))
    except FileExistsError:
        return
    except OSError as error:
        raise StorageError(f"{path}: cannot write: {error.strerror}") from None


def _empty(base: sqlite3.Connection) -> bool:
    return not base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _make(base: sqlite3.Connection, kind: Kind, fill: Callable[[sqlite3.Connection], None]) -> None:
    # What is deleted can then be given back a little at a time.
    base.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _write_ahead(base)
    base.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made them since.
        if _empty(base):
            for statement in kind.tables.split(";\n"):
                base.execute(statement)
            fill(base)
            base.execute(f"PRAGMA application_id = {kind.application}")
            base.execute(f"PRAGMA user_version = {kind.version}")
    except BaseException:
        base.execute("ROLLBACK")
        raise
    base.execute("COMMIT")


def _write_ahead(base: sqlite3.Connection) -> None:
    """Switch to write-ahead logging: readers and a writer do not wait for each other."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            base.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # Changing the mode does not heed the busy timeout.
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
