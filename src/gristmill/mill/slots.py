"""Which process does which shard of a run, and what becomes of a shard whose process is gone.

Every shard has a lease, and first its own process holds it. A process that is through with its own
takes up those of the same round whose holder is gone: it makes their prompts into its own journal,
so that a journal has one writer whatever happens, and a process that was thought dead and was not
can at worst ask for something twice. What the lost one had left of its allowance goes with its
lease.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from gristmill.errors import CheckpointError
from gristmill.mill.allowance import Allowance, Limits
from gristmill.mill.journal import spent_in
from gristmill.mill.shard import Shard
from gristmill.storage import is_locked
from gristmill.storage.lease import BEAT, LEASE, Claim, Leases, host


class Slots:
    """The shards of a run, as one process of them sees them."""

    def __init__(self, checkpoint: Path, me: Shard) -> None:
        self._checkpoint, self._me = checkpoint, me
        self.leases = Leases(checkpoint / "leases")

    def lives(self, claim: Claim) -> bool:
        """Whether its holder is at work: on this machine its lock says so, from another one the
        claim's age."""
        if claim.ended:
            return False
        if claim.said["host"] != host():
            return claim.age < LEASE
        holder = str(claim.said.get("by"))
        return holder != self._me.name and is_locked(self._checkpoint / holder / "lock")

    def own(self, agreed: Allowance) -> Claim | None:
        """The claim to one's own shard; None where another process has taken it up.

        Waits for the claim of an earlier process on another machine to run out; raises
        CheckpointError where that process is at work.
        """
        give_up = time.monotonic() + LEASE + 2 * BEAT
        while (last := self.leases.last(self._me.name)) and self.lives(last):
            if last.said.get("by") != self._me.name:
                return None
            if time.monotonic() > give_up:
                raise CheckpointError(f"{self._me} is at work already, on {last.said['host']}")
            time.sleep(min(1.0, LEASE))
        said = {"by": self._me.name, "round": agreed.id, "moved": None}
        return self.leases.claim(self._me.name, last, said)

    def lost(self, agreed: Allowance) -> tuple[Shard, Claim] | None:
        """A shard that its process has left undone, and one's claim to it. None if there is none.

        Waits while another machine's claim is late, but not lost.
        """
        while True:
            late = False
            for number in range(1, agreed.of + 1):
                shard = Shard(number, agreed.of)
                last = self.leases.last(shard.name)
                if last is None or last.ended:
                    continue
                if self.lives(last):
                    late |= last.said["host"] != host() and last.age > 3 * BEAT
                elif claim := self._take_up(shard, last, agreed):
                    return shard, claim
            if not late:
                return None
            time.sleep(BEAT)

    def _take_up(self, shard: Shard, last: Claim, agreed: Allowance) -> Claim | None:
        moved = None
        # What a process had left goes with its own shard, and with no other that it had taken up.
        if last.said.get("by") == shard.name and last.said.get("round") == agreed.id:
            there = self.limits(shard, agreed)
            moved = list(there.rest(spent_in(self._checkpoint / shard.name)))
        said = {"by": self._me.name, "round": agreed.id, "moved": moved}
        return self.leases.claim(shard.name, last, said)

    def limits(self, shard: Shard, agreed: Allowance) -> Limits:
        """What the journal of a shard's process may come to, by now."""
        found = agreed.limits[shard.number - 1]
        for claim in self.leases.every():
            moved = claim.said.get("moved")
            if not moved or claim.said.get("round") != agreed.id:
                continue
            if claim.path.stem == shard.name:
                found = found.plus(moved, -1)
            elif claim.said.get("by") == shard.name:
                found = found.plus(moved)
        return found


def end_round(checkpoint: Path, agreed: Path) -> None:
    """Forget who did what, and what was agreed; for a process that has the folder to itself.

    Raises CheckpointError where a shard is at work on a machine whose locks are not seen here.
    """
    folder = checkpoint / "leases"
    if folder.exists():
        leases, give_up = Leases(folder), time.monotonic() + LEASE + 2 * BEAT
        while away := _away(leases):
            if time.monotonic() > give_up:
                raise CheckpointError(
                    f"{checkpoint.parent}: {away.path.stem} is at work on {away.said['host']}; "
                    "wait for it"
                )
            time.sleep(min(1.0, LEASE))
        shutil.rmtree(folder, ignore_errors=True)
    agreed.unlink(missing_ok=True)


def _away(leases: Leases) -> Claim | None:
    """A claim that counts, of another machine, and not yet lost."""
    last = {claim.path.stem: claim for claim in leases.every()}.values()
    strange = (c for c in last if not c.ended and c.said["host"] != host())
    return next((c for c in strange if c.age < LEASE), None)
