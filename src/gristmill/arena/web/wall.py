"""What stands between the page and the world: headers, the doors that nobody needs, and bounds on
what a request may bring."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from traceback import walk_tb
from typing import Any

from gristmill.page.text import one_line

LOG = logging.getLogger("gristmill.arena")
LARGEST = 256 << 10
"""Bytes of a request's body: the longest prompt, escaped, and what Gradio puts around it."""
PATIENCE = 20.0
"""Seconds that a request's body may take."""

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio starts from scripts in its page and makes functions out of templates. No
        # attribute may hold a script: what a model wrote runs nothing.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "script-src-attr 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "frame-src 'none'",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)
"""With it the browser asks no other server for anything, whatever an answer may hold."""
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
OPEN = frozenset(
    ("", "config", "theme.css", "static", "assets", "svelte", "favicon.ico", "robots.txt")
)
"""Paths of the page, by their first part."""
OPEN_CALLS = frozenset(("queue", "heartbeat", "cancel", "reset", "startup-events", "theme.css"))
"""... and below `gradio_api`. Gradio's others take files, read files, or fetch addresses for a
visitor; this page has no use for them."""

Message = MutableMapping[str, Any]


class Wall:
    """An ASGI application around another."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in HEADERS}
                kept = [h for h in message.get("headers", ()) if h[0].lower() not in names]
                message = {**message, "headers": [*kept, *HEADERS]}
            await send(message)

        async def refuse(status: int) -> None:
            # The connection ends, so that nobody has to read the rest of what was sent.
            close = [(b"connection", b"close"), (b"content-length", b"0")]
            await guarded({"type": "http.response.start", "status": status, "headers": close})
            await guarded({"type": "http.response.body", "body": b""})

        if not is_open(scope["path"]):
            await refuse(404)
            return
        try:
            body = await _body(scope, receive)
        except _Unread as unread:
            await refuse(unread.status)
            return
        given = [body]

        async def replay() -> Message:
            if given:
                return {"type": "http.request", "body": given.pop(), "more_body": False}
            return await receive()

        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await guarded(message)

        try:
            await self._app(scope, replay, noted)
        except Exception as error:
            # A line and no traceback: whoever sends odd requests shall not fill the disk.
            what = one_line(f"{scope['method']} {scope['path']}", 200)
            LOG.warning("%s failed: %s", what, failure(error))
            if not started:
                await refuse(500)


def failure(error: Exception) -> str:
    """What went wrong, and in which line of code, in one line."""
    *_, (frame, line) = walk_tb(error.__traceback__)
    place = f"{Path(frame.f_code.co_filename).name}:{line}"
    return f"{type(error).__name__} at {place}: {one_line(error, 200)}"


class _Unread(Exception):
    """A body that is not read to its end. status: what the client is told."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def _body(scope: Message, receive: Callable[[], Awaitable[Message]]) -> bytes:
    """A request's body, counted while it comes. Raises _Unread."""
    told = dict(scope["headers"]).get(b"content-length", b"0")
    if not told.isdigit() or len(told) > 12 or int(told) > LARGEST:
        raise _Unread(413)
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Unread(400)
                body += message.get("body", b"")
                if len(body) > LARGEST:
                    raise _Unread(413)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise _Unread(408) from None


def is_open(path: str) -> bool:
    """Whether a path is one that the page needs."""
    first, *rest = [part for part in path.split("/") if part] or [""]
    if first == "gradio_api":
        return bool(rest) and rest[0] in OPEN_CALLS
    return first in OPEN
