"""Which answers of chat models are right, as far as the rows say it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gristmill import tutor
from gristmill.backends import loop
from gristmill.errors import BackendError, ConfigError
from gristmill.judges.base import GroundTruth
from gristmill.parts import find_part, open_part
from gristmill.records import Prompt, Response

DEFAULT = "math"
"""The judge of rows that have an `answer`: it looks at the final answer of a text alone."""

Question = tuple[Prompt, Response]


@dataclass(frozen=True)
class Truths:
    """Who says what is right: the tutor world of its own questions, the judge of all others."""

    judge: GroundTruth

    @classmethod
    def of(cls, spec: Any) -> Truths:
        """spec: a judge that needs no model, as a config names it: `math`, `{truth: {match:
        contains}}`, `code`, `format`. Raises ConfigError."""
        name = next(iter(spec), "") if isinstance(spec, Mapping) else spec or DEFAULT
        if not issubclass(find_part("gristmill.judges", str(name), "truth"), GroundTruth):
            raise ConfigError(
                f"truth: '{name}' asks a model; name a judge by rules: math, truth, code, format, "
                "tools"
            )
        return cls(open_part("gristmill.judges", spec or DEFAULT, "truth"))

    def grade(self, questions: Sequence[Question]) -> list[bool | None]:
        """Whether each is right, None where nobody knows. Raises MissingExtra."""
        found = [_by_tutor(prompt, response) for prompt, response in questions]
        left = [
            n
            for n, (prompt, _) in enumerate(questions)
            if found[n] is None
            and (prompt.answer or prompt.tests or prompt.constraints or prompt.calls is not None)
        ]
        if left:
            judged = loop.run(self._judge([questions[n] for n in left]))
            for n, one in zip(left, judged, strict=True):
                found[n] = one
        return found

    async def _judge(self, questions: Sequence[Question]) -> list[bool | None]:
        async with self.judge.open() as backend:

            async def one(prompt: Prompt, response: Response) -> bool | None:
                try:
                    verdict = await self.judge.judge(backend, prompt, response)
                except BackendError:  # The row's truth is none, or the check broke: nobody knows.
                    return None
                return None if verdict.reward is None else verdict.reward >= 1

            return await asyncio.gather(*(one(*question) for question in questions))


def _by_tutor(prompt: Prompt, response: Response) -> bool | None:
    question = tutor.parse_question(prompt.messages[-1].content)
    return None if question is None else tutor.grade(question, response.text).right
