"""The interface of models that say how likely a given answer is, without writing one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gristmill.backends.base import Backend
from gristmill.records import Message


@dataclass(frozen=True, slots=True)
class Likelihood:
    """log p(answer | prompt) in nats, summed over the answer's `tokens`, its end among them."""

    total: float
    tokens: int


class LikelihoodBackend(Backend):
    """A model that finds an answer likely or not. Override `likelihood`."""

    async def likelihood(self, messages: Sequence[Message]) -> Likelihood:
        """Of the last turn, the assistant's, after those before it. Raises BackendError."""
        raise NotImplementedError
