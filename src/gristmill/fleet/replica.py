"""One server with the model: a process, its address once it answers, and what it said."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from gristmill.fleet.settings import Fleet

GOODBYE = 20.0
"""Seconds that a replica has to end once nobody holds its lease: more than its keeper's grace."""

LEASE = 60.0
"""Seconds that a replica on another machine outlives the last word of its last driver."""

KEY = "GRISTMILL_FLEET_KEY"
"""The environment variable in which a server that others can reach finds the key it asks for."""
LOOPBACK = "127.0.0.1"

_ADDRESS = re.compile(r"https?://[^\s#]+#.*\S")


class Replica:
    """The `number`-th server of a fleet. command: makes what starts it, anew each time, since a
    port that was free may be taken. address: its model string, empty while it has none. trouble:
    what became of it last time that it was not well."""

    def __init__(
        self, number: int, command: Callable[[], Sequence[str]], env: dict[str, str], log: Path
    ) -> None:
        self.number = number
        self.log = log
        self.address = ""
        self.trouble = ""
        self._command = command
        self._env = env
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, seconds: float) -> bool:
        """Start it, and wait until it answers. False where it ended, or did not in time."""
        await self.stop()
        with self.log.open("ab") as said:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "gristmill.fleet.keep", *self._command()),
                stdin=PIPE,
                stdout=PIPE,
                stderr=said,
                env=self._env,
                # Ctrl-C is for the driver, which ends the fleet once its calls have ended.
                start_new_session=True,
            )
        answers = asyncio.Event()
        self._reading = asyncio.create_task(self._read(self._process, answers))
        with suppress(TimeoutError):
            await asyncio.wait_for(answers.wait(), seconds)
        if not self.address:
            await self.stop()
        return bool(self.address)

    async def ended(self) -> int:
        """Wait until the process is gone, by itself; the status that it ended with."""
        assert self._process is not None
        status = await self._process.wait()
        self.address = ""
        return status

    async def stop(self) -> None:
        """Let go of its lease, and return when it is gone."""
        process, self._process, self.address = self._process, None, ""
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GOODBYE)
        if process.returncode is None:
            process.kill()
            await process.wait()
        if self._reading is not None:
            self._reading.cancel()

    def last_words(self) -> str:
        """The last lines of its log, as one."""
        with suppress(OSError):
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            return (
                " / ".join(line.strip() for line in lines if line.strip())[-400:] if lines else ""
            )
        return ""

    async def _read(self, process: Process, answers: asyncio.Event) -> None:
        """Keep what it prints, and find its address in that."""
        assert process.stdout is not None
        with self.log.open("ab") as kept:
            async for line in process.stdout:
                kept.write(line)
                kept.flush()
                found = _ADDRESS.search(line.decode("utf-8", "replace"))
                if found and not self.address and not line.lstrip().startswith(b"vllm"):
                    self.address = found[0]
                    answers.set()
        answers.set()


def command(model: str, fleet: Fleet, host: str = LOOPBACK) -> list[str]:
    """What starts one replica of a model. Beyond this machine it asks for the key in `KEY`."""
    serve = [sys.executable, "-P", "-m", "gristmill.cli", "serve", model.replace("vllm:", "hf:", 1)]
    where = [] if host == LOOPBACK else ["--host", host, "--key-env", KEY]
    if not model.startswith("vllm:"):
        return [*serve, "--port", "0", *where, *fleet.flags]
    engine = ["--engine", "vllm", "--port", str(free_port(host)), "--tensor", str(fleet.gpus)]
    return [*serve, *engine, *where, *fleet.flags]


def free_port(host: str) -> int:
    """A port that nobody has just now: an engine cannot be told to find one by itself."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        taken.bind((host, 0))
        return taken.getsockname()[1]


def devices() -> list[str]:
    """The GPUs of this machine that may be used, as CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [part.strip() for part in named.split(",") if part.strip()]
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(n) for n in range(len(list(folder.iterdir())))] if folder.is_dir() else []
