"""What a run asks of its models at most, where nothing was measured."""

from __future__ import annotations

from dataclasses import replace

from gristmill.backends.calling import Calling
from gristmill.backends.use import Asked
from gristmill.judges.base import GroundTruth, Judge
from gristmill.mill import Config, Forecast
from gristmill.parts import name_of
from gristmill.plan.work import Work, entry_work

WRITTEN_TOKENS = 100
"""Assumed of a prompt that a recipe is to write, and of what is asked for it."""

WRITING_CALLS = 2
"""Calls assumed for each such prompt: its refinement, and its share of the lists before it."""


def assume(config: Config, found: Forecast) -> tuple[Work, ...]:
    """The work for one prompt at most: every response as long as `max_tokens`, every call made.

    found: the forecast of the same config, from which the length of prompts is taken.
    """
    lineup, prompts = config.lineup(), max(1, found.prompts)
    n, longest = lineup.most, max(entry.max_tokens for entry in config.generate)
    writing = found.written * WRITING_CALLS * WRITTEN_TOKENS
    there = found.prompts - found.written
    length = (found.length * there + WRITTEN_TOKENS * found.written) / prompts
    works = []
    for share, group in zip(lineup.shares, lineup.groups, strict=True):
        for k in group:
            entry = config.generate[k]
            each = share * entry.responses
            read = each * (length + sum(lineup.beside(k)))
            works.append(entry_work(entry, each, read, each * entry.max_tokens))
    for judge in config.open_judges():
        if isinstance(judge, Calling) and not isinstance(judge, GroundTruth):
            works.append(_judging(judge, n, Asked(round(length), 0, found.rubric), longest))
    if found.written:
        calls = found.written * WRITING_CALLS / prompts
        tokens = writing / prompts
        works.append(replace(entry_work(config.generate[0], calls, tokens, tokens), role="recipes"))
    return tuple(works)


def _judging(judge: Judge, n: int, asked: Asked, answer: int) -> Work:
    """One judge's work for one prompt with n answers."""
    assert isinstance(judge, Calling)
    use = judge.may_take(asked, n, answer)
    return Work(
        name_of(judge),
        judge.model,
        use.calls,
        use.read,
        use.written,
        judge.concurrency,
        judge.paid,
    )
