"""A chat model as a judge by criteria that come with the prompt, each worth points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

from pydantic import Field

from gristmill.backends.base import Backend
from gristmill.backends.use import AROUND, PER_MESSAGE, Asked, Use, tokens_in
from gristmill.errors import BackendError
from gristmill.judges._asking import Asking, criteria_request, end_of, final
from gristmill.judges._matches import Found, each_once, mendable, shared, together
from gristmill.judges.base import GroupJudge
from gristmill.page.text import one_line
from gristmill.records import Criterion, Message, Prompt, Response, Verdict

T = TypeVar("T")

NAME = "rubric"

REASONS = 4_000
"""Characters of reasons that a verdict keeps, dealt out over its replies."""

_LINE = re.compile(
    r"^[ \t>*_`-]{0,8}(\d{1,3})[ \t*_`]{0,4}[:.)=|–-][ \t*_`]{0,8}(yes|no)[ \t*_`.]{0,8}$",
    re.IGNORECASE | re.MULTILINE,
)


class Rubric(Asking, GroupJudge):
    """Asks a chat model which criteria of `Prompt.rubric` hold of a response. Responses with the
    same text are asked about once.

    The reward is the sum of the weights of those that hold over the sum of the positive ones, from
    0 to 1: HealthBench's score of an example (arXiv:2505.08775) and the explicit sum of Rubrics as
    Rewards (arXiv:2507.17746), with what is below 0 as 0. The detail has each criterion's verdict.
    Where one of them cannot be read there is no reward, but `error:unreadable`. A prompt without a
    rubric has no reward.
    """

    at_once: int = Field(default=1, ge=1, le=100)
    """Criteria in one call. One by default, as HealthBench asks: what is said of one criterion then
    moves no other. More cost less, for request and answer are read once for all of them."""

    @property
    def needs(self) -> str:
        return "rubric"

    @property
    def gives_attributes(self) -> bool:
        return False

    @property
    def span(self) -> tuple[float, float] | None:
        return 0.0, 1.0

    def may_take(self, asked: Asked, responses: int, longest: int) -> Use:
        names = AROUND + PER_MESSAGE * (1 + 2 * asked.turns)
        around = names + tokens_in(criteria_request((), (), ())) + asked.tokens + longest
        groups = self._calls(asked.criteria)
        # A number and a line for the verdict stand beside each criterion.
        read = sum(around + sum(PER_MESSAGE * 2 + size for size in group) for group in groups)
        return Use(len(groups), read, self.max_tokens * len(groups)).times(responses)

    def _calls(self, criteria: Sequence[T]) -> list[Sequence[T]]:
        """The criteria of each call."""
        return [criteria[n : n + self.at_once] for n in range(0, len(criteria), self.at_once)]

    async def compare(
        self, backend: Backend, prompt: Prompt, responses: Sequence[Response]
    ) -> Sequence[Found]:
        if not prompt.rubric:
            return [Verdict(NAME, self.model, None) for _ in responses]
        texts, places = each_once(responses)
        return shared(await together(self._judged(backend, prompt, t) for t in texts), places)

    async def _judged(self, backend: Backend, prompt: Prompt, text: str) -> Found:
        groups = self._calls(prompt.rubric)
        replies = await together(self._reply(backend, prompt, text, group) for group in groups)
        failures = [reply for reply in replies if isinstance(reply, BackendError)]
        if failures:
            return mendable(failures) or failures[0]
        heard = [reply for reply in replies if isinstance(reply, Response)]
        held: list[bool] = []
        for group, reply in zip(groups, heard, strict=True):
            said = holding_in(reply, len(group))
            if said is None:
                about = one_line(group[0].text, 60)
                what = "one line a criterion" if len(group) > 1 else "no verdict"
                return BackendError("unreadable", f"“{about}”: {what} {end_of(reply)}")
            held += said
        points = sum(c.weight for c, holds in zip(prompt.rubric, held, strict=True) if holds)
        most = sum(c.weight for c in prompt.rubric if c.weight > 0)
        tokens = sum(sum(reply.paid) for reply in heard)
        lines = [f"{points:g} of {most:g} points, {sum(held)} of {len(held)} criteria hold"]
        lines += _told(groups, held, heard)
        reward = min(1.0, max(0.0, points / most))
        return Verdict(NAME, heard[0].model, reward, tokens=tokens, detail="\n".join(lines))

    async def _reply(
        self, backend: Backend, prompt: Prompt, text: str, group: Sequence[Criterion]
    ) -> Response | BackendError:
        answer = (Message("assistant", text),)
        request = criteria_request(prompt.messages, answer, [c.text for c in group])
        try:
            return await self.ask(backend, request)
        except BackendError as error:
            return error


def holding_in(reply: Response, count: int) -> list[bool] | None:
    """Which criteria hold, by the last lines of a reply that have a number and yes or no; None
    where these are not one for each, in order."""
    found = _LINE.findall(final(reply).replace("\r", "\n"))[-count:]
    if [int(number) for number, _ in found] != list(range(1, count + 1)):
        return None
    return [said.lower() == "yes" for _, said in found]


def _told(
    groups: Sequence[Sequence[Criterion]], held: Sequence[bool], replies: Sequence[Response]
) -> list[str]:
    """Each criterion with its verdict and its points, and after those of a reply its reasons."""
    lines, verdicts = list[str](), iter(held)
    room = max(80, min(500, REASONS // len(replies)))
    for group, reply in zip(groups, replies, strict=True):
        for criterion in group:
            said = "holds" if next(verdicts) else "does not hold"
            lines.append(f"{said} ({criterion.weight:+g}): {one_line(criterion.text, 300)}")
        lines.append(f"  {one_line(reply.text, room)}")
    return lines
