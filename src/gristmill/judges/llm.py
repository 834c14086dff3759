"""A chat model as a judge of all responses to a prompt: against each other, or each by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import combinations
from typing import Literal

from pydantic import Field

from gristmill.backends.base import Backend
from gristmill.backends.use import AROUND, PER_MESSAGE, Asked, Use, tokens_in
from gristmill.errors import BackendError
from gristmill.judges._asking import Asking, choice_request, end_of, grading_request
from gristmill.judges._grades import grades_in
from gristmill.judges._knockout import knock_out
from gristmill.judges._matches import (
    Found,
    Heard,
    Match,
    Record,
    each_once,
    mendable,
    play,
    shared,
    together,
)
from gristmill.judges._weights import Weighing
from gristmill.judges.base import GroupJudge
from gristmill.page.text import one_line
from gristmill.records import Message, Prompt, Response, Verdict

NAME = "llm"

REASONS = 4_000
"""Characters of reasons that a verdict from matches keeps, dealt out over its replies: at least 80
and at most 500 of each."""


class Llm(Asking, Weighing, GroupJudge):
    """Asks a chat model. Responses with the same text are asked about once and share the verdict.

    A reply without a verdict that can be read, or one that is cut off, is never a score: where
    nothing could be read about a response, its reason is `error:unreadable`.
    """

    how: Literal["pairwise", "tournament", "pointwise"] = "pairwise"
    """`pairwise` shows every two of n responses in both orders, n (n - 1) calls. Who is chosen in
    both has won, anything else is a tie. The reward is the share of matches won, a tie half, of
    those that could be read. The default, since the second order shows what was only guessed.

    `tournament` is a knock-out in both orders, 2 (n - 1) calls at most. The reward is the share of
    the rounds survived, 1 for the winner; of a tie, both have the reward of the one that went on.

    `pointwise` shows each response alone, n calls, and asks for the five attributes; the reward
    is their weighted sum. Only such rewards compare across prompts, and only here can a
    `threshold` use the attributes.
    """
    rubric: str | None = Field(default=None, min_length=1)
    """What makes an answer good, a few sentences in place of gristmill's own; the form of the
    question stays."""

    def lacks(self, responses: int) -> str:
        if responses > 1 or self.how == "pointwise":
            return ""
        return (
            f"{self.how} compares the responses to a prompt, and generate.responses is 1; give "
            "more, or `how: pointwise`"
        )

    @property
    def gives_attributes(self) -> bool:
        return self.how == "pointwise"

    @property
    def span(self) -> tuple[float, float] | None:
        return self.widest if self.how == "pointwise" else (0.0, 1.0)

    def may_take(self, asked: Asked, responses: int, longest: int) -> Use:
        nothing = ((), ())
        if self.how == "pointwise":
            calls, shown = responses, 1
            wording = grading_request((), (), self.rubric)
        else:
            calls = (2 if self.how == "tournament" else responses) * (responses - 1)
            shown, wording = 2, choice_request((), nothing, self.rubric, tie=True)
        # Who said what is written before each turn of a conversation.
        names = AROUND + PER_MESSAGE * (2 + 2 * asked.turns)
        read = names + tokens_in(wording) + asked.tokens + shown * longest
        return Use(1, read, self.max_tokens).times(calls)

    async def compare(
        self, backend: Backend, prompt: Prompt, responses: Sequence[Response]
    ) -> Sequence[Found]:
        texts, places = each_once(responses)
        asked = _Asked(self, backend, prompt, texts)
        if self.how == "pointwise":
            found = await together(self._graded(asked, place) for place in range(len(texts)))
        elif len(texts) == 1:
            found = [self._without_rivals(len(responses))]
        elif self.how == "tournament":
            found = await self._knocked_out(asked)
        else:
            found = await self._paired(asked)
        return shared(found, places)

    async def _graded(self, asked: _Asked, place: int) -> Found:
        try:
            reply = await asked.about_one(place)
        except BackendError as error:
            return error
        five = grades_in(reply)
        if five is None:
            return BackendError("unreadable", f"no five attributes, 0 to 4, {end_of(reply)}")
        return Verdict(
            NAME,
            reply.model,
            self.weigh(five),
            five,
            _tokens(reply),
            reply.text.strip(),
        )

    def _without_rivals(self, responses: int) -> Verdict:
        if responses == 1:
            return Verdict(NAME, self.model, None, detail="the only response: nothing to compare")
        tied = 1.0 if self.how == "tournament" else 0.5
        return Verdict(NAME, self.model, tied, detail="all responses are the same text")

    async def _paired(self, asked: _Asked) -> list[Found]:
        everyone = range(len(asked.texts))
        matches = await play(asked.about_two, list(combinations(everyone, 2)))
        found: list[Found] = []
        for player in everyone:
            own = [m for m in matches if player in m.players]
            if failure := mendable(f for m in own if (f := m.failure) is not None):
                found.append(failure)
                continue
            record = Record.of(player, own)
            readable = record.won + record.tied + record.lost
            reward = (record.won + record.tied / 2) / readable if readable else 0.0
            found.append(self._verdict(asked, player, own, reward))
        return _paid(found, matches)

    async def _knocked_out(self, asked: _Asked) -> list[Found]:
        result = await knock_out(asked.about_two, asked.drawn())
        found: list[Found] = []
        for player in range(len(asked.texts)):
            own = [m for m in result.matches if player in m.players]
            reward = result.reward(player)
            if not isinstance(reward, BackendError):
                reward = self._verdict(asked, player, own, reward)
            found.append(reward)
        return _paid(found, result.matches)

    def _verdict(self, asked: _Asked, player: int, own: Sequence[Match], reward: float) -> Found:
        """The verdict on an answer from its matches; none where none of them could be read."""
        record = Record.of(player, own)
        if record.unread == len(own):
            last = next((_heard_end(h) for m in own for h in _both(m) if h.choice is None), "")
            return BackendError("unreadable", f"{record}; {last or 'it had no rival'}")
        replies = [h.reply for m in own for h in _both(m) if h.reply is not None]
        room = max(80, min(500, REASONS // (2 * len(own))))
        told = [_told(asked.texts, player, match, room) for match in own]
        detail = "\n".join([str(record), *told])
        return Verdict(NAME, replies[0].model, reward, detail=detail)


class _Asked:
    """The questions about the responses to one prompt: `texts`, each once."""

    def __init__(self, judge: Llm, backend: Backend, prompt: Prompt, texts: list[str]) -> None:
        self.texts = texts
        self._judge, self._backend, self._prompt = judge, backend, prompt
        # A question is written when its turn has come: there may be thousands.
        self._gate = asyncio.Semaphore(judge.concurrency)

    async def about_one(self, place: int) -> Response:
        async with self._gate:
            request = grading_request(self._prompt.messages, self._turns(place), self._judge.rubric)
            return await self._judge.ask(self._backend, request)

    async def about_two(self, first: int, second: int) -> Response:
        async with self._gate:
            two = (self._turns(first), self._turns(second))
            request = choice_request(self._prompt.messages, two, self._judge.rubric, tie=True)
            return await self._judge.ask(self._backend, request)

    def _turns(self, place: int) -> tuple[Message, ...]:
        return (Message("assistant", self.texts[place]),)

    def drawn(self) -> list[int]:
        """The places in an order that depends on the prompt and the texts alone."""

        def lot(place: int) -> bytes:
            key = f"{self._prompt.id}\0{self.texts[place]}"
            return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()

        return sorted(range(len(self.texts)), key=lot)


def _paid(found: list[Found], matches: Sequence[Match]) -> list[Found]:
    """The verdicts with the tokens of their calls, each call's once: with the answer that it
    showed first, or with the other where that has no verdict."""
    used = [0] * len(found)
    for heard in (h for m in matches for h in _both(m)):
        for place in (heard.first, heard.second):
            if heard.reply is not None and isinstance(found[place], Verdict):
                used[place] += _tokens(heard.reply)
                break
    return [
        replace(f, tokens=n) if isinstance(f, Verdict) else f
        for f, n in zip(found, used, strict=True)
    ]


def _told(texts: Sequence[str], player: int, match: Match, room: int) -> str:
    """One match in words: against whom, what became of it, and the reasons in both orders."""
    a, b = match.players
    if not match.readable:
        outcome = "not readable"
    elif match.winner is None:
        outcome = "a tie, chosen by the place" if match.flipped else "a tie"
    else:
        outcome = "won" if match.winner == player else "lost"
    rival = one_line(texts[b if player == a else a], 60)
    lines = [f"against “{rival}”: {outcome}"]
    for heard in _both(match):
        where = "first" if heard.first == player else "second"
        said = one_line(heard.reply.text, room) if heard.reply else str(heard.failure)
        lines.append(f"  shown {where}: {said}")
    return "\n".join(lines)


def _both(match: Match) -> tuple[Heard, Heard]:
    return match.straight, match.turned


def _heard_end(heard: Heard) -> str:
    if heard.reply is None:
        return str(heard.failure)
    return f"no verdict, [[A]], [[B]] or [[tie]], {end_of(heard.reply)}"


def _tokens(reply: Response) -> int:
    return sum(reply.paid)
