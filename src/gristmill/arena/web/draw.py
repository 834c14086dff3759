"""Which two models fight, and on which sides."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from gristmill.arena.contestants import Contestant


class Draw:
    """Draws pairs: two different models, the heavier the more often, on random sides."""

    def __init__(
        self, models: Sequence[Contestant], weights: Mapping[str, float], chance: random.Random
    ) -> None:
        given = [(model, weights.get(model.called, 1.0)) for model in models]
        self._models = [model for model, weight in given if weight > 0]
        self._weights = [weight for _, weight in given if weight > 0]
        assert len(self._models) >= 2, "the config checks this"
        self._chance = chance

    def pair(self) -> tuple[Contestant, Contestant]:
        """Side A and side B of the next battle."""
        places = range(len(self._models))
        (first,) = self._chance.choices(places, self._weights)
        others = [w if place != first else 0.0 for place, w in enumerate(self._weights)]
        (second,) = self._chance.choices(places, others)
        # The first drawn is more often the heavier one: sides are drawn for themselves.
        sides = [self._models[first], self._models[second]]
        self._chance.shuffle(sides)
        return sides[0], sides[1]
