"""A reward model: the answer with the higher reward is better."""

from __future__ import annotations

from pydantic import Field

from gristmill.arena.duel.judges.base import Judge, Turns, Verdict
from gristmill.backends import RewardBackend
from gristmill.backends.base import Backend
from gristmill.backends.many import both
from gristmill.judges import reward
from gristmill.records import Prompt, Response, prompt_id


class Reward(reward.Reward, Judge):
    """Scores each answer by itself, so that their order plays no part."""

    margin: float = Field(default=0.0, ge=0)
    """Rewards that are no further apart than this are a tie; by default equal ones alone."""

    def open(self) -> RewardBackend:
        return reward.Reward.open(self)

    async def decide(self, backend: Backend, prompt: Turns, a: str, b: str) -> Verdict:
        asked = Prompt(prompt_id(prompt), prompt)
        one, two = await both(
            self.judge(backend, asked, Response(a, "")), self.judge(backend, asked, Response(b, ""))
        )
        assert one.reward is not None and two.reward is not None, "a reward model always scores"
        gap = one.reward - two.reward
        winner = "tie" if abs(gap) <= self.margin else "model_a" if gap > 0 else "model_b"
        return Verdict(winner, scores=(one.reward, two.reward), tokens=one.tokens + two.tokens)
