"""How much one visitor may do in an hour."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

HOUR = 3600.0
MANY = 10_000
"""Visitors remembered until those of whom an hour has been heard nothing are forgotten."""


class Hourly:
    """At most `most` of something in any hour, for each visitor."""

    def __init__(self, most: int, clock: Callable[[], float] = monotonic) -> None:
        self.most = most
        self._clock = clock
        self._taken: dict[str, deque[float]] = {}
        self._forget_at = MANY

    def wait(self, visitor: str) -> float:
        """Seconds until the visitor may do it again; 0 for now."""
        taken = self._taken.get(visitor)
        if taken is None:
            return 0.0
        now = self._clock()
        while taken and taken[0] <= now - HOUR:
            taken.popleft()
        return 0.0 if len(taken) < self.most else taken[0] + HOUR - now

    def take(self, visitor: str) -> None:
        """The visitor does it now."""
        if len(self._taken) >= self._forget_at:
            since = self._clock() - HOUR
            self._taken = {v: t for v, t in self._taken.items() if t and t[-1] > since}
            self._forget_at = max(MANY, 2 * len(self._taken))
        self._taken.setdefault(visitor, deque(maxlen=self.most)).append(self._clock())
