"""The votes of an arena in one SQLite file, which several threads and processes may write.

A vote is on the disk before `Votes.add` returns. Nothing is ever deleted: a vote that was taken
back, and one that does not count, stay in the table and say so.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from gristmill.arena.battles import Battle
from gristmill.errors import DataError
from gristmill.intake.outcomes import OUTCOMES
from gristmill.records import Message, as_dicts
from gristmill.storage.base import PATIENCE, Kind, open_base

PAGE = 1000
"""Votes read at once, so that a long reading keeps nobody from writing."""

_COLUMNS = (
    "id",
    "model_a",
    "model_b",
    "winner",
    "prompt",
    "conversation_a",
    "conversation_b",
    "judge",
    "time",
    "turns",
    "language",
    "categories",
)
VOTES = Kind(
    "a file of votes",
    0x67724156,  # "grAV"
    1,
    """
CREATE TABLE votes (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  key TEXT NOT NULL,
  id TEXT NOT NULL,
  model_a TEXT NOT NULL,
  model_b TEXT NOT NULL,
  winner TEXT NOT NULL,
  prompt TEXT NOT NULL,
  conversation_a TEXT NOT NULL,
  conversation_b TEXT NOT NULL,
  judge TEXT NOT NULL,
  time REAL,
  turns INTEGER NOT NULL,
  language TEXT,
  categories TEXT NOT NULL,
  counted INTEGER NOT NULL,
  reason TEXT NOT NULL,
  withdrawn_at REAL
);
CREATE UNIQUE INDEX one_vote ON votes (key) WHERE withdrawn_at IS NULL;
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
""",
)
_READ = (
    f"SELECT number, {', '.join(_COLUMNS)} FROM votes "
    "WHERE counted AND withdrawn_at IS NULL AND number > ? ORDER BY number LIMIT ?"
)

_BRIEF = ("id", "model_a", "model_b", "winner", "judge", "time")
_WITHDRAWN = f"""
SELECT number, {", ".join(_BRIEF)} FROM votes AS one
WHERE counted AND withdrawn_at IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM votes WHERE key = one.key AND counted AND withdrawn_at IS NULL
) ORDER BY number
"""


class Votes:
    """The votes of one file, which is made if it is not there.

    Raises DataError for a file that is not one of ours, StorageError where nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        # FULL: a commit is on the disk itself, so that a vote survives the machine's end too.
        self._base = open_base(path, VOTES, synchronous="FULL", fill=_with_secret)
        try:
            with VOTES.named(path):
                found = self._base.execute("SELECT value FROM meta WHERE name = 'secret'")
                self._secret: bytes = next(iter(found), (b"",))[0]
            if not (self._secret and isinstance(self._secret, bytes)):
                raise DataError(f"{path}: damaged: it has no secret; name another file")
        except BaseException:
            self._base.close()
            raise

    def add(
        self, battle: Battle, *, key: str, counted: bool = True, reason: str = ""
    ) -> int | None:
        """Store one vote; on the disk when this returns. The number of its row.

        key: of the pair that is voted on and who votes: while a vote with this key is there, and
        not withdrawn, a second one is not stored and gives None.
        reason: why it does not count, for one that does not.
        """
        row = (_text(key), *_row_of(battle), int(counted), _text(reason))
        marks = ", ".join("?" * len(row))
        sql = (
            f"INSERT INTO votes (key, {', '.join(_COLUMNS)}, counted, reason) "
            f"VALUES ({marks}) ON CONFLICT DO NOTHING"
        )
        with self._lock, VOTES.named(self.path):
            done = self._base.execute(sql, row)
            return done.lastrowid if done.rowcount == 1 else None

    def withdraw(self, key: str) -> bool:
        """Take the vote with this key back: it stays in the table and counts no more. False where
        there is none."""
        sql = "UPDATE votes SET withdrawn_at = ? WHERE key = ? AND withdrawn_at IS NULL"
        with self._lock, VOTES.named(self.path):
            return self._base.execute(sql, (time.time(), _text(key))).rowcount == 1

    def battles(self) -> Iterator[Battle]:
        """The votes that count, in the order in which they were added."""
        last = 0
        while True:
            with self._lock, VOTES.named(self.path):
                rows = self._base.execute(_READ, (last, PAGE)).fetchall()
            yield from (_battle_of(row, self.path) for row in rows)
            if len(rows) < PAGE:
                return
            last = rows[-1][0]

    def count(self) -> dict[str, int]:
        """How many votes are `counted`, `withdrawn`, and not counted, these by their reason."""
        sql = (
            "SELECT CASE WHEN withdrawn_at IS NOT NULL THEN 'withdrawn' "
            "WHEN counted THEN 'counted' ELSE reason END AS kind, count(*) FROM votes GROUP BY kind"
        )
        with self._lock, VOTES.named(self.path):
            found = dict(self._base.execute(sql).fetchall())
        return {"counted": 0, "withdrawn": 0, **found}

    def pseudonym(self, visitor: str) -> str:
        """A name for a visitor that is the same in all of this file's votes.

        It is a hash under a random key of this file, so it cannot be compared with another
        file's, nor guessed from an address by anyone without the file itself.
        """
        said = visitor.encode("utf-8", "replace")
        return "visitor:" + hmac.digest(self._secret, said, "sha256")[:8].hex()

    def close(self) -> None:
        """Close the file. Votes are safe without it."""
        with self._lock:
            self._base.close()


