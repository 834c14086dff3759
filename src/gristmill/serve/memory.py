"""Memory that is free is given back, so that a server that runs for weeks takes what it needs."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable

SECONDS = 10.0


async def give_back() -> None:
    """Give back what is free, now and then, until it is cancelled.

    Keys and values of every size come and go on several threads, and glibc keeps the holes between
    those that stay, some hundred MiB in minutes. Where there is no glibc, nothing is done.
    """
    trim = _trim()
    while trim is not None:
        await asyncio.sleep(SECONDS)
        await asyncio.to_thread(trim, 0)


def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None
