"""Many calls of one model, each result kept as soon as it is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Generic, TypeVar

from gristmill.backends.base import Backend
from gristmill.backends.cached import doubting
from gristmill.errors import BackendError, RunError

AHEAD = 4
"""Tasks under way for each call in flight: enough that a local model can sort them by length, and
that a slow one does not hold the rest."""

PATIENCE = 64
"""Failures in a row after which the model is taken to be down. Those that no try can change (too
long, unreadable) do not count."""

HOPELESS = ("too_long", "bad_request", "bad_reply", "content_filter", "unreadable", "empty")
"""Failures that lie in the question or the model, and not in the connection."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass
class Progress:
    """How far a model is, the `number`-th of `of` in its phase.

    phase: `answers`, `verdicts` or `hard prompts`; empty where there is but one. total: tasks.
    done: those with a result, earlier sessions' among them. failed: those without one, by reason.
    """

    phase: str
    who: str
    number: int
    of: int
    total: int
    done: int = 0
    tokens: int = 0
    failed: Counter[str] = field(default_factory=Counter)


Watch = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Failed:
    """A call without a result: `kind` is the reason that it is counted under."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Work(Generic[T, R]):
    """What is to be done with one model.

    open: its backend, not yet entered; called only if there is a task. concurrency: calls in
    flight. ask: does one task; raises BackendError for a failure. keep: stores its result, or
    how it failed, before anything else is done; returns the tokens that it took.
    """

    open: Callable[[], Backend]
    concurrency: int
    ask: Callable[[Backend, T], Awaitable[R]]
    keep: Callable[[T, R | Failed], int]


async def call_all(work: Work[T, R], tasks: Iterator[T], progress: Progress, watch: Watch) -> None:
    """Do every task. A failed call is counted and kept as such; it is never a result.

    Raises BackendFatal, StorageError, and RunError where nothing but failures comes back.
    """
    first = next(tasks, None)
    if first is None:
        return
    waiting = chain([first], tasks)
    ahead = AHEAD * work.concurrency
    in_row = 0
    async with work.open() as backend:
        pending: set[asyncio.Task[tuple[T, R | Failed]]] = set()
        ended: set[asyncio.Task[tuple[T, R | Failed]]] = set()
        try:
            while True:
                for task in islice(waiting, ahead - len(pending)):
                    pending.add(asyncio.create_task(_one(work, backend, task)))
                if not pending:
                    break
                ended, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for one in ended:
                    in_row = _kept(work, *one.result(), progress, in_row)
                watch(progress)
        finally:
            for one in pending:
                one.cancel()
            # Of several that failed at once only one is raised; the others were heard, too.
            await asyncio.gather(*pending, *ended, return_exceptions=True)


async def _one(work: Work[T, R], backend: Backend, task: T) -> tuple[T, R | Failed]:
    try:
        with doubting():
            return task, await work.ask(backend, task)
    except BackendError as error:
        return task, Failed(error.kind, str(error))


def _kept(work: Work[T, R], task: T, result: R | Failed, progress: Progress, in_row: int) -> int:
    """Keep and count a result; returns how many failures have come in a row."""
    progress.tokens += work.keep(task, result)
    if not isinstance(result, Failed):
        progress.done += 1
        return 0
    progress.failed[result.kind] += 1
    in_row += result.kind not in HOPELESS
    if in_row >= PATIENCE:
        raise RunError(
            f"{progress.who}: {in_row} calls in a row failed, the last with {result.kind}: "
            f"{result.detail}; put it right and run again: what is done is kept"
        )
    return in_row


async def both(first: Awaitable[R], second: Awaitable[R]) -> tuple[R, R]:
    """The results of two calls; a failure is raised once both have ended."""
    one, two = await asyncio.gather(first, second, return_exceptions=True)
    for found in (one, two):
        if isinstance(found, BaseException) and not isinstance(found, BackendError):
            raise found
    if isinstance(one, BaseException):
        raise one
    if isinstance(two, BaseException):
        raise two
    return one, two
