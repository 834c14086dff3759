"""What outlives the process of batches: a log of their steps, their requests and their results.

log.jsonl             [name, step, facts], one line a step, before the next one is begun
NAME.requests.jsonl   the file that is uploaded; deleted once the results are here
NAME.results-0.jsonl  what came back, as it came
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from gristmill.backends.batch_api import Batch, Lost, Outcome
from gristmill.backends.decoding import decoded
from gristmill.backends.fault import Fault
from gristmill.errors import CheckpointError, StorageError
from gristmill.storage import write_atomically
from gristmill.storage.log import Log

Read = Callable[[Any], tuple[str, Outcome]]


class Place(NamedTuple):
    """Where a reply lies."""

    path: Path
    offset: int


class Ledger:
    """The batches of one model at one provider, in a folder of their own. One process at a time.

    under_way: those whose results are not here yet, in order. Raises CheckpointError for a damaged
    line, StorageError where nothing can be written.
    """

    def __init__(self, folder: Path, read: Read) -> None:
        self.folder = folder
        self._read = read
        self._places: dict[str, Place] = {}
        self.under_way: dict[str, Batch] = {}
        self.ids: set[str] = set()
        self._log = Log(folder / "log.jsonl")
        for _, (name, step, facts) in self._log.scan():
            self._replay(name, step, facts)
        for batch in self.under_way.values():
            batch.keys = self._keys_of(batch)

    def _replay(self, name: str, step: str, facts: dict[str, Any]) -> None:
        if step == "written":
            self.under_way[name] = Batch(name, self._requests(name), [], facts["at"])
            return
        batch = self.under_way[name]
        self._take(batch, step, facts)
        if step == "read":
            self._places |= self._replies(name, facts["files"])[0]

    def _take(self, batch: Batch, step: str, facts: dict[str, Any]) -> None:
        batch.step = step
        batch.file, batch.id = facts.get("file", batch.file), facts.get("id", batch.id)
        batch.certain = facts.get("certain", batch.certain)
        if batch.id:
            self.ids.add(batch.id)
        if step in ("read", "dropped"):
            del self.under_way[batch.name]

    def _requests(self, name: str) -> Path:
        return self.folder / f"{name}.requests.jsonl"

    def results(self, name: str, number: int) -> Path:
        """Where the `number`-th file of a batch's results belongs."""
        return self.folder / f"{name}.results-{number}.jsonl"

    def _keys_of(self, batch: Batch) -> list[str]:
        try:
            with batch.requests.open("rb") as lines:
                return [decoded(line)["custom_id"] for line in lines]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{batch.requests}: damaged or missing ({error}), and with it what was asked of "
                "a batch under way; put it back, or delete its folder to ask anew"
            ) from None

    def write(self, rows: list[tuple[str, bytes]]) -> Batch:
        """A new batch of these requests, by key."""
        name = uuid4().hex
        batch = Batch(name, self._requests(name), [key for key, _ in rows], time.time())
        write_atomically(batch.requests, b"".join(row for _, row in rows))
        self._log.append([name, "written", {"at": batch.at, "count": len(rows)}])
        self.under_way[name] = batch
        return batch

    def note(self, batch: Batch, step: str, **facts: Any) -> None:
        """Note a step that was taken."""
        self._log.append([batch.name, step, facts])
        self._take(batch, step, facts)
        if batch.name not in self.under_way:
            batch.requests.unlink(missing_ok=True)

    def keep(self, batch: Batch, files: int) -> dict[str, Fault | Lost]:
        """Note that a batch's results are here; why there is no reply to some of its requests, by
        key, as far as a row says so."""
        places, others = self._replies(batch.name, files)
        self.note(batch, "read", files=files)
        self._places |= places
        return others

    def _replies(self, name: str, files: int) -> tuple[dict[str, Place], dict[str, Fault | Lost]]:
        """Where each reply of a batch lies, of several to one request the first, and the rows that
        are none."""
        places: dict[str, Place] = {}
        others: dict[str, Fault | Lost] = {}
        for path in (self.results(name, number) for number in range(files)):
            for key, outcome, offset in self.rows(path):
                if isinstance(outcome, dict):
                    places.setdefault(key, Place(path, offset))
                else:
                    others[key] = outcome
        return places, others

    def rows(self, path: Path) -> Iterator[tuple[str, Outcome, int]]:
        """Each row of a file of results, and where it begins. What is no row is passed over: its
        request has no result then, and is asked again."""
        offset = 0
        try:
            with path.open("rb") as lines:
                for line in lines:
                    place, offset = offset, offset + len(line)
                    with suppress(ValueError, KeyError, TypeError, AttributeError):
                        key, outcome = self._read(decoded(line))
                        if isinstance(key, str):
                            yield key, outcome, place
        except OSError as error:
            raise StorageError(f"{path}: cannot read: {os.strerror(error.errno or 0)}") from None

    def find(self, key: str) -> Place | None:
        """Where the reply to a request lies, if it is here."""
        return self._places.get(key)

    def reply(self, place: Place) -> dict[str, Any]:
        """The reply that lies there."""
        with place.path.open("rb") as file:
            file.seek(place.offset)
            _, outcome = self._read(decoded(file.readline()))
        assert isinstance(outcome, dict)
        return outcome

    def forget(self, key: str, place: Place) -> None:
        """The reply there turned out to be of no use."""
        if self._places.get(key) == place:
            del self._places[key]

    def close(self) -> None:
        self._log.close()
