"""One connection pool for each server and key: session, gate, limits and the retry loop.

All chat and reward backends of a process that talk to one server share its pool, because what
the server limits is the sum of what they send.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import BytesIO
from time import monotonic
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from gristmill import __version__
from gristmill.backends.aimd import Gate
from gristmill.backends.base import Backend
from gristmill.backends.decoding import NotJson, decoded
from gristmill.backends.fault import PATIENCE, Fault, fault_in_reply, fault_of_status
from gristmill.backends.limits import Limits
from gristmill.backends.retry import Retry, fault_of_error
from gristmill.backends.secret import Secret
from gristmill.errors import BackendError, BackendFatal

LARGE_BODY = 1 << 20
"""Bytes from which aiohttp wants a file rather than bytes."""
CONNECT_TIMEOUT = 30.0
"""Seconds for a connection to be established, at most."""
DENIALS = 20
"""403 replies in a row that stop the run, once the model has answered before: single ones are a
provider's moderation of a prompt."""

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class Server:
    """Whom a pool talks to. Pools of the same server and key are one.

    root: scheme, host, port and path, without a trailing `/v1`. key_name: the environment
    variable that the key came from, for messages.
    """

    root: str
    key: Secret
    key_name: str | None = None


class Pool:
    """Session, gate and limits of one server. `join` it, `leave` it; the last one closes it."""

    def __init__(self, server: Server, concurrency: int) -> None:
        self.server = server
        self.gate = Gate(concurrency)
        self.limits: Limits | None = None
        self._session = _session(server)
        self._proxy = _proxy(server.root)
        self._users = 0
        self._answered_at = 0.0  # 0 means never
        self._opened_at = monotonic()
        self._place: tuple[Any, ...] = ()

    @classmethod
    def join(
        cls, server: Server, concurrency: int, per_minute: tuple[float | None, float | None]
    ) -> Pool:
        """The open pool of this server, or a new one; call from a running event loop.

        concurrency: the largest that a user asks for holds. per_minute: requests and tokens; the
        first user's limits hold for each that has one.
        """
        place = (asyncio.get_running_loop(), server.root, server.key)
        pool = _pools.get(place)
        if pool is None:
            pool = _pools[place] = cls(server, concurrency)
            pool._place = place
        pool.gate.raise_ceiling(concurrency)
        if pool.limits is None and any(per_minute):
            pool.limits = Limits(*per_minute)
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
    ) -> Parsed:
        """Send `body` until a reply comes that `parse` accepts.

        parse: gets the decoded JSON; raises Fault for a reply that cannot be used.
        reader: reads a reply of status 200 in another way than as a whole.
        Raises BackendError when the retries are used up, BackendFatal when no call can succeed.
        """
        read = read_whole if reader is None else reader.read
        retry: Retry | None = None
        gate = self.gate
        backend = caller.backend
        while True:
            if not gate.try_enter():
                await gate.enter()
            wave = gate.wave
            try:
                reserved = await self.limits.wait(body) if self.limits is not None else 0.0
                backend.meter.take_request()
                backend.traffic.requests += 1
                if retry is not None:
                    backend.traffic.retries += 1
                reply = await self._attempt(caller, body, read)
                gate.passed()
                parsed = parse(reply)
                self._answered_at = monotonic()
                caller.denials = 0
                if self.limits is not None:
                    self.limits.settle(reserved, *_usage(reply))
                return parsed
            except Fault as error:
                fault = error.redacted(self.server.key.redact)
                if reader is not None and reader.begun:
                    fault.again = fault.fatal = False
                if fault.overload:
                    gate.refused(wave, fault.after or 0.0)
            finally:
                gate.leave()
            # The slot is free again while this call waits.
            backend.traffic.failures[fault.kind] += 1
            retry = retry or Retry()
            delay = retry.delay(fault, caller.retries, self._answered_at > 0)
            if delay is None:
                raise self._verdict(caller, fault) from None
            await asyncio.sleep(delay)

    async def _attempt(
        self, caller: Caller, body: bytes, read: Callable[[aiohttp.ClientResponse], Awaitable[Any]]
    ) -> Any:
        """One request; what `read` makes of a 200 reply. Raises Fault."""
        data = body if len(body) < LARGE_BODY else BytesIO(body)
        try:
            async with self._session.post(
                caller.url,
                data=data,
                timeout=caller.timeout,
                allow_redirects=False,
                proxy=self._proxy,
            ) as reply:
                if reply.status == 200:
                    return await read(reply)
                raw = await reply.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            fault = fault_of_error(error)
        else:
            fault = fault_of_status(reply.status, reply.headers, raw)
        # Raised outside of the handlers: the client's exceptions hold the request's headers.
        raise fault

    def _verdict(self, caller: Caller, fault: Fault) -> BackendError | BackendFatal:
        """The error that ends a call, in one line, without the key."""
        said = fault.message if len(fault.message) <= 300 else fault.message[:300] + "..."
        where = f"{caller.backend.model}: {said}"
        if fault.status == 403:
            caller.denials += 1
            if caller.denials < DENIALS:
                return BackendError("bad_request", where)
        if fault.offline and not self._answered_at:
            return BackendFatal(f"{where}; is the server running at {caller.url}?")
        silent = monotonic() - max(self._answered_at, self._opened_at)
        if fault.again and fault.waits(True) and silent > PATIENCE:
            return BackendFatal(f"{where}; no answer for {silent:,.0f} s, run again later")
        if fault.fatal:
            return BackendFatal(f"{where}; {self._advice(caller, fault)}")
        return BackendError(fault.kind, where)

    def _advice(self, caller: Caller, fault: Fault) -> str:
        name, status = self.server.key_name, fault.status
        if fault.overload and fault.after:
            return f"the server asks to wait {fault.after:,.0f} s; run again then"
        if status in (401, 403):
            if self.server.key:
                return f"check the key in {name} for {caller.url}"
            return "no key was sent; name the variable that holds it with the option 'key_env'"
        if status in (402, 429):
            return "the account behind " + (f"the key in {name}" if name else "it") + " is spent"
        if 300 <= status < 400:
            return "write the final address in the model string"
        return f"does {caller.url} exist, and does it serve the model '{caller.name}'?"


