"""Gathers the calls that are waiting and runs them in batches, on threads of the whole process.

The event loop never waits for a model. All local models share the same few threads, so that two
of them do not fight for the cores or the GPU:

    WIDE     one thread; PyTorch spreads each operation over all cores, or runs it on the GPU
    NARROW   a thread for each core, and each operation on the thread that calls it

Small models take the narrow lanes, a batch on each. Spreading operations that last microseconds
makes every one of them wait for the slowest core: with two other processes on two cores the tiny
model decoded 200 to 1,100 tokens a second that way, and 4,400 to 6,000 on narrow lanes.

A batch that runs can take in calls that have come since (`Turn.more`), as long as all lanes are
busy and no other model waits for one.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from gristmill.errors import BackendError

_SETTING = threading.Lock()


def _one_core() -> None:
    """Keep PyTorch's operations on this thread, and leave every other thread as it was."""
    import torch

    with _SETTING:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        # That also set what threads still to come begin with; a thread that ends puts it back.
        restore = threading.Thread(target=torch.set_num_threads, args=(before,))
        restore.start()
        restore.join()


@dataclass(frozen=True, slots=True)
class Lanes:
    """`count` threads that run batches. They start with the first task. waiting: pumps whose turn
    has no thread yet."""

    count: int
    pool: ThreadPoolExecutor
    waiting: set[Any] = field(default_factory=set)


def _lanes(name: str, count: int, start: Callable[[], None] | None = None) -> Lanes:
    return Lanes(count, ThreadPoolExecutor(count, f"gristmill-{name}", start))


def _cores() -> int:
    # Only Linux says how many of them this process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


WIDE = _lanes("wide", 1)
# Beyond four lanes Python's own lock is what they wait for.
NARROW = _lanes("narrow", min(4, _cores()), _one_core)

LEAST_ROWS = 32
"""Rows below which a batch is not split between lanes: a step costs as much for fewer."""

PAUSE = 0.002
"""Seconds without a new call after which a batch is taken to be complete."""

PATIENCE = 10
"""Pauses at most before a batch starts although calls are still coming in."""


class Call:
    """One waiting call.

    item: what `submit` was given. width: tokens that its row may take, at most; group: calls
    that share work when they sit in one batch; job: what the model made of the item. The last
    three are set by `Work.admit`.
    """

    __slots__ = ("_future", "_told", "group", "item", "job", "width")

    def __init__(
        self,
        item: Any,
        future: asyncio.Future[Any],
        told: Callable[[Any], None] | None = None,
    ) -> None:
        self.item = item
        self._future = future
        self._told = told
        self.width = 0
        self.group: Hashable = None
        self.job: Any = None

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the result any more. Safe from any thread."""
        return self._future.done()

    def settle(self, outcome: Any) -> None:
        """Hand over a result, a `Part` of one, or an exception, on the event loop's thread."""
        if self._future.done():
            return
        if isinstance(outcome, Part):
            if self._told is not None:
                self._told(outcome.value)
        elif isinstance(outcome, BaseException):
            self._future.set_exception(outcome)
        else:
            self._future.set_result(outcome)


class Part(NamedTuple):
    """What is known of a result before it is whole, for a call that is told of it."""

    value: Any


Settle = Callable[[Sequence[tuple[Call, Any]]], None]
"""Hands over results, each a value, a `Part` of one or an exception, from a lane's thread; the
earlier the better, for the callers go on at once."""


Cost = Callable[[Sequence[Call]], int]
"""Tokens that are computed for calls of one group."""


class Work(Protocol):
    """What a model does, always on a lane's thread; `run` on several at once.

    rows: calls in a batch at most. tokens: what a batch may cost: rows times the widest row, or,
    where `cost` is given, the sum over its groups of what `cost` says of each.
    """

    rows: int
    tokens: int
    cost: Cost | None

    def admit(self, call: Call) -> None:
        """Prepare a call: set its `width`, `group` and `job`.

        Raises BackendError where this call cannot succeed; no other call is touched.
        """

    def run(self, batch: Sequence[Call], settle: Settle) -> None:
        """Settle every call of the batch; an exception fails those not yet settled. `settle` is
        the batch's `Turn`."""


def choose(waiting: Sequence[Call], rows: int, tokens: int) -> list[Call]:
    """The longest-waiting call and those nearest to it in width, as many as fit.

    Calls of one group stay together. The first is taken even if it is wider than `tokens`.
    """
    first = waiting[0].width
    arrival: dict[Hashable, int] = {}
    for call in waiting:
        arrival.setdefault(call.group, len(arrival))
    batch: list[Call] = []
    widest = 0
    for call in sorted(waiting, key=lambda c: (abs(c.width - first), arrival[c.group])):
        widest = max(widest, call.width)
        if batch and (len(batch) == rows or (len(batch) + 1) * widest > tokens):
            break
        batch.append(call)
    return batch


