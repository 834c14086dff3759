"""The results of many calls, each under its key in an append-only log: no call is made twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gristmill.backends.many import Failed
from gristmill.errors import StorageError
from gristmill.storage.log import Log


class Kept:
    """Results, which are JSON objects, by key; or how a call failed, which is tried again.

    Held in memory is where each stands, not what it says. Use as a context manager. Raises
    CheckpointError for a damaged line, StorageError where nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{path.parent}: cannot write: {error.strerror}") from None
        self._log = Log(path)
        self._places: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        for offset, (key, result) in self._log.scan():
            self._note(key, offset, "failure" in result)

    def _note(self, key: str, offset: int, failed: bool) -> None:
        if failed:
            self._failed[key] = offset
        else:
            self._failed.pop(key, None)
            self._places[key] = offset

    def add(self, key: str, result: dict[str, Any] | Failed) -> None:
        """Keep a result, or why there is none. Raises StorageError."""
        failed = isinstance(result, Failed)
        packed = {"failure": [result.kind, result.detail]} if isinstance(result, Failed) else result
        self._note(key, self._log.append([key, packed]), failed)

    def get(self, key: str) -> dict[str, Any] | None:
        """The last result under a key; None where there is none, or only failures."""
        place = self._places.get(key)
        return None if place is None else self._log.read(place)[1]

    def failure(self, key: str) -> Failed | None:
        """Why there is no result; None where there is one, or nobody has asked yet."""
        place = None if key in self._places else self._failed.get(key)
        return None if place is None else Failed(*self._log.read(place)[1]["failure"])

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def close(self) -> None:
        self._log.close()

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
