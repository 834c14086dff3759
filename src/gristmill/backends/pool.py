"""One connection pool for each server and key: session, gate, limits and the retry loop.

All chat and reward backends of a process that talk to one server share its pool, because what
the server limits is the sum of what they send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from io import BytesIO
from time import monotonic
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from gristmill.backends.address import Address
from gristmill.backends.aimd import Gate
from gristmill.backends.base import Backend
from gristmill.backends.calling import Calling, PerMinute
from gristmill.backends.fault import PATIENCE, Fault, fault_of_status
from gristmill.backends.limits import Limits
from gristmill.backends.reply import MOST_SAID, Reader, head_of, read_whole, usage_of
from gristmill.backends.retry import Retry
from gristmill.backends.session import CONNECT_TIMEOUT, Server, open_session, proxy_of
from gristmill.backends.unreached import fault_of_error
from gristmill.errors import BackendError, BackendFatal

LARGE_BODY = 1 << 20
"""Bytes from which aiohttp wants a file rather than bytes."""
DENIALS = 20
"""403 replies in a row that stop the run, once the model has answered before: single ones are a
provider's moderation of a prompt."""

Parsed = TypeVar("Parsed")


class Pool:
    """Session, gate and limits of one server. `join` it, `leave` it; the last one closes it."""

    def __init__(self, server: Server, concurrency: int) -> None:
        self.server = server
        self.gate = Gate(concurrency)
        self._limits: dict[PerMinute, Limits] = {}
        self.answered_at = 0.0  # 0 means never
        self._proxy = proxy_of(server)
        self._session = open_session(server)
        self._users = 0
        self._opened_at = monotonic()
        self._place: tuple[Any, ...] = ()

    @classmethod
    def join(cls, server: Server, calling: Calling) -> Pool:
        """The open pool of this server, or a new one; call from a running event loop.

        Of its users the largest `concurrency` holds. Those that name the same limits per minute
        share one pace, others have their own, and who names none is held to the first one's.
        """
        place = (asyncio.get_running_loop(), server.root, server.key)
        pool = _pools.get(place)
        if pool is None:
            pool = _pools[place] = cls(server, calling.concurrency)
            pool._place = place
        pool.gate.raise_ceiling(calling.concurrency)
        if any(calling.per_minute):
            pool._limits.setdefault(calling.per_minute, Limits(*calling.per_minute))
        pool._users += 1
        return pool

    async def leave(self) -> None:
        """Give the pool back; closes the connections after the last user."""
        self._users -= 1
        if self._users == 0:
            del _pools[self._place]
            self.gate.close()
            await self._session.close()
            await asyncio.sleep(0)  # lets the sockets close before the event loop does

    async def call(
        self,
        caller: Caller,
        body: bytes,
        parse: Callable[[Any], Parsed],
        reader: Reader | None = None,
        prefix: bytes = b"",
    ) -> Parsed:
        """Send `body` until a reply comes that `parse` accepts.

        parse: gets the decoded JSON; raises Fault for a reply that cannot be used.
        reader: reads a reply of status 200 in another way than as a whole.
        prefix: of no use to one server; see Group.call.
        Raises BackendError when the retries are used up, BackendFatal when no call can succeed.
        """
        retry: Retry | None = None
        gate = self.gate
        while True:
            if not gate.try_enter():
                await gate.enter()
            try:
                again = retry is not None
                return await self.attempt(caller, caller.url, body, parse, reader, again)
            except Fault as error:
                fault = error
            finally:
                gate.leave()
            # The slot is free again while this call waits.
            retry = retry or Retry()
            delay = retry.delay(fault, caller.retries, self.answered_at > 0)
            if delay is None:
                times = (self._opened_at, self.answered_at)
                raise verdict(caller, fault, times, str(caller.url)) from None
            await asyncio.sleep(delay)

    async def attempt(
        self,
        caller: Caller,
        url: URL,
        body: bytes,
        parse: Callable[[Any], Parsed],
        reader: Reader | None,
        again: bool,
    ) -> Parsed:
        """Send `body` once, in a slot of the gate that the caller has taken and gives back.

        again: whether it was sent before, for the count of retries.
        Raises Fault, counted and without the key, and BackendError when a budget is used up.
        """
        gate, traffic = self.gate, caller.backend.traffic
        wave, limits = gate.wave, self._limits_of(caller)
        try:
            reserved = await limits.wait(body) if limits is not None else 0.0
            caller.backend.meter.take_request()
            traffic.requests += 1
            traffic.retries += again
            reply = await self._post(caller, url, body, reader)
            gate.passed()
            parsed = parse(reply)
        except Fault as error:
            fault = error.redacted(self.server.key.redact)
            if reader is not None and reader.begun:
                fault.again = fault.fatal = False
            if fault.overload:
                gate.refused(wave, fault.after or 0.0)
            traffic.failures[fault.kind] += 1
            raise
        self.answered_at = monotonic()
        caller.denials = 0
        if limits is not None:
            limits.settle(reserved, *usage_of(reply))
        return parsed

    def _limits_of(self, caller: Caller) -> Limits | None:
        if not self._limits:
            return None
        return self._limits.get(caller.per_minute) or next(iter(self._limits.values()))

    async def _post(self, caller: Caller, url: URL, body: bytes, reader: Reader | None) -> Any:
        """One request; what is read of a 200 reply. Raises Fault."""
        data = body if len(body) < LARGE_BODY else BytesIO(body)
        try:
            async with self._sent("POST", url, caller.timeout, data) as reply:
                if reply.status == 200:
                    read = read_whole if reader is None else reader.read
                    return await read(reply, caller.most)
                raw = await head_of(reply, MOST_SAID)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            fault = fault_of_error(error)
        else:
            fault = fault_of_status(reply.status, reply.headers, raw)
        # Raised outside of the handlers: the client's exceptions hold the request's headers.
        raise fault

    async def look(self, path: str, seconds: float) -> tuple[int, bytes]:
        """Status and body of a GET below the server's root; 0 where no reply came."""
        url = URL(f"{self.server.root.rstrip('/')}{path}")
        try:
            async with self._sent("GET", url, aiohttp.ClientTimeout(total=seconds)) as reply:
                return reply.status, await head_of(reply, MOST_SAID)
        except (TimeoutError, aiohttp.ClientError, OSError):
            return 0, b""

    def _sent(self, method: str, url: URL, timeout: aiohttp.ClientTimeout, data: Any = None):
        return self._session.request(
            method,
            url,
            data=data,
            timeout=timeout,
            allow_redirects=False,
            proxy=self._proxy,
            server_hostname=self.server.hostname,
        )


