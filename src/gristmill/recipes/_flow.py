"""From stage to stage without a barrier, in an order that does not depend on who was faster.

A stage takes items from the one before as they come and works on several at once. What it makes
is handed on in the order of what it was made from, so that the same answers give the same prompts
in the same order, whatever the concurrency, the crashes and the resumes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Wanted:
    """How many prompts are still wanted, and how many the stages have under way.

    left: counted down as prompts are delivered; more may be added by `add`. quiet: calls that were
    answered since the last delivery. calls_left: that may be made for all of them; None is any.
    """

    def __init__(self, left: int) -> None:
        self.left = left
        self.quiet = 0
        self.calls_left: int | None = None
        self._stages: list[Pace] = []
        self._waiters: list[asyncio.Future[None]] = []

    def stage(self, ahead: int, width: float, depth: int = 0) -> Pace:
        """A further stage, after those before it.

        ahead: items under way or waiting to be taken, at most. width: prompts that one of its
        items will become. depth: a deeper stage comes before all that are less deep.
        """
        pace = Pace(self, ahead, width, depth)
        place = next((i for i, s in enumerate(self._stages) if s.depth < depth), None)
        self._stages.insert(len(self._stages) if place is None else place, pace)
        return pace

    def leave(self, pace: Pace) -> None:
        """The stage has ended, and with it what it promised."""
        self._stages.remove(pace)
        self.wake()

    def promised(self, pace: Pace) -> float:
        """Prompts that will come of what is under way in a stage and those after it."""
        return sum(s.promised for s in self._stages[self._stages.index(pace) :])

    def add(self, more: int) -> None:
        """Want more."""
        self.left += more
        self.wake()

    def wake(self) -> None:
        """Let the stages look again whether to begin more."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def change(self) -> None:
        """Wait for the next time that something was delivered, dropped, or wanted."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter


@dataclass(eq=False)
class Pace:
    """How far a stage may run ahead: so that nobody waits for it, and nothing is begun that nobody
    will want. See `Wanted.stage`. waiting: its items that were not taken yet."""

    wanted: Wanted
    ahead: int
    width: float
    depth: int = 0
    waiting: int = 0
    promised: float = 0.0

    def may_start(self) -> bool:
        """Whether one more item may be begun."""
        if self.waiting == 0:
            return True
        return self.waiting < self.ahead and self.wanted.promised(self) < self.wanted.left

    def begin(self) -> None:
        self.waiting += 1
        self.promised += self.width

    def take(self, share: float) -> None:
        """That share of an item was handed on: from here on the next stage answers for it."""
        self.promised = max(0.0, self.promised - share * self.width)
        self.wanted.wake()

    def end(self) -> None:
        self.waiting -= 1


async def each(
    source: AsyncGenerator[T] | Iterable[T],
    work: Callable[[T], Awaitable[Sequence[R]]],
    pace: Pace,
) -> AsyncGenerator[R]:
    """What `work` makes of each item of `source`, in the source's order. Close it when done.

    What `work` raises is raised in its item's place, after what came before.
    """
    queue: asyncio.Queue[asyncio.Future[Sequence[R]] | None] = asyncio.Queue()
    pumping = asyncio.ensure_future(_pump(source, work, pace, queue))
    under_way: asyncio.Future[Sequence[R]] | None = None
    try:
        while (under_way := await queue.get()) is not None:
            found = await under_way
            for made in found:
                pace.take(1 / len(found))
                yield made
            if not found:
                pace.take(1)
            pace.end()
            pace.wanted.wake()
    finally:
        await _cancel(pumping, under_way, queue)
        pace.wanted.leave(pace)


async def _pump(
    source: AsyncGenerator[T] | Iterable[T],
    work: Callable[[T], Awaitable[Sequence[R]]],
    pace: Pace,
    queue: asyncio.Queue[asyncio.Future[Sequence[R]] | None],
) -> None:
    """Begin work on items as far ahead as may be; the queue has it in the source's order."""
    try:
        async with aclosing(_stream(source)) as items:
            async for item in items:
                pace.begin()
                queue.put_nowait(asyncio.ensure_future(work(item)))
                while not pace.may_start():
                    await pace.wanted.change()
    except Exception as error:
        failed: asyncio.Future[Sequence[R]] = asyncio.get_running_loop().create_future()
        failed.set_exception(error)
        queue.put_nowait(failed)
    else:
        queue.put_nowait(None)


async def _cancel(
    pumping: asyncio.Future[None],
    under_way: asyncio.Future[Sequence[R]] | None,
    queue: asyncio.Queue[asyncio.Future[Sequence[R]] | None],
) -> None:
    """Stop what was begun; wait for it, so that nothing goes on behind anybody's back."""
    begun: list[asyncio.Future[Any]] = [pumping]
    if under_way is not None:
        begun.append(under_way)
    while not queue.empty():
        if (future := queue.get_nowait()) is not None:
            begun.append(future)
    for future in begun:
        future.cancel()
    # Gathered, and not awaited one by one: a cancellation of this task itself must get through.
    await asyncio.gather(*begun, return_exceptions=True)


async def _stream(source: AsyncIterator[T] | Iterable[T]) -> AsyncGenerator[T]:
    if isinstance(source, Iterable):
        for item in source:
            yield item
        return
    try:
        async for item in source:
            yield item
    finally:
        if isinstance(source, AsyncGenerator):
            await source.aclose()