async def read_whole(reply: aiohttp.ClientResponse) -> Any:
    """The decoded JSON of a reply. Raises Fault where it is none, or holds an error."""
    raw = await reply.read()
    try:
        whole = decoded(raw, lambda: reply.charset)
    except NotJson:
        said = raw[:60].decode("utf-8", "replace")
    else:
        fault = fault_in_reply(whole)
        if fault is None:
            return whole
        raise fault
    raise Fault("bad_reply", f"HTTP 200 without JSON: {said!r}")


class Reader:
    """Reads a reply while it comes. begun: whether somebody has seen some of it, so that no
    further attempt may be made."""

    begun = False

    async def read(self, reply: aiohttp.ClientResponse) -> Any:
        """The reply as if it had come whole, decoded. Raises Fault, or what the client raises."""
        raise NotImplementedError


class Caller:
    """What one backend hands to its pool with every call.

    name: the model as the server knows it. denials: 403 replies since the last good one, as good
    as too many while there was none.
    """

    __slots__ = ("backend", "denials", "name", "retries", "timeout", "url")

    def __init__(
        self, backend: Backend, url: URL, name: str, timeout_s: float, retries: int
    ) -> None:
        self.backend = backend
        self.url = url
        self.name = name
        self.timeout = aiohttp.ClientTimeout(
            total=timeout_s, sock_connect=min(timeout_s, CONNECT_TIMEOUT)
        )
        self.retries = retries
        self.denials = DENIALS


_pools: dict[tuple[Any, ...], Pool] = {}


def _session(server: Server) -> aiohttp.ClientSession:
    headers = {"Content-Type": "application/json", "User-Agent": f"gristmill/{__version__}"}
    if server.key:
        headers["Authorization"] = f"Bearer {server.key.reveal()}"
    return aiohttp.ClientSession(
        # The gate decides how many connections there are.
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=headers,
    )


def _proxy(root: str) -> str | None:
    """The proxy of the environment (HTTPS_PROXY, NO_PROXY), looked up once; never for this host.

    aiohttp's own `trust_env` asks anew for each request, and reads keys from ~/.netrc.
    """
    url = URL(root)
    host = url.host or ""
    if host in ("localhost", "127.0.0.1", "::1") or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(url.scheme)


def _usage(reply: Any) -> tuple[int, int]:
    """Tokens in all and tokens replied, 0 where the server does not say."""
    usage = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(usage, dict):
        return 0, 0
    replied = usage.get("completion_tokens")
    total = usage.get("total_tokens")
    return (
        total if isinstance(total, int) else 0,
        replied if isinstance(replied, int) else 0,
    )
