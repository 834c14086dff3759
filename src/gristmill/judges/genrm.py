"""A generative reward model as a judge: it thinks about one answer or two, and gives them scores.

NVIDIA's GenRMs are chat models whose templates know the roles `response_1`, `response_2` and, some
of them, `principle`. The template has the wording, so that nothing is asked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Literal, Self, cast

from pydantic import Field, model_validator

from gristmill.backends import ChatBackend, open_chat
from gristmill.backends.base import Backend
from gristmill.backends.calling import Sampled
from gristmill.backends.use import PER_MESSAGE, Asked, Use, tokens_in
from gristmill.errors import BackendError
from gristmill.judges._asking import Turns, end_of
from gristmill.judges._matches import Found, each_once, mendable, shared, together
from gristmill.judges._scores import Scores, judgement_in, scores_in
from gristmill.judges.base import GroupJudge
from gristmill.page.text import one_line, plural
from gristmill.records import Message, Prompt, Response, Sampling, Verdict, prompt_id

NAME = "genrm"

GUIDELINES = 2_048
"""Tokens that such a model's template adds at most: how to score, and the form of the reply."""

REASONS = 4_000
"""Characters of replies that a verdict keeps, dealt out over them."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One question: the answers `shown`, by their places and in this order, and what came back.

    scores: None where the reply has none, or where there is no reply (`failure`).
    """

    shown: tuple[int, ...]
    scores: Scores | None = None
    reply: Response | None = None
    failure: BackendError | None = None


