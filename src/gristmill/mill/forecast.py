"""What a run would take, before anything is spent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from statistics import fmean

from gristmill.backends import ChatBackend, open_chat
from gristmill.backends.use import Asked, Use, asked_in, tokens_in
from gristmill.errors import DataError, MissingKey
from gristmill.intake.cells import Refused
from gristmill.mill.budget import cost, prices
from gristmill.mill.config import Config, Given
from gristmill.mill.feed import items
from gristmill.mill.generate import Generate
from gristmill.mill.known import compared
from gristmill.mill.lineup import Lineup
from gristmill.mill.prompts import Written
from gristmill.mill.ready import check, notices, openers
from gristmill.mill.supply import first_counts
from gristmill.page.text import plural
from gristmill.recipes import Mix
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
    a prompt that is there, on average, and not at most; rubric: of each of its criteria, too. usd:
    None where no price is given. seconds: at SECONDS_PER_CALL and the configured concurrency, or at
    the request limit. first: the first `SHOWN` prompts that are there, as the models get them,
    behind a title.
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
    first: tuple[tuple[str, str], ...] = ()
    rubric: tuple[int, ...] = ()


def forecast(config: Given, limit: int | None = None, *, opening: bool = True) -> Forecast:
    """Read the prompts and add up. Calls no model; raises what `run` would for bad input, but for
    keys, which it only says are missing.

    config: a file, its values, or a `Config`. limit: as for `run`. opening: whether its models are
    opened, which says what they lack here; a plan for another machine needs nothing of them.
    """
    config = Config.read(config)
    check(config)
    lacks = [*_lacks(config), *notices(config)] if opening else []
    sums, wanted = _Sums(config), first_counts(config, limit)
    bad = duplicates = there = characters = 0
    shown, criteria, first = list[Prompt](), list[int](), ""
    for item in items(config, limit):
        if isinstance(item, Refused):
            duplicates += item.reason == "input:duplicate"
            bad += item.reason != "input:duplicate"
            first = first or str(item)
            continue
        there += 1
        characters += _characters(item[0])
        sums.add(asked := asked_in(item[0]), sums.lineup.group(item[0]), 1)
        criteria += asked.criteria
        if opening and len(shown) < SHOWN:
            shown.append(item[0])
    if first and not there and not wanted:
        raise DataError(f"no line of the input is a prompt ({first})")
    for place, count in wanted.items():
        sums.add_written(place, count)
    sums.add_compared()
    grading = reduce(Use.plus, sums.judging, Use())
    answering = reduce(Use.plus, sums.answering)
    calls = answering.calls + grading.calls + sums.writing.calls
    seconds = calls * SECONDS_PER_CALL / sum(entry.concurrency for entry in config.generate)
    for entry, use in zip(config.generate, sums.answering, strict=True):
        if entry.requests_per_minute:
            seconds = max(seconds, 60 * use.calls / entry.requests_per_minute)
    written, usd = sum(wanted.values()), sums.usd()
    found = Forecast(
        prompts=there + written,
        written=written,
        bad_input=bad,
        duplicates=duplicates,
        calls=calls,
        writing=sums.writing.calls,
        prompt_tokens=answering.read + sums.writing.read,
        completion_tokens=answering.written + sums.writing.written,
        judge_tokens=grading.read + grading.written,
        length=characters / CHARACTERS_PER_TOKEN / max(1, there),
        usd=usd or None,
        seconds=seconds,
        limits=(),
        first=tuple(one for n, p in enumerate(shown, 1) for one in _as_asked(sums.lineup, p, n)),
        rubric=(round(fmean(criteria)),) * round(len(criteria) / there) if criteria else (),
    )
    return replace(found, limits=(*_limits(config, found), *lacks))


class _Sums:
    """What the parts of a config may take at most, added up prompt by prompt."""

    def __init__(self, config: Config) -> None:
        self._config, self._judges = config, config.open_judges()
        self.lineup, self.writing = config.lineup(), Use()
        self.answering = [Use()] * len(config.generate)
        self._beside = [self.lineup.beside(k) for k in range(len(config.generate))]
        self.judging = [Use()] * len(self._judges)
        self._paid = 0.0
        """For what recipes write, each at its own price."""

    def add(self, asked: Asked, group: int, count: int) -> None:
        """So many prompts of this size, to a group of the lineup."""
        members = self.lineup.groups[group]
        for k in members:
            entry, tokens = self._config.generate[k], asked.tokens + sum(self._beside[k])
            use = _played(entry, tokens).times(entry.responses * count)
            self.answering[k] = self.answering[k].plus(use)
        n = sum(self._config.generate[k].responses for k in members)
        # A judge reads a response with its steps.
        longest = max(_played(self._config.generate[k], 0).written for k in members)
        read = asked.tokens + max(self._beside[k][0] for k in members)
        for i, judge in enumerate(self._judges):
            use = judge.may_take(asked._replace(tokens=read), n, longest)
            self.judging[i] = self.judging[i].plus(use.times(count))

    def add_written(self, place: int, count: int) -> None:
        """The prompts of one source that recipes are to write."""
        source, generate = self._config.prompts[place], self._config.generate[0]
        assert isinstance(source, Written)
        shares = Mix([part.weight for part in source.parts]).shares(count)
        for part, share in zip(source.parts, shares, strict=True):
            recipe = part.open(generate)
            use = recipe.may_take(share)
            self.writing = self.writing.plus(use)
            self._paid += cost(recipe.paid, use.read, use.written)
            asked, system = recipe.longest, tokens_in(self._config.system or "")
            for group, part_of in enumerate(Mix(self.lineup.shares).shares(share)):
                self.add(asked._replace(tokens=asked.tokens + system), group, part_of)

    def add_compared(self) -> None:
        """The rows of files that filters compare with."""
        for number, judge, part in compared(self._config):
            texts = [tokens_in(judge.prefix + text) for _, text in part.rows()]
            self.judging[number] = self.judging[number].plus(Use(len(texts), sum(texts)))

    def usd(self) -> float:
        """All of it by the parts' prices."""
        uses = [*self.answering, *self.judging]
        paid = zip(prices([*self._config.generate, *self._judges]), uses, strict=True)
        return self._paid + sum(cost(price, use.read, use.written) for price, use in paid)


