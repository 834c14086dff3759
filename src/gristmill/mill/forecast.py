"""What a run would take, before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass

from gristmill.backends import open_chat
from gristmill.intake.files import BadLine, check_files
from gristmill.mill.budget import MILLION, prices
from gristmill.mill.config import Config
from gristmill.mill.feed import items
from gristmill.records import Prompt

CHARACTERS_PER_TOKEN = 4.0
"""Of English text under the usual tokenizers; other scripts and code have fewer characters."""

SECONDS_PER_CALL = 1.0
"""Assumed for the time; the figure is said beside the forecast."""


@dataclass(frozen=True)
class Forecast:
    """An upper estimate: every prompt done, every response as long as it may be.

    calls: without retries. prompt_tokens and judge_tokens are estimated from characters,
    completion_tokens is the most that max_tokens allows. usd: None where no price is given.
    seconds: at SECONDS_PER_CALL and the configured concurrency, or at the request limit.
    """

    prompts: int
    bad_input: int
    duplicates: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    judge_tokens: int
    usd: float | None
    seconds: float
    limits: tuple[str, ...]


def forecast(config: Config, limit: int | None = None) -> Forecast:
    """Read the prompts and add up. Calls no model; raises what `run` would for bad input."""
    check_files([source.file for source in config.prompts])
    generate, judges = config.generate, config.open_judges()
    open_chat(generate.model, generate.backend_options())
    for judge in judges:
        judge.open()
    prompts = bad = duplicates = characters = 0
    for item in items(config, limit):
        if isinstance(item, BadLine):
            duplicates += item.reason == "input:duplicate"
            bad += item.reason != "input:duplicate"
        else:
            prompts += 1
            characters += _characters(item)
    n = generate.responses
    prompt_tokens = int(n * characters / CHARACTERS_PER_TOKEN)
    completion_tokens = prompts * n * generate.max_tokens
    judge_tokens = len(judges) * (prompt_tokens + completion_tokens)
    price, *judge_prices = prices([generate, *judges])
    usd = (price.input * prompt_tokens + price.output * completion_tokens) / MILLION
    usd += sum(p.input for p in judge_prices) * (prompt_tokens + completion_tokens) / MILLION
    calls = prompts * n * (1 + len(judges))
    seconds = calls * SECONDS_PER_CALL / generate.concurrency
    if generate.requests_per_minute:
        seconds = max(seconds, 60 * prompts * n / generate.requests_per_minute)
    return Forecast(
        prompts=prompts,
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
