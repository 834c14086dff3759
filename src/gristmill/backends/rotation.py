"""Which of several servers gets the next call: one with a slot free, and the least to do."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from math import ceil

from gristmill.backends.address import Address
from gristmill.backends.health import TRIAL, Health
from gristmill.backends.pool import Pool
from gristmill.backends.sticky import LOAD, rank


class Member:
    """One server of a group.

    traffic: counts of its requests. busy: calls of this group that it has. turn: when it got its
    last one. removed: whether it gets no more, and leaves once its calls have ended.
    """

    def __init__(
        self, pool: Pool, address: Address, told: Callable[[], None], traffic: Counter[str]
    ) -> None:
        self.pool = pool
        self.url = address.url
        self.health = Health(pool, address.name, told, traffic)
        self.traffic = traffic
        self.busy = 0
        self.turn = 0
        self.removed = False

    @property
    def load(self) -> tuple[float, int]:
        """What the next call goes by: least outstanding for its limit, then longest idle."""
        gate = self.pool.gate
        return gate.busy / gate.limit, self.turn


class Wish:
    """What one call asks for. prefix: what decides its server, if anything does. tried: where it
    failed, so that it goes elsewhere. moves: how often it went on at once. trial: whether its slot
    is that of a server's trial."""

    __slots__ = ("moves", "prefix", "trial", "tried")

    def __init__(self, prefix: bytes) -> None:
        self.prefix = prefix
        self.tried: set[Member] = set()
        self.moves = 0
        self.trial = False


class Rotation:
    """The servers in use, and the calls that wait for any of them.

    concurrency: calls under way at most, of all servers together. freed: told of a server that was
    removed once its last call has ended.
    """

    def __init__(self, concurrency: int, freed: Callable[[Member], None]) -> None:
        self.members: list[Member] = []
        self._concurrency = concurrency
        self._freed = freed
        self._busy = 0
        self._turn = 0
        self._waiters: list[tuple[asyncio.Future[Member], Wish]] = []
        self._returned = asyncio.Event()

    def now(self) -> list[Member]:
        """Who may get a call. Where all are out, they are treated as one dead server is: calls
        try them, with growing pauses."""
        ready = [m for m in self.members if m.health.ready]
        if ready or any(m.health.state == TRIAL for m in self.members):
            return ready
        return [m for m in self.members if not m.health.unfit] or self.members

    async def enter(self, wish: Wish) -> Member:
        """A slot of some server, after all who came before."""
        member = None if self._waiters else self._pick(wish)
        if member is not None:
            return self._take(member, wish)
        waiter: asyncio.Future[Member] = asyncio.get_running_loop().create_future()
        self._waiters.append((waiter, wish))
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled():
                # The slot was handed over in the same turn of the loop: pass it on.
                self.left(waiter.result(), wish)
            raise

    def left(self, member: Member, wish: Wish) -> None:
        """Give a slot back."""
        if wish.trial:
            member.health.ended()
        member.busy -= 1
        self._busy -= 1
        member.pool.gate.leave()
        if member.removed and not member.busy:
            self._freed(member)
        self.wake()

    def wake(self) -> None:
        """Hand slots to those who wait, in their order; who waits for other servers than the rest
        holds nobody up."""
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, []
        for place, (waiter, wish) in enumerate(waiters):
            if waiter.done():  # cancelled
                continue
            member = self._pick(wish)
            if member is not None:
                waiter.set_result(self._take(member, wish))
                continue
            self._waiters.append((waiter, wish))
            if not wish.tried:
                self._waiters += waiters[place + 1 :]
                return

    def changed(self) -> None:
        """A server went out, or came back."""
        if any(m.health.ready for m in self.members):
            self._returned.set()
        self.wake()

    async def pause(self, seconds: float) -> None:
        """Wait; where all servers are out, not longer than until one is back."""
        if any(m.health.ready for m in self.members):
            await asyncio.sleep(seconds)
            return
        self._returned.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._returned.wait(), seconds)

    def _pick(self, wish: Wish) -> Member | None:
        """Who gets a call now; None while nobody has a slot."""
        if self._busy >= self._concurrency:
            return None
        there = self.now()
        if wish.tried:
            there = [m for m in there if m not in wish.tried] or there
        free = [m for m in there if m.pool.gate.has_room]
        if wish.prefix and (near := _near(free, there)):
            return max(near, key=lambda m: rank(wish.prefix, m.pool.server.root))
        return min(free, key=lambda m: m.load) if free else None

    def _take(self, member: Member, wish: Wish) -> Member:
        taken = member.pool.gate.try_enter()
        assert taken
        wish.trial = member.health.begin()
        self._turn += 1
        member.turn = self._turn
        member.busy += 1
        self._busy += 1
        return member


def _near(free: list[Member], there: list[Member]) -> list[Member]:
    """Who may take one more without having more than LOAD times a fair share."""
    total = sum(m.pool.gate.busy for m in there) + 1
    slots = sum(m.pool.gate.limit for m in there)
    return [m for m in free if m.pool.gate.busy < ceil(LOAD * total * m.pool.gate.limit / slots)]
