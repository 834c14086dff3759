"""How many requests may be in flight to one server: additive increase, multiplicative decrease.

The gate opens at once to its ceiling, so that a server without limits is never held back. When
the server refuses (429, 503), every refusal of one round trip takes one slot away: the limit
falls by the share of requests that was refused, not by a fixed factor for each of many refusals
of the same moment. What was refused is remembered as a wall; below it the limit grows by one
slot for each window of successes, at the wall it probes ever more rarely.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

MAX_PATIENCE = 32
"""Windows of successes, at most, between two probes of a limit that was refused."""
MAX_PAUSE = 30.0
"""Seconds, at most, that the gate closes when nothing passes and the server names no time."""


class Gate:
    """Slots for requests in flight, first come first served.

    ceiling: slots at most. limit: slots now. busy: slots taken. wave: the round trip that a
    request belongs to; read it on entering and hand it to `refused`. others: told whenever a slot
    may have become free that nobody waits for here.

    Use: `if not gate.try_enter(): await gate.enter()`, then `passed()` or `refused()`, and
    always `leave()`.
    """

    __slots__ = (
        "_credit",
        "_floor",
        "_need",
        "_patience",
        "_pauses",
        "_refused_in_row",
        "_streak",
        "_timer",
        "_waiters",
        "_wall",
        "_window",
        "busy",
        "ceiling",
        "limit",
        "others",
        "wave",
    )

    def __init__(self, ceiling: int) -> None:
        assert ceiling >= 1
        self.ceiling = ceiling
        self.limit = ceiling
        self.busy = 0
        self.wave = 0
        self.others: list[Callable[[], None]] = []
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._wall = math.inf  # the lowest limit known to be refused
        self._patience = 1  # windows of successes before the wall is probed
        self._credit = 0  # successes since the limit last changed
        self._need = ceiling  # successes before it grows
        self._streak = 0  # times it grew since the last refusal
        self._floor = 1  # how low this wave may push it
        self._window = ceiling  # requests in flight when this wave began
        self._refused_in_row = 0
        self._pauses = 0  # closures since the last success
        self._timer: asyncio.TimerHandle | None = None  # set while the gate is closed

    def raise_ceiling(self, ceiling: int) -> None:
        """Let more in: another backend that shares the server asked for a larger ceiling."""
        if ceiling > self.ceiling:
            if self.limit == self.ceiling:
                self.limit = ceiling
            self.ceiling = ceiling
            self._wake()

    @property
    def has_room(self) -> bool:
        """Whether a slot is free and nobody waits for it."""
        return self.busy < self.limit and not self._waiters and self._timer is None

    def try_enter(self) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        if self.has_room:
            self.busy += 1
            return True
        return False

    async def enter(self) -> None:
        """Take a slot, after all who came before."""
        if self.try_enter():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                # The slot was handed over in the same turn of the loop: pass it on.
                self.leave()
            raise

    def leave(self) -> None:
        """Give the slot back."""
        self.busy -= 1
        if self._waiters or self.others:
            self._wake()

    def passed(self) -> None:
        """The server took a request. Call before `leave`."""
        self._refused_in_row = self._pauses = 0
        # Successes that did not need the limit say nothing about raising it.
        if self.limit < self.ceiling and (self._waiters or self.busy >= self.limit):
            self._credit += 1
            if self._credit >= self._need:
                self._grow()

    def refused(self, wave: int, retry_after: float = 0.0) -> None:
        """The server was too busy for a request of `wave`. Call before `leave`.

        retry_after: seconds the server asked to wait; the whole gate waits only when a full
        window was refused without one success between.
        """
        if wave == self.wave:
            self.wave += 1
            self._window = min(self.limit, self.busy)
            self._floor = max(1, self._window // 4)
            # Refused again where it was refused before: wait longer before the next probe.
            # Refused below that: the server has got slower, or it was chance; try again soon.
            probed = self._window >= self._wall
            self._patience = min(MAX_PATIENCE, self._patience * 2) if probed else 1
            self.limit = self._window
        self.limit = max(self._floor, self.limit - 1)
        self._wall = self.limit + 1
        self._credit = self._streak = 0
        self._plan()
        self._refused_in_row += 1
        if self._refused_in_row > self._window:
            self._pause(retry_after)

    def close(self) -> None:
        """Forget a pending timer. Nobody may be inside."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _grow(self) -> None:
        if self.limit >= self._wall:
            # A whole window passed where one was refused before: the server's limit has moved.
            self._wall = math.inf
            self._patience = 1
        self._streak += 1
        grown = self.limit + 1 + self._streak // 4
        self.limit = int(min(grown, self.ceiling, max(self._wall - 1, self.limit + 1)))
        self._credit = 0
        self._plan()
        self._wake()

    def _plan(self) -> None:
        probing = self.limit + 1 >= self._wall > self.limit
        self._need = self.limit * (self._patience if probing else 1)

    def _pause(self, retry_after: float) -> None:
        if self._timer is not None:
            return
        seconds = retry_after or min(MAX_PAUSE, 0.25 * 2**self._pauses)
        self._pauses += 1
        self._timer = asyncio.get_running_loop().call_later(seconds, self._reopen)

    def _reopen(self) -> None:
        self._timer = None
        self._wake()

    def _wake(self) -> None:
        while self._waiters and self.busy < self.limit and self._timer is None:
            waiter = self._waiters.popleft()
            if not waiter.done():  # done here means cancelled
                self.busy += 1
                waiter.set_result(None)
        if self.has_room:
            for tell in self.others:
                tell()
