"""Whether one of several servers is used: out after failures, checked, on trial, and in again.

in     it gets requests
out    it failed STRIKES times in a row, and gets none; it is asked now and then whether it lives
trial  it says so, and gets one request; that one decides
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from gristmill.backends.decoding import decoded
from gristmill.backends.fault import Fault
from gristmill.backends.pool import Pool

STRIKES = 3
"""Failures in a row after which a server is out. One may be chance; a dead server has three at
once, from the requests that it had in flight."""
FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 0.5, 30.0, 1.5
"""Seconds before the first check, and at most between two; each pause is so much longer than the
last one that a server is found again before half as long has passed as it was away."""
CHECK_SECONDS = 5.0
IN, OUT, TRIAL = "in", "out", "trial"

_log = logging.getLogger("gristmill.servers")
# Its own source, so that nobody's seeded sampling is disturbed.
_jitter = random.Random()


def is_failing(fault: Fault) -> bool:
    """Whether a fault is the server's own, so that another server may do better: no connection, no
    reply in time, a status from 500, no JSON. Not a refusal (4xx), which is the request's fault,
    and not 429 or 503, which only mean that it is busy: these slow its gate down."""
    if fault.kind in ("timeout", "connection", "bad_reply") and not fault.status:
        return fault.again
    return fault.kind == "server" and fault.status >= 500 and not fault.overload


class Health:
    """The state of one server. name: of the model, as it knows it. told: called when it changes.
    traffic: counts how often it was `out`."""

    def __init__(
        self, pool: Pool, name: str, told: Callable[[], None], traffic: Counter[str]
    ) -> None:
        self.state = IN
        self.trying = False  # the one request of a trial is on its way
        self.unfit = ""  # why it cannot serve this model at all
        self._pool = pool
        self._name = name
        self._told = told
        self._traffic = traffic
        self._strikes = 0
        self._pause = FIRST_PAUSE
        self._said = ""
        self._check: asyncio.Task[None] | None = None

    @property
    def ready(self) -> bool:
        """Whether it may get a request."""
        return self.state == IN or (self.state == TRIAL and not self.trying)

    def begin(self) -> bool:
        """It gets a request; whether that one is its trial."""
        if self.state != TRIAL or self.trying:
            return False
        self.trying = True
        return True

    def passed(self) -> None:
        """It answered."""
        self._strikes = 0
        if self.state != IN:
            self.stop()
            self.state, self.unfit, self._pause = IN, "", FIRST_PAUSE
            self._report("is back")
            self._told()

    def failed(self, fault: Fault, trial: bool) -> None:
        """It failed by its own fault."""
        self._strikes += 1
        if (self.state == IN and self._strikes >= STRIKES) or (trial and self.state == TRIAL):
            self._leave(f"is out: {fault.message}")

    def cannot(self, fault: Fault) -> None:
        """It will never answer such requests: another model, another key."""
        self.unfit = fault.message
        self._leave(f"is not used: {fault.message}")

    def ended(self) -> None:
        """The request of its trial has ended, however."""
        self.trying = False

    def stop(self) -> None:
        """Check no more."""
        if self._check is not None:
            self._check.cancel()
            self._check = None

    def _leave(self, why: str) -> None:
        if self.state == OUT:
            return
        self._traffic["out"] += self.state == IN
        self.state, self._strikes = OUT, 0
        self._report(why)
        self.stop()
        self._check = asyncio.get_running_loop().create_task(self._checked())
        self._told()

    def _report(self, what: str) -> None:
        # What stays wrong is said once.
        if what != self._said:
            self._said = what
            _log.warning("server %s %s", self._pool.server.root, what[:300])

    async def _checked(self) -> None:
        while True:
            await asyncio.sleep(self._pause * _jitter.uniform(0.8, 1.2))
            self._pause = min(LONGEST_PAUSE, self._pause * GROWTH)
            if await self._lives():
                break
        self._check = None
        self.state = TRIAL
        self._told()

    async def _lives(self) -> bool:
        status, body = await self._pool.look("/v1/models", CHECK_SECONDS)
        if self.unfit:
            return status == 200 and self._name in _listed(body)
        if not 0 < status < 500:
            return False
        # A list of models says nothing of the engine behind it. Who has no /health answers 404.
        status, _ = await self._pool.look("/health", CHECK_SECONDS)
        return 0 < status < 500


def _listed(body: bytes) -> set[Any]:
    """The models that a reply of /v1/models names."""
    try:
        return {model["id"] for model in decoded(body)["data"]}
    except (ValueError, LookupError, TypeError):
        return set()
