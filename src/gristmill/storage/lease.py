"""Who of several processes, on one machine or many, does a piece of work, and when it is lost.

A piece has a name. Whoever does it holds the last of its claims, the files `name.0001`, `name.0002`
and so on, each made once and by one process: a hard link either is made or was there. The holder
renews its claim by touching it; one that is not renewed for `LEASE` seconds is lost, and the next
claim may be made. `name.0001.ended` says that its holder had no more to do.

What is assumed of the file system: hard links and renames are atomic, a file that is opened anew
shows what was written before (NFS promises that of close and open), and touched files get the
server's time. Clocks of machines are never compared.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from gristmill.errors import StorageError

LEASE = 60.0
"""Seconds after which a claim that was not renewed is lost: longer than a machine or its network
stands still in ordinary life."""

BEAT = 5.0
"""Seconds between renewals."""


NOBODY = {"host": "an unknown machine", "holder": ""}
"""What a claim says that cannot be read: it counts until it is lost, like any other."""


class Lost(Exception):
    """A claim that one held is somebody else's now."""


@dataclass(frozen=True)
class Claim:
    """One claim to a piece of work, as whoever looks finds it.

    said: what its holder wrote into it. age: seconds since it was renewed. ended: whether its
    holder is through.
    """

    path: Path
    number: int
    said: dict[str, Any]
    age: float
    ended: bool

    def end(self) -> None:
        """Say that there is no more to do, or that nobody is to go on with it."""
        with suppress(OSError):
            self.path.with_name(f"{self.path.name}.ended").touch()

    def renew(self) -> None:
        """Say that one is at work still. Raises Lost where somebody else made a later claim."""
        try:
            with self.path.open("rb") as file:
                if orjson.loads(file.read()) != self.said:
                    raise Lost(str(self.path))
            os.utime(self.path)
        except (OSError, ValueError) as error:
            if isinstance(error, FileNotFoundError | ValueError):
                raise Lost(str(self.path)) from None
            raise StorageError(f"{self.path}: cannot write: {error}") from None


class Leases:
    """The claims in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def last(self, name: str) -> Claim | None:
        """The claim to a piece of work that counts; None if nobody ever made one."""
        numbers = [int(p.suffix[1:]) for p in self.folder.glob(f"{name}.[0-9]*[0-9]")]
        return self._read(name, max(numbers)) if numbers else None

    def every(self) -> list[Claim]:
        """All claims that were ever made here."""
        found = sorted(self.folder.glob("*.[0-9]*[0-9]"))
        return [self._read(path.stem, int(path.suffix[1:])) for path in found]

    def claim(self, name: str, after: Claim | None, said: dict[str, Any]) -> Claim | None:
        """Make the claim that follows `after`, which is lost by that; None if another process was
        faster. said: what others are to know; `host` and `holder` are added."""
        number = after.number + 1 if after else 1
        said = {**said, "host": host(), "holder": uuid4().hex}
        path = self._path(name, number)
        fresh = self.folder / f"{said['holder']}.new"
        try:
            fresh.write_bytes(orjson.dumps(said))
            try:
                os.link(fresh, path)
            except FileExistsError:
                return None
            if after and not after.ended:
                # Its holder, should it still live, opens it anew and finds it changed.
                with after.path.open("ab") as file:
                    file.write(b" lost")
        except OSError as error:
            raise StorageError(f"{path}: cannot write: {error.strerror}") from None
        finally:
            fresh.unlink(missing_ok=True)
        return Claim(path, number, said, 0.0, ended=False)

    def _path(self, name: str, number: int) -> Path:
        return self.folder / f"{name}.{number:04}"

    def _read(self, name: str, number: int) -> Claim:
        path = self._path(name, number)
        with path.open("rb") as file:
            text, touched = file.read(), os.fstat(file.fileno()).st_mtime
        try:
            said = dict(NOBODY, **orjson.loads(text.removesuffix(b" lost")))
        except (ValueError, TypeError):
            said = dict(NOBODY)
        ended = path.with_name(f"{path.name}.ended").exists()
        return Claim(path, number, said, self._now() - touched, ended)

    def _now(self) -> float:
        """The time where the folder is, which is the clock that the claims are touched by."""
        clock = self.folder / f"clock-{host()}-{os.getpid()}"
        try:
            clock.touch()
            return clock.stat().st_mtime
        finally:
            clock.unlink(missing_ok=True)


def host() -> str:
    """This machine since it was started, told from any other."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()}-{boot[:8]}"
    return socket.gethostname()


class Keeper:
    """Renews claims in a thread of its own, so that no long step of the work lets them run out.

    beat: called at each renewal. lost: called once when a claim is somebody else's.
    """

    def __init__(self, beat: Callable[[], None], lost: Callable[[], None]) -> None:
        import threading

        self._beat, self._lost = beat, lost
        self.claims: list[Claim] = []
        self.is_lost = False
        self.renewed = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(BEAT):
            self.renew()

    def renew(self) -> bool:
        """Renew all claims now; False if one of them is lost."""
        try:
            for claim in self.claims:
                claim.renew()
            self.renewed = time.monotonic()
            self._beat()
        except Lost:
            self.is_lost = True
            self._lost()
        except StorageError:
            pass  # the file system is away for a moment: the work itself will say so
        return not self.is_lost

    def sure(self) -> bool:
        """Whether the claims are held at this moment. After a standstill, of the process or its
        machine, they are looked at again first."""
        if time.monotonic() - self.renewed > LEASE / 2:
            return self.renew() and time.monotonic() - self.renewed < LEASE
        return not self.is_lost
