"""One batch on its way, from the disk to the provider to its results.

    written -> uploaded -> creating -> created -> over -> results here -> each asker has its own

Every step is in the ledger before the next begins. A process that is killed finds again what is
under way: a request is paid for twice only if its result was lost by the provider.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from shutil import copyfile

from gristmill.backends.batch_api import NEVER, Api, Batch, Ended, Lost
from gristmill.backends.batch_ledger import Ledger, Place
from gristmill.backends.fault import Fault
from gristmill.backends.retry import Retry

FIRST_LOOK = 2.0
"""Seconds after which a batch is looked at first; each later pause is longer, by half."""
LAST_LOOK = 60.0
"""The longest of these pauses, in seconds."""
TRIES = 5
"""Further attempts to begin a batch that failed; each is looked for before the next."""
LISTED = 5.0
"""Seconds after which a provider that heard of a batch has it in its list."""

Said = Place | Fault | Lost | Exception
"""What became of a request in a batch: where its reply lies, why it has none, or what is to be
raised by all who asked."""


class Carrier:
    """Carries batches, each in a task of its own.

    most: requests that the next batch may have; fewer once the provider took no more. settle: told
    what became of the requests with these keys, once for each.
    """

    def __init__(
        self,
        api: Api,
        ledger: Ledger,
        model: str,
        settle: Callable[[Iterable[str], Said], None],
    ) -> None:
        self.most = api.most_requests
        self._api = api
        self._ledger = ledger
        self._model = model
        self._settle = settle
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._over = asyncio.Event()

    def start(self, batch: Batch) -> None:
        task = asyncio.get_running_loop().create_task(self._carry(batch))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, batch))

    def _ended(self, batch: Batch, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        over, self._over = self._over, asyncio.Event()
        over.set()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._settle(batch.keys, error)

    def go_on(self) -> list[str]:
        """Take up what an earlier process left; the keys of requests that are under way."""
        keys: list[str] = []
        for batch in list(self._ledger.under_way.values()):
            if batch.step in ("written", "uploaded"):
                # Never begun, and whether anybody still asks for all of it is not known.
                self._ledger.note(batch, "dropped")
                continue
            keys += batch.keys
            self.start(batch)
        return keys

    async def stop(self) -> None:
        """Leave the batches to the provider, for next time."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, batch: Batch) -> None:
        """One batch from where it is to its results, or to the reason why there are none. Raises
        what is to be raised by all who asked."""
        what = "uploading a batch"
        try:
            if batch.step == "written":
                self._ledger.note(batch, "uploaded", file=await self._api.upload(batch))
            while True:
                what = "beginning a batch"
                if batch.step != "created" and not await self._begin(batch):
                    self._drop(batch, NEVER)
                    return
                what = f"waiting for the batch {batch.id}"
                ended = await self._until_over(batch)
                if ended.full:
                    await self._make_room(batch, others=self._others(batch))
                    return
                what = f"reading the batch {batch.id}"
                files = await self._fetch(batch, ended)
                if batch.certain or self._is_ours(batch, files):
                    break
                # Somebody else's of the same size: ours may be another.
                self._ledger.note(batch, "creating")
        except Fault as fault:
            if fault.fatal or fault.again or batch.step == "created":
                raise self._api.line.verdict(fault, self._model, what) from None
            if fault.status == 413:
                await self._make_room(batch, others=False)
                return
            self._drop(batch, Lost(fault.kind, f"{what}: {fault.message}"))
            return
        others = self._ledger.keep(batch, files)
        for number, key in enumerate(batch.keys):
            lost = ended.why._replace(alone=True) if number in ended.refused else ended.why
            self._settle([key], self._ledger.find(key) or others.get(key, lost))

    async def _begin(self, batch: Batch) -> bool:
        """Have the batch begun, once. False for one that an earlier process meant to begin, and
        did not.

        An attempt that may have been heard is looked for before the next one; one batch at a time,
        so that no other of ours can be taken for it.
        """
        async with self._one_at_a_time:
            if batch.step == "creating":
                await asyncio.sleep(LISTED)
                return await self._found(batch)
            self._ledger.note(batch, "creating")
            retry, heard = Retry(), False
            while True:
                try:
                    self._ledger.note(batch, "created", id=await self._api.create(batch))
                    return True
                except Fault as error:
                    fault = error
                heard = heard or fault.status == 0 or fault.status >= 500
                delay = retry.delay(fault, TRIES)
                if delay is None:
                    raise fault
                await asyncio.sleep(max(delay, LISTED) if heard else delay)
                if heard and await self._found(batch):
                    return True
                if fault.kind == "bad_reply":
                    # It was taken, in words that cannot be read: another would be paid for, too.
                    raise fault

    async def _found(self, batch: Batch) -> bool:
        found = await self._api.find(batch, self._ledger.ids)
        if found is not None:
            self._ledger.note(batch, "created", id=found, certain=self._api.names)
        return found is not None

    async def _until_over(self, batch: Batch) -> Ended:
        pause = FIRST_LOOK
        while (ended := await self._api.look(batch)) is None:
            await asyncio.sleep(pause)
            pause = min(LAST_LOOK, 1.5 * pause)
        return ended

    async def _fetch(self, batch: Batch, ended: Ended) -> int:
        """Bring the results here; how many files they are. What is gone is passed over."""
        files = 0
        for place in ended.results:
            path = self._ledger.results(batch.name, files)
            if isinstance(place, Path):
                copyfile(place, path)
            else:
                try:
                    await self._api.line.call("GET", place, into=path)
                except Fault as fault:
                    if fault.status != 404:
                        raise
                    continue
            files += 1
        return files

    def _is_ours(self, batch: Batch, files: int) -> bool:
        paths = [self._ledger.results(batch.name, number) for number in range(files)]
        keys = set(batch.keys)
        return any(key in keys for path in paths for key, _, _ in self._ledger.rows(path))

    def _others(self, batch: Batch) -> bool:
        """Whether the provider is at work on other batches of ours."""
        there = self._ledger.under_way.values()
        return any(b.step == "created" and b is not batch for b in there)

    async def _make_room(self, batch: Batch, *, others: bool) -> None:
        """The provider takes no more at a time: wait for one of the `others` to end, or, where
        there is none, make smaller ones."""
        half = len(batch.keys) // 2
        if not (half or others):
            self._drop(batch, Lost("rate_limited", "even one request is too many", alone=True))
            return
        self._ledger.note(batch, "dropped")
        if others:
            await self._over.wait()
        else:
            self.most = min(self.most, half)
            await asyncio.sleep(LAST_LOOK)
        self._settle(batch.keys, NEVER)

    def _drop(self, batch: Batch, lost: Lost) -> None:
        self._ledger.note(batch, "dropped")
        self._settle(batch.keys, lost)
