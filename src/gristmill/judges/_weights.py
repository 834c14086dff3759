"""From five attributes to the one reward that selection ranks by."""

from __future__ import annotations

import math
from functools import cached_property
from operator import mul

from pydantic import Field, field_validator

from gristmill.parts import Options
from gristmill.records import ATTRIBUTES

CARD_WEIGHTS = (0.3, 0.74, 0.46, 0.47, -0.33)
"""Weights of the scalar on the model card of Nemotron-4-340B-Reward, in attribute order."""


class Weighing(Options):
    """How much each attribute weighs in the reward."""

    weights: dict[str, float] = Field(
        default_factory=lambda: dict(zip(ATTRIBUTES, CARD_WEIGHTS, strict=True))
    )
    """Weight of each attribute in the reward. Those left out weigh 0. Default: those that the
    model card of Nemotron-4-340B-Reward gives its own attributes."""

    @field_validator("weights")
    @classmethod
    def _known_and_finite(cls, weights: dict[str, float]) -> dict[str, float]:
        for name, weight in weights.items():
            if name not in ATTRIBUTES:
                raise ValueError(f"unknown attribute '{name}'; known: {', '.join(ATTRIBUTES)}")
            if not math.isfinite(weight):
                raise ValueError(f"the weight of {name} must be a finite number")
        if not any(weights.values()):
            raise ValueError("at least one weight must differ from 0")
        return weights

    @cached_property
    def _in_order(self) -> tuple[float, ...]:
        return tuple(self.weights.get(name, 0.0) for name in ATTRIBUTES)

    @property
    def widest(self) -> tuple[float, float]:
        """The least and the most that the sum of attributes from 0 to 4 can be."""
        low, high = (sum(4 * f(w, 0.0) for w in self._in_order) for f in (min, max))
        return low, high

    def weigh(self, attributes: tuple[float, ...]) -> float:
        """The weighted sum of the five attributes, in order."""
        return sum(map(mul, self._in_order, attributes))
