"""An append-only file of checksummed records: what a checkpoint is made of.

One record a line, `crc32 json`, one `write` each, done before whoever appends goes on: what the
operating system has taken survives the process, `kill -9` included.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson

from gristmill.errors import CheckpointError, StorageError


class Log:
    """One append-only file of checksummed lines. own: whether this process is its writer; somebody
    else's is there already, and is only read."""

    def __init__(self, path: Path, *, own: bool = True) -> None:
        self.path = path
        self._own = own
        try:
            how = os.O_RDWR | os.O_CREAT | os.O_APPEND if own else os.O_RDONLY
            self._fd = os.open(path, how, 0o644)
        except OSError as error:
            what = "write" if own else "read"
            raise StorageError(f"{path}: cannot {what}: {error.strerror}") from None
        self.end = os.fstat(self._fd).st_size

    def append(self, record: Any) -> int:
        """Write one record; returns its offset. Raises StorageError and leaves no half line."""
        data = orjson.dumps(record)
        line = b"%08x %b\n" % (crc32(data), data)
        offset = self.end
        try:
            written = os.write(self._fd, line)
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            os.ftruncate(self._fd, offset)
            raise StorageError(
                f"{self.path}: cannot write: {error.strerror}; make room and run again: it goes "
                "on from here, nothing finished is lost"
            ) from None
        self.end = offset + len(line)
        return offset

    def scan(self, *, growing: bool = False) -> Iterator[tuple[int, Any]]:
        """(offset, record) of every line. A half line at the end, which a kill leaves, is cut off,
        or passed over where it is somebody else's.

        Raises CheckpointError naming the line for any other damage, unless the log is `growing`:
        over a network, what another machine is writing may be seen in pieces.
        """
        offset = 0
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    if self._own:
                        os.ftruncate(self._fd, offset)
                    self.end = offset
                    return
                if not growing or list(_intact((line,))):
                    yield offset, self._decode(line, number)
                offset += len(line)

    def read(self, offset: int) -> Any:
        """The record at an offset that `append` or `scan` gave."""
        size = 4096
        while b"\n" not in (line := os.pread(self._fd, size, offset)):
            if offset + size >= self.end:
                break
            size *= 8
        return self._decode(line[: line.find(b"\n") + 1], None)

    def _decode(self, line: bytes, number: int | None) -> Any:
        try:
            if int(line[:8], 16) != crc32(line[9:-1]):
                raise ValueError("checksum")
            return orjson.loads(line[9:-1])
        except ValueError:
            where = f" line {number}" if number is not None else ""
            fix = f"delete that line (sed -i {number}d '{self.path}')" if number else "delete it"
            raise CheckpointError(
                f"{self.path}:{where} is damaged; {fix} and run again: only what it held is "
                "done anew"
            ) from None

    def restart(self, records: list[Any]) -> None:
        """Replace the content by `records`, in one step as far as a crash can see."""
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        log = Log(fresh)
        try:
            for record in records:
                log.append(record)
            fresh.rename(self.path)
        except BaseException:
            os.close(log._fd)
            fresh.unlink()
            raise
        os.close(self._fd)
        self._fd, self.end = log._fd, log.end

    def close(self) -> None:
        """Flush to the disk itself and close."""
        if self._fd >= 0:
            if self._own:
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1


def last_record(path: Path) -> Any:
    """The last whole record of a log that somebody else may be writing to; None where there is
    none. It reads the end of the file only."""
    if not path.exists():
        return None
    with path.open("rb") as file:
        size = start = file.seek(0, os.SEEK_END)
        step = 65_536
        while start:
            start = max(0, size - step)
            step *= 8
            file.seek(start)
            # What begins before `start` is half a line here, and whole in the next, longer piece.
            lines = file.read(size - start).splitlines(keepends=True)
            for line in reversed(lines[1 if start else 0 :]):
                found = list(_intact((line,)))
                if found:
                    return found[0]
    return None


def read_log(path: Path) -> Iterator[Any]:
    """The records of a log that somebody else may be writing to; nothing is changed.

    A half or damaged line is passed over: who resumes the log says what is to be done about it.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        yield from _intact(lines)


def _intact(lines: Iterable[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            if line.endswith(b"\n") and int(line[:8], 16) == crc32(line[9:-1]):
                yield orjson.loads(line[9:-1])
        except ValueError:
            continue
