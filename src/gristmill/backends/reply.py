"""The reply to one attempt, read off the connection: as a whole, or by a Reader while it comes."""

from __future__ import annotations

from typing import Any

import aiohttp

from gristmill.backends.decoding import NotJson, decoded
from gristmill.backends.fault import Fault, fault_in_reply


async def read_whole(reply: aiohttp.ClientResponse) -> Any:
    """The decoded JSON of a reply. Raises Fault where it is none, or holds an error."""
    raw = await reply.read()
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


class Reader:
    """Reads a reply while it comes. begun: whether somebody has seen some of it, so that no
    further attempt may be made."""

    begun = False

    async def read(self, reply: aiohttp.ClientResponse) -> Any:
        """The reply as if it had come whole, decoded. Raises Fault, or what the client raises."""
        raise NotImplementedError


def usage_of(reply: Any) -> tuple[int, int]:
    """Tokens in all and tokens replied, 0 where the server does not say."""
    usage = reply.get("usage") if isinstance(reply, dict) else None
    if not isinstance(usage, dict):
        return 0, 0
    replied = usage.get("completion_tokens")
    total = usage.get("total_tokens")
    return (
        total if isinstance(total, int) else 0,
        replied if isinstance(replied, int) else 0,
    )
