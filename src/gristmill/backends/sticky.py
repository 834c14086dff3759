"""Requests that begin alike go to one server, whose engine has computed their beginning already.

Rendezvous hashing: each pair of beginning and server has a number, and the servers' order for a
beginning is that of these numbers. So a server that comes or goes moves its own share alone. No
server gets more than LOAD times its fair share of what is under way ("Consistent Hashing with
Bounded Loads", Mirrokni, Thorup and Zadimoghaddam, 2018): what is too much for the first in the
order goes to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from gristmill.records import Message

PREFIX = 1024
"""Characters of the first message after the system's that count as the beginning: enough to tell
prompts apart, and nothing of what comes after a long common template."""
LOAD = 1.25
"""How far above its fair share a server may go. Near 1 nothing sticks, and far above it one
frequent beginning keeps one server busy and the others idle."""


def beginning(messages: Sequence[Message]) -> bytes:
    """What decides the server of a conversation: the same in all its turns and samples."""
    said = []
    for message in messages:
        said.append(message.content[: None if message.role == "system" else PREFIX])
        if message.role != "system":
            break
    return "\0".join(said).encode("utf-8", "surrogatepass")


def rank(prefix: bytes, server: str) -> bytes:
    """A server's number for a beginning; the largest is first."""
    return blake2b(server.encode() + b"\0" + prefix, digest_size=8).digest()
