"""Ask a judge about every item, many at a time, and keep each outcome as soon as it is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from gristmill.backends.base import Backend
from gristmill.bench.items import Item, Refused
from gristmill.bench.judges import Judge
from gristmill.bench.outcomes import Outcome
from gristmill.errors import BackendError, RunError
from gristmill.log import Log

AHEAD = 4
"""Items under way for each call in flight: enough to sort them by length, and that a slow one
does not hold the rest."""

PATIENCE = 64
"""Failures in a row after which the judge is taken to be down. Items that no try can change
(too long, refused) do not count."""

HOPELESS = ("too_long", "bad_request", "bad_reply", "unreadable")
"""Failures that lie in the item or the model, and not in the connection."""


@dataclass
class Progress:
    """How far a judge is, the `number`-th of `judges`. rows: of the data. done: items with a
    verdict, those of earlier sessions among them."""

    judge: str
    number: int
    judges: int
    rows: int
    done: int = 0
    tokens: int = 0
    failed: Counter[str] = field(default_factory=Counter)


Watch = Callable[[Progress], None]


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
    wanted = _wanted(items, outcomes, progress)
    first = next(wanted, None)
    if first is None:
        return
    ahead = AHEAD * judge.settings.concurrency
    in_row = 0
    async with judge.open() as backend:
        pending: set[asyncio.Task[tuple[Item, Outcome]]] = set()
        ended: set[asyncio.Task[tuple[Item, Outcome]]] = set()
        waiting = chain([first], wanted)
        try:
            while True:
                more = islice(waiting, ahead - len(pending))
                pending |= {_start(judge, backend, item) for item in more}
                if not pending:
                    break
                ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    item, outcome = task.result()
                    outcomes.add(item.key, outcome)
                    in_row = _count(progress, outcome, in_row)
                watch(progress)
        finally:
            for task in pending:
                task.cancel()
            # Of several that failed at once only one is raised; the others were heard, too.
            await asyncio.gather(*pending, *ended, return_exceptions=True)


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


def _start(judge: Judge, backend: Backend, item: Item) -> asyncio.Task[tuple[Item, Outcome]]:
    return asyncio.create_task(_ask(judge, backend, item))


async def _ask(judge: Judge, backend: Backend, item: Item) -> tuple[Item, Outcome]:
    try:
        return item, await judge.ask(backend, item)
    except BackendError as error:
        return item, Outcome(failure=(error.kind, str(error)))


def _count(progress: Progress, outcome: Outcome, in_row: int) -> int:
    """Count an outcome; returns how many failures have come in a row."""
    if outcome.failure is None:
        progress.done += 1
        progress.tokens += outcome.prompt_tokens + outcome.completion_tokens
        return 0
    kind, detail = outcome.failure
    progress.failed[kind] += 1
    in_row += kind not in HOPELESS
    if in_row >= PATIENCE:
        raise RunError(
            f"{progress.judge}: {in_row} calls in a row failed, the last with {kind}: {detail}; "
            "put it right and run again: what is judged is kept"
        )
    return in_row
