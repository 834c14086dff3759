"""What stands between the page and the world: headers, and the doors that nobody needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

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

        if not is_open(scope["path"]):
            await guarded({"type": "http.response.start", "status": 404, "headers": []})
            await guarded({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, guarded)


def is_open(path: str) -> bool:
    """Whether a path is one that the page needs."""
    first, *rest = [part for part in path.split("/") if part] or [""]
    if first == "gradio_api":
        return bool(rest) and rest[0] in OPEN_CALLS
    return first in OPEN
