"""Several recipes as one source: so many prompts in all, in given shares."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from gristmill.recipes._flow import Wanted

T = TypeVar("T")


@dataclass
class Mix:
    """Takes from several sources by weight, evenly from the beginning to the end.

    When a source has no more, the others go on in its place.
    """

    weights: Sequence[float]

    def shares(self, count: int) -> list[int]:
        """`count` split by weight, by the largest remainder; the first of equal ones first."""
        total = sum(self.weights)
        exact = [count * w / total for w in self.weights]
        shares = [int(e) for e in exact]
        by_rest = sorted(range(len(exact)), key=lambda i: (shares[i] - exact[i], i))
        for place in by_rest[: count - sum(shares)]:
            shares[place] += 1
        return shares

    async def take(
        self, sources: Sequence[AsyncGenerator[T]], wanted: Sequence[Wanted]
    ) -> AsyncGenerator[tuple[int, T]]:
        """The sources' items with their source's place, the one next that is furthest behind.

        wanted: what is left of each source's share; a source counts it down itself.
        """
        taken, alive = [0] * len(sources), [True] * len(sources)
        while places := [i for i, live in enumerate(alive) if live and wanted[i].left]:
            # Furthest behind: whose next one is due first.
            place = min(places, key=lambda i: ((taken[i] + 1) / self.weights[i], i))
            try:
                item = await anext(sources[place])
            except StopAsyncIteration:
                alive[place] = False
                self._make_up(place, alive, wanted)
                continue
            taken[place] += 1
            yield place, item

    def _make_up(self, place: int, alive: Sequence[bool], wanted: Sequence[Wanted]) -> None:
        """Let the others have what a source did not deliver."""
        others = [i for i, live in enumerate(alive) if live]
        if others:
            extra = Mix([self.weights[i] for i in others]).shares(wanted[place].left)
            for other, more in zip(others, extra, strict=True):
                wanted[other].add(more)
        wanted[place].left = 0
