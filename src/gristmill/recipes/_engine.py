"""Runs a recipe until it has delivered what was asked for, or cannot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from itertools import count as count_up
from pathlib import Path

from gristmill.backends import ChatBackend
from gristmill.errors import DataError
from gristmill.intake.messages import asked_in
from gristmill.recipes._ask import Ask, OutOfBudget, Shared
from gristmill.recipes._flow import Wanted
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._report import Report
from gristmill.recipes.base import Novel, Recipe
from gristmill.records import Sampling
from gristmill.similarity import Novelty

MIN_GAIN = 0.02
"""New prompts for each call that a further turn must have brought, to be followed by another:
with fewer the model only says again what it said."""


async def synthesize(
    recipe: Recipe,
    chat: ChatBackend,
    wanted: Wanted,
    report: Report,
    made: Callable[[Item], None] = lambda _: None,
) -> AsyncGenerator[Draft]:
    """Prompts of a recipe until none is wanted; the same for the same answers. Close it when done.

    chat: opened. wanted: counted down here; more may be added between two prompts. report: filled
    while it goes on; where fewer prompts came, its `stopped` says why. made: told of each item
    that a stage made.
    Raises InputError, BackendFatal, and RunError where nothing but failures comes back.
    """
    gate = Gate(recipe.novelty)
    report.wanted = wanted.left
    try:
        shared = await _shared(recipe, chat, wanted, report, made)
    except OutOfBudget as stopped:
        report.stopped = f"budget: {stopped}"
        return
    for turn in count_up():
        report.turns = turn + 1
        delivered, calls = report.delivered, report.calls
        try:
            async with aclosing(recipe.drafts(Ask(shared, turn))) as drafts:
                async for draft in drafts:
                    if reason := gate.reason(draft):
                        report.dropped[reason] += 1
                        continue
                    for item in draft.item.line():
                        made(item)
                    report.delivered += 1
                    wanted.left -= 1
                    yield draft
                    if not wanted.left:
                        return
        except OutOfBudget as stopped:
            report.stopped = f"budget: {stopped}"
            return
        gained, took = report.delivered - delivered, report.calls - calls
        if gained <= MIN_GAIN * took:
            what = "nothing" if not gained else f"only {gained:,} prompts"
            report.stopped = f"turn {turn + 1} brought {what} new in {took:,} calls"
            return


async def _shared(
    recipe: Recipe,
    chat: ChatBackend,
    wanted: Wanted,
    report: Report,
    made: Callable[[Item], None],
) -> Shared:
    sampling = Sampling(recipe.temperature, recipe.top_p, recipe.max_tokens, recipe.seed)
    shared = Shared(
        chat=chat,
        templates=recipe.open_templates(),
        sampling=sampling,
        report=report,
        wanted=wanted,
        made=made,
        concurrency=recipe.concurrency,
        language=recipe.written_in.name,
        personas=(),
        schema=recipe.structured == "auto" and chat.takes_schema,
    )
    shared.personas = await _personas(recipe, Ask(shared))
    return shared


async def _personas(recipe: Recipe, ask: Ask) -> tuple[str, ...]:
    given = recipe.personas
    if given is None:
        return ()
    if isinstance(given, int):
        return tuple([p.text for p in await ask.items("persona", "personas", given)])
    lines = given if isinstance(given, list) else _lines(Path(given))
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from None


class Gate:
    """What a finished prompt must pass: it is new, and in the language that was asked for."""

    def __init__(self, novelty: Novel) -> None:
        self._novelty = _novelty(novelty)

    def reason(self, draft: Draft) -> str:
        """Why a prompt is not let through; empty if it is, and remembered then."""
        if self._novelty.seen(draft.asked) is not None:
            return "not_new"
        self._novelty.add(draft.asked)
        return ""


def _novelty(how: Novel) -> Novelty:
    novelty = Novelty(threshold=how.threshold, method=how.method)
    for name in how.against:
        for text in asked_in(name):
            novelty.add(text)
    return novelty