def _played(entry: Generate, tokens: int) -> Use:
    """What one response takes at most: with tools a call for each turn that may call, and one for
    the answer, each of which reads those before; what tools answer is not known."""
    n = entry.max_steps + 1 if entry.tools else 1
    before = entry.max_tokens * (n * (n - 1) // 2)
    return Use(n, n * tokens + before, n * entry.max_tokens)


def _as_asked(lineup: Lineup, prompt: Prompt, number: int) -> list[tuple[str, str]]:
    """A prompt as each model gets it, those that get the same together."""
    found: dict[str, list[str]] = {}
    for k in lineup.groups[lineup.group(prompt)]:
        text = _rendered(lineup.each[k], lineup.asked(prompt, lineup.owners.index(k)))
        found.setdefault(text, []).append(lineup.names[k])
    return [
        (f"prompt {number}, as {' and '.join(who)} {'get' if len(who) > 1 else 'gets'} it", text)
        for text, who in found.items()
    ]


def _rendered(entry: Generate, prompt: Prompt) -> str:
    """A prompt by its model's template; by its roles alone where there is no key to open it."""
    try:
        return open_chat(entry).asked(prompt)
    except MissingKey:
        return ChatBackend(entry.model).asked(prompt)


def _lacks(config: Config) -> list[str]:
    """The keys that are missing. Raises InputError for all else that models lack."""
    found = dict[str, None]()
    for opener in openers(config):
        try:
            opener()
        except MissingKey as error:
            found[str(error)] = None
    return list(found)


def _characters(prompt: Prompt) -> int:
    # Role names and separators cost about four tokens a message.
    return sum(len(m.content) + 16 for m in prompt.messages)


def _limits(config: Config, found: Forecast) -> tuple[str, ...]:
    """What would end the run before the last prompt, and what would let it go on after it."""
    budget, target, said = config.budget, config.target, list[str]()
    if config.generate[0].tools:
        said.append(
            "generate.max_steps: every response is reckoned with all the steps that it may have; "
            "what tools answer, and models that play tools, are not reckoned in"
        )
    tokens = found.prompt_tokens + found.completion_tokens + found.judge_tokens
    if target is not None:
        said.append(f"target: stops at {target:,} accepted prompts")
        if found.prompts < target and not found.written:
            said.append(
                f"target: {target:,} is more than the {plural(found.prompts, 'prompt')} there"
            )
        if any(isinstance(s, Written) and s.count is None for s in config.prompts):
            said.append(
                "target: recipes without a count write more prompts than forecast where fewer than "
                "nine of ten are accepted; give them a count, or the run a budget"
            )
    if budget.requests is not None and found.calls > budget.requests:
        said.append(
            f"budget.requests: {budget.requests:,} is fewer than {plural(found.calls, 'call')}"
        )
    if budget.tokens is not None and tokens > budget.tokens:
        said.append(f"budget.tokens: {budget.tokens:,} may not be enough")
    if budget.usd is not None and (found.usd or 0) > budget.usd:
        said.append(f"budget.usd: {budget.usd:.2f} may not be enough")
    return tuple(said)
