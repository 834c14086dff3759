"""Whoever can be asked about an item: a reward model by its scores, a chat model by its choice, a
generative reward model by either."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from gristmill.backends.base import Backend
from gristmill.backends.calling import Calling
from gristmill.backends.identity import identity as model_identity
from gristmill.bench.items import Item
from gristmill.bench.outcomes import Asked, Outcome
from gristmill.errors import BackendError
from gristmill.intake.turns import Turns
from gristmill.judges._asking import MOST, Asking, transcript
from gristmill.judges.genrm import Genrm, Heard, reward_of
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
        """`reward model`, `implicit reward`, `chat model` or `generative reward model`."""

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
        shown = _shown(item, self.orders)
        calls = [
            self.asking.choose(backend, item.prompt, [item.answers[n] for n in order])
            for order in shown
        ]
        said = await _all(calls)
        asked = (
            Asked(order, None if s.choice is None else order[s.choice], s.reply.text)
            for order, s in zip(shown, said, strict=True)
        )
        return Outcome(None, tuple(asked), (), *_tokens([s.reply for s in said]))

    async def _rate(self, backend: Backend, item: Item) -> Outcome:
        said = await _all([self.asking.rate(backend, item.prompt, t) for t in item.answers])
        ratings = [s.rating for s in said]
        if None in ratings:
            place = ratings.index(None)
            raise BackendError("unreadable", f"no rating for answer {place + 1} of {item.where}")
        replies = tuple(s.reply.text for s in said)
        scores = tuple(r for r in ratings if r is not None)
        return Outcome(scores, (), replies, *_tokens([s.reply for s in said]))


@dataclass(frozen=True)
class ByComparison(Judge):
    """A generative reward model: shown the two answers of a pair, in one random order or in that
    and its reverse, it chooses the one with the higher score. More than two answers, and those that
    it looks at one by one, have the scores that they would have as responses in a run."""

    genrm: Genrm
    times: int = 1
    called: str = ""

    @property
    def settings(self) -> Calling:
        return self.genrm

    @property
    def kind(self) -> str:
        return "generative reward model"

    @property
    def orders(self) -> int:
        return self.times if self.genrm.compares else 1

    def open(self) -> Backend:
        return self.genrm.open()

    async def ask(self, backend: Backend, item: Item) -> Outcome:
        paired = self.genrm.compares and (item.grid or len(item.answers) == 2)
        shown = _shown(item, self.orders)
        if not paired:
            shown = self.genrm.showings(len(item.answers))
        texts = [transcript(turns) for turns in item.answers]
        heard = await self.genrm.hear(backend, item.prompt, texts, shown)
        for failure in (h.failure for h in heard if h.failure is not None):
            raise failure
        used = _tokens([h.reply for h in heard if h.reply is not None])
        if paired:
            votes = self.genrm.votes
            each = [heard[n : n + votes] for n in range(0, len(heard), votes)]
            asked = (
                Asked(order, _chosen(v), _said(v)) for order, v in zip(shown, each, strict=True)
            )
            return Outcome(None, tuple(asked), (), *used)
        scores = [reward_of(place, heard) for place in range(len(texts))]
        for score in scores:
            if isinstance(score, BackendError):
                raise score
        return Outcome(tuple(cast(list[float], scores)), (), (_said(heard),), *used)


def _chosen(votes: Sequence[Heard]) -> int | None:
    """The answer of two with the higher score over all votes; None where there is none."""
    first, second = (reward_of(place, votes) for place in votes[0].shown)
    if isinstance(first, BackendError) or isinstance(second, BackendError) or first == second:
        return None
    return votes[0].shown[first < second]


def _said(heard: Sequence[Heard]) -> str:
    return "\n\n".join(h.reply.text for h in heard if h.reply is not None)


def _shown(item: Item, orders: int) -> list[tuple[int, ...]]:
    """The answers that are shown together, in each order: all of them, or of a grid one of each
    kind. By the item alone, so that every judge is shown the same order, in every run."""
    groups = [tuple(range(len(item.answers)))]
    if item.grid:
        sides = range(item.right)
        groups = [(a, item.right + b) for a in sides for b in sides]
    found: list[tuple[int, ...]] = []
    for group in groups:
        order = list(group)
        random.Random(f"{item.key}:{group}").shuffle(order)
        found += [tuple(order), tuple(reversed(order))][:orders]
    return found


def _tokens(replies: Sequence[Response]) -> tuple[int, int]:
    paid = [reply.paid for reply in replies]
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
