"""How many calls a model may hold, running and waiting; what comes beyond that is asked to wait."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gristmill.serve.refusal import Refused

PATIENCE = 60
"""Seconds that a client is asked to wait at most."""


class Places:
    """The places of one model. limit: calls at once; taken: how many there are now."""

    def __init__(self, name: str, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._name = name
        self._pace = 1.0

    def check(self, count: int) -> None:
        """Raises Refused (400) for more than there ever are."""
        if count > self.limit:
            raise Refused(
                400,
                f"the request asks for {count:,} answers or rows at once, and model "
                f"'{self._name}' takes {self.limit:,} here; send fewer at once",
                "too_many",
            )

    @contextmanager
    def take(self, count: int = 1) -> Iterator[None]:
        """Hold so many places. Raises Refused: 429 where they are not free, 400 where they never
        will be."""
        self.check(count)
        if self.taken + count > self.limit:
            raise Refused(
                429,
                f"model '{self._name}' is busy: {self.taken:,} of {self.limit:,} places are taken",
                "queue_full",
                after=min(PATIENCE, max(1, math.ceil(self._pace))),
            )
        self.taken += count
        began = time.monotonic()
        try:
            yield
        finally:
            self.taken -= count
            # Seconds for which a place is held, the later ones counting more.
            self._pace += 0.1 * (time.monotonic() - began - self._pace)
