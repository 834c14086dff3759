"""A control group for each sandbox, where one can be made: the kernel counts all of its memory.

Of cgroup v2 alone, with the controller `memory`. Groups are made where a user may make them: beside
our own, as in a systemd user session and for root on most machines; below it, where nobody but us
is in it (`systemd-run --user --scope -p Delegate=yes`, a container whose first process we are).
See the kernel's Documentation/admin-guide/cgroup-v2.rst.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from gristmill.sandbox.limits import Limits

_MOUNT = Path("/sys/fs/cgroup")
_LEAF = "gristmill"
_numbers = itertools.count()


class Group:
    """The group of one sandbox, which the kernel ends as a whole at its limit."""

    def __init__(self, parent: Path, limits: Limits) -> None:
        """Raises OSError where none can be made there."""
        self._folder = parent / f"{_LEAF}-{os.getpid()}-{next(_numbers)}"
        self._folder.mkdir()
        try:
            # Files of the working folder and of /dev/shm have a limit of their own, and are memory.
            self._set("memory.max", limits.memory + 2 * limits.disk)
            self._set("memory.oom.group", 1)
            with suppress(FileNotFoundError):  # a kernel without swap
                self._set("memory.swap.max", 0)
        except OSError:
            self.remove()
            raise

    def enter(self) -> list[str]:
        """What stands before a command so that it begins in the group. A process that goes there by
        itself does not have to be held up while the kernel moves it, and we do not wait for it."""
        return ["/bin/sh", "-c", 'echo $$ > "$0" && exec "$@"', f"{self._folder}/cgroup.procs"]

    def was_full(self) -> bool:
        """Whether the kernel ended it for its memory."""
        events = (self._folder / "memory.events").read_text().split()
        return int(events[events.index("oom_kill") + 1]) > 0

    def remove(self) -> None:
        """Remove it, when its processes are gone."""
        for _ in range(50):  # the last process is told gone an instant before its group knows
            with suppress(OSError):
                self._folder.rmdir()
                return
            time.sleep(0.001)

    def _set(self, name: str, value: int) -> None:
        # Unbuffered: the kernel refuses with the write, and not when the file is closed.
        with (self._folder / name).open("r+b", buffering=0) as file:
            file.write(str(value).encode())


@cache
def parent() -> Path | None:
    """Where groups of sandboxes can be made, as tried once; None where they cannot."""
    with suppress(OSError):
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = _MOUNT / next((x[4:] for x in lines if x.startswith("0::/")), "..")
        if ".." in own.parts:
            return None  # it lies outside of what is seen here
        for folder in (own, *own.parents):
            if _MOUNT not in (folder, *folder.parents):
                break
            if "memory" in _words(folder / "cgroup.subtree_control") and _works(folder):
                return folder
        return own if _hands_on(own) and _works(own) else None
    return None


def guard() -> str:
    """What holds the memory of a sandbox to its limit on this machine, in words for its user."""
    if parent():
        return "held by the kernel, each in a control group (cgroup v2) of its own"
    return "looked at every 50 ms, as no control group can be made here (docs/curate.md says how)"


def _hands_on(own: Path) -> bool:
    """Have our own group limit the memory of those below it. Only the machine's first may do that
    with processes of its own, so where we are alone we go below, too."""
    if "memory" not in _words(own / "cgroup.controllers"):
        return False
    if (own / "cgroup.type").exists():  # all but the machine's first have it
        if _words(own / "cgroup.procs") != [str(os.getpid())]:
            return False
        (own / _LEAF).mkdir(exist_ok=True)
        (own / _LEAF / "cgroup.procs").write_text(str(os.getpid()))
    (own / "cgroup.subtree_control").write_text("+memory")
    return True


def _works(folder: Path) -> bool:
    """Whether a group can be made there, and a process moved into it. What processes that were
    killed left there is removed."""
    try:
        for left in folder.glob(f"{_LEAF}-*-*"):
            if not Path("/proc", left.name.split("-")[1]).exists():
                with suppress(OSError):
                    left.rmdir()
        group = Group(folder, Limits())
        try:
            command = [*group.enter(), "true"]
            return subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
        finally:
            group.remove()
    except OSError:
        return False


def _words(path: Path) -> list[str]:
    return path.read_text().split()
