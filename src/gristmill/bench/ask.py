"""Ask a judge about every item, many at a time, and keep each outcome as soon as it is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gristmill.backends.many import Failed, Progress, Watch, Work, call_all
from gristmill.bench.items import Item
from gristmill.bench.judges import Judge
from gristmill.bench.outcomes import Outcome
from gristmill.intake.cells import Refused
from gristmill.log import Log


class Outcomes:
    """A judge's outcomes by the items' keys, in an append-only log.

    Held in memory is where each stands, not what it says.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._log = Log(path)
        self._places: dict[str, int] = {}
        self._failed: set[str] = set()
        for offset, (key, packed) in self._log.scan():
            self._note(key, offset, "failure" in packed)

    def _note(self, key: str, offset: int, failed: bool) -> None:
        self._places[key] = offset
        (self._failed.add if failed else self._failed.discard)(key)

    def add(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome. Raises StorageError."""
        self._note(key, self._log.append([key, outcome.pack()]), outcome.failure is not None)

    def settled(self, key: str) -> bool:
        """Whether there is a verdict; a failure is tried again."""
        return key in self._places and key not in self._failed

    def get(self, key: str) -> Outcome | None:
        """The last outcome of an item, or None if it was never asked about."""
        place = self._places.get(key)
        return None if place is None else Outcome.unpack(self._log.read(place)[1])

    def __enter__(self) -> Outcomes:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()


async def ask_all(
    judge: Judge,
    items: Iterator[Item | Refused],
    outcomes: Outcomes,
    progress: Progress,
    watch: Watch,
) -> None:
    """Have every item judged that has no verdict yet.

    A failed call is an outcome of its own, counted and tried again by the next run; it is never a
    score. Raises BackendFatal, StorageError, and RunError where nothing but failures comes back.
    """

    def keep(item: Item, found: Outcome | Failed) -> int:
        outcome = _failure(found) if isinstance(found, Failed) else found
        outcomes.add(item.key, outcome)
        return outcome.prompt_tokens + outcome.completion_tokens

    work = Work(judge.open, judge.settings.concurrency, judge.ask, keep)
    await call_all(work, _wanted(items, outcomes, progress), progress, watch)


def _failure(found: Failed) -> Outcome:
    return Outcome(failure=(found.kind, found.detail))


def _wanted(
    items: Iterator[Item | Refused], outcomes: Outcomes, progress: Progress
) -> Iterator[Item]:
    """The items still to be judged; equal ones once."""
    under_way: set[str] = set()
    for item in items:
        if isinstance(item, Refused):
            continue
        key = item.key
        if outcomes.settled(key) or key in under_way:
            progress.done += 1
            continue
        under_way.add(key)
        yield item
