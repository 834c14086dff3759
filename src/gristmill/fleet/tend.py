"""One replica kept up, wherever it is: started, watched, started again, and at last given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from gristmill.fleet.replica import Replica

TRIES = 5
"""Starts in a row without an answer, after which a replica is given up."""
PAUSE, LONGEST = 1.0, 30.0
"""Seconds before a replica that ended is started again: at first, and at most."""

_log = logging.getLogger("gristmill.fleet")


async def tend(
    model: str, replica: Replica, seconds: float, changed: Callable[[], None] = lambda: None
) -> None:
    """Keep a replica up until this is cancelled; return where it is given up.

    seconds: until it must answer. changed: called when its address has come or gone.
    """
    tries, pause = 0, PAUSE
    while tries < TRIES:
        if await replica.start(seconds):
            tries, pause = 0, PAUSE
            changed()
            why = f"ended with status {await replica.ended()}"
            changed()
        else:
            why = f"did not come to answer: {replica.last_words()}"
        tries += 1
        replica.trouble = f"replica {replica.number} {why}"
        _log.warning("%s: %s; started again in %.0f s", model, replica.trouble, pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST)
    _log.error("%s: replica %d is given up (%s)", model, replica.number, replica.log)


async def tend_while(
    wanted: Callable[[bool], bool], model: str, replica: Replica, seconds: float
) -> None:
    """Keep a replica up while it is wanted, and end it then. wanted: asked twice a second, and told
    whether the replica was given up."""
    tending = asyncio.create_task(tend(model, replica, seconds))
    try:
        while wanted(tending.done()):  # noqa: ASYNC110 - a lease that runs out tells nobody
            await asyncio.sleep(0.5)
    finally:
        tending.cancel()
        with suppress(asyncio.CancelledError):
            await tending
        await replica.stop()
