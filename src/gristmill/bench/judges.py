"""Whoever can be asked about an item: a reward model by its scores, a chat model by its choice."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.backends.base import Backend
from gristmill.backends.calling import Calling
from gristmill.backends.identity import identity as model_identity
from gristmill.bench.items import Item
from gristmill.bench.outcomes import Asked, Outcome
from gristmill.errors import BackendError
from gristmill.intake.turns import Turns
from gristmill.judges._asking import MOST, Asking, Said
from gristmill.judges.reward import Reward
from gristmill.records import Prompt, Response
from gristmill.storage import digest


class Judge(ABC):
    """Someone to be asked about items."""

    called: str

    @property
    def name(self) -> str:
        """What pages call it: `called`, or its model string."""
        return self.called or self.settings.model

    @property
    @abstractmethod
    def kind(self) -> str:
        """`reward model`, `implicit reward` or `chat model`."""

    @property
    def orders(self) -> int:
        """In how many orders the same answers are shown; 1 where each is looked at alone."""
        return 1

    @property
    @abstractmethod
    def settings(self) -> Calling:
        """How it is called; `settings.model` names it."""

    @abstractmethod
    def open(self) -> Backend:
        """The backend of the calls, not yet entered."""

    @abstractmethod
    async def ask(self, backend: Backend, item: Item) -> Outcome:
        """Judge one item. Raises BackendError."""


@dataclass(frozen=True)
class ByScore(Judge):
    """Scores each answer by itself; the highest is the best."""

    reward: Reward
    called: str = ""

    @property
    def settings(self) -> Calling:
        return self.reward

    @property
    def kind(self) -> str:
        return "implicit reward" if self.reward.reference else "reward model"

    def open(self) -> Backend:
        return self.reward.open()

    async def ask(self, backend: Backend, item: Item) -> Outcome:
        calls = [self._score(backend, item.prompt, turns) for turns in item.answers]
        verdicts = await _all(calls)
        return Outcome(
            tuple(verdict.reward for verdict in verdicts),
            prompt_tokens=sum(verdict.tokens for verdict in verdicts),
        )

    def _score(self, backend: Backend, prompt: Turns, turns: Turns) -> Any:
        asked = Prompt("", (*prompt, *turns[:-1]))
        return self.reward.judge(backend, asked, Response(turns[-1].content, ""))


@dataclass(frozen=True)
class ByChoice(Judge):
    """Shows all answers at once and asks which is best, in one random order or in that and its
    reverse. Where several answers are right (RewardBench 2's Ties), it rates each by itself, as
    the original does."""

    asking: Asking
    times: int = 1
    called: str = ""

    @property
    def settings(self) -> Calling:
        return self.asking

    @property
    def kind(self) -> str:
        return "chat model"

    @property
    def orders(self) -> int:
        return self.times

    def open(self) -> Backend:
        return self.asking.open()

    async def ask(self, backend: Backend, item: Item) -> Outcome:
        if (item.right > 1 and not item.grid) or len(item.answers) > MOST:
            return await self._rate(backend, item)
        shown = [order for group in _groups(item) for order in self._orders(item, group)]
        calls = [
            self.asking.choose(backend, item.prompt, [item.answers[n] for n in order])
            for order in shown
        ]
        said = await _all(calls)
        asked = (
            Asked(order, None if s.choice is None else order[s.choice], s.reply.text)
            for order, s in zip(shown, said, strict=True)
        )
        return Outcome(None, tuple(asked), (), *_tokens(said))

    def _orders(self, item: Item, group: tuple[int, ...]) -> list[tuple[int, ...]]:
        # By the item alone, so that every judge is shown the same order, in every run.
        order = list(group)
        random.Random(f"{item.key}:{group}").shuffle(order)
        return [tuple(order), tuple(reversed(order))][: self.orders]

    async def _rate(self, backend: Backend, item: Item) -> Outcome:
        said = await _all([self.asking.rate(backend, item.prompt, t) for t in item.answers])
        ratings = [s.rating for s in said]
        if None in ratings:
            place = ratings.index(None)
            raise BackendError("unreadable", f"no rating for answer {place + 1} of {item.where}")
        replies = tuple(s.reply.text for s in said)
        return Outcome(tuple(r for r in ratings if r is not None), (), replies, *_tokens(said))


def _groups(item: Item) -> list[tuple[int, ...]]:
    """Which answers are shown together: all of them, or one of each kind for a grid."""
    if not item.grid:
        return [tuple(range(len(item.answers)))]
    return [(a, item.right + b) for a in range(item.right) for b in range(item.right)]


def _tokens(said: Sequence[Said]) -> tuple[int, int]:
    paid = [s.reply.paid for s in said]
    return sum(prompt for prompt, _ in paid), sum(completion for _, completion in paid)


async def _all(calls: Sequence[Any]) -> list[Any]:
    """The results of all calls; the first failure among them is raised once all have ended."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def identity(judge: Judge) -> dict[str, Any]:
    """What decides a judge's outcomes: another identity, other outcomes."""
    return {"kind": judge.kind, "orders": judge.orders, **model_identity(judge.settings)}


def folder_name(judge: Judge) -> str:
    """A name for the judge's files: readable, and its own."""
    words = "".join(c if c.isascii() and c.isalnum() else "-" for c in judge.settings.model)
    return f"{words.strip('-')[-40:].strip('-')}-{digest(identity(judge))[:8]}"
