"""What a sandbox holds altogether, by the look of it from outside, every few moments.

Of memory: what is resident of its processes, their page tables, and its sockets, each at the most
that one can hold. Pipes are left out, as the kernel allows a user 64 MiB in all of them. Other
things that the kernel keeps for a program, such as locks and what epoll waits for, are not seen
from here; only a control group counts them (`cgroup.py`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal

from gristmill.sandbox.bubble import BOX
from gristmill.sandbox.limits import Limits


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
        if _over(processes, limits.memory - _sockets(Path(f"/proc/{init}/net"))):
            return "memory"
    return None


def _over(processes: list[Path], limit: int) -> bool:
    tables = sum(_sum(process / "status", b"VmPTE:") for process in processes)
    resident = sum(_sum(process / "status", b"VmRSS:") for process in processes)
    if tables > limit or tables + resident <= limit:
        return tables > limit
    # Pages that processes share count once for each in the first sum, which is cheap, and are
    # shared out in the second, which is not.
    return tables + sum(_sum(process / "smaps_rollup", b"Pss:") for process in processes) > limit


def _sum(file: Path, name: bytes) -> int:
    """Bytes that a line of a process's file tells; 0 when the process is gone."""
    with suppress(OSError):
        for line in file.read_bytes().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) << 10
    return 0


def _sockets(net: Path) -> int:
    """Bytes that all sockets of a network may hold; those in no process's hands count, too."""
    total = 0
    for version in ("", "6"):
        with suppress(OSError):  # a machine without IPv6
            words = (net / f"sockstat{version}").read_text().split()
            if not version:
                total += int(words[words.index("used") + 1]) * _socket()
            # The queues of these grow by themselves. To list them takes long, where there are any.
            if words[words.index(f"TCP{version}:") + 2] != "0":
                for line in (net / f"tcp{version}").read_text().splitlines()[1:]:
                    total += sum(int(queue, 16) for queue in line.split()[4].split(":"))
    return total


@cache
def _socket() -> int:
    """Bytes that one socket holds at most: what was received, and what was sent, where the last
    message may go beyond the buffer as far as its size. No program can enlarge them (`seccomp.py`).
    """
    sizes = [int(Path(f"/proc/sys/net/core/{name}mem_default").read_text()) for name in "rww"]
    return sum(sizes)
