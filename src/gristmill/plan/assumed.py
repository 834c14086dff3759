"""What a run asks of its models at most, where nothing was measured."""

from __future__ import annotations

from gristmill.backends.calling import Calling
from gristmill.judges.base import GroundTruth, GroupJudge, Judge
from gristmill.mill import Config, Forecast
from gristmill.mill.forecast import CHARACTERS_PER_TOKEN, WRITING_CALLS, WRITTEN_CHARACTERS
from gristmill.parts import name_of
from gristmill.plan.work import Work

WORDING = 600
"""Tokens assumed of what a judge is told beside the prompt and the answers."""


def assume(config: Config, found: Forecast) -> tuple[Work, ...]:
    """The work for one prompt at most: every response as long as `max_tokens`, every call made.

    found: the forecast of the same config, from which the length of prompts is taken.
    """
    generate = config.generate
    n, prompts = generate.responses, max(1, found.prompts)
    writing = found.written * WRITING_CALLS * WRITTEN_CHARACTERS / CHARACTERS_PER_TOKEN
    length = max(0.0, found.prompt_tokens - writing) / (prompts * n)
    works = [
        Work(
            "generate",
            generate.model,
            n,
            n * length,
            n * generate.max_tokens,
            generate.concurrency,
            generate.paid,
        )
    ]
    for judge in config.open_judges():
        if isinstance(judge, Calling) and not isinstance(judge, GroundTruth):
            works.append(_judging(judge, n, length, generate.max_tokens))
    if found.written:
        calls = found.written * WRITING_CALLS / prompts
        tokens = writing / prompts
        works.append(
            Work(
                "recipes",
                generate.model,
                calls,
                tokens,
                tokens,
                generate.concurrency,
                generate.paid,
            )
        )
    return tuple(works)


def _judging(judge: Judge, n: int, prompt: float, answer: int) -> Work:
    """One judge's work for one prompt with n answers.

    One that looks at all responses together reads at most two answers a call, and writes up to
    its own `max_tokens`; one that grades alone reads the prompt and one answer.
    """
    assert isinstance(judge, Calling)
    group = isinstance(judge, GroupJudge)
    calls = judge.calls(n) if isinstance(judge, GroupJudge) else n
    read = prompt + (2 * answer + WORDING if group else answer)
    written = getattr(judge, "max_tokens", 0) if group else 0
    return Work(
        name_of(judge),
        judge.model,
        calls,
        calls * read,
        calls * written,
        judge.concurrency,
        judge.paid,
    )