def choose_groups(waiting: Sequence[Call], rows: int, tokens: int, cost: Cost) -> list[Call]:
    """The longest-waiting call with all of its group, and whole groups after it in the order in
    which they came, as many as fit. Where the first does not fit, a part of it."""
    groups: dict[Hashable, list[Call]] = {}
    for call in waiting:
        groups.setdefault(call.group, []).append(call)
    batch: list[Call] = []
    used = 0
    for group in groups.values():
        if not batch:
            group = group[:rows]
            while len(group) > 1 and cost(group) > tokens:
                group = group[: len(group) // 2]
        price = cost(group)
        if batch and (len(batch) + len(group) > rows or used + price > tokens):
            break
        batch.extend(group)
        used += price
    return batch


class Turn:
    """One batch on a lane. Called, it hands over results (`Settle`)."""

    def __init__(self, batcher: Batcher, settle: Settle, calls: list[Call]) -> None:
        self._batcher = batcher
        self._settle = settle
        self.calls = calls

    def __call__(self, outcomes: Sequence[tuple[Call, Any]]) -> None:
        self._settle(outcomes)

    def more(self, rows: int, width: int, ahead: int) -> list[Call]:
        """Calls that join, and are to be settled like the others. rows: that go on; width: tokens
        that each of them takes; ahead: that it may still come to take."""
        joined = self._batcher.joining(self._settle, rows, width, ahead)
        self.calls += joined
        return joined


class Batcher:
    """Between the event loop, where calls come from, and the lanes, where they are computed."""

    def __init__(self, work: Work, name: str, lanes: Lanes) -> None:
        self._work = work
        self._name = name
        self._lanes = lanes
        self._inbox: deque[Call] = deque()
        # Lanes take from the backlog by turns.
        self._taking = threading.Lock()
        self._backlog: list[Call] = []
        self._busy = 0
        self._pumps: set[asyncio.Task[None]] = set()

    async def submit(self, item: Any, told: Callable[[Any], None] | None = None) -> Any:
        """The result for `item`. Raises BackendError for a call that failed.

        told: called with each part of the result, on the event loop's thread.
        """
        loop = asyncio.get_running_loop()
        call = Call(item, loop.create_future(), told)
        self._inbox.append(call)
        if len(self._pumps) < self._lanes.count:
            self._pumps.add(loop.create_task(self._run(loop)))
        return await call._future

    async def close(self) -> None:
        """Drop what still waits; batches that are running end at their next step."""
        for call in (*self._inbox, *self._backlog):
            call._future.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        pump = asyncio.current_task()
        assert pump is not None
        try:
            while self._inbox or self._backlog:
                await self._gather()
                self._lanes.waiting.add(pump)
                await loop.run_in_executor(self._lanes.pool, self._turn, loop, pump)
        finally:
            # Here and not in a callback, which comes a moment later: a call in that moment would
            # wait for a pump that has ended.
            self._pumps.discard(pump)
            # Where it was cancelled before its turn came.
            self._lanes.waiting.discard(pump)

    async def _gather(self) -> None:
        for _ in range(PATIENCE):
            before = len(self._inbox)
            if before + len(self._backlog) >= self._work.rows * self._lanes.count:
                return
            await asyncio.sleep(PAUSE)
            if len(self._inbox) == before:
                return

    def _turn(self, loop: asyncio.AbstractEventLoop, pump: object) -> None:
        """Take in what has arrived and run one batch. Never raises."""
        self._lanes.waiting.discard(pump)

        def settle(outcomes: Sequence[tuple[Call, Any]]) -> None:
            # A closed loop has nobody waiting.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, outcomes)

        batch = self._take(settle)
        if not batch:
            return
        turn = Turn(self, settle, batch)
        try:
            self._work.run(tuple(batch), turn)
        except MemoryError as error:
            if len(batch) > 1:
                self._work.rows = len(batch) // 2
                with self._taking:
                    self._backlog[:0] = batch
            else:
                settle([(call, self._broken(error)) for call in batch])
        except Exception as error:
            settle([(call, self._broken(error)) for call in batch])
        finally:
            with self._taking:
                self._busy -= 1

    def _take(self, settle: Settle) -> list[Call]:
        """The next batch: a fair share of what waits, for each lane that has nothing to do."""
        with self._taking:
            # What has arrived since the turn was queued behind another model comes along.
            self._arrive(settle)
            if not self._backlog:
                return []
            share = -(-len(self._backlog) // (self._lanes.count - self._busy))
            rows = min(self._work.rows, max(LEAST_ROWS, share))
            try:
                batch = self._choice(rows)
            except Exception as error:
                lost, self._backlog = self._backlog, []
                settle([(call, self._broken(error)) for call in lost])
                return []
            taken = set(batch)
            self._backlog = [call for call in self._backlog if call not in taken]
            self._busy += 1
            return batch

    def joining(self, settle: Settle, rows: int, width: int, ahead: int) -> list[Call]:
        """See `Turn.more`. Nobody joins where a lane is free, or another model waits for one."""
        if not (self._inbox or self._backlog):
            return []
        with self._taking:
            if self._busy < self._lanes.count or self._lanes.waiting:
                return []
            self._arrive(settle)
            joined: list[Call] = []
            for call in self._backlog[: max(0, self._work.rows - rows)]:
                ahead = max(ahead, call.width)
                if (rows + len(joined) + 1) * (width + ahead) > self._work.tokens:
                    break
                joined.append(call)
            self._backlog = self._backlog[len(joined) :]
            return joined

    def _arrive(self, settle: Settle) -> None:
        while self._inbox:
            self._admit(self._inbox.popleft(), settle)
        self._backlog = [call for call in self._backlog if not call.gone]

    def _choice(self, rows: int) -> list[Call]:
        tokens, cost = self._work.tokens, self._work.cost
        if cost is None:
            return choose(self._backlog, rows, tokens)
        return choose_groups(self._backlog, rows, tokens, cost)

    def _admit(self, call: Call, settle: Settle) -> None:
        if call.gone:
            return
        try:
            self._work.admit(call)
        except Exception as error:
            settle([(call, self._broken(error))])
        else:
            self._backlog.append(call)

    def _broken(self, error: Exception) -> Exception:
        if isinstance(error, BackendError):
            return error
        line = " ".join(str(error).split()) or "no message"
        return BackendError("server", f"{self._name}: {type(error).__name__}: {line[:300]}")


def _settle(outcomes: Sequence[tuple[Call, Any]]) -> None:
    for call, outcome in outcomes:
        call.settle(outcome)
