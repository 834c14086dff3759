"""Answers that outlive a run: one SQLite file, which several processes read and write at once.

It knows keys and bytes; what they mean is its callers'. An answer is kept with a checksum, and one
that does not fit it is as good as none. A cache is not what anything depends on: where its file
cannot be read or written any more, one warning says so, and the work goes on without it.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from gristmill.errors import ConfigError, DataError, StorageError
from gristmill.storage.base import Kind, open_base

FILE = "answers.sqlite"
"""The name of the file in a cache's folder."""
WRITTEN_AT_ONCE = 1024
"""Answers after which they are written, all in one transaction."""
WRITTEN_AFTER = 1.0
"""Seconds after which they are written at the latest, when another one comes; so long is it, too,
until what others wrote is seen."""
DELETED_AT_ONCE = 2000
"""Answers after which a deletion lets others write."""

_LOG = logging.getLogger("gristmill.cache")

ANSWERS = Kind(
    "a cache of gristmill's",
    0x67724143,  # "grAC"
    1,
    """
CREATE TABLE models (
  id INTEGER PRIMARY KEY,
  identity BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL,
  licence TEXT
);
CREATE TABLE answers (
  number INTEGER PRIMARY KEY,
  key BLOB NOT NULL UNIQUE,
  model INTEGER NOT NULL,
  made INTEGER NOT NULL,
  answer BLOB NOT NULL
)
""",
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose answers they are: the digest of all that makes a model this one, and its name."""

    identity: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Holding:
    """What a cache has of one model: answers, their bytes, the seconds of the oldest and newest."""

    name: str
    entries: int
    size: int
    oldest: int
    newest: int


class Cache:
    """The cache in a folder, which is made where there is none, for its owner's eyes alone.

    hits: answers found so far. Raises StorageError where nothing can be written, DataError for a
    file that is damaged or something else.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{folder}: cannot write: {error.strerror}") from None
        self._base: sqlite3.Connection | None = _opened(self.path)
        self.hits = 0
        self._fresh: dict[bytes, tuple[Owner, int, bytes]] = {}
        self._written_at = time.monotonic()
        self._looking_since = 0.0  # 0: there is no transaction open
        self._numbers: dict[bytes, int] = {}

    def get(self, key: bytes) -> bytes | None:
        """The answer under a key, if it is there and whole."""
        if (fresh := self._fresh.get(key)) is not None:
            found = fresh[2]
        else:
            row = self._first("SELECT answer FROM answers WHERE key = ?", key)
            found = row[0] if row else None
        if found is None or int.from_bytes(found[:4], "big") != crc32(found[4:]):
            return None
        self.hits += 1
        return found[4:]

    def put(self, key: bytes, owner: Owner, answer: bytes) -> None:
        """Keep an answer. It is on the disk a little later, with others: `flush`, `close`."""
        if self._base is None:
            return
        whole = crc32(answer).to_bytes(4, "big") + answer
        self._fresh[key] = (owner, int(time.time()), whole)
        late = time.monotonic() - self._written_at > WRITTEN_AFTER
        if late or len(self._fresh) >= WRITTEN_AT_ONCE:
            self.flush()

    def forget(self, keys: Iterable[bytes]) -> None:
        """Drop answers that turned out to be good for nothing."""
        gone = list(keys)
        for key in gone:
            self._fresh.pop(key, None)
        if self._base is None or not gone:
            return
        try:
            self._look_away()
            sql = "DELETE FROM answers WHERE key = ?"
            self._base.executemany(sql, [(key,) for key in gone])
        except sqlite3.Error as error:
            self._give_up(error)

    def licence(self, owner: Owner) -> str | None:
        """The licence of a model, as it was when the model was asked."""
        row = self._first("SELECT licence FROM models WHERE identity = ?", owner.identity)
        return row[0] if row else None

    def note_licence(self, owner: Owner, licence: str) -> None:
        """Keep the licence of a model."""
        if self._base is None or self.licence(owner) == licence:
            return
        try:
            self._look_away()
            number = self._number(owner)
            self._base.execute("UPDATE models SET licence = ? WHERE id = ?", (licence, number))
        except sqlite3.Error as error:
            self._give_up(error)

    def flush(self) -> None:
        """Write what is not written yet."""
        self._written_at = time.monotonic()
        if self._base is None or not self._fresh:
            return
        try:
            self._look_away()
            self._base.execute("BEGIN IMMEDIATE")
            self._base.executemany(
                "INSERT OR REPLACE INTO answers (key, model, made, answer) VALUES (?, ?, ?, ?)",
                [
                    (key, self._number(owner), made, answer)
                    for key, (owner, made, answer) in self._fresh.items()
                ],
            )
            self._base.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)
        self._fresh.clear()

    def close(self) -> None:
        """Write the rest, and close the file."""
        self.flush()
        if self._base is not None:
            self._base.close()
            self._base = None

    def _first(self, sql: str, value: bytes) -> tuple | None:
        if self._base is None:
            return None
        try:
            # One transaction for many looks: each of its own would cost as much again in locks.
            now = time.monotonic()
            if now - self._looking_since > WRITTEN_AFTER:
                self._look_away()
                self._base.execute("BEGIN")
                self._looking_since = now
            return self._base.execute(sql, (value,)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None

    def _look_away(self) -> None:
        if self._base is not None and self._looking_since:
            self._looking_since = 0.0
            self._base.execute("COMMIT")

    def _number(self, owner: Owner) -> int:
        assert self._base is not None
        number = self._numbers.get(owner.identity)
        if number is None:
            row = (owner.identity, owner.name)
            self._base.execute("INSERT OR IGNORE INTO models (identity, name) VALUES (?, ?)", row)
            sql = "SELECT id FROM models WHERE identity = ?"
            number = self._base.execute(sql, row[:1]).fetchone()[0]
            self._numbers[owner.identity] = number
        return number

    def _give_up(self, error: sqlite3.Error) -> None:
        if self._base is None:
            return
        _LOG.warning("%s: %s; going on without the cache", self.path, error)
        base, self._base = self._base, None
        base.close()


def survey(folder: Path) -> list[Holding]:
    """What a cache holds, by model, the largest first. Raises ConfigError where there is none."""
    base = _there(folder)
    try:
        with ANSWERS.named(folder / FILE):
            rows = base.execute(
                "SELECT name, count(*), sum(length(answer)), min(made), max(made) "
                "FROM answers JOIN models ON models.id = model GROUP BY name ORDER BY 3 DESC"
            )
            return [Holding(*row) for row in rows]
    finally:
        base.close()


def size_on_disk(folder: Path) -> int:
    """Bytes of a cache's files."""
    names = (FILE, f"{FILE}-wal", f"{FILE}-shm")
    return sum((folder / name).stat().st_size for name in names if (folder / name).exists())


def clear(folder: Path, *, older_than: float | None = None, model: str | None = None) -> int:
    """Delete answers and give their room back; how many they were.

    older_than: those that are so many seconds old; model: those of this model string. Of both, the
    answers that are both; of neither, all. Those who use the cache meanwhile go on. Raises
    ConfigError where there is no cache, or none of this model; StorageError.
    """
    base = _there(folder)
    where, values = ["1"], []
    try:
        with ANSWERS.named(folder / FILE):
            if model is not None:
                names = [row[0] for row in base.execute("SELECT DISTINCT name FROM models")]
                if model not in names:
                    known = ", ".join(sorted(names)) or "nothing"
                    raise ConfigError(f"{folder}: nothing of the model '{model}'; it has {known}")
                where.append("model IN (SELECT id FROM models WHERE name = ?)")
                values.append(model)
            if older_than is not None:
                where.append("made <= ?")
                values.append(int(time.time() - older_than))
            deleted = _delete(base, " AND ".join(where), values)
            # Where somebody is looking at the time, the log of writes is emptied later.
            base.execute("PRAGMA busy_timeout = 100")
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return deleted
    finally:
        base.close()


def _delete(base: sqlite3.Connection, where: str, values: list) -> int:
    """A little at a time: nobody who writes waits for long."""
    sql = f"SELECT number FROM answers WHERE {where} LIMIT {DELETED_AT_ONCE}"
    deleted = 0
    while True:
        done = base.execute(f"DELETE FROM answers WHERE number IN ({sql})", values).rowcount
        # As a script: a statement without rows would be stopped after the first page.
        base.executescript("PRAGMA incremental_vacuum")
        if not done:
            return deleted
        deleted += done


def _there(folder: Path) -> sqlite3.Connection:
    if not (folder / FILE).is_file():
        raise ConfigError(f"{folder}: no cache is there (no {FILE}); name a run's `cache:` folder")
    return _opened(folder / FILE)


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return open_base(path, ANSWERS, mode=0o600, synchronous="NORMAL")
    except DataError as error:
        raise DataError(f"{error}; delete it, or name another folder") from None
