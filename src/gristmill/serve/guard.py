"""What stands before every request: the key, and how long a body may be and take."""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gristmill.backends.secret import Secret
from gristmill.serve.refusal import Refused, stopping
from gristmill.serve.reply import Ends, refusal

OPEN = ("/health",)
"""Paths that need no key: whoever looks after the process asks them."""

SECONDS = 30.0
"""How long the next piece of a body may take."""

DRAIN = 32 * 2**20
"""Bytes of a refused body that are read and forgotten: who still sends does not read."""


async def _drain(receive: Receive) -> None:
    left = DRAIN
    with suppress(TimeoutError):
        async with asyncio.timeout(5):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body"):
                    return


class Guard:
    """ASGI: lets requests through to `app`. key: empty for none. limit: bytes of a body."""

    def __init__(self, app: ASGIApp, key: Secret, limit: int, ends: Ends) -> None:
        self._app = app
        self._key = key
        self._limit = limit
        self._ends = ends

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Refused as refused:
            await _drain(receive)
            await refusal(refused)(scope, receive, send)
            return
        await self._app(scope, self._limited(receive), send)

    def _check(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self._key and scope["path"] not in OPEN and not self._known(headers):
            said = "no key, or a wrong one: send `Authorization: Bearer KEY`"
            raise Refused(401, said, "invalid_api_key")
        if self._ends.over.is_set() and scope["path"] not in OPEN:
            raise stopping()
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 12 or int(length) > self._limit:
            raise self._too_large()

    def _known(self, headers: dict[bytes, bytes]) -> bool:
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        # Takes as long for a key that is nearly right as for any other.
        same = hmac.compare_digest(given.strip(), self._key.reveal().encode())
        return same and scheme.lower() == b"bearer"

    def _limited(self, receive: Receive) -> Receive:
        """Bodies that do not say how long they are, and such as never come to an end."""
        came = 0
        whole = False

        async def limited() -> Message:
            nonlocal came, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout(SECONDS):
                    message = await receive()
            except TimeoutError:
                raise Refused(408, "the body did not come", "timeout") from None
            if message["type"] == "http.request":
                came += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if came > self._limit:
                    if not whole:
                        await _drain(receive)
                    raise self._too_large()
            return message

        return limited

    def _too_large(self) -> Refused:
        most = f"{self._limit / 2**20:g} MiB"
        return Refused(413, f"the request is larger than {most}; send less", "too_large")
