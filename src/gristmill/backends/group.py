"""Several servers as one.

Every server keeps its own pool, with its connections, its gate and its limits per minute; a call
takes a slot of whichever has the least to do. Nobody waits for one server while another has a slot
free, so a slow server gets what it manages and no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

from gristmill.backends.address import Address
from gristmill.backends.calling import Calling
from gristmill.backends.fault import Fault
from gristmill.backends.health import OUT, is_failing
from gristmill.backends.places import WATCH, Found, Places
from gristmill.backends.pool import Caller, Parsed, Pool, verdict
from gristmill.backends.reply import Reader
from gristmill.backends.retry import Retry
from gristmill.backends.rotation import Member, Rotation, Wish
from gristmill.errors import ConfigError

MOVES = 2
"""Failures of servers that one call goes on from at once, at another server, without using up a
retry. Not more: a request that no server survives must not take them down one by one. To be
refused a connection, or told that a server is busy, costs nothing and does not count."""
NAMED = 8
"""Addresses that an error names at most."""

_log = logging.getLogger("gristmill.servers")


class Group:
    """A model on several servers; has a Pool's `call` and `leave`. `join` it.

    address: of one server, from settings that name it alone, and its name in DNS.
    """

    def __init__(
        self, calling: Calling, caller: Caller, address: Callable[[Calling, str | None], Address]
    ) -> None:
        self.rotation = Rotation(calling.concurrency, self._close)
        self._calling = calling
        self._traffic = caller.backend.traffic
        self._address = address
        self._places = Places(calling.model, calling.servers)
        self._found: dict[Found, Member | None] = {}
        self._watching: asyncio.Task[None] | None = None
        self._closing: dict[Member, asyncio.Task[None]] = {}
        self._opened_at = monotonic()
        self._answered_at = 0.0

    async def join(self) -> Group:
        """This group, its servers found; call from a running event loop.

        Raises BackendFatal where there is no server, ConfigError for an address that is none.
        """
        self._set(await self._places.look())
        if self._places.change:
            self._watching = asyncio.get_running_loop().create_task(self._watch())
        return self

    async def leave(self) -> None:
        """Give all pools back."""
        if self._watching is not None:
            self._watching.cancel()
        for member in self.rotation.members:
            self._remove(member)
            self._close(member)
        await asyncio.gather(*self._closing.values())

    async def call(
        self,
        caller: Caller,
        body: bytes,
        parse: Callable[[Any], Parsed],
        reader: Reader | None = None,
        prefix: bytes = b"",
    ) -> Parsed:
        """See Pool.call. prefix: what the request begins with, if that decides its server."""
        retry = Retry()
        again = False
        wish = Wish(prefix)
        while True:
            member = await self.rotation.enter(wish)
            member.traffic["requests"] += 1
            try:
                told = await member.pool.attempt(caller, member.url, body, parse, reader, again)
                self._answered_at = monotonic()
                member.health.passed()
                return told
            except Fault as error:
                fault = error
                member.traffic["failures"] += 1
                elsewhere = self._failed(member, fault, wish)
            finally:
                self.rotation.left(member, wish)
            again = True
            if elsewhere:
                continue
            delay = retry.delay(fault, caller.retries, self._answered_at > 0)
            if delay is None:
                times = (self._opened_at, self._answered_at)
                raise verdict(caller, fault, times, self._where()) from None
            wish.tried = {member}
            await self.rotation.pause(delay)

    def _failed(self, member: Member, fault: Fault, wish: Wish) -> bool:
        """Judge a server by a failure. Returns whether the call goes on at another at once."""
        health = member.health
        wish.tried.add(member)
        if fault.fatal and not (fault.status == 403 and member.pool.answered_at):
            health.cannot(fault)
            wish.tried = {m for m in wish.tried if m.health.unfit}
            return any(not m.health.unfit for m in self.rotation.members)
        if is_failing(fault):
            health.failed(fault, wish.trial)
        elif not fault.overload and not fault.fatal:
            health.passed()
        if not fault.again or wish.tried.issuperset(self.rotation.now()):
            return False
        if not (fault.offline or (fault.overload and fault.kind != "timeout")):
            wish.moves += 1
        return wish.moves <= MOVES

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH)
            self._set(await self._places.look())

    def _set(self, found: list[Found]) -> None:
        """Take in servers that are new, and let those that are gone end their calls."""
        for gone in self._found.keys() - {*found}:
            member = self._found.pop(gone)
            if member is not None:
                self._remove(member)
        self.rotation.members = [m for m in self.rotation.members if not m.removed]
        for new in [f for f in found if f not in self._found]:
            member = self._found[new] = self._member(new)
            if member is not None:
                self.rotation.members.append(member)
        self._changed()

    def _changed(self) -> None:
        """A server came, went, went out or came back."""
        members = self.rotation.members
        self._traffic.used = {m.pool.server.root: m.health.state != OUT for m in members}
        self.rotation.changed()

    def _member(self, found: Found) -> Member | None:
        """A server taken in. Raises ConfigError for an address that is none; None where that came
        later, into a file."""
        o = self._calling.model_copy(update={"model": found.model, "servers": ()})
        try:
            address = self._address(o, found.hostname)
        except ConfigError as error:
            if self._watching is None:
                raise
            _log.warning("%s; left out", error)
            return None
        pool = Pool.join(address.server, o)
        pool.gate.others.append(self.rotation.wake)
        counts = self._traffic.servers.setdefault(address.server.root, Counter())
        return Member(pool, address, self._changed, counts)

    def _remove(self, member: Member) -> None:
        member.removed = True
        member.health.stop()
        member.pool.gate.others.remove(self.rotation.wake)
        if not member.busy:
            self._close(member)

    def _close(self, member: Member) -> None:
        if member not in self._closing:
            closing = asyncio.get_running_loop().create_task(member.pool.leave())
            self._closing[member] = closing

    def _where(self) -> str:
        """All addresses, each with what is wrong there, for an error."""
        said = [
            f"{m.url}" + (f" ({m.health.unfit or 'out'})" if m.health.state == OUT else "")
            for m in self.rotation.members
        ]
        more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
        return ", ".join(said[:NAMED]) + more
