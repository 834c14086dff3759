"""`gristmill arena serve`: one process, one event loop for the page and for the models."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from gristmill.arena.store import Votes
from gristmill.arena.web.arena import Arena
from gristmill.arena.web.config import PageConfig
from gristmill.arena.web.leaderboard import Leaderboard
from gristmill.backends import ChatBackend
from gristmill.backends.listening import address, listen
from gristmill.backends.loop import run
from gristmill.errors import MissingExtra

GOODBYE = 3
"""Seconds that answers under way have when the server ends."""


def serve(
    config_path: Path,
    host: str = "127.0.0.1",
    port: int = 7860,
    ready: Callable[[str], None] | None = None,
    settings: Sequence[str] = (),
) -> None:
    """Serve the arena of a config until interrupted.

    port: 0 takes a free one. ready: called with the page's address once it can be reached.
    settings: as of `--set`.
    Raises ConfigError, DataError (`votes` is another file), InputError (the port is taken),
    MissingExtra; KeyboardInterrupt when interrupted.
    """
    config = PageConfig.load(config_path, settings)
    _without_telemetry()
    try:
        import gradio  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise MissingExtra("the arena's web page", "arena") from None
    backends = {model.called: model.open() for model in config.models}
    listening = listen(host, port)
    with listening:
        votes = Votes(Path(config.votes))
        try:
            run(_serve(config, votes, backends, listening, ready))
        finally:
            votes.close()


async def _serve(
    config: PageConfig,
    votes: Votes,
    backends: dict[str, ChatBackend],
    listening: socket.socket,
    ready: Callable[[str], None] | None,
) -> None:
    import uvicorn

    from gristmill.arena.web.app import application
    from gristmill.arena.web.connections import bounded

    async with AsyncExitStack() as stack:
        for backend in backends.values():
            await stack.enter_async_context(backend)
        arena = Arena(config, votes, backends)
        app = application(arena, Leaderboard(config, votes))
        # No access log: it would hold the visitors' addresses.
        settings: dict[str, Any] = {"access_log": False, "log_level": "warning"}
        settings["http"] = bounded(config.limits.address_connections)
        server = uvicorn.Server(uvicorn.Config(app, timeout_graceful_shutdown=GOODBYE, **settings))
        if ready is not None:
            ready(address(listening))
        await server.serve(sockets=[listening])


def _without_telemetry() -> None:
    """Before Gradio is imported, which otherwise reports to its makers that it was."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
