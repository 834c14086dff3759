"""Memory that is free is given back, so that a server that runs for weeks takes what it needs."""

from __future__ import annotations

import asyncio
import ctypes

SECONDS = 10.0
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Of `mallopt`, in glibc's malloc.h."""


async def give_back() -> None:
    """Give back what is free, now and then, until it is cancelled.

    Keys and values of every size come and go on several threads, and glibc keeps the holes between
    those that stay, some hundred MiB in minutes. So what is large gets pages of its own, which go
    back as soon as it is free, and the rest two arenas instead of eight a core. Where there is no
    glibc, nothing is done.
    """
    try:
        glibc = ctypes.CDLL("libc.so.6")
        glibc.mallopt(_MMAP_THRESHOLD, 1 << 18)
        glibc.mallopt(_ARENA_MAX, 2)
        trim = glibc.malloc_trim
    except (OSError, AttributeError):
        return
    while True:
        await asyncio.sleep(SECONDS)
        await asyncio.to_thread(trim, 0)
