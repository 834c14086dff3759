"""Single calls gathered into batches; whoever asks waits until its request's result is there.

    ask -> queue -> (full, or nothing new for a while) -> a batch -> (`batch_carry`) -> an answer

A request without a result goes into another batch, and then is asked by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from gristmill.backends.base import Backend
from gristmill.backends.batch_api import NEVER, Api, Lost
from gristmill.backends.batch_carry import Carrier, Said
from gristmill.backends.batch_ledger import Ledger, Place
from gristmill.backends.fault import Fault
from gristmill.errors import GristmillError
from gristmill.storage import locked

QUIET = 3.0
"""Seconds without a new call after which a batch is closed though it is not full."""
BATCHES = 2
"""Batches that a request is put into before it is asked alone."""
ALONE = 16
"""Calls by themselves at a time: few, after hours of waiting, for what batches did not answer."""

Parsed = TypeVar("Parsed")


class Collector:
    """The batches of one model at one provider. `join` it, `leave` it; the last one closes it.

    All backends that talk to the same model and keep their batches in the same folder share it, so
    that their calls share batches.
    """

    def __init__(self, api: Api, folder: Path, model: str) -> None:
        self.api = api
        self._stack = ExitStack()
        self._stack.enter_context(locked(folder, folder / "lock"))
        self._ledger = Ledger(folder, api.read)
        self._stack.callback(self._ledger.close)
        self._waiting: dict[str, asyncio.Future[Said]] = {}
        self._queue: list[tuple[str, bytes]] = []
        self._bytes = 0
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._carrier = Carrier(api, self._ledger, model, self._settle)
        self._alone = asyncio.Semaphore(ALONE)
        self._users = 0
        self._place: tuple[Any, ...] = ()

    @classmethod
    def join(cls, api: Api, folder: Path, model: str) -> Collector:
        """The open collector of a folder, or a new one that goes on where the last one ended; call
        from a running event loop. Raises CheckpointError, StorageError."""
        place = (asyncio.get_running_loop(), folder.resolve())
        collector = _collectors.get(place)
        if collector is None:
            collector = cls(api, folder, model)
            _collectors[place] = collector
            collector._place = place
            api.line.open()
            collector._wait_for(collector._carrier.go_on())
        collector._users += 1
        return collector

    async def leave(self) -> None:
        """Give the collector back. What is under way stays so at the provider, for next time."""
        self._users -= 1
        if self._users:
            return
        del _collectors[self._place]
        if self._timer is not None:
            self._timer.cancel()
        await self._carrier.stop()
        await self.api.line.close()
        self._stack.close()

    async def ask(
        self, backend: Backend, key: str, body: bytes, parse: Callable[[Any], Parsed]
    ) -> tuple[Parsed, bool]:
        """What `parse` makes of the reply to `body`, and whether that came of a single call.

        key: of the request; the same one is asked once. parse: raises Fault for a reply that
        cannot be used. Raises BackendError, BackendFatal; StorageError.
        """
        if place := self._ledger.find(key):
            try:
                return parse(self._ledger.reply(place)), False
            except Fault:
                # Of an earlier run, in which the call failed for it: it is tried anew.
                self._ledger.forget(key, place)
        for number in range(BATCHES):
            said = await self._batched(backend, key, body, again=number > 0)
            if isinstance(said, Place):
                try:
                    return parse(self._ledger.reply(said)), False
                except Fault as useless:
                    self._ledger.forget(key, said)
                    said = useless
            backend.traffic.failures[said.kind] += 1
            if isinstance(said, Fault) and (said.fatal or not said.again):
                raise self.api.line.verdict(said, backend.model)
            if isinstance(said, Lost) and said.alone:
                break
        async with self._alone:
            self._count(backend, again=True)
            try:
                return parse(await self.api.alone(body)), True
            except Fault as fault:
                backend.traffic.failures[fault.kind] += 1
                raise self.api.line.verdict(fault, backend.model) from None

    async def _batched(
        self, backend: Backend, key: str, body: bytes, *, again: bool
    ) -> Place | Fault | Lost:
        """What becomes of a request in a batch: in one under way that has it, or in the next."""
        counted = False
        while True:
            future = self._waiting.get(key)
            if future is None:
                if not counted:
                    self._count(backend, again=again)
                    counted = True
                future = self._waiting[key] = asyncio.get_running_loop().create_future()
                self._add(key, self.api.row(key, body))
            # Another asker, or the ledger, may want it when this one is gone.
            said = await asyncio.shield(future)
            if said is NEVER:
                continue
            if isinstance(said, Exception) and not isinstance(said, Fault):
                raise said
            return said

    def _count(self, backend: Backend, *, again: bool) -> None:
        backend.meter.take_request()
        backend.traffic.requests += 1
        backend.traffic.retries += again

    def _add(self, key: str, row: bytes) -> None:
        if self._bytes + len(row) > self.api.most_bytes:
            self._close()
        self._queue.append((key, row))
        self._bytes += len(row)
        loop = asyncio.get_running_loop()
        self._last = loop.time()
        if len(self._queue) >= self._carrier.most:
            self._close()
        elif self._timer is None:
            self._timer = loop.call_later(QUIET, self._look_whether_quiet)

    def _look_whether_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._last + QUIET - loop.time()
        self._timer = loop.call_later(left, self._look_whether_quiet) if left > 0 else None
        if left <= 0:
            self._close()

    def _close(self) -> None:
        """Make a batch of what is waiting."""
        rows, self._queue, self._bytes = self._queue, [], 0
        if not rows:
            return
        try:
            batch = self._ledger.write(rows)
        except GristmillError as error:
            self._settle((key for key, _ in rows), error)
            return
        self._carrier.start(batch)

    def _wait_for(self, keys: Iterable[str]) -> None:
        """Have these ready to be asked for: they are under way already."""
        for key in keys:
            self._waiting.setdefault(key, asyncio.get_running_loop().create_future())

    def _settle(self, keys: Iterable[str], said: Said) -> None:
        for key in keys:
            future = self._waiting.pop(key, None)
            if future is not None and not future.done():
                future.set_result(said)


_collectors: dict[tuple[Any, ...], Collector] = {}
