"""What a run would take, before anything is spent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gristmill.backends import ChatBackend, open_chat
from gristmill.backends.use import Asked, Use, asked_in, tokens_in
from gristmill.errors import DataError, MissingKey
from gristmill.intake.cells import Refused
from gristmill.intake.source import Source
from gristmill.mill.budget import cost, prices
from gristmill.mill.config import Config, Given
from gristmill.mill.feed import items
from gristmill.mill.known import compared
from gristmill.mill.prompts import Written
from gristmill.mill.ready import check, openers
from gristmill.mill.supply import first_counts
from gristmill.recipes import Mix, Recipe
from gristmill.records import Prompt

CHARACTERS_PER_TOKEN = 4.0
"""Of English text under the usual tokenizers; other scripts and code have fewer characters."""

SHOWN = 3
"""Prompts that a forecast shows."""

SECONDS_PER_CALL = 1.0
"""Assumed for the time; the figure is said beside the forecast."""


@dataclass(frozen=True)
class Forecast:
    """What a run takes at most: every prompt done, every response as long as it may be.

    prompts: all of them; written: those that recipes are to write. calls: retries aside. writing:
    of them, those of recipes. prompt_tokens, completion_tokens, judge_tokens: as budgets count
    them; what is read is reckoned by its bytes, what is written by `max_tokens`. length: tokens of
    a prompt that is there, on average, and not at most. usd: None where no price is given. seconds:
    at SECONDS_PER_CALL and the configured concurrency, or at the request limit. first: the first
    `SHOWN` prompts that are there, as the model gets them.
    """

    prompts: int
    written: int
    bad_input: int
    duplicates: int
    calls: int
    writing: int
    prompt_tokens: int
    completion_tokens: int
    judge_tokens: int
    length: float
    usd: float | None
    seconds: float
    limits: tuple[str, ...]
    first: tuple[str, ...] = ()


def forecast(config: Given, limit: int | None = None, *, opening: bool = True) -> Forecast:
    """Read the prompts and add up. Calls no model; raises what `run` would for bad input, but for
    keys, which it only says are missing.

    config: a file, its values, or a `Config`. limit: as for `run`. opening: whether its models are
    opened, which says what they lack here; a plan for another machine needs nothing of them.
    """
    config = Config.read(config)
    check(config)
    lacks = _lacks(config) if opening else []
    shown: list[Prompt] = []
    generate, judges = config.generate, config.open_judges()
    n, longest = generate.responses, generate.max_tokens
    answering, judging = Use(), [Use()] * len(judges)
    bad = duplicates = there = characters = written = 0
    writing, paid, first = Use(), 0.0, ""

    def add(asked: Asked, count: int) -> None:
        nonlocal answering
        answering = answering.plus(Use(1, asked.tokens, longest).times(n * count))
        for i, judge in enumerate(judges):
            judging[i] = judging[i].plus(judge.may_take(asked, n, longest).times(count))

    for item in items(config, limit):
        if isinstance(item, Refused):
            duplicates += item.reason == "input:duplicate"
            bad += item.reason != "input:duplicate"
            first = first or str(item)
        else:
            there += 1
            characters += _characters(item[0])
            add(asked_in(item[0]), 1)
            if opening and len(shown) < SHOWN:
                shown.append(item[0])
    wanted = first_counts(config, limit)
    if first and not there and not wanted:
        raise DataError(f"no line of the input is a prompt ({first})")
    for place, count in wanted.items():
        written += count
        for recipe, share in _recipes(config, place, count):
            use = recipe.may_take(share)
            writing = writing.plus(use)
            paid += cost(recipe.paid, use.read, use.written)
            asked, system = recipe.longest, tokens_in(generate.system or "")
            add(asked._replace(tokens=asked.tokens + system), share)
    for number, judge, part in compared(config):
        texts = [tokens_in(judge.prefix + text) for _, text in part.rows()]
        judging[number] = judging[number].plus(Use(len(texts), sum(texts)))
    price, *judge_prices = prices([generate, *judges])
    usd = paid + cost(price, answering.read, answering.written)
    for one, use in zip(judge_prices, judging, strict=True):
        usd += cost(one, use.read, use.written)
    grading = Use()
    for use in judging:
        grading = grading.plus(use)
    calls = answering.calls + grading.calls + writing.calls
    seconds = calls * SECONDS_PER_CALL / generate.concurrency
    if generate.requests_per_minute:
        seconds = max(seconds, 60 * answering.calls / generate.requests_per_minute)
    prompt_tokens = answering.read + writing.read
    completion_tokens = answering.written + writing.written
    judge_tokens = grading.read + grading.written
    return Forecast(
        prompts=there + written,
        written=written,
        bad_input=bad,
        duplicates=duplicates,
        calls=calls,
        writing=writing.calls,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        judge_tokens=judge_tokens,
        length=characters / CHARACTERS_PER_TOKEN / max(1, there),
        usd=usd or None,
        seconds=seconds,
        limits=(
            *_limits(config, there, calls, usd, prompt_tokens + completion_tokens + judge_tokens),
            *lacks,
        ),
        first=tuple(_as_asked(config, prompt) for prompt in shown),
    )


def _as_asked(config: Config, prompt: Prompt) -> str:
    """A prompt as the model gets it; by its roles alone where there is no key to open it with."""
    try:
        return open_chat(config.generate).asked(prompt)
    except MissingKey:
        return ChatBackend(config.generate.model).asked(prompt)


def _lacks(config: Config) -> list[str]:
    """The keys that are missing. Raises InputError for all else that models lack."""
    found = dict[str, None]()
    for opener in openers(config):
        try:
            opener()
        except MissingKey as error:
            found[str(error)] = None
    return list(found)


def _recipes(config: Config, place: int, count: int) -> Iterator[tuple[Recipe, int]]:
    """The recipes of one source, each with how many prompts it is to write."""
    source = config.prompts[place]
    assert isinstance(source, Written)
    shares = Mix([part.weight for part in source.parts]).shares(count)
    for part, share in zip(source.parts, shares, strict=True):
        yield part.open(config.generate), share


def _characters(prompt: Prompt) -> int:
    # Role names and separators cost about four tokens a message.
    return sum(len(m.content) + 16 for m in prompt.messages)


def _limits(config: Config, prompts: int, calls: int, usd: float, tokens: int) -> tuple[str, ...]:
    """What would end the run before the last prompt, and what would let it go on after it."""
    budget, found = config.budget, []
    if config.target is not None:
        found.append(f"target: stops at {config.target:,} accepted prompts")
        if prompts < config.target and all(isinstance(s, Source) for s in config.prompts):
            found.append(f"target: {config.target:,} are more than the {prompts:,} prompts there")
        if any(isinstance(s, Written) and s.count is None for s in config.prompts):
            found.append(
                "target: recipes without a count write more prompts than forecast where fewer than "
                "nine of ten are accepted; give them a count, or the run a budget"
            )
    if budget.requests is not None and calls > budget.requests:
        found.append(f"budget.requests: {budget.requests:,} are fewer than {calls:,} calls")
    if budget.tokens is not None and tokens > budget.tokens:
        found.append(f"budget.tokens: {budget.tokens:,} may not be enough")
    if budget.usd is not None and usd > budget.usd:
        found.append(f"budget.usd: {budget.usd:.2f} may not be enough")
    return tuple(found)
