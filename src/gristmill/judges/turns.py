"""The reward model on a dialogue: every turn of the assistant is graded, not the last alone."""

from __future__ import annotations

import asyncio

from gristmill.backends.base import Backend
from gristmill.backends.use import Asked, Use
from gristmill.errors import BackendError
from gristmill.judges.reward import Reward
from gristmill.records import Message, Prompt, Response, Verdict


class Turns(Reward):
    """The reward is the mean over the assistant's turns, and so is each attribute; the filter
    `turns` can ask for each turn. A dialogue of which one turn cannot be graded has no verdict.

    Each turn is graded with what was said before it, as the response is.
    """

    def may_take(self, asked: Asked, responses: int, longest: int) -> Use:
        turns = asked.turns + 1
        return Use(turns, turns * asked.tokens + longest, 0).times(responses)

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        said = (*prompt.messages, Message("assistant", response.text))
        ends = [n for n, message in enumerate(said, 1) if message.role == "assistant"]
        found = await asyncio.gather(
            *(self.grade(backend, said[:end]) for end in ends), return_exceptions=True
        )
        verdicts = []
        for verdict in found:
            if isinstance(verdict, BaseException):
                raise verdict
            verdicts.append(verdict)
        rewards = [v.reward for v in verdicts if v.reward is not None]
        if len(rewards) < len(ends):
            raise BackendError("bad_reply", f"{self.model} gave a turn no reward")
        return Verdict(
            "turns",
            verdicts[-1].model,
            sum(rewards) / len(rewards),
            _means([v.attributes for v in verdicts if v.attributes is not None], len(ends)),
            sum(v.tokens for v in verdicts),
            turns=tuple(rewards),
        )


Attributes = tuple[float, float, float, float, float]


def _means(graded: list[Attributes], turns: int) -> Attributes | None:
    """The mean of each attribute; None unless every turn has them."""
    if len(graded) < turns:
        return None
    one, two, three, four, five = (sum(column) / turns for column in zip(*graded, strict=True))
    return one, two, three, four, five
