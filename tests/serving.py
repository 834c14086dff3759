"""A real `gristmill serve` on the loopback interface, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from gristmill.backends.secret import Secret
from gristmill.nemotron import tiny_path
from gristmill.serve.app import application
from gristmill.serve.guard import Guard
from gristmill.serve.http import server
from gristmill.serve.models import Models
from gristmill.serve.reply import Ends
from gristmill.serve.run import address, listen

_CONFIG = json.loads((tiny_path("instruct") / "config.json").read_text())
TOO_LONG = f"its context holds {_CONFIG['max_position_embeddings']:,}"
"""What a tiny model says of a text of 2,000 words."""


class Serving:
    """`with Serving(["tiny:instruct"]) as there: there.post("/v1/...", {...})`."""

    def __init__(
        self,
        models: Sequence[str],
        *,
        key: str = "",
        queue: int = 512,
        max_body: int = 2**20,
        grace: float = 10.0,
    ) -> None:
        self._names = list(models)
        self._key = key
        self._queue, self._max_body, self._grace = queue, max_body, grace
        self.failure: BaseException | None = None

    def __enter__(self) -> Serving:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(120)
        if self.failure is not None:
            raise self.failure
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def stop(self, *, now: bool = False) -> None:
        """As a signal does; `now`: as a second one."""

        def stop() -> None:
            self.ends.over.set()
            self.server.should_exit = True
            if now:
                self.ends.cut.set()

        with suppress(RuntimeError):  # it has ended already
            self.loop.call_soon_threadsafe(stop)

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as error:
            self.failure = error
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self.loop = asyncio.get_running_loop()
        self.ends = Ends()
        async with Models(self._names, self._queue) as self.models:
            app = application(self.models, self.ends, 2048)
            guard = Guard(app, Secret(self._key), self._max_body, self.ends)
            self.server = server(guard, self._grace)
            with listen("127.0.0.1", 0) as listening:
                self.url = address(listening)
                ready.set()
                await self.server.serve(sockets=[listening])

    def model(self, name: str) -> str:
        """The model string of a config."""
        return f"{self.url}/v1#{name}"

    def taken(self, name: str) -> int:
        """Places of a model that are taken."""
        return self.models.named(name).places.taken

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        """Status and value of a reply."""
        return self.ask(urllib.request.Request(self.url + path, headers=headers))[:2]

    def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """Status and value of the reply to a body, JSON where it is no bytes."""
        return self.full(path, body, **headers)[:2]

    def full(self, path: str, body: Any, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """The same, with the reply's headers."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        return self.ask(urllib.request.Request(self.url + path, raw, headers))

    def ask(self, request: urllib.request.Request) -> tuple[int, Any, dict[str, str]]:
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                status, raw, headers = reply.status, reply.read(), dict(reply.headers)
        except urllib.error.HTTPError as error:
            status, raw, headers = error.code, error.read(), dict(error.headers)
            error.close()
        typed = headers.get("content-type", "").startswith("application/json")
        return status, json.loads(raw) if typed else raw.decode(), headers

    def events(self, path: str, body: dict[str, Any]) -> list[Any]:
        """What a stream says, but for `[DONE]`, which must be its last word."""
        status, text = self.post(path, {**body, "stream": True})
        assert status == 200, text
        lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
        assert lines.pop() == "[DONE]"
        return [json.loads(line) for line in lines]


def asked(text: str, answer: str | None = None) -> list[dict[str, str]]:
    """The messages of a request."""
    said = [{"role": "user", "content": text}]
    return said if answer is None else [*said, {"role": "assistant", "content": answer}]
