"""`gristmill serve`: one process, one event loop, the models in it, a port, and an orderly end."""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from gristmill.backends.listening import address, listen
from gristmill.backends.loop import run
from gristmill.backends.secret import Secret, read_key
from gristmill.errors import MissingExtra

EXTRA = ("fastapi", "uvicorn", "httptools", "prometheus_client")


@dataclass(frozen=True, slots=True)
class Settings:
    """How models are served.

    port: 0 takes a free one. key_env: the environment variable that holds the key. queue: calls
    that a model may hold, running and waiting. max_tokens: new tokens of an answer where a request
    does not say. max_body: bytes of a request. grace: seconds for what is under way at the end.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    key_env: str | None = None
    queue: int = 512
    max_tokens: int = 2048
    max_body: int = 4 * 2**20
    grace: float = 10.0


Say = Callable[[str], None]


def serve(names: Sequence[str], settings: Settings | None = None, say: Say | None = None) -> None:
    """Serve models until SIGINT or SIGTERM, and return then.

    say: told in a line what has happened: the address once it can be reached, and the end. Raises
    ConfigError (a model, the key), InputError (the port), MissingExtra.
    """
    settings = settings or Settings()
    say = say or (lambda line: None)
    for package in EXTRA:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("`gristmill serve`", "serve")
    key = read_key(settings.key_env, "--key-env: the server")
    if not key and not is_loopback(settings.host):
        say("no key is asked for (--key-env): whoever reaches this port can use the models")
    from gristmill.serve.models import Models

    models = Models(names, settings.queue)
    with listen(settings.host, settings.port) as listening:
        run(_serve(models, settings, key, listening, say))
    say("stopped")


async def _serve(models, settings: Settings, key: Secret, listening, say: Say) -> None:
    from gristmill.serve.app import application
    from gristmill.serve.guard import Guard
    from gristmill.serve.http import server
    from gristmill.serve.memory import give_back
    from gristmill.serve.reply import Ends

    ends = Ends()
    async with models:
        app = application(models, ends, settings.max_tokens)
        serving = server(Guard(app, key, settings.max_body, ends), settings.grace)
        ending: list[asyncio.Task[None]] = []

        def stop() -> None:
            if ending:
                serving.force_exit = serving.should_exit = True
                ends.cut.set()
                return
            ends.over.set()
            ending.append(asyncio.ensure_future(_end(serving, ends, settings.grace)))

        with _signals(stop):
            url = address(listening)
            for served in models:
                say(f"{served.kind:9} {url}/v1#{served.name}")
            trimming = asyncio.ensure_future(give_back())
            await serving.serve(sockets=[listening])
        for task in (trimming, *ending):
            task.cancel()


async def _end(serving, ends, grace: float) -> None:
    """Let what is under way come to its end, for so many seconds; then give it up with a word."""
    serving.should_exit = True
    await asyncio.sleep(grace)
    ends.cut.set()


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop`, for as long as the server runs."""
    loop = asyncio.get_running_loop()
    caught = (signal.SIGINT, signal.SIGTERM)
    # Neither on Windows nor outside the main thread, where they are somebody else's.
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in caught:
            loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            for number in caught:
                loop.remove_signal_handler(number)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
