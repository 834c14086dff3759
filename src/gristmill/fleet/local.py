"""Replicas on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from pathlib import Path

from gristmill.errors import BackendFatal, ConfigError
from gristmill.fleet.replica import Replica, command, devices
from gristmill.fleet.settings import Fleet

TRIES = 5
"""Starts in a row without an answer, after which a replica is given up."""
PAUSE, LONGEST = 1.0, 30.0
"""Seconds before a replica that ended is started again: at first, and at most."""

_log = logging.getLogger("gristmill.fleet")


class LocalFleet:
    """Use as `async with LocalFleet(model, fleet) as servers`, a file with the address of every
    replica that answers, a line each, kept up to date.

    It is entered once one replica answers; others join as they do. Raises ConfigError where there
    are too few GPUs, BackendFatal where no replica comes to answer.
    """

    def __init__(self, model: str, fleet: Fleet) -> None:
        self.model, self.fleet = model, fleet
        self.replicas: list[Replica] = []
        self._tending: list[asyncio.Task[None]] = []
        self._first: asyncio.Event
        self._folder = Path()
        self._failed = False

    @property
    def servers(self) -> Path:
        return self._folder / "servers.txt"

    async def __aenter__(self) -> Path:
        shares = self._devices()
        self._folder = Path(tempfile.mkdtemp(prefix="gristmill-fleet-"))
        self._first = asyncio.Event()
        for number, own in enumerate(shares):
            log = self._folder / f"replica-{number}.log"
            started = command(self.model, self.fleet)
            self.replicas.append(Replica(number, started, self._environment(own), log))
        self._tending = [asyncio.create_task(self._tend(replica)) for replica in self.replicas]
        waiting = asyncio.create_task(self._first.wait())
        try:
            alive = {waiting, *self._tending}
            while waiting in alive and len(alive) > 1:
                _, alive = await asyncio.wait(alive, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            await self.__aexit__()
            raise
        finally:
            waiting.cancel()
        if not self._first.is_set():
            said = self.replicas[0].last_words()
            await self.__aexit__()
            raise BackendFatal(
                f"{self.model}: no replica of its fleet came to answer: {said} "
                f"(all of it: {self._folder})"
            )
        return self.servers

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tending:
            task.cancel()
        await asyncio.gather(*self._tending, return_exceptions=True)
        await asyncio.gather(*(replica.stop() for replica in self.replicas))
        if not self._failed:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _tend(self, replica: Replica) -> None:
        """Keep one replica up; returns where it is given up."""
        tries, pause = 0, PAUSE
        while tries < TRIES:
            if await replica.start(self.fleet.start):
                tries, pause = 0, PAUSE
                self._write()
                self._first.set()
                why = f"ended with status {await replica.ended()}"
                self._write()
            else:
                why = f"did not come to answer: {replica.last_words()}"
            tries += 1
            self._failed = True
            _log.warning(
                "%s: replica %d %s; started again in %.0f s",
                *(self.model, replica.number, why, pause),
            )
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST)
        _log.error("%s: replica %d is given up (%s)", self.model, replica.number, replica.log)

    def _write(self) -> None:
        """The file as it is now; while none answers it stays as it was, since none is no answer."""
        lines = [replica.address for replica in self.replicas if replica.address]
        if lines:
            new = self._folder / "servers.new"
            new.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            new.replace(self.servers)

    def _devices(self) -> list[list[str]]:
        """The GPUs of each replica; none where the machine has none."""
        there, each = devices(), self.fleet.gpus
        if not there:
            return [[] for _ in range(self.fleet.replicas)]
        if self.fleet.replicas * each > len(there):
            raise ConfigError(
                f"fleet: {self.fleet.replicas} replicas with {each} GPUs each need "
                f"{self.fleet.replicas * each}, and {len(there)} are here; lower `replicas` or "
                "`gpus`, or see CUDA_VISIBLE_DEVICES"
            )
        return [there[n * each : (n + 1) * each] for n in range(self.fleet.replicas)]

    def _environment(self, own: list[str]) -> dict[str, str]:
        found = dict(os.environ)
        if own:
            found["CUDA_VISIBLE_DEVICES"] = ",".join(own)
        else:
            # Replicas that each take every processor get in each other's way.
            threads = max(1, len(os.sched_getaffinity(0)) // self.fleet.replicas)
            found.setdefault("OMP_NUM_THREADS", str(threads))
        return found
