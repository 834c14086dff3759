"""What every judge is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gristmill.backends.base import Backend
from gristmill.backends.use import Asked, Use
from gristmill.errors import BackendError
from gristmill.intake.calls import written
from gristmill.parts import Options
from gristmill.records import Prompt, Response, Verdict


class Judge(Options):
    """A validated config with one method. To add one, override `open` and `judge`.

    The class of `judges/my_judge.py` is called `MyJudge`; the config names it `my_judge`.
    """

    @property
    def embeds(self) -> str:
        """What it makes a vector of for filters, such as `response`; empty for a judge that grades.
        A judge that embeds gives no reward, and a run with no other has no scores."""
        return ""

    @property
    def needs(self) -> str:
        """The fact of a prompt without which it has no say, such as `answer`; empty where there is
        none. A run in which no prompt has it does not begin."""
        return ""

    @property
    def gives_attributes(self) -> bool:
        """Whether it may give the five attributes, so that a filter can ask for them."""
        return True

    @property
    def span(self) -> tuple[float, float] | None:
        """The least and the most that its reward can be; None where that is not known."""
        return None

    @property
    def notice(self) -> str:
        """What to know of how it works on this machine, said when a run begins; empty where there
        is nothing. Raises InputError as `open`."""
        return ""

    def lacks(self, responses: int) -> str:
        """What it lacks to say anything of so many responses to a prompt, and what to do; empty
        where nothing is missing."""
        return ""

    @property
    def looks(self) -> bool:
        """Whether it has to `look` at every prompt first: something is not installed that it may
        need. All files are read then."""
        return False

    def look(self, prompt: Prompt) -> None:
        """Look at a prompt of a file before anything is spent. Raises MissingExtra where judging an
        answer to it takes what is not installed."""

    def shown(self, response: Response) -> Response | None:
        """A response that says something as this judge looks at it; None where nothing of it is
        for this judge. Here: with its calls of tools, and what these answered, in its text."""
        if not (response.steps or response.tool_calls):
            return response
        return replace(response, text=written(response.turns))

    @property
    def facts(self) -> tuple[str, ...]:
        """What of a `Prompt` beside its messages decides its verdicts: where that is corrected, a
        response is judged anew."""
        return (self.needs,) if self.needs else ()

    def open(self) -> Backend:
        """The backend that does the calls, not yet entered. The mill opens and closes it."""
        raise NotImplementedError

    def may_take(self, asked: Asked, responses: int, longest: int) -> Use:
        """What it may take at most to grade so many responses to one prompt, each of up to
        `longest` tokens: for the forecast, and for budgets. Retries aside.

        Here: a call for each, which reads prompt and response, and writes up to the judge's
        `max_tokens`, where it has any.
        """
        read, written = asked.tokens + longest, getattr(self, "max_tokens", 0)
        return Use(1, read, written).times(responses)

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        """Grade one response. Raises BackendError when there is no verdict; never a default."""
        raise NotImplementedError


class Rules(Backend):
    """In the place of a model, where rules decide: it is opened and closed, and never asked."""


class GroundTruth(Judge):
    """A judge that calls no model: a response is right (reward 1) or wrong (0), or partly.

    It looks at the answer's own text. Of a prompt that says nothing of what is right, its verdict
    has no reward.
    """

    def shown(self, response: Response) -> Response | None:
        return response if response.text.strip() else None

    @property
    def gives_attributes(self) -> bool:
        return False

    @property
    def span(self) -> tuple[float, float] | None:
        return 0.0, 1.0

    def open(self) -> Backend:
        return Rules(type(self).__name__.lower())

    def may_take(self, asked: Asked, responses: int, longest: int) -> Use:
        return Use()


class GroupJudge(Judge):
    """A judge that looks at all responses to a prompt together. Override `open` and `compare`, and
    `may_take` where that is not one call a response."""

    async def compare(
        self, backend: Backend, prompt: Prompt, responses: Sequence[Response]
    ) -> Sequence[Verdict | BackendError]:
        """A verdict on each response, in order, or why there is none. Calls are remembered, so
        that a prompt whose comparison was cut off repeats none of them."""
        raise NotImplementedError

    async def judge(self, backend: Backend, prompt: Prompt, response: Response) -> Verdict:
        (found,) = await self.compare(backend, prompt, [response])
        if isinstance(found, BackendError):
            raise found
        return found