def read_votes(path: Path) -> Iterator[Battle]:
    """The votes of a file that count, in the order in which they were added; adds none.

    Raises DataError for a file that is not there or not one of ours.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    base = _open_to_read(path)
    try:
        with VOTES.named(path):
            VOTES.check(base, path)
            for row in base.execute(_READ, (0, -1)):
                yield _battle_of(row, path)
    finally:
        base.close()


def read_withdrawn(path: Path) -> Iterator[Battle]:
    """The votes that would count had they not been taken back, without their texts. One that the
    visitor gave anew, and that counts, was a slip put right and is none of them."""
    base = _open_to_read(path)
    try:
        with VOTES.named(path):
            for row in base.execute(_WITHDRAWN):
                yield _battle_of(row, path, _BRIEF)
    finally:
        base.close()


def _open_to_read(path: Path) -> sqlite3.Connection:
    address = path.resolve().as_uri()
    with VOTES.named(path):
        # Not read-only to SQLite: then it would leave its two side files behind.
        base = sqlite3.connect(f"{address}?mode=rw", uri=True, timeout=PATIENCE)
        try:
            base.execute("PRAGMA query_only = ON")
            base.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            base.close()
            if path.with_name(path.name + "-wal").exists():
                raise
            # A folder in which nothing may be written, as on a read-only disk: no one can be
            # writing there, and SQLite needs to be told so.
            base = sqlite3.connect(f"{address}?immutable=1", uri=True)
        except BaseException:
            base.close()
            raise
        return base


def _with_secret(base: sqlite3.Connection) -> None:
    secret = secrets.token_bytes(32)
    base.execute("INSERT INTO meta VALUES ('secret', ?)", (secret,))


def _row_of(battle: Battle) -> tuple[Any, ...]:
    """The values of `_COLUMNS`."""
    return (
        _text(battle.id),
        _text(battle.model_a),
        _text(battle.model_b),
        battle.winner,
        _text(battle.prompt),
        _turns(battle.conversation_a),
        _turns(battle.conversation_b),
        _text(battle.judge),
        battle.time,
        battle.turns,
        None if battle.language is None else _text(battle.language),
        _text(json.dumps(battle.categories, ensure_ascii=False)),
    )


def _battle_of(row: Sequence[Any], path: Path, names: Sequence[str] = _COLUMNS) -> Battle:
    """Raises DataError for a row that nothing of ours wrote."""
    number, *cells = row
    values = dict(zip(names, cells, strict=True))
    try:
        for name in {"conversation_a", "conversation_b", "categories"} & values.keys():
            values[name] = json.loads(values[name])
        battle = _battles().validate_python(values)
        if battle.winner not in OUTCOMES or not 1 <= battle.turns < 2**31:
            raise ValueError(battle)
    except (ValueError, TypeError, RecursionError):
        raise DataError(f"{path}: vote {number} is damaged; delete it, or take a copy") from None
    return battle


@lru_cache(maxsize=1)
def _battles() -> TypeAdapter[Battle]:
    return TypeAdapter(Battle)


def _turns(messages: tuple[Message, ...]) -> str:
    return _text(json.dumps(as_dicts(messages), ensure_ascii=False))


def _text(value: str) -> str:
    """Text that UTF-8 can hold: half a surrogate pair, which a model may write, becomes `?`."""
    with suppress(UnicodeEncodeError):
        value.encode()
        return value
    return value.encode("utf-8", "replace").decode()
