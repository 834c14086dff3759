"""What a provider's batch API does for a collector: one class an API, beside this file.

A batch goes through the steps of `Batch.step`; each is noted in a log before the next is begun
(`batch_ledger`), and what this file's methods do is repeatable but for `create`, which pays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from yarl import URL

from gristmill.backends.batch_line import Line
from gristmill.backends.fault import Fault
from gristmill.backends.secret import Secret


class Lost(NamedTuple):
    """A request of which the batch has no result, and which cost nothing. kind: as in
    BackendError. alone: it is to be asked by itself, because a batch is refused for it."""

    kind: str
    why: str
    alone: bool = False


Outcome = dict[str, Any] | Fault | Lost
"""What became of one request: the reply that a single call would have had, or why there is none."""

PAGES = 50
"""Pages of the list of batches that are looked through, at most, for one that may be ours."""
SKEW = 3600.0
"""Seconds that the provider's clock may be off, and its files late."""

NEVER = Lost("server", "its batch was never begun")
"""Of a request that no provider has been asked: it goes into the next batch as if it were new."""


@dataclass
class Batch:
    """One batch. name: ours for it, which the provider is told where it takes one.

    step: `written` (its requests are on the disk), `uploaded`, `creating` (may or may not be
    there), `created`. at: when it was written, in seconds since 1970. file, id: the provider's
    names of the uploaded file and of the batch. certain: whether that batch is ours, or only looks
    like it.
    """

    name: str
    requests: Path
    keys: list[str]
    at: float
    step: str = "written"
    file: str | None = None
    id: str | None = None
    certain: bool = True


@dataclass(frozen=True)
class Ended:
    """A batch that is over. results: where its rows are. why: what became of requests without a
    row. refused: the lines, counted from 0, for which it was refused as a whole. full: it was
    refused because too much is waiting already, so that it can be tried again later."""

    results: tuple[URL | Path, ...]
    why: Lost
    refused: frozenset[int] = field(default_factory=frozenset)
    full: bool = False


class Api:
    """One batch API. Override what raises NotImplementedError.

    most_requests, most_bytes: of one batch. names: whether a batch carries our name for it, so that
    one that `find` gives is ours for certain. route: below which the batches lie; after: how a page
    of their list is asked for by the last id of the page before.
    """

    most_requests: int
    most_bytes: int
    names = True
    route = "batches"
    after = "after"

    def __init__(self, line: Line) -> None:
        self.line = line

    @staticmethod
    def headers(key: Secret) -> dict[str, str]:
        """The headers of every request, the key among them."""
        return {"Authorization": f"Bearer {key.reveal()}"} if key else {}

    def row(self, key: str, body: bytes) -> bytes:
        """One request as a line of the batch's file. body: what a single call would send."""
        raise NotImplementedError

    async def upload(self, batch: Batch) -> str | None:
        """Bring the file to the provider; its name there. Raises Fault."""
        raise NotImplementedError

    async def create(self, batch: Batch) -> str:
        """Begin the batch, by one attempt; its id. Raises Fault."""
        raise NotImplementedError

    async def find(self, batch: Batch, not_these: set[str]) -> str | None:
        """The id of the batch, if `create` was heard though its reply was not. Raises Fault."""
        from_: dict[str, str] = {}
        for _ in range(PAGES):
            page = await self.line.call("GET", self.line.url(self.route, limit="100", **from_))
            there = objects_of(page, "data")
            for one in there:
                if self.is_ours(one, batch, not_these):
                    return id_of(one)
            older = all(self.begun(one) < batch.at - SKEW for one in there)
            if not there or older or not object_of(page).get("has_more"):
                return None
            from_ = {self.after: id_of(there[-1])}
        return None

    def is_ours(self, one: dict[str, Any], batch: Batch, not_these: set[str]) -> bool:
        """Whether an entry of the list of batches is this one."""
        raise NotImplementedError

    def begun(self, one: dict[str, Any]) -> float:
        """When a batch of the list was begun; one that does not say is looked at as if it were
        new."""
        raise NotImplementedError

    async def look(self, batch: Batch) -> Ended | None:
        """How the batch ended; None while it goes on. Raises Fault."""
        try:
            state = await self.line.call("GET", self.line.url(f"{self.route}/{batch.id}"))
        except Fault as fault:
            if fault.status != 404:
                raise
            return Ended((), Lost("server", "the provider knows the batch no more"))
        return self.ended(batch, object_of(state))

    def ended(self, batch: Batch, state: dict[str, Any]) -> Ended | None:
        """What a batch's state says of its end; None while it goes on."""
        raise NotImplementedError

    def read(self, row: Any) -> tuple[str, Outcome]:
        """One row of the results. Raises KeyError, TypeError or AttributeError for what is none."""
        raise NotImplementedError

    async def alone(self, body: bytes) -> dict[str, Any]:
        """The reply to a single call. Raises Fault."""
        raise NotImplementedError


def id_of(reply: Any) -> str:
    """The id of what was made. Raises Fault where there is none."""
    found = object_of(reply).get("id")
    if not isinstance(found, str) or not found:
        raise Fault("bad_reply", "the reply has no id")
    return found


def object_of(value: Any) -> dict[str, Any]:
    """A JSON object, empty for anything else: providers leave things out, or null."""
    return value if isinstance(value, dict) else {}


def objects_of(value: Any, name: str) -> list[dict[str, Any]]:
    """The objects in a list of an object; none where there is no list."""
    found = object_of(value).get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
