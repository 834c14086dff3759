"""The servers of a fleet as their callers see them, wherever they are: a file of addresses."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from gristmill.errors import BackendFatal
from gristmill.fleet.settings import Fleet


class Servers(ABC):
    """Use as `async with LocalFleet(model, fleet) as servers`, a file with the address of every
    replica that answers, a line each, kept up to date.

    It is entered once one replica answers; others join as they do. Raises ConfigError where there
    is no place for them, BackendFatal where no replica comes to answer. A place where servers can
    be has the four methods below.
    """

    key_env: str | None = None
    """The environment variable with the key that the servers ask for, once it is entered."""

    def __init__(self, model: str, fleet: Fleet) -> None:
        self.model, self.fleet = model, fleet
        self.folder = Path()
        self._tending: list[asyncio.Task[None]] = []
        self._first: asyncio.Event

    @abstractmethod
    def begin(self) -> list[Coroutine[Any, Any, None]]:
        """What keeps up the replicas, each until it is cancelled; it returns for one that is given
        up. All of them call `changed` where an address has come or gone. Raises ConfigError."""

    @abstractmethod
    def addresses(self) -> Iterable[str]:
        """Of the replicas that answer now."""

    @abstractmethod
    async def end(self) -> bool:
        """End them, `begin` having been called. Returns whether `folder` may go, too."""

    @abstractmethod
    def last_words(self) -> str:
        """What one said that never answered."""

    @property
    def servers(self) -> Path:
        """The file of addresses."""
        return self.folder / "servers.txt"

    async def __aenter__(self) -> Path:
        self.folder = Path(tempfile.mkdtemp(prefix="gristmill-fleet-"))
        self._first = asyncio.Event()
        try:
            self._tending = [asyncio.create_task(work) for work in self.begin()]
            await self._answer()
            if self._first.is_set():
                return self.servers
        except BaseException:
            await self.__aexit__()
            raise
        said = self.last_words()
        await self.__aexit__()
        raise BackendFatal(
            f"{self.model}: no replica of its fleet came to answer: {said} "
            f"(all of it: {self.folder})"
        )

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tending:
            task.cancel()
        await asyncio.gather(*self._tending, return_exceptions=True)
        if await self.end():
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _answer(self) -> None:
        """Wait until one answers, or all are given up. Raises what one of them raised."""
        waiting = asyncio.create_task(self._first.wait())
        try:
            alive = {waiting, *self._tending}
            while waiting in alive and len(alive) > 1:
                done, alive = await asyncio.wait(alive, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            waiting.cancel()

    def changed(self) -> None:
        """Write the file anew; while none answers it stays as it was, since none is no answer."""
        lines = list(self.addresses())
        if lines:
            new = self.folder / "servers.new"
            new.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            new.replace(self.servers)
            self._first.set()
