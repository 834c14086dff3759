"""Replicas as an array of Slurm jobs."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from gristmill.errors import BackendFatal, RunError, StorageError
from gristmill.fleet import sbatch
from gristmill.fleet.replica import GOODBYE, KEY, LEASE
from gristmill.fleet.servers import Servers
from gristmill.fleet.settings import Fleet
from gristmill.fleet.slurm_replica import BEAT
from gristmill.fleet.tend import LONGEST, PAUSE, TRIES

ASK = 30.0
"""Seconds between two questions to Slurm whether it has the job still."""

_log = logging.getLogger("gristmill.fleet")


class SlurmFleet(Servers):
    """Replicas that jobs keep up (`slurm_replica`), as long as a file in a folder of the working
    directory, which the nodes share, is touched here; see `Servers`."""

    def __init__(self, model: str, fleet: Fleet) -> None:
        super().__init__(model, fleet)
        self.key_env = f"{KEY}_{id(self):x}"
        self._shared = Path.cwd() / f".gristmill-fleet-{secrets.token_hex(4)}"
        self._driver = self._shared / "driver"
        self._job = ""
        self._replicas: dict[int, dict[str, Any]] = {}

    def begin(self) -> list[Coroutine[Any, Any, None]]:
        """See Servers."""
        sbatch.check("fleet: {on: slurm}")
        os.environ[str(self.key_env)] = secrets.token_urlsafe(32)
        return [self._beat(), self._keep()]

    def addresses(self) -> Iterable[str]:
        """See Servers."""
        return [one["address"] for one in self._replicas.values() if one["address"]]

    def last_words(self) -> str:
        """See Servers."""
        said = [one["trouble"] for one in self._replicas.values() if one["trouble"]]
        return said[0] if said else f"job {self._job} of Slurm ended"

    async def end(self) -> bool:
        """See Servers."""
        os.environ.pop(str(self.key_env), None)
        with suppress(OSError):
            self._driver.unlink(missing_ok=True)
        if self._job:
            give_up = time.monotonic() + GOODBYE
            while [*self._shared.glob("replica-*.json")]:
                if time.monotonic() > give_up:
                    break
                await asyncio.sleep(0.2)
            # In a thread it cannot be done any more where the process is about to end.
            sbatch.cancel(self._job)
        shutil.rmtree(self._shared, ignore_errors=True)
        return True

    async def _beat(self) -> None:
        """Say that one lives, and see how the replicas are."""
        while True:
            with suppress(OSError):
                os.utime(self._driver)
                self._look()
            await asyncio.sleep(BEAT)

    def _look(self) -> None:
        now, before = self._driver.stat().st_mtime, self._replicas
        self._replicas = {}
        for number in range(self.fleet.replicas):
            sign = self._shared / f"replica-{number}.json"
            with suppress(FileNotFoundError):
                if now - sign.stat().st_mtime < LEASE:
                    self._replicas[number] = orjson.loads(sign.read_bytes())
        for number, one in self._replicas.items():
            if one["trouble"] not in ("", before.get(number, one)["trouble"]):
                _log.warning("%s: %s", self.model, one["trouble"])
        self.changed()
        given_up = sum(one["given_up"] for one in self._replicas.values())
        if given_up == self.fleet.replicas and not self.servers.exists():
            raise BackendFatal(f"{self.model}: its fleet: {self.last_words()}")

    async def _keep(self) -> None:
        """Submit the array, and again where it has ended, by its time limit for instance."""
        pause, why = PAUSE, ""
        for _ in range(TRIES):
            try:
                self._job = await asyncio.to_thread(self._submit)
                await self._while_queued()
                why = f"job {self._job} of Slurm ended"
            except RunError as error:
                if not self.servers.exists():
                    raise
                why = str(error)
            _log.warning("%s: its fleet: %s; again in %.0f s", self.model, why, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST)
        if not self.servers.exists():
            raise BackendFatal(f"{self.model}: no replica of its fleet came to answer: {why}")

    async def _while_queued(self) -> None:
        told = False
        while await asyncio.to_thread(sbatch.has, self._job):
            await asyncio.sleep(ASK)
            if not told and not self.servers.exists():
                told = True
                note = "no replica answers yet; `squeue` shows whether it still waits for a place"
                _log.warning("%s: job %s: %s", self.model, self._job, note)

    def _submit(self) -> str:
        wanted = {"model": self.model, "fleet": self.fleet.model_dump(mode="json")}
        try:
            # Replicas that thought this process dead have taken it along.
            self._shared.mkdir(mode=0o700, exist_ok=True)
            (self._shared / "fleet.json").write_bytes(orjson.dumps(wanted))
            self._driver.touch()
        except OSError as error:
            raise StorageError(f"{self._shared}: cannot write: {error.strerror}") from None
        command = [sys.executable, "-P", "-m", "gristmill.fleet.slurm_replica", str(self._shared)]
        job = sbatch.script(self._shared / "replica.sh", shlex.join(command))
        options = [
            f"--array=0-{self.fleet.replicas - 1}",
            "--requeue",
            "--job-name=gristmill-fleet",
        ]
        options += [f"--output={self._shared}/replica-%a.log", "--open-mode=append"]
        if sbatch.has_gpus():
            options.append(f"--gres=gpu:{self.fleet.gpus}")
        return sbatch.submit(options, job, {**os.environ, KEY: os.environ[str(self.key_env)]})
