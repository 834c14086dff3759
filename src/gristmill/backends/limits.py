"""Limits per minute, kept by pacing: requests are spread evenly, so no minute exceeds the limit."""

from __future__ import annotations

import asyncio
from time import monotonic

SLACK = 0.05
"""Seconds that a request may run ahead of its pace, so that late timers cost no throughput."""
MIN_ROOM = 16
"""Tokens reserved for a reply at least, until replies have shown how long they are."""


class Pace:
    """`per_minute` units spread over every minute, first come first served."""

    __slots__ = ("_next", "_seconds")

    def __init__(self, per_minute: float) -> None:
        assert per_minute > 0
        self._seconds = 60.0 / per_minute
        self._next = 0.0

    def reserve(self, units: float, now: float) -> float:
        """Book `units` and say how many seconds to wait before using them."""
        start = max(self._next, now - SLACK)
        self._next = start + units * self._seconds
        return max(0.0, start - now)

    def correct(self, units: float) -> None:
        """Book that many more (or, negative, fewer) than were reserved."""
        self._next += units * self._seconds


class Limits:
    """Requests and tokens per minute of one server; None is no limit.

    Tokens are estimated before a request (a quarter of its bytes and the mean reply so far) and
    put right by the usage that the server reports.
    """

    __slots__ = ("_reply", "_requests", "_tokens")

    def __init__(self, requests: float | None, tokens: float | None) -> None:
        self._requests = Pace(requests) if requests else None
        self._tokens = Pace(tokens) if tokens else None
        self._reply = float(MIN_ROOM)

    async def wait(self, body: bytes) -> float:
        """Wait for this request's turn. Returns the tokens reserved, for `settle`."""
        now = monotonic()
        delay = self._requests.reserve(1, now) if self._requests else 0.0
        reserved = len(body) / 4 + self._reply
        if self._tokens:
            delay = max(delay, self._tokens.reserve(reserved, now))
        if delay > 0:
            await asyncio.sleep(delay)
        return reserved

    def settle(self, reserved: float, used: int, replied: int) -> None:
        """`used` tokens in all, `replied` of them new, where `reserved` were booked."""
        if self._tokens and used:
            self._tokens.correct(used - reserved)
            self._reply += 0.1 * (replied - self._reply)
