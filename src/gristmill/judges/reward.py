"""The reward-model judge: five attributes of HelpSteer2 and the scalar that selection ranks by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from operator import mul
from typing import cast

from pydantic import Field, field_validator

from gristmill.backends import RewardBackend, open_reward
from gristmill.backends.base import Backend
from gristmill.backends.calling import Calling
from gristmill.errors import BackendError
from gristmill.judges.base import Judge
from gristmill.records import ATTRIBUTES, Message, Prompt, Response, Verdict

CARD_WEIGHTS = (0.3, 0.74, 0.46, 0.47, -0.33)
"""Weights of the scalar on the model card of Nemotron-4-340B-Reward, in attribute order."""


class Reward(Calling, Judge):
    """Asks a reward model for its scores of one response.

    The reward is the weighted sum of the five attributes, or the model's own scalar where it
    gives no attributes. With `reference`, the model is a policy trained with DPO, and its scalar
    the log-probability ratio of the response between the two.
    """

    weights: dict[str, float] = Field(
        default_factory=lambda: dict(zip(ATTRIBUTES, CARD_WEIGHTS, strict=True))
    )
    """Weight of each attribute in the reward. Those left out weigh 0. Default: the model card's."""

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

    def open(self) -> RewardBackend:
        return open_reward(self.model, self.backend_options())

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        return await self.grade(backend, (*prompt.messages, Message("assistant", response.text)))

    async def grade(self, backend: Backend, turns: Sequence[Message]) -> Verdict:
        """Grade the last turn of a conversation. Raises BackendError."""
        score = await cast(RewardBackend, backend).score(turns)
        if score.attributes is not None:
            reward = sum(map(mul, self._in_order, score.attributes))
        elif score.scalar is not None:
            reward = score.scalar
        else:
            raise BackendError("bad_reply", f"{self.model} gave neither attributes nor a scalar")
        if not math.isfinite(reward):
            raise BackendError("bad_reply", f"{self.model} gave a score that is not finite")
        return Verdict("reward", score.model, reward, score.attributes, score.tokens)
