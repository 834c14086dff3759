"""The reward-model judge: five attributes of HelpSteer2 and the scalar that selection ranks by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from gristmill.backends import RewardBackend, open_reward
from gristmill.backends.base import Backend
from gristmill.backends.calling import Calling
from gristmill.errors import BackendError
from gristmill.judges._weights import Weighing
from gristmill.judges.base import Judge
from gristmill.records import Message, Prompt, Response, Verdict


class Reward(Calling, Weighing, Judge):
    """Asks a reward model for its scores of one response.

    The reward is the weighted sum of the five attributes, or the model's own scalar where it
    gives no attributes. With `reference`, the model is a policy trained with DPO, and its scalar
    the log-probability ratio of the response between the two.
    """

    @property
    def gives_attributes(self) -> bool:
        return self.reference is None

    def open(self) -> RewardBackend:
        return open_reward(self)

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        return await self.grade(backend, (*prompt.messages, Message("assistant", response.text)))

    async def grade(self, backend: Backend, turns: Sequence[Message]) -> Verdict:
        """Grade the last turn of a conversation. Raises BackendError."""
        score = await cast(RewardBackend, backend).score(turns)
        if score.attributes is not None:
            reward = self.weigh(score.attributes)
        elif score.scalar is not None:
            reward = score.scalar
        else:
            raise BackendError("bad_reply", f"{self.model} gave neither attributes nor a scalar")
        if not math.isfinite(reward):
            raise BackendError("bad_reply", f"{self.model} gave a score that is not finite")
        return Verdict("reward", score.model, reward, score.attributes, score.tokens)
