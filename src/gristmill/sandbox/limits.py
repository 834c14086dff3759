"""How much a program may take, and how it ended."""

from __future__ import annotations

import math
import resource
from dataclasses import dataclass
from typing import Literal

MIB = 1 << 20

Reason = Literal["exit", "signal", "time", "memory", "output", "disk"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one sandbox may take. Sizes are in bytes, times in seconds.

    cpu: of each process, rounded up to whole seconds. wall: from the first instruction to the
    end of the last process.
    memory: of each process as address space (`address`), which the kernel refuses to exceed; and
    of all processes together, with their page tables and sockets, which is looked at every `TICK`
    seconds, so that for an instant they may hold more than this (`watch.py`); and where there are
    control groups, by the kernel's count of it and both disks (`cgroup.py`).
    Without `address`, for interpreters that reserve far more than they use, only the others.
    processes: and threads, all together. On Linux before 5.14 those of the same user count too.
    disk: of the working folder, and as much again in /dev/shm; both are memory. One file may be
    as large. entries: files and folders in each of the two.
    output: of standard output and of standard error, each. files: open at once in each process.
    """

    cpu: float = 10
    wall: float = 30
    memory: int = 512 * MIB
    processes: int = 32
    disk: int = 32 * MIB
    entries: int = 10_000
    output: int = MIB
    files: int = 256
    address: bool = True

    def options(self) -> list[str]:
        """The limits that the kernel holds for each process, as `prlimit` is told them."""
        cpu = max(1, math.ceil(self.cpu))
        found = {
            # A program that ignores the signal at the soft limit is killed a second later.
            "cpu": (resource.RLIMIT_CPU, cpu, cpu + 1),
            "nproc": (resource.RLIMIT_NPROC, self.processes, self.processes),
            "fsize": (resource.RLIMIT_FSIZE, self.disk, self.disk),
            "nofile": (resource.RLIMIT_NOFILE, self.files, self.files),
            "core": (resource.RLIMIT_CORE, 0, 0),
            "memlock": (resource.RLIMIT_MEMLOCK, 0, 0),
        }
        if self.address:
            found["as"] = (resource.RLIMIT_AS, self.memory, self.memory)
        options = []
        for name, (kind, soft, hard) in found.items():
            ours = resource.getrlimit(kind)[1]
            most = hard if ours == resource.RLIM_INFINITY else min(hard, ours)
            options.append(f"--{name}={min(soft, most)}:{most}")
        return options


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended.

    status: what it exited with; 128 and the number of the signal where one ended it.
    reason: `exit`; `signal`, where the status says so (a program that exits with 137 looks the
    same); or the limit that it was killed for.
    """

    status: int
    stdout: bytes
    stderr: bytes
    reason: Reason

    @property
    def ok(self) -> bool:
        """Whether it came to its own end with status 0."""
        return self.reason == "exit" and self.status == 0
