"""Runs a recipe until it has delivered what was asked for, or cannot."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from hashlib import blake2b
from itertools import chain
from itertools import count as count_up
from pathlib import Path

from gristmill.backends import ChatBackend
from gristmill.errors import ConfigError, DataError
from gristmill.intake.record import PROMPT, Record
from gristmill.intake.source import Source
from gristmill.languages.detect import DETECTED, elsewhere
from gristmill.page.text import plural
from gristmill.recipes._ask import Ask
from gristmill.recipes._calls import Ended, Shared
from gristmill.recipes._flow import Wanted
from gristmill.recipes._growing import Growing
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._lines import lines_of
from gristmill.recipes._replies import squeezed
from gristmill.recipes._report import Report
from gristmill.recipes.base import PERSONAS, Novel, Recipe
from gristmill.records import Sampling
from gristmill.similarity.novelty import Novelty

MIN_GAIN = 0.02
"""New prompts for each call that a further turn must have brought, to be followed by another:
with fewer the model only says again what it said."""

FEWEST_LETTERS = 60
"""Letters of a prompt whose language can be told; a shorter one is let through."""

SURE = 0.5
"""How sure it must be that a prompt is in another language. Lower than for a response: a right one
that is dropped costs a call or two, a wrong one that is kept is in the data."""

_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)


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
    gate = Gate(recipe.novelty, recipe.known_texts(), recipe.checked_language)
    report.wanted = wanted.left
    wanted.calls_left = recipe.most_calls(wanted.left)
    try:
        shared = await shared_by(recipe, chat, wanted, report, made)
    except Ended as stopped:
        report.stopped = str(stopped)
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
                    shared.accepted.append(draft.asked)
                    report.delivered += 1
                    wanted.left -= 1
                    wanted.quiet = 0
                    yield draft
                    if not wanted.left:
                        return
        except Ended as stopped:
            report.stopped = str(stopped)
            return
        gained, took = report.delivered - delivered, report.calls - calls
        if gained <= MIN_GAIN * took:
            report.stopped = _why(turn + 1, gained, took, report)
            return


def _why(turn: int, gained: int, calls: int, report: Report) -> str:
    """Why a recipe goes on no further."""
    if not calls:
        failed = sum((stage.failed for stage in report.stages.values()), Counter())
        kinds = ", ".join(f"{kind} {n:,}" for kind, n in failed.most_common())
        return "not one call was answered" + (f" ({kinds})" if kinds else "")
    what = "nothing" if not gained else f"only {plural(gained, 'prompt')}"
    return f"the model brought {what} new in {plural(calls, 'call')} (turn {turn})"


async def shared_by(
    recipe: Recipe,
    chat: ChatBackend,
    wanted: Wanted,
    report: Report,
    made: Callable[[Item], None],
) -> Shared:
    """What the turns of a recipe share, its personas thought of. Raises as `synthesize`."""
    how = recipe.temperature, recipe.top_p, recipe.max_tokens, recipe.seed
    sampling = Sampling(*how, stop=recipe.stop)
    shared = Shared(
        chat=chat,
        templates=recipe.open_templates(),
        sampling=sampling,
        report=report,
        wanted=wanted,
        made=made,
        concurrency=recipe.concurrency,
        room=asyncio.Semaphore(recipe.concurrency),
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
        return await _thought_of(given, ask)
    if isinstance(given, str):
        return tuple(lines_of(Path(given)))
    found = tuple(dict.fromkeys(line.strip() for line in given if line.strip()))
    if not found:
        raise ConfigError("personas: the list is empty; describe somebody, or leave it out")
    return found


async def _thought_of(count: int, ask: Ask) -> tuple[str, ...]:
    """So many people as the model can think of, in lists that fit a reply."""
    found: list[str] = []
    stage = Growing(ask, "persona", "personas", lambda: min(PERSONAS, count - len(found)))
    while len(found) < count and (person := await stage.next()) is not None:
        found.append(person.text)
    ask.shared.report.stage("persona").missing += count - len(found)
    return tuple(found)


class Gate:
    """What a finished prompt must pass: it is new, and in the language that was asked for.

    known: texts of prompts that are there already, beside those of the config's files. language:
    the code of the only language to let through, if any.
    """

    def __init__(
        self, novelty: Novel, known: Iterable[str] = (), language: str | None = None
    ) -> None:
        self._language = language
        self._new = partial(Novelty, threshold=novelty.threshold, method=novelty.method)
        self._before = self._new()
        self._among: dict[str, Novelty] = {}
        self._equal: set[bytes] = set()
        for text in chain(known, *map(_asked_in, novelty.against)):
            self._before.add(text)
            self._equal.add(_digest(text))

    def reason(self, draft: Draft) -> str:
        """Why a prompt is not let through; empty if it is, and remembered then."""
        text, digest = draft.asked, _digest(_whole(draft))
        if digest in self._equal:
            return "not_new"
        if other := self._other_language(draft):
            return f"language:{other}"
        if draft.among is not None:
            others = self._among.setdefault(draft.among, self._new())
            if others.seen(text) is not None or self._before.seen(text) is not None:
                return "not_new"
            others.add(text)
        self._equal.add(digest)
        return ""

    def _other_language(self, draft: Draft) -> str:
        """The code of the language that a prompt is in, where it surely is not the right one."""
        if self._language not in DETECTED:
            return ""
        text = _FENCED.sub(" ", draft.item.text)
        found = elsewhere(text, (self._language,), FEWEST_LETTERS, SURE)
        return found[0] if found else ""


def _whole(draft: Draft) -> str:
    return "\0".join(message.content for message in draft.messages)


def _digest(text: str) -> bytes:
    return blake2b(squeezed(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _asked_in(file: str) -> Iterator[str]:
    """The user's last turn of each prompt in a file; rows that are no prompts are passed over.

    Raises DataError where the file cannot be read, or holds no prompt at all.
    """
    first = None
    for row in Source(file=file).records(PROMPT):
        if isinstance(row, Record):
            first = ""
            yield row.prompt.messages[-1].content
        elif first is None:
            first = str(row)
    if first != "":
        raise DataError(f"{file}: there is no prompt in it ({first or 'it is empty'})")
