"""Replicas on this machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from gristmill.errors import ConfigError
from gristmill.fleet.replica import Replica, command, devices
from gristmill.fleet.servers import Servers
from gristmill.fleet.settings import Fleet
from gristmill.fleet.tend import tend


class LocalFleet(Servers):
    """Processes of this one; see `Servers`."""

    def __init__(self, model: str, fleet: Fleet) -> None:
        super().__init__(model, fleet)
        self.replicas: list[Replica] = []

    def begin(self) -> list[Coroutine[Any, Any, None]]:
        """See Servers."""
        started = partial(command, self.model, self.fleet)
        for number, own in enumerate(self._devices()):
            log = self.folder / f"replica-{number}.log"
            self.replicas.append(Replica(number, started, self._environment(own), log))
        return [tend(self.model, each, self.fleet.start, self.changed) for each in self.replicas]

    def addresses(self) -> Iterable[str]:
        """See Servers."""
        return [replica.address for replica in self.replicas if replica.address]

    async def end(self) -> bool:
        """See Servers."""
        await asyncio.gather(*(replica.stop() for replica in self.replicas))
        return not any(replica.trouble for replica in self.replicas)

    def last_words(self) -> str:
        """See Servers."""
        return self.replicas[0].last_words()

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
