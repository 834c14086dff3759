"""Replicas on the nodes of a Ray cluster."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from gristmill.errors import ConfigError, MissingExtra
from gristmill.fleet.replica import KEY
from gristmill.fleet.servers import Servers
from gristmill.fleet.settings import Fleet
from gristmill.fleet.tend import LONGEST, PAUSE

GOODBYE = 15.0
"""Seconds that the link to Ray has to end the leases."""

_log = logging.getLogger("gristmill.fleet")


class RayFleet(Servers):
    """Replicas that actors keep up (`ray_replica`), shared by all drivers with the same model and
    fleet; see `Servers`. Ray itself is in a process of its own (`ray_link`)."""

    def __init__(self, model: str, fleet: Fleet) -> None:
        super().__init__(model, fleet)
        self.key_env = f"{KEY}_{id(self):x}"
        self._replicas: list[dict[str, Any]] = []
        self._process: Process | None = None
        self._trouble = self._away = ""

    def begin(self) -> list[Coroutine[Any, Any, None]]:
        """See Servers."""
        if find_spec("ray") is None:
            raise MissingExtra("`fleet: {on: ray}`", "ray")
        return [self._linked()]

    def addresses(self) -> Iterable[str]:
        """See Servers."""
        return [one["address"] for one in self._replicas if one["address"]]

    def last_words(self) -> str:
        """See Servers."""
        return self._trouble

    async def end(self) -> bool:
        """See Servers."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.write(b"leave\n")
                process.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), GOODBYE)
            if process.returncode is None:
                process.kill()
        os.environ.pop(self.key_env or "", None)
        return self.servers.exists()

    async def _linked(self) -> None:
        """Keep the link up. Servers outlive it: while it is away, their addresses stay."""
        pause = PAUSE
        while not await self._link():
            if not self.servers.exists():
                raise ConfigError(
                    f"fleet: there is no Ray cluster ({self._away}); start one with `ray start "
                    "--head`, or name it in RAY_ADDRESS"
                )
            _log.warning("%s: Ray is away: %s; again in %.0f s", self.model, self._away, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST)

    async def _link(self) -> bool:
        """Hear what one link says until it ends; True where all replicas are given up."""
        with (self.folder / "ray.log").open("ab") as said:
            self._process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "gristmill.fleet.ray_link"),
                stdin=PIPE,
                stdout=PIPE,
                stderr=said,
                start_new_session=True,
            )
        assert process.stdin is not None and process.stdout is not None
        wanted = {"model": self.model, "fleet": self.fleet.model_dump(mode="json")}
        process.stdin.write(orjson.dumps({**wanted, "folder": str(Path.cwd())}) + b"\n")
        self._away = ""
        async for line in process.stdout:
            if self._heard(orjson.loads(line)):
                return True
        status = await process.wait()
        self._away = self._away or f"its link ended with status {status} ({self.folder}/ray.log)"
        return False

    def _heard(self, said: dict[str, Any]) -> bool:
        if "error" in said:
            self._away = said["error"]
            return False
        os.environ[self.key_env or ""] = said["key"]
        before, self._replicas = self._replicas, said["replicas"]
        for number, one in enumerate(self._replicas):
            if one["trouble"] and (not before or one["trouble"] != before[number]["trouble"]):
                self._trouble = one["trouble"]
                _log.warning("%s: %s", self.model, one["trouble"])
        self.changed()
        return not self.servers.exists() and all(one["given_up"] for one in self._replicas)
