"""What a run would take, before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass

from gristmill.backends import open_chat
from gristmill.intake.cells import Refused
from gristmill.judges.base import GroundTruth, GroupJudge, Judge
from gristmill.mill.budget import MILLION, prices
from gristmill.mill.config import Config, Given
from gristmill.mill.feed import items
from gristmill.mill.known import compared
from gristmill.mill.prompts import check_source
from gristmill.mill.supply import first_counts
from gristmill.mill.truths import check_truths
from gristmill.records import Prompt

CHARACTERS_PER_TOKEN = 4.0
"""Of English text under the usual tokenizers; other scripts and code have fewer characters."""

WRITTEN_CHARACTERS = 400
"""Assumed of a prompt that a recipe is to write, and of what is asked for it."""

WRITING_CALLS = 2
"""Calls assumed for each such prompt: its refinement, and its share of the lists before it."""

SECONDS_PER_CALL = 1.0
"""Assumed for the time; the figure is said beside the forecast."""


@dataclass(frozen=True)
class Forecast:
    """An upper estimate: every prompt done, every response as long as it may be.

    prompts: all of them; written: those that recipes are to write, of whose length and calls a
    guess is made. calls: without retries. prompt_tokens and judge_tokens are estimated from
    characters, completion_tokens is the most that max_tokens allows. usd: None where no price is
    given. seconds: at SECONDS_PER_CALL and the configured concurrency, or at the request limit.
    """

    prompts: int
    written: int
    bad_input: int
    duplicates: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    judge_tokens: int
    usd: float | None
    seconds: float
    limits: tuple[str, ...]


def forecast(config: Given, limit: int | None = None, *, opening: bool = True) -> Forecast:
    """Read the prompts and add up. Calls no model; raises what `run` would for bad input.

    config: a file, its values, or a `Config`. opening: whether its models are opened, which says
    what they lack here, a key or an extra; a plan for another machine needs neither.
    """
    config = Config.read(config)
    for source in config.prompts:
        check_source(source)
    check_truths(config)
    generate, judges = config.generate, config.open_judges()
    if opening:
        open_chat(generate)
        for judge in judges:
            judge.open()
    prompts = bad = duplicates = characters = 0
    for item in items(config, limit):
        if isinstance(item, Refused):
            duplicates += item.reason == "input:duplicate"
            bad += item.reason != "input:duplicate"
        else:
            prompts += 1
            characters += _characters(item[0])
    written = sum(first_counts(config, limit).values())
    prompts += written
    characters += written * WRITTEN_CHARACTERS
    n = generate.responses
    writing = written * WRITING_CALLS
    prompt_tokens = int((n * characters + writing * WRITTEN_CHARACTERS) / CHARACTERS_PER_TOKEN)
    completion_tokens = prompts * n * generate.max_tokens
    completion_tokens += int(writing * WRITTEN_CHARACTERS / CHARACTERS_PER_TOKEN)
    judge_tokens = len(judges) * (prompt_tokens + completion_tokens)
    price, *judge_prices = prices([generate, *judges])
    usd = (price.input * prompt_tokens + price.output * completion_tokens) / MILLION
    usd += sum(p.input for p in judge_prices) * (prompt_tokens + completion_tokens) / MILLION
    calls = prompts * (n + sum(_judge_calls(j, n) for j in judges)) + writing
    for number, _, part in compared(config):
        texts = [len(text) for _, text in part.rows()]
        calls += len(texts)
        tokens = int(sum(texts) / CHARACTERS_PER_TOKEN)
        judge_tokens += tokens
        usd += judge_prices[number].input * tokens / MILLION
    seconds = calls * SECONDS_PER_CALL / generate.concurrency
    if generate.requests_per_minute:
        seconds = max(seconds, 60 * prompts * n / generate.requests_per_minute)
    return Forecast(
        prompts=prompts,
        written=written,
        bad_input=bad,
        duplicates=duplicates,
        calls=calls,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        judge_tokens=judge_tokens,
        usd=usd if any(p.input or p.output for p in (price, *judge_prices)) else None,
        seconds=seconds,
        limits=_limits(config, calls, usd, prompt_tokens + completion_tokens + judge_tokens),
    )


def _judge_calls(judge: Judge, responses: int) -> int:
    if isinstance(judge, GroupJudge):
        return judge.calls(responses)
    return 0 if isinstance(judge, GroundTruth) else responses


def _characters(prompt: Prompt) -> int:
    # Role names and separators cost about four tokens a message.
    return sum(len(m.content) + 16 for m in prompt.messages)


def _limits(config: Config, calls: int, usd: float, tokens: int) -> tuple[str, ...]:
    """What would end the run before the last prompt."""
    budget, found = config.budget, []
    if config.target is not None:
        found.append(f"target: stops at {config.target:,} accepted prompts")
    if budget.requests is not None and calls > budget.requests:
        found.append(f"budget.requests: {budget.requests:,} are fewer than {calls:,} calls")
    if budget.tokens is not None and tokens > budget.tokens:
        found.append(f"budget.tokens: {budget.tokens:,} may not be enough")
    if budget.usd is not None and usd > budget.usd:
        found.append(f"budget.usd: {budget.usd:.2f} may not be enough")
    return tuple(found)