class Genrm(Sampled, GroupJudge):
    """Asks a generative reward model. Responses with the same text are asked about once.

    The reward is the mean of the scores that a response got, 1 to 5, over all its comparisons and
    votes; where the scores of two are equal, the ranking parts them (`Scores.settled`). A reply in
    which a score cannot be read, or that is cut off, is never a score: where nothing could be read
    about a response, its reason is `error:unreadable`.
    """

    how: Literal["circle", "pairs", "alone", "principle"] = "circle"
    """`circle` compares each of n responses with the next, and the last with the first: n
    comparisons, of two responses one in each order. `pairs` compares every two once, n (n - 1) / 2.
    `alone` shows each by itself, for models that can rate one. `principle` asks of each whether it
    fulfils the `principle`, for Qwen3-Nemotron-32B-GenRM-Principle: 1 is yes, 0 is no, and the
    reward the share of votes that say yes."""
    principle: str | None = Field(default=None, min_length=1)
    """What to judge by, for models whose template has the role `principle`."""
    votes: int = Field(default=1, ge=1, le=1_000)
    """Replies to each comparison; with a temperature of 0 they are all the same."""
    temperature: float = Field(default=0.6, ge=0)
    """This, `top_p` and `max_tokens` as NeMo Gym samples them: the models think at length."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """The share of the likeliest tokens that is drawn from."""
    max_tokens: int = Field(default=16_384, ge=1)
    """Room for thought, analysis and scores; a reply that is cut off has none."""
    seed: int = 0
    """Of the sampling; each vote has another."""

    @model_validator(mode="after")
    def _judged_by(self) -> Self:
        if self.how == "principle" and self.principle is None:
            raise ValueError("how: principle needs the `principle` to judge by")
        if self.votes > 1 and self.temperature == 0:
            raise ValueError("votes at temperature 0 are all the same; raise it, or leave one vote")
        return self

    @property
    def compares(self) -> bool:
        """Whether it shows two answers at once."""
        return self.how in ("circle", "pairs")

    def lacks(self, responses: int) -> str:
        if responses > 1 or not self.compares:
            return ""
        return (
            f"genrm's {self.how} compares the responses to a prompt, and generate.responses is 1; "
            "give more, or `how: alone` for a model that rates one"
        )

    @property
    def gives_attributes(self) -> bool:
        return False

    @property
    def span(self) -> tuple[float, float] | None:
        return (-1.5, 7.5) if self.compares else (1.0, 5.0) if self.how == "alone" else (0.0, 1.0)

    def open(self) -> ChatBackend:
        return open_chat(self)

    def may_take(self, asked: Asked, responses: int, longest: int) -> Use:
        calls = self.votes * len(self.showings(responses))
        beside = GUIDELINES + PER_MESSAGE * 3 + tokens_in(self.principle or "")
        read = asked.tokens + beside + (1 + self.compares) * longest
        return Use(1, read, self.max_tokens).times(calls)

    def showings(self, answers: int) -> list[tuple[int, ...]]:
        """The answers to be shown together. One that has no other is compared with itself."""
        if not self.compares:
            return [(place,) for place in range(answers)]
        if self.how == "circle" or answers == 1:
            return [(place, (place + 1) % answers) for place in range(answers)]
        return list(combinations(range(answers), 2))

    async def compare(
        self, backend: Backend, prompt: Prompt, responses: Sequence[Response]
    ) -> Sequence[Found]:
        texts, places = each_once(responses)
        heard = await self.hear(backend, prompt.messages, texts, self.showings(len(texts)))
        return shared([self._verdict(texts, n, heard) for n in range(len(texts))], places)

    async def hear(
        self,
        backend: Backend,
        prompt: Turns,
        texts: Sequence[str],
        showings: Sequence[tuple[int, ...]],
    ) -> list[Heard]:
        """What the model says of each showing of answers to a prompt, as often as it votes."""
        return await together(
            self._heard(backend, prompt, texts, shown, vote)
            for shown in showings
            for vote in range(self.votes)
        )

    async def _heard(
        self, backend: Backend, prompt: Turns, texts: Sequence[str], shown: tuple[int, ...], n: int
    ) -> Heard:
        messages = (*prompt, *self._judged([texts[place] for place in shown]))
        how = self.temperature, self.top_p, self.max_tokens, self.seed
        sampling = Sampling(*how, stop=self.stop)
        asked = Prompt(prompt_id(messages), messages)
        try:
            reply = await cast(ChatBackend, backend).sample(asked, n, sampling)
        except BackendError as error:
            return Heard(shown, failure=error)
        yes_or_no = self.how == "principle"
        return Heard(
            shown, judgement_in(reply) if yes_or_no else scores_in(reply, len(shown)), reply
        )

    def _judged(self, texts: Sequence[str]) -> list[Message]:
        """The answers, and what to judge them by, in the roles that the templates know."""
        principle = [Message("principle", self.principle)] if self.principle else []
        if self.how == "principle":
            return [Message("assistant", texts[0]), *principle]
        return [*principle, *(Message(f"response_{n}", text) for n, text in enumerate(texts, 1))]

    def _verdict(self, texts: Sequence[str], place: int, heard: Sequence[Heard]) -> Found:
        own = [h for h in heard if place in h.shown]
        reward = reward_of(place, own)
        if isinstance(reward, BackendError):
            return reward
        replies = [h.reply for h in own if h.reply is not None]
        # Each call's tokens count once, with the answer that it showed first.
        tokens = sum(sum(h.reply.paid) for h in own if h.reply and h.shown[0] == place)
        room = max(80, min(1_000, REASONS // len(own)))
        read = sum(h.scores is not None for h in own)
        told = [
            f"{read} of {plural(len(own), 'reply', 'replies')} read",
            *(_told(texts, place, h, room) for h in own),
        ]
        return Verdict(NAME, replies[0].model, reward, tokens=tokens, detail="\n".join(told))


def reward_of(place: int, heard: Sequence[Heard]) -> float | BackendError:
    """The mean of an answer's scores; why there is none, where a call failed that another try may
    mend, or where no reply could be read."""
    own = [h for h in heard if place in h.shown]
    failures = [h.failure for h in own if h.failure is not None]
    if failure := mendable(failures):
        return failure
    scores = [
        score
        for h in own
        if h.scores is not None
        for shown, score in zip(h.shown, h.scores.settled, strict=True)
        if shown == place
    ]
    if scores:
        return fmean(scores)
    last = next((h.reply for h in own if h.reply is not None), None)
    return failures[0] if last is None else BackendError("unreadable", f"no scores {end_of(last)}")


def _told(texts: Sequence[str], place: int, heard: Heard, room: int) -> str:
    """One reply in words: the scores in the order shown, beside whom, and the reasons."""
    rivals = [other for other in heard.shown if other != place]
    beside = "".join(
        f", shown {'first' if heard.shown[0] == place else 'second'} beside "
        f"“{one_line(texts[rival], 60)}”"
        for rival in rivals
    )
    said = one_line(heard.reply.text, room) if heard.reply else str(heard.failure)
    return f"{heard.scores or 'not readable'}{beside}: {said}"
