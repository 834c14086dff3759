"""What all processes of a sandbox hold together, which no limit of the kernel's counts."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from gristmill.sandbox.bubble import BOX
from gristmill.sandbox.limits import Limits

_PAGE = os.sysconf("SC_PAGE_SIZE")


def exceeded(init: int, limits: Limits) -> Literal["memory", "disk"] | None:
    """Which limit the sandbox whose first process is `init` is over, if any.

    Looks through the sandbox's own /proc, which lists its processes and no others. None also while
    the sandbox is not yet set up, or gone.
    """
    root = Path(f"/proc/{init}/root")
    with suppress(OSError):
        if root.stat().st_dev == Path("/").stat().st_dev:
            return None  # not yet moved away from our own root
        for folder in (BOX, "/dev/shm"):
            held = os.statvfs(f"{root}{folder}")
            if held.f_files - held.f_ffree > limits.entries:
                return "disk"
        processes = [path for path in (root / "proc").iterdir() if path.name.isdigit()]
        # Pages that processes share count once for each in the first sum, which is cheap, and are
        # shared out in the second, which is not.
        if sum(map(_resident, processes)) > limits.memory:
            return "memory" if sum(map(_proportional, processes)) > limits.memory else None
    return None


def _resident(process: Path) -> int:
    with suppress(OSError, IndexError, ValueError):
        return int((process / "statm").read_bytes().split()[1]) * _PAGE
    return 0


def _proportional(process: Path) -> int:
    with suppress(OSError, IndexError, ValueError):
        for line in (process / "smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) << 10
    return 0
