"""Fleets that several users have one after another, or at once: started for the first, and ended a
while after the last.

A run opens and closes its backends more than once, each time in an event loop of its own. So fleets
live in a thread of theirs, and outlast a pause between two uses; with the process they end in any
case.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from gristmill.fleet.local import LocalFleet
from gristmill.fleet.ray import RayFleet
from gristmill.fleet.servers import Servers
from gristmill.fleet.settings import Fleet
from gristmill.fleet.slurm import SlurmFleet

LINGER = 30.0
"""Seconds that a fleet waits for another user."""
GOODBYE = 40.0
"""Seconds that all fleets have to end with the process."""

PLACES: dict[str, type[Servers]] = {"local": LocalFleet, "ray": RayFleet, "slurm": SlurmFleet}

T = TypeVar("T")


class _Used:
    """A fleet, and how many use it. entered: whether one replica answers."""

    def __init__(self, model: str, fleet: Fleet) -> None:
        self.fleet = PLACES[fleet.on](model, fleet)
        self.users = 0
        self.change = asyncio.Lock()
        self.entered = False


_used: dict[tuple[str, str], _Used] = {}
_loop: asyncio.AbstractEventLoop | None = None
_starting = threading.Lock()


@asynccontextmanager
async def servers_of(model: str, fleet: Fleet) -> AsyncGenerator[Servers]:
    """A fleet whose file of servers is kept up to date while it is used."""
    key = (model, fleet.model_dump_json())
    entered = await asyncio.wrap_future(_there(_enter(key, model, fleet)))
    try:
        yield entered
    finally:
        await asyncio.wrap_future(_there(_leave(key)))


async def _enter(key: tuple[str, str], model: str, fleet: Fleet) -> Servers:
    used = _used.setdefault(key, _Used(model, fleet))
    used.users += 1
    try:
        async with used.change:
            if not used.entered:
                await used.fleet.__aenter__()
                used.entered = True
            return used.fleet
    except BaseException:
        used.users -= 1
        _used.pop(key, None)
        raise


async def _leave(key: tuple[str, str]) -> None:
    used = _used[key]
    used.users -= 1
    if not used.users:
        ending = asyncio.get_running_loop().call_later
        ending(LINGER, lambda: asyncio.ensure_future(_end(key, used)))


async def _end(key: tuple[str, str], used: _Used) -> None:
    async with used.change:
        if not used.users and _used.get(key) is used:
            del _used[key]
            await used.fleet.__aexit__()


def _there(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Do it in the fleets' thread."""
    global _loop
    with _starting:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="fleets", daemon=True).start()
            atexit.register(end_all)
    return asyncio.run_coroutine_threadsafe(work, _loop)


def end_all() -> None:
    """End all fleets now, whoever uses them."""

    async def work() -> None:
        all_used = list(_used.values())
        _used.clear()
        await asyncio.gather(*(used.fleet.__aexit__() for used in all_used))

    if _loop is not None:
        with suppress(TimeoutError):
            _there(work()).result(GOODBYE)
