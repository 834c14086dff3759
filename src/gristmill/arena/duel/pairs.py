"""Which models meet on which prompt, and who stands on which side."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

from gristmill.records import Message, as_dicts
from gristmill.storage import digest

Pair = tuple[int, int]
"""Places of two models, the lower first."""


class Dealer:
    """Deals pairs of `models` models to prompts, one after the other.

    per_prompt: pairs on each; None is all of them. What a prompt gets depends on the seed and its
    place among the prompts alone, so that prompts added at the end change nothing before them.
    Of n prompts all pairs get the same number, and all models too, but for the rest of a division.
    """

    def __init__(self, models: int, per_prompt: int | None, seed: int) -> None:
        self._every = list(combinations(range(models), 2))
        self._models = models
        self._each = min(per_prompt or len(self._every), len(self._every))
        self._seed = seed
        self._deck: list[Pair] = []
        self._decks = 0

    def deal(self) -> list[Pair]:
        """The pairs of the next prompt, all different, in a fixed order."""
        if self._each == len(self._every):
            return self._every
        dealt: list[Pair] = []
        while len(dealt) < self._each:
            if all(pair in dealt for pair in self._deck):
                self._deck += self._shuffled()
            # A pair that this prompt has already, where two decks meet, waits for the next prompt.
            place = next(i for i, pair in enumerate(self._deck) if pair not in dealt)
            dealt.append(self._deck.pop(place))
        return sorted(dealt)

    def _shuffled(self) -> list[Pair]:
        """All pairs once, in rounds in which every model (but one, if they are odd) comes once.

        It is the circle method of tournaments: one seat stays, the others move on by one.
        """
        self._decks += 1
        draw = random.Random(f"{self._seed}:pairs:{self._decks}")
        seats: list[int | None] = [*range(self._models), *([None] if self._models % 2 else [])]
        draw.shuffle(seats)
        rounds = []
        for _ in range(len(seats) - 1):
            half = len(seats) // 2
            facing = zip(seats[:half], reversed(seats[half:]), strict=True)
            met = [(min(a, b), max(a, b)) for a, b in facing if a is not None and b is not None]
            draw.shuffle(met)
            rounds.append(met)
            seats = [seats[0], seats[-1], *seats[1:-1]]
        draw.shuffle(rounds)
        return [pair for met in rounds for pair in met]


def battle_id(turns: Sequence[Message], answers: dict[str, str]) -> str:
    """32 hex digits of a prompt and the answers of two models, whichever side each is on: all who
    judge the same answers judge under the same id. turns: without a system message."""
    return digest([as_dicts(tuple(turns)), sorted(answers.items())])


def sides(battle: str, models: tuple[str, str], seed: int) -> tuple[str, str]:
    """The models as A and B: a coin for each battle, the same whenever it is thrown."""
    low, high = sorted(models)
    return (low, high) if random.Random(f"{seed}:{battle}").random() < 0.5 else (high, low)
