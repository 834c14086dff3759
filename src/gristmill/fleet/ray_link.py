"""The process that speaks with Ray for a driver: Ray ends whoever it loses its head under.

    python -m gristmill.fleet.ray_link

It reads one line, what is wanted, and prints a line whenever something has changed, each JSON.
Standard input is the lease, as for `keep`. At a second line it ends the driver's leases; at the
end of the input without one the driver was killed, and the replicas are left to another for a
while.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sys
import threading
import time
import uuid
from contextlib import suppress
from importlib import import_module
from io import FileIO
from typing import Any

import orjson

from gristmill.fleet.ray_replica import Supervisor
from gristmill.fleet.settings import Fleet

BEAT = 2.0
"""Seconds between two words to each replica."""
SILENCE = 20.0
"""Seconds without a word from a replica, after which its address is no longer named. Whether its
server answers, those who call it find out sooner."""

STUCK = 30.0
"""Seconds that one round of words may take. A call of Ray never returns where the raylet of this
machine is lost, by which Ray is reached; the driver then starts this process again."""


class Link:
    """The replicas of a fleet, as one driver sees them.

    A replica is an actor with a name that follows from the model and the fleet, so that drivers
    with the same share it; detached, so that it outlives the one that made it. Its CPU and GPUs
    are of one node, as those of an actor are; Ray spreads replicas over nodes, and restarts one
    elsewhere when its node is lost.

    key: what all servers ask for, once it is known: that of the first replica, whoever made it.
    """

    def __init__(self, model: str, fleet: Fleet, folder: str) -> None:
        self.ray: Any = import_module("ray")
        self._driver = uuid.uuid4().hex
        asked = orjson.dumps([model, fleet.model_dump(mode="json"), folder])
        name = f"gristmill-{hashlib.sha256(asked).hexdigest()[:16]}"
        self.ray.init(address="auto", namespace=name, log_to_driver=False, logging_level="ERROR")
        self.key = ""
        self._own_key = secrets.token_urlsafe(32)
        gpus = fleet.gpus if self.ray.cluster_resources().get("GPU") else 0
        self._class = self.ray.remote(Supervisor)
        self._options = {
            **{"num_cpus": 1, "num_gpus": gpus, "scheduling_strategy": "SPREAD"},
            **{"get_if_exists": True, "lifetime": "detached", "max_restarts": -1},
        }
        self._model, self._fleet, self._folder = model, fleet, folder
        self._actors: dict[int, Any] = {}
        self._waiting: dict[int, Any] = {}
        self._heard = [time.monotonic()] * fleet.replicas
        nothing = {"address": "", "trouble": "", "given_up": False}
        self.said = [dict(nothing) for _ in range(fleet.replicas)]

    def beat(self) -> None:
        """Have a word with each replica; one that does not answer has it to come."""
        now = time.monotonic()
        known = range(len(self.said) if self.key else 1)
        for number in {*known} - self._waiting.keys():
            with suppress(self.ray.exceptions.RayError, ValueError):
                self._actors[number] = self._at(number)
                self._waiting[number] = self._actors[number].renew.remote(self._driver, self.key)
        asked = list(self._waiting.values())
        done, _ = self.ray.wait(asked, num_returns=len(asked), timeout=BEAT) if asked else ([], [])
        for number, reference in [*self._waiting.items()]:
            silent = now - self._heard[number]
            if reference in done:
                del self._waiting[number]
                try:
                    said = self.ray.get(reference)
                    self.key = self.key or said["key"]
                    self.said[number] = {name: said[name] for name in self.said[number]}
                    self._heard[number] = now
                except self.ray.exceptions.ActorUnavailableError:
                    self._missing(number, silent, "lost, with its node; Ray starts it again")
                except self.ray.exceptions.RayError as error:
                    self._missing(number, silent, " ".join(str(error).split())[-300:])
            elif silent > SILENCE:
                gpus = self._options["num_gpus"]
                why = f"no node has 1 CPU and {gpus} GPUs free for it, or its node is away"
                self._missing(number, silent, why)

    def _missing(self, number: int, silent: float, why: str) -> None:
        given_up = silent > self._fleet.start
        trouble = f"replica {number}: {why}"
        self.said[number] = {"address": "", "trouble": trouble, "given_up": given_up}

    def leave(self) -> None:
        """End the leases; servers that have no other driver end with that."""
        ended = [actor.leave.remote(self._driver) for actor in self._actors.values()]
        if ended:
            self.ray.wait(ended, num_returns=len(ended), timeout=3 * BEAT)

    def _at(self, number: int) -> Any:
        """The actor of a replica, made where there is none."""
        named = self._class.options(name=f"replica-{number}", **self._options)
        fleet = self._fleet.model_dump_json()
        key = self.key or self._own_key
        return named.remote(self._model, fleet, number, key, self._folder)


def main() -> int:
    # Without a buffer, which cannot be read in a thread when the interpreter ends.
    told = FileIO(0)
    wanted = orjson.loads(told.readline())
    over, orderly = threading.Event(), []

    def listen() -> None:
        orderly.append(bool(told.readline()))
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        link = Link(wanted["model"], Fleet.model_validate(wanted["fleet"]), wanted["folder"])
    except ConnectionError as error:
        _say({"error": " ".join(str(error).split())})
        return 2
    beaten = [time.monotonic()]

    def watch() -> None:
        while not over.wait(1):
            if time.monotonic() - beaten[0] > STUCK:
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    shown: Any = None
    while not over.wait(0 if shown is None else BEAT):
        link.beat()
        beaten[0] = time.monotonic()
        now = {"key": link.key, "replicas": link.said}
        if now != shown:
            _say(now)
            shown = {**now, "replicas": [*link.said]}
    if orderly[0]:
        link.leave()
    return 0


def _say(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
