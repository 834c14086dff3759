"""Results by key in an append-only log, so that no call is ever made twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gristmill.backends.many import Failed
from gristmill.errors import StorageError
from gristmill.log import Log


class Results:
    """Results, which are JSON, by key. Held in memory is where each stands, not what it says.

    Raises CheckpointError for a damaged line, StorageError where nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{path.parent}: cannot write: {error.strerror}") from None
        self._log = Log(path)
        self._places: dict[str, int] = {}
        self._failed: dict[str, str] = {}
        for offset, (key, result) in self._log.scan():
            self._note(key, offset, result.get("failure"))

    def _note(self, key: str, offset: int, failure: list[str] | None) -> None:
        if failure:
            self._failed[key] = failure[0]
        else:
            self._failed.pop(key, None)
            self._places[key] = offset

    def add(self, key: str, result: dict[str, Any] | Failed) -> None:
        """Keep a result, or why there is none. Raises StorageError."""
        failure = None
        if isinstance(result, Failed):
            failure = [result.kind, result.detail]
            result = {"failure": failure}
        self._note(key, self._log.append([key, result]), failure)

    def get(self, key: str) -> dict[str, Any] | None:
        """The last result under a key; None where there is none, or only failures."""
        place = self._places.get(key)
        return None if place is None else self._log.read(place)[1]

    def failure(self, key: str) -> str | None:
        """Why there is no result; None where there is one, or nobody has asked yet."""
        return None if key in self._places else self._failed.get(key)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()
