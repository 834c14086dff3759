"""Requests about batches: uploads, questions how far one is, downloads; and calls by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from gristmill import __version__
from gristmill.backends.fault import Fault, fault_of_status
from gristmill.backends.pool import LARGE_BODY
from gristmill.backends.reply import MOST_SAID, head_of, read_whole
from gristmill.backends.retry import Retry
from gristmill.backends.session import CONNECT_TIMEOUT, Server, proxy_of
from gristmill.backends.unreached import fault_of_error
from gristmill.errors import BackendError, BackendFatal, StorageError

PIECE = 1 << 20
"""Bytes of a download that are held at once."""


class Line:
    """A session with one server. Open it and close it.

    base: where the API's routes begin, with a `/` at its end. timeout: seconds without a byte,
    since a file may take long. retries: of a request that may be repeated.
    """

    def __init__(
        self, server: Server, base: URL, headers: dict[str, str], timeout: float, retries: int
    ) -> None:
        self.server = server
        self._base = base
        self._headers = {"User-Agent": f"gristmill/{__version__}", **headers}
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=min(timeout, CONNECT_TIMEOUT), sock_read=timeout
        )
        self._retries = retries
        self._session: aiohttp.ClientSession | None = None
        self._answered = False

    def open(self) -> None:
        self._proxy = proxy_of(self.server)
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)

    def url(self, route: str, **query: str) -> URL:
        """The address of a route such as `batches/ID`."""
        url = self._base.with_path(self._base.path + route, keep_query=True)
        return url.update_query(query) if query else url

    async def call(
        self,
        method: str,
        url: URL,
        make: Callable[[], bytes | aiohttp.FormData] | None = None,
        into: Path | None = None,
    ) -> Any:
        """The decoded reply, sent again while it fails. make: what is sent, made anew each time: a
        form, or JSON. into: a file that the reply goes to instead. Raises Fault."""
        retry = Retry()
        while True:
            try:
                return await self.once(method, url, make, into)
            except Fault as fault:
                delay = retry.delay(fault, self._retries, self._answered)
                if delay is None:
                    raise
            await asyncio.sleep(delay)

    async def once(
        self,
        method: str,
        url: URL,
        make: Callable[[], bytes | aiohttp.FormData] | None = None,
        into: Path | None = None,
    ) -> Any:
        """As `call`, with one attempt."""
        assert self._session is not None, "open the line first"
        try:
            data: Any = make() if make else None
            headers = {}
            if isinstance(data, bytes):
                headers["Content-Type"] = "application/json"
                data = BytesIO(data) if len(data) >= LARGE_BODY else data
            async with self._session.request(
                method,
                url,
                data=data,
                headers=headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as reply:
                if 200 <= reply.status < 300:
                    self._answered = True
                    if into is None:
                        return await read_whole(reply)
                    return await _save(reply, into)
                raw = await head_of(reply, MOST_SAID)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            fault = fault_of_error(error)
        except Fault as error:
            fault = error
        else:
            fault = fault_of_status(reply.status, reply.headers, raw)
        # Raised outside of the handlers: the client's exceptions hold the request's headers.
        raise fault.redacted(self.server.key.redact)

    def verdict(self, fault: Fault, model: str, what: str = "") -> BackendError | BackendFatal:
        """The error that a fault ends in. what: was to be done with a batch, so that none can go
        on; empty for one call."""
        said = fault.message if len(fault.message) <= 300 else fault.message[:300] + "..."
        if not what and not (fault.fatal or fault.offline):
            return BackendError(fault.kind, f"{model}: {said}", fault.field)
        where = f"{model}: {what}: {said}" if what else f"{model}: {said}"
        if fault.advice:
            advice = fault.advice
        elif fault.status in (401, 403):
            name = self.server.key_name
            advice = f"check the key in {name}" if name else "name its variable with `key_env`"
        elif what and fault.status in (404, 405):
            advice = "does this server have a batch API? Leave `batch_api` out if not"
        else:
            advice = "run again: batches under way are found again, and nothing is paid twice"
        return BackendFatal(f"{where}; {advice}")


async def _save(reply: aiohttp.ClientResponse, into: Path) -> None:
    """Write a reply to a file, whole or not at all."""
    fresh = into.with_name(into.name + ".new")
    with fresh.open("wb") as file:
        async for piece in reply.content.iter_chunked(PIECE):
            try:
                file.write(piece)
            except OSError as error:
                raise StorageError(f"{into}: cannot write: {error.strerror}") from None
    fresh.replace(into)
