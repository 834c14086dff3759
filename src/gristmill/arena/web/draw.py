"""Which two models fight, and on which sides."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

from gristmill.arena.contestants import Contestant

REST = 30.0
"""Seconds that a model is left out for when its server did not answer."""


class Draw:
    """Draws pairs: two different models, the heavier the more often, on random sides. Who rests is
    drawn only where fewer than two others are left."""

    def __init__(
        self,
        models: Sequence[Contestant],
        weights: Mapping[str, float],
        chance: random.Random,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        given = [(model, weights.get(model.called, 1.0)) for model in models]
        self._models = [model for model, weight in given if weight > 0]
        self._weights = [weight for _, weight in given if weight > 0]
        assert len(self._models) >= 2, "the config checks this"
        self._chance = chance
        self._clock = clock
        self._rested: dict[str, float] = {}

    def rest(self, model: Contestant) -> None:
        """Leave a model out for a while."""
        self._rested[model.called] = self._clock() + REST

    def pair(self) -> tuple[Contestant, Contestant]:
        """Side A and side B of the next battle."""
        places = range(len(self._models))
        now = self._clock()
        awake = [self._rested.get(model.called, now) <= now for model in self._models]
        if sum(awake) < 2:
            awake = [True] * len(awake)
        weights = [w * here for w, here in zip(self._weights, awake, strict=True)]
        (first,) = self._chance.choices(places, weights)
        others = [w if place != first else 0.0 for place, w in enumerate(weights)]
        (second,) = self._chance.choices(places, others)
        # The first drawn is more often the heavier one: sides are drawn for themselves.
        sides = [self._models[first], self._models[second]]
        self._chance.shuffle(sides)
        return sides[0], sides[1]
