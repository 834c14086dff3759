"""Whether and when a failed attempt is made again."""

from __future__ import annotations

import random
from time import monotonic

from gristmill.backends.fault import PATIENCE, Fault

BASE_DELAY = 0.5
"""Seconds: the first wait is between 0 and this, and doubles each time (full jitter)."""
MAX_DELAY = 30.0
REFUSAL_DELAY = 0.25
"""As BASE_DELAY, after a 429: shorter, because the gate already slows everyone down."""
# Its own source, so that nobody's seeded sampling is disturbed.
_jitter = random.Random()


class Retry:
    """The attempts of one call that have failed so far."""

    __slots__ = ("_failures", "_refusals", "_since")

    def __init__(self) -> None:
        self._failures = 0
        self._refusals = 0
        self._since = 0.0

    def delay(self, fault: Fault, retries: int, answered: bool = True) -> float | None:
        """Seconds to wait before the next attempt, or None when there is none.

        A refusal (429, or 503 with Retry-After) is not a failure, nor is a server gone that has
        `answered` before: they use up no retry, only patience.
        """
        if fault.fatal or not fault.again:
            return None
        after = fault.after or 0.0
        if fault.waits(answered):
            now = monotonic()
            if not self._refusals:
                self._since = now
            self._refusals += 1
            if now - self._since > PATIENCE:
                return None
            first = BASE_DELAY if fault.offline else REFUSAL_DELAY
            longest = min(MAX_DELAY, first * 2 ** min(self._refusals - 1, 10))
        else:
            self._failures += 1
            if self._failures > retries:
                return None
            # A failure's own wait is capped: the next attempt is as likely to work then.
            after = min(after, MAX_DELAY)
            longest = min(MAX_DELAY, BASE_DELAY * 2 ** min(self._failures - 1, 10))
        return after + _jitter.uniform(0.0, longest)
