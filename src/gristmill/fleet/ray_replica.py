"""One replica on a node of Ray: an actor beside it, which keeps it up while a driver wants it."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from gristmill.fleet.replica import KEY, LEASE, Replica, command
from gristmill.fleet.settings import Fleet
from gristmill.fleet.tend import tend_while


class Supervisor:
    """The `number`-th replica of a fleet. key: what its server asks for. folder: the driver's, in
    which the server is started where this node has it, for models in folders."""

    def __init__(self, model: str, fleet: str, number: int, key: str, folder: str) -> None:
        ray = import_module("ray")
        self._me = ray.get_runtime_context().current_actor
        self._fleet = Fleet.model_validate_json(fleet)
        self._model, self._key = model, key
        if Path(folder).is_dir():
            os.chdir(folder)
        self._folder = Path(tempfile.mkdtemp(prefix="gristmill-fleet-"))
        started = partial(command, model, self._fleet, ray.util.get_node_ip_address())
        log = self._folder / f"replica-{number}.log"
        self._replica = Replica(number, started, {**os.environ, KEY: key}, log)
        # Whoever made it has a lease, too; without it nobody might ever come for it.
        self._drivers = {"": time.monotonic()}
        self._given_up = False
        threading.Thread(target=asyncio.run, args=(self._live(),), daemon=True).start()

    def renew(self, driver: str, key: str) -> dict[str, Any]:
        """Renew a driver's lease; what it is to know. key: that of its fleet, empty where it knows
        none yet; of another one, which is ending, it gets no lease and no address."""
        said = {"given_up": self._given_up, "key": self._key}
        if key not in ("", self._key):
            return {**said, "address": "", "trouble": "it ends with the drivers before this one"}
        self._drivers[driver] = time.monotonic()
        return {**said, "address": self._replica.address, "trouble": self._replica.trouble}

    def leave(self, driver: str) -> None:
        """End a driver's lease, and with the last one the server."""
        self._drivers.pop("", None)
        self._drivers.pop(driver, None)

    def _wanted(self, given_up: bool) -> bool:
        self._given_up = given_up
        now = time.monotonic()
        return any(now - renewed < LEASE for renewed in [*self._drivers.values()])

    async def _live(self) -> None:
        await tend_while(self._wanted, self._model, self._replica, self._fleet.start)
        shutil.rmtree(self._folder, ignore_errors=True)
        # To leave by itself would be a failure, after which Ray starts it again.
        import_module("ray").kill(self._me, no_restart=True)
