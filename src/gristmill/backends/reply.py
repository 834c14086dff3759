"""The reply to one attempt, read off the connection: as a whole, or by a Reader while it comes."""

from __future__ import annotations

from typing import Any

import aiohttp

from gristmill.backends.decoding import NotJson, count, decoded
from gristmill.backends.fault import Fault, fault_in_reply

MOST = 16 << 20
"""Bytes of a reply as it is unpacked, by default: no answer is that long, and one that never ends,
or is a gigabyte of nothing in a megabyte of gzip, would fill the memory."""
MOST_SAID = 1 << 20
"""Bytes that are read of what a server says of an error; what comes after them is left."""


async def head_of(reply: aiohttp.ClientResponse, most: int) -> bytes:
    """What a reply begins with, as it comes, until it ends or more than `most` bytes are there."""
    parts, size = [], 0
    while size <= most and (part := await reply.content.readany()):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


async def read_whole(reply: aiohttp.ClientResponse, most: int = MOST) -> Any:
    """The decoded JSON of a reply. Raises Fault where it is none, holds an error, or has more than
    `most` bytes."""
    raw = await head_of(reply, most)
    if len(raw) > most:
        raise too_large(most)
    try:
        whole = decoded(raw, lambda: reply.charset)
    except NotJson:
        said = raw[:60].decode("utf-8", "replace")
    else:
        fault = fault_in_reply(whole)
        if fault is None:
            return whole
        raise fault
    raise Fault("bad_reply", f"HTTP 200 without JSON: {said!r}")


def too_large(most: int) -> Fault:
    """A reply had more than `most` bytes."""
    told = f"the reply is larger than {most >> 20} MiB; if that is right, raise `max_reply_mib`"
    return Fault("bad_reply", told, again=False)


class Reader:
    """Reads a reply while it comes. begun: whether somebody has seen some of it, so that no
    further attempt may be made."""

    begun = False

    async def read(self, reply: aiohttp.ClientResponse, most: int) -> Any:
        """The reply as if it had come whole, decoded. Raises Fault, also for more than `most`
        bytes, or what the client raises."""
        raise NotImplementedError


def usage_of(reply: Any) -> tuple[int, int]:
    """Tokens in all and tokens replied, 0 where the server does not say."""
    usage = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(usage, dict):
        return 0, 0
    return count(usage.get("total_tokens")), count(usage.get("completion_tokens"))
