"""One replica as a job of Slurm, which keeps it up while its driver says that it is wanted.

    python -m gristmill.fleet.slurm_replica FOLDER

The folder is shared with the driver: `fleet.json` says what is wanted, `driver` is touched by the
driver as long as it lives and removed at its end, and `replica-3.json` says how the replica is.
Ages of files are told by the clock of their server alone.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path

import orjson

from gristmill.fleet.replica import LEASE, LOOPBACK, Replica, command
from gristmill.fleet.settings import Fleet
from gristmill.fleet.tend import tend_while

BEAT = 3.0
"""Seconds between two signs of life."""


class Member:
    """A replica that is wanted as long as there is a driver."""

    def __init__(self, folder: Path, number: int) -> None:
        wanted = orjson.loads((folder / "fleet.json").read_bytes())
        self.model, self.fleet = wanted["model"], Fleet.model_validate(wanted["fleet"])
        self._driver, self._sign = folder / "driver", folder / f"replica-{number}.json"
        started = partial(command, self.model, self.fleet, _reachable())
        log = folder / f"replica-{number}.log"
        self.replica = Replica(number, started, dict(os.environ), log)
        self.over = False
        self._looked, self._wanted = 0.0, True

    def wanted(self, given_up: bool) -> bool:
        """Say how the replica is, and look whether the driver still lives; every few seconds."""
        if time.monotonic() - self._looked > BEAT:
            self._looked = time.monotonic()
            said = {"address": self.replica.address, "trouble": self.replica.trouble}
            try:
                new = self._sign.with_suffix(".new")
                new.write_bytes(orjson.dumps({**said, "given_up": given_up}))
                new.replace(self._sign)
                age = self._sign.stat().st_mtime - self._driver.stat().st_mtime
                self._wanted = age < LEASE
            except FileNotFoundError:
                self._wanted = False
            except OSError:
                pass  # The file system is away for a moment; what was so stays so.
        return self._wanted and not self.over

    async def live(self) -> None:
        """Keep it up, and leave nothing behind; the last one takes the folder along."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._end)
        try:
            await tend_while(self.wanted, self.model, self.replica, self.fleet.start)
        finally:
            self._sign.unlink(missing_ok=True)
            folder = self._sign.parent
            if not self._wanted and not [*folder.glob("replica-*.json")]:
                shutil.rmtree(folder, ignore_errors=True)

    def _end(self) -> None:
        self.over = True


def _reachable() -> str:
    """This machine's address as the one has it where the job was submitted."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect((os.environ["SLURM_SUBMIT_HOST"], 9))  # Sends nothing.
            return asking.getsockname()[0]
    except (KeyError, OSError):
        return socket.gethostname() if "SLURM_SUBMIT_HOST" in os.environ else LOOPBACK


if __name__ == "__main__":
    asyncio.run(Member(Path(sys.argv[1]), int(os.environ["SLURM_ARRAY_TASK_ID"])).live())