class Caller:
    """What one backend hands to its pool with every call.

    name: the model as the server knows it. key_name: the environment variable that the key came
    from, for messages. denials: 403 replies since the last good one, as good
    as too many while there was none. per_minute: its own limits. most: bytes of a reply.
    """

    __slots__ = (
        "backend",
        "denials",
        "key_name",
        "most",
        "name",
        "per_minute",
        "retries",
        "timeout",
        "url",
    )

    def __init__(self, backend: Backend, address: Address, calling: Calling) -> None:
        self.backend = backend
        self.url = address.url
        self.name = address.name
        self.key_name = address.server.key_name
        self.timeout = aiohttp.ClientTimeout(
            total=calling.timeout, sock_connect=min(calling.timeout, CONNECT_TIMEOUT)
        )
        self.retries = calling.retries
        self.per_minute = calling.per_minute
        self.most = calling.max_reply_mib << 20
        self.denials = DENIALS


_pools: dict[tuple[Any, ...], Pool] = {}


def verdict(
    caller: Caller, fault: Fault, times: tuple[float, float], where: str
) -> BackendError | BackendFatal:
    """The error that ends a call, in one line, without the key.

    times: when the server was first called, and when it last answered, 0 for never. where: its
    address, or all of them.
    """
    opened_at, answered_at = times
    said = fault.message if len(fault.message) <= 300 else fault.message[:300] + "..."
    said = f"{caller.backend.model}: {said}"
    if fault.status == 403:
        caller.denials += 1
        if caller.denials < DENIALS:
            return BackendError("bad_request", said)
    if fault.offline and not answered_at:
        return BackendFatal(f"{said}; {fault.advice or f'is the server running at {where}?'}")
    silent = monotonic() - max(answered_at, opened_at)
    if fault.again and fault.waits(True) and silent > PATIENCE:
        return BackendFatal(f"{said}; no answer for {silent:,.0f} s, run again later")
    if fault.fatal:
        return BackendFatal(f"{said}; {_advice(caller, fault, where)}")
    return BackendError(fault.kind, said, fault.field)


def _advice(caller: Caller, fault: Fault, where: str) -> str:
    if fault.advice:
        return fault.advice
    name, status = caller.key_name, fault.status
    if fault.overload and fault.after:
        when = datetime.now().astimezone() + timedelta(seconds=fault.after)
        then = f"{when:%Y-%m-%d %H:%M %Z}".strip()
        return f"the server asks to wait {fault.after:,.0f} s; run again after {then}"
    if status in (401, 403):
        if name:
            return f"check the key in {name} for {where}"
        return "no key was sent; name the variable that holds it with the option 'key_env'"
    if status in (402, 429):
        return "the account behind " + (f"the key in {name}" if name else "it") + " is spent"
    if 300 <= status < 400:
        return "write the final address in the model string"
    asked = f"does {where} exist, and does it serve the model '{caller.name}'?"
    if status == 404 and where.partition("://")[2].partition("/")[2] == "chat/completions":
        asked += " Most servers have it below /v1: http://HOST:PORT/v1#NAME"
    return asked
