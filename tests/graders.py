"""A reward model that notes every call, and kills its own process where it is told to."""

import os
import signal
from pathlib import Path

CALLS = Path("calls.log")
DIES_AT = Path("dies-at")


def asked() -> list[str]:
    """The answers that it was asked about so far."""
    return CALLS.read_text().splitlines() if CALLS.exists() else []


def noting(messages: list[dict[str, str]]) -> float:
    if DIES_AT.exists() and len(asked()) >= int(DIES_AT.read_text()):
        os.kill(os.getpid(), signal.SIGKILL)
    with CALLS.open("a") as calls:
        calls.write(messages[-1]["content"] + "\n")
    return len(messages[-1]["content"])
