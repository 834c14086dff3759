"""A knock-out: who is better goes on, until one is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gristmill.errors import BackendError
from gristmill.judges._matches import Ask, Match, play


@dataclass
class Knockout:
    """How far each player came.

    rounds: that the whole has, log2 of the players, rounded up. survived: rounds that each player
    was not beaten in. equal: who went out of a tie -> who went on from it. failed: who would play
    on, had a call not failed.
    """

    rounds: int = 0
    matches: list[Match] = field(default_factory=list)
    survived: dict[int, int] = field(default_factory=dict)
    equal: dict[int, int] = field(default_factory=dict)
    failed: dict[int, BackendError] = field(default_factory=dict)

    def reward(self, player: int) -> float | BackendError:
        """The share of the rounds that it survived, 1 for the winner. The judge could not tell two
        that tied apart: both have what the one that went on came to."""
        while player in self.equal:
            player = self.equal[player]
        return self.failed.get(player) or self.survived[player] / self.rounds


async def knock_out(ask: Ask, drawn: Sequence[int]) -> Knockout:
    """Play all rounds; `drawn` are two players or more, in the order of a draw.

    The first drawn have no rival in the first round where their number is no power of two. Of a
    tie who was drawn before the other goes on. A match that cannot be read takes both out, for
    neither has won it, and its place is empty in the next round. After a call that failed and may
    be tried again, nobody plays on.
    """
    found = Knockout(rounds=(len(drawn) - 1).bit_length())
    idle = 2**found.rounds - len(drawn)
    places: list[int | None] = []
    for number, player in enumerate(drawn):
        places += [player, None] if number < idle else [player]
    for number in range(found.rounds):
        pairs = list(zip(places[::2], places[1::2], strict=True))
        rivals = [(a, b) for a, b in pairs if a is not None and b is not None]
        matches = iter(await play(ask, rivals))
        places = []
        error: BackendError | None = None
        for a, b in pairs:
            if a is None or b is None:
                places.append(b if a is None else a)
                continue
            match = next(matches)
            found.matches.append(match)
            error = _worse(error, match.failure)
            places.append(_goes_on(found, match, number))
        if error is not None:
            found.failed |= {p: error for p in drawn if p not in found.survived}
            return found
    if (winner := places[0]) is not None:
        found.survived[winner] = found.rounds
    return found


def _goes_on(found: Knockout, match: Match, number: int) -> int | None:
    """Who is in the next round after the match; notes who is not."""
    a, b = match.players
    if match.failure is not None:
        return None
    if not match.readable:
        found.survived |= {a: number, b: number}
        return None
    if match.winner is None:
        found.equal[b] = a
        return a
    found.survived[b if match.winner == a else a] = number
    return match.winner


def _worse(one: BackendError | None, other: BackendError | None) -> BackendError | None:
    if one is None or (other is not None and other.kind == "budget"):
        return other or one
    return one
