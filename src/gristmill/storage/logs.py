"""Several logs read as one: the one that this process writes, and others that it only reads.

Where a record lies is one number, its *place*: which log, and the offset in it. In the log of one's
own the two are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gristmill.storage.log import Log

_BITS = 44
"""Of a place for the offset: logs of up to 16 TiB, and half a million of them."""
_OFFSET = (1 << _BITS) - 1


class Logs:
    """The log at `own`, open for writing, and those of `others` that are there.

    growing: whether somebody may be writing to them.
    """

    def __init__(self, own: Path, others: Sequence[Path] = (), *, growing: bool = False) -> None:
        self._growing = growing
        self._own = Log(own)
        found = (Log(path, own=False) for path in others if path.exists())
        self._logs = [self._own, *found]

    def scan(self) -> Iterator[tuple[int, Any]]:
        """(place, record) of every record, the others' first, so that the last word is one's own.

        Raises CheckpointError where one is damaged, see `Log.scan`.
        """
        for number in reversed(range(len(self._logs))):
            base = number << _BITS
            growing = self._growing and number > 0
            for offset, record in self._logs[number].scan(growing=growing):
                yield base | offset, record

    def append(self, record: Any) -> int:
        """Write a record to one's own; returns its place. See `Log.append`."""
        return self._own.append(record)

    def read(self, place: int) -> Any:
        """The record at a place that `append` or `scan` gave."""
        return self._logs[place >> _BITS].read(place & _OFFSET)

    def close(self) -> None:
        for log in self._logs:
            log.close()
