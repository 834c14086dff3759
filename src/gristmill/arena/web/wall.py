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
CLOSED = ("upload", "file", "proxy", "stream", "component_server", "deep_link", "vibe", "reload")
"""Routes of Gradio that this page has no use for, and that read or write files or fetch
addresses for a visitor."""

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

        if is_closed(scope["path"]):
            await guarded({"type": "http.response.start", "status": 404, "headers": []})
            await guarded({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, guarded)


def is_closed(path: str) -> bool:
    """Whether a path is one of Gradio's that nobody needs here."""
    parts = [part for part in path.split("/") if part]
    if parts and parts[0] in ("gradio_api", "api"):
        parts = parts[1:]
    name = parts[0] if parts else ""
    return name.split("=")[0].removesuffix("_progress") in CLOSED
