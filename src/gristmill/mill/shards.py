"""One shard of a run: a process of its own makes its share of the prompts, beside the others.

It writes to a journal of its own and to no data set. A run without a shard decides over all of them
afterwards, and makes what is still missing: deciding is a pure function of what the journals hold,
in the input's order, so the data is what one process would have made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from gristmill.backends import loop
from gristmill.errors import CheckpointError, StorageError
from gristmill.mill.allowance import Allowance
from gristmill.mill.budget import Spent
from gristmill.mill.config import Config
from gristmill.mill.folder import Folder
from gristmill.mill.journal import Journal, journals, spent_in
from gristmill.mill.known import embed_rows
from gristmill.mill.ready import check_all
from gristmill.mill.run import calm_collector, execute
from gristmill.mill.session import Session, Watch
from gristmill.mill.shard import Shard
from gristmill.mill.slots import Slots, end_round
from gristmill.mill.supply import Supply
from gristmill.storage import locked, write_atomically
from gristmill.storage.lease import Claim, Keeper

PATIENCE = 5.0
"""Seconds to wait for a lock that another shard holds for a moment, to see who is there."""


@dataclass
class Made:
    """What the process of one shard has done.

    status: `complete` (every prompt of the shard done), `target` (its share reached), `budget` (its
    share spent), `interrupted`, `lost` (another process took it up). finished, accepted: of its
    prompts, with what was done before; requests: all that it ever sent. took: lost shards that it
    took up.
    """

    folder: Path
    shard: Shard
    status: str = "working"
    detail: str = ""
    finished: int = 0
    accepted: int = 0
    requests: int = 0
    took: list[str] = field(default_factory=list)


def run_shard(
    config: Config,
    out: str | Path,
    shard: Shard,
    *,
    limit: int | None = None,
    watch: Watch | None = None,
) -> Made:
    """Make one shard of a run, then those whose processes are gone; `gristmill run --shard I/N`.

    With the same folder again, it resumes. Raises what `run` raises, and CheckpointError where the
    same shard, or the run as a whole, is at work, or the folder's shards began with another number,
    target or budget.
    """
    folder = Folder(Path(out))
    check_all(config)
    folder.make()
    with _among_shards(folder, config, shard), calm_collector():
        return _Worker(config, folder, shard, limit, watch or (lambda _: None)).work()


@contextmanager
def _among_shards(folder: Folder, config: Config, shard: Shard) -> Iterator[None]:
    """Keep out a run as a whole and the same shard, and no other shard."""
    # What was agreed for other shards is over when none of them is there.
    with suppress(CheckpointError), locked(folder.path, folder.lock):
        agreed = Allowance.read(folder.agreed)
        if agreed is not None and not (agreed.suits(config, shard.of) and folder.is_of(config)):
            end_round(folder.checkpoint, folder.agreed)
    mine = folder.checkpoint / shard.name / "lock"
    who = f"{shard} is at work in another process"
    with (
        locked(folder.path, folder.lock, shared=True, patience=PATIENCE),
        locked(folder.path, mine, patience=PATIENCE, who=who),
    ):
        yield


class _Worker:
    """The process of one shard."""

    def __init__(
        self, config: Config, folder: Folder, shard: Shard, limit: int | None, watch: Watch
    ) -> None:
        self._config, self._folder, self._shard = config, folder, shard
        self._limit, self._watch = limit, watch
        self._slots = Slots(folder.checkpoint, shard)
        self._supply = Supply(config, folder, limit)
        self._made = Made(folder.path, shard)
        self._own = folder.checkpoint / shard.name
        self._session: Session | None = None

    def work(self) -> Made:
        agreed = self._agree()
        with Keeper(self._say, self._lost) as keeper:
            self._keeper = keeper
            found = (self._shard, claim) if (claim := self._slots.own(agreed)) else None
            if found is None:
                self._made.status, self._made.detail = "lost", "another process took it up"
            while found or (found := self._next(agreed)):
                shard, claim = found
                keeper.claims.append(claim)
                self._make(shard, agreed)
                if not keeper.is_lost:
                    claim.end()
                keeper.claims.clear()
                found = None
        return self._made

    def _next(self, agreed: Allowance) -> tuple[Shard, Claim] | None:
        if self._made.status == "interrupted" or self._keeper.is_lost:
            return None
        found = self._slots.lost(agreed)
        if found:
            self._made.took.append(str(found[0]))
        return found

    def _agree(self) -> Allowance:
        """What the shards agreed on; the first to come sees to it, and has the prompts written that
        recipes are to write."""
        leases = self._slots.leases
        while True:
            agreed = Allowance.read(self._folder.agreed)
            if agreed is not None:
                if not agreed.suits(self._config, self._shard.of):
                    raise CheckpointError(
                        f"{self._folder.path}: other shards are at work here, {agreed.of} with "
                        f"target {agreed.target} and budget {agreed.budget}; wait for them"
                    )
                self._folder.check_identity(self._config, at_work=True)
                return agreed
            last = leases.last("opening")
            if last and self._slots.lives(last):
                time.sleep(0.1)
            elif claim := leases.claim("opening", last, {"by": self._shard.name}):
                with Keeper(lambda: None, lambda: None) as keeper:
                    keeper.claims.append(claim)
                    try:
                        self._open()
                    finally:
                        claim.end()

    def _open(self) -> None:
        if self._folder.agreed.exists():
            return
        self._folder.settle(self._config)
        checkpoint = self._folder.checkpoint
        spent = [spent_in(folder) for folder in journals(checkpoint)[1:]]
        with closing(Journal(checkpoint, journals(checkpoint)[1:], _NOBODY)) as journal:
            self._supply.write(journal, self._watch)
            spent.append(journal.spent)
        of = self._shard.of
        before = [spent_in(checkpoint / Shard(n, of).name) for n in range(1, of + 1)]
        agreed = Allowance.of_shards(self._config, of, Spent.total(spent), before)
        agreed.write(self._folder.agreed)

    def _make(self, shard: Shard, agreed: Allowance) -> None:
        """Make the prompts of a shard, as far as its target and one's own allowance go."""
        others = [f for f in journals(self._folder.checkpoint) if f != self._own]
        limits = self._slots.limits(self._shard, agreed)
        config = agreed.share(self._supply.as_files(), shard, limits)
        with closing(Journal(self._own, others, shard)) as journal:
            embed_rows(config, journal, self._watch)
            session = self._session = Session(config, journal, self._limit, shard)
            session.purse.fence = self._keeper.sure
            try:
                loop.run(execute(session, self._watch))
            finally:
                with suppress(StorageError):
                    journal.add_spent(session.purse.spent())
            stopped = session.executor.stopped
            if not stopped:
                journal.forget_partial(session.purse.spent())
        status = stopped.partition(".")[0] or "complete"
        self._say(status)
        made = self._made
        made.finished += session.tally.finished
        made.accepted += session.tally.accepted
        made.requests = session.purse.requests
        if made.status in ("working", "complete"):
            made.status, made.detail = status, stopped if status == "budget" else ""
        self._session = None

    def _lost(self) -> None:
        if self._session is not None:
            self._session.executor.stopped = "lost"

    def _say(self, status: str = "working") -> None:
        """Leave word of how far the shard is that one is at, for whoever watches all of them."""
        if (session := self._session) is None or session.shard is None:
            return
        tally = session.tally
        said = {"status": status, "finished": tally.finished, "accepted": tally.accepted}
        with suppress(StorageError):
            place = self._folder.checkpoint / session.shard.name
            write_atomically(place / "progress.json", orjson.dumps(said))


_NOBODY = Shard(0, 1 << 64)
"""A shard that no prompt falls to: for a journal that is opened for what was spent alone."""
