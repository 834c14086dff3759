"""A reward model: the answer with the higher reward is better."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from pydantic import Field, PrivateAttr

from gristmill.arena.duel.judges.base import Judge, Turns, Verdict
from gristmill.backends import RewardBackend
from gristmill.backends.base import Backend
from gristmill.backends.many import both
from gristmill.judges import reward
from gristmill.records import Prompt, Response, prompt_id
from gristmill.storage import digest

MANY = 4096
"""Answers whose reward is remembered. Pairs come prompt by prompt, so that it need not be all."""


class Reward(reward.Reward, Judge):
    """Scores each answer by itself, so that their order plays no part."""

    margin: float = Field(default=0.0, ge=0)
    """Rewards that are no further apart than this are a tie; by default equal ones alone."""

    _rewards: OrderedDict[str, asyncio.Future[tuple[float, int]]] = PrivateAttr(
        default_factory=OrderedDict
    )

    def open(self) -> RewardBackend:
        return reward.Reward.open(self)

    async def decide(self, backend: Backend, prompt: Turns, a: str, b: str) -> Verdict:
        asked = Prompt(prompt_id(prompt), prompt)
        one, two = await both(self._reward(backend, asked, a), self._reward(backend, asked, b))
        gap = one[0] - two[0]
        winner = "tie" if abs(gap) <= self.margin else "model_a" if gap > 0 else "model_b"
        return Verdict(winner, scores=(one[0], two[0]), tokens=one[1] + two[1])

    async def _reward(self, backend: Backend, asked: Prompt, text: str) -> tuple[float, int]:
        """Reward and tokens of an answer. One that fights in several pairs is graded once, and its
        tokens are those of the first."""
        key = digest([asked.id, text])
        if (known := self._rewards.get(key)) is not None:
            return (await asyncio.shield(known))[0], 0
        self._rewards[key] = grading = asyncio.ensure_future(self._grade(backend, asked, text))
        if len(self._rewards) > MANY:
            self._rewards.popitem(last=False)
        return await asyncio.shield(grading)

    async def _grade(self, backend: Backend, asked: Prompt, text: str) -> tuple[float, int]:
        found = await self.judge(backend, asked, Response(text, ""))
        assert found.reward is not None, "a reward model always scores"
        return found.reward, found.tokens
