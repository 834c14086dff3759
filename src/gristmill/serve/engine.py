"""An engine as a process of its own: started, waited for, and stopped with us."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from gristmill.backends.secret import read_key
from gristmill.errors import InputError, RunError
from gristmill.serve.vllm import KEY, Engine, start

GOODBYE = 30.0
"""Seconds that the engine has to end by itself."""


def serve_engine(engine: Engine, say: Callable[[str], None], wait: float = 3600.0) -> None:
    """Start vLLM with a model, and return once SIGINT or SIGTERM has stopped it.

    say: told the line that starts it, and the model string once it answers. wait: seconds until
    then. Raises ConfigError (the model, the key), InputError (there is no vLLM), RunError (it ended
    by itself, or never answered).
    """
    started = start(engine)
    key = read_key(engine.key_env, "--key-env: the server")
    _check(engine.command)
    env = {**os.environ, KEY: key.reveal()} if key else dict(os.environ)
    say(started.line(engine.key_env))
    with _stopped_by_signals() as stop:
        # Its own group: Ctrl-C reaches this process alone, which ends the engine's in order.
        process = subprocess.Popen(started.arguments, env=env, start_new_session=True)
        try:
            _wait(process, engine, stop, wait)
            if not stop.is_set():
                say(f"ready: {started.model}")
                if engine.key_env:
                    say(f"its key: key_env: {engine.key_env}")
            while not stop.wait(0.2):
                _alive(process)
        finally:
            _end(process)
    say("stopped")


def _check(command: str) -> None:
    if shutil.which(command) is None:
        raise InputError(
            f"there is no '{command}' here: `pip install vllm`, or name the executable, or a "
            "python that has it, with --vllm"
        )


def _wait(
    process: subprocess.Popen[bytes], engine: Engine, stop: threading.Event, wait: float
) -> None:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(engine.host, engine.host)
    url = f"http://{host}:{engine.port}/health"
    end = time.monotonic() + wait
    while not stop.is_set() and not _healthy(url):
        _alive(process)
        if time.monotonic() > end:
            raise RunError(f"vLLM did not answer at {url} within {wait:.0f} s")
        stop.wait(0.5)


def _healthy(url: str) -> bool:
    # Past any proxy of the environment: it is on this machine.
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    with suppress(OSError), ask(url, timeout=5) as reply:
        return reply.status == 200
    return False


def _alive(process: subprocess.Popen[bytes]) -> None:
    code = process.poll()
    if code is not None:
        raise RunError(f"vLLM ended by itself with code {code}; what it said stands above")


def _end(process: subprocess.Popen[bytes]) -> None:
    """The engine and all that it has started: asked to end, then made to."""
    for number, seconds in ((signal.SIGTERM, GOODBYE), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            # Its workers, should it have left any behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            return


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    stop = threading.Event()
    caught = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in caught}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
