"""uvicorn, set up for this: no access log, our own signals, and a bound on a request's head."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD = 65_536
"""Bytes that the head of a request may have; httptools itself would take any number."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _in_head = True
    _head = 0

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._in_head and self._head > HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head = True, 0
        super().on_message_complete()


class Server(uvicorn.Server):
    """Signals are handled by whoever runs it."""

    def capture_signals(self) -> Any:
        return nullcontext()


def server(app: ASGIApp, grace: float) -> Server:
    """A server that is ready to run. There is no access log: it would hold who asked.

    grace: seconds after which the application ends what is under way; uvicorn does so later.
    """
    # A browser's nonsense is no news, and its lines would be the client's words.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=round(grace) + 5,
    )
    return Server(config)
