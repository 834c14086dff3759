"""Recipes into prompt files: the first half of a run that brings no prompts, or a job of its own.

Every call is kept (`backends.remembered`), so that a job that was cut off is done again from the
beginning and asks for nothing twice; what was drafted on the way is written to `items.jsonl`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from gristmill.backends import Calls, ChatBackend, Remembered, open_chat
from gristmill.backends.calling import Calling
from gristmill.errors import ConfigError, StorageError
from gristmill.mill.budget import Purse
from gristmill.mill.execute import ticking
from gristmill.mill.prompts import Written
from gristmill.parts import name_of
from gristmill.recipes import Draft, Item, Mix, Recipe, Report, Wanted
from gristmill.records import Response, prompt_id

if TYPE_CHECKING:
    from gristmill.recipes._engine import Gate


@dataclass
class Writing:
    """One source being written; what a display looks at. reports: of its recipes, in order."""

    name: str
    wanted: int
    reports: list[Report]
    delivered: int = 0
    repeated: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def calls(self) -> int:
        return sum(r.calls for r in self.reports)

    @property
    def tokens(self) -> int:
        stages = [s for r in self.reports for s in r.stages.values()]
        return sum(s.prompt_tokens + s.completion_tokens for s in stages)

    @property
    def short(self) -> str:
        """Why fewer prompts came than were wanted; empty if they are all there."""
        if self.delivered >= self.wanted:
            return ""
        if len(self.reports) == 1 and self.reports[0].recipe == self.name:
            return self.reports[0].stopped
        return "; ".join(f"{r.recipe}: {r.stopped}" for r in self.reports if r.stopped)

    @property
    def said(self) -> str:
        """What the first call was told that failed, where none was answered; else empty."""
        return "" if self.calls else next((r.said for r in self.reports if r.said), "")

    def as_json(self) -> dict[str, Any]:
        """For `metrics.json`."""
        return {
            "name": self.name,
            "wanted": self.wanted,
            "delivered": self.delivered,
            "repeated": self.repeated,
            "short": self.short,
            "recipes": [r.as_json() for r in self.reports],
        }


Watch = Callable[[Writing], None]


@dataclass
class Desk:
    """Where recipes are written: the calls that are known, the purse, the models.

    calls: a log; items: the file of what was drafted, begun anew each time.
    """

    calls: Calls
    purse: Purse
    items: Path
    default: Calling | None = None
    watch: Watch = lambda _: None
    _backends: dict[str, ChatBackend] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    async def write(self, source: Written, count: int, out: Path) -> Writing:
        """The first `count` prompts of a source, as lines of `out`, which is replaced when they
        are all there. Raises InputError, BackendFatal, StorageError, RunError."""
        # Loaded here: most runs write no prompts.
        from gristmill.recipes._engine import Gate, synthesize

        self._backends.clear()
        recipes = [part.open(self.default) for part in source.parts]
        mix = Mix([part.weight for part in source.parts])
        wanted = [Wanted(share) for share in mix.shares(count)]
        writing = Writing(source.name, count, [Report(name_of(r)) for r in recipes])
        gate = Gate(source.novelty) if source.novelty is not None else None
        fresh = out.with_name(out.name + ".new")
        try:
            async with AsyncExitStack() as stack:
                file = stack.enter_context(fresh.open("wb"))
                # Items that an earlier source of this session wrote stay.
                items = stack.enter_context(self.items.open("ab" if self._known else "wb"))
                sources: list[AsyncGenerator[Draft]] = []
                for recipe, left, report in zip(recipes, wanted, writing.reports, strict=True):
                    chat = await self._chat(recipe, stack)
                    note = _Notes(items, self._known)
                    drafts = synthesize(recipe, chat, left, report, note)
                    sources.append(await stack.enter_async_context(aclosing(drafts)))
                ticker = asyncio.create_task(ticking(lambda: self.watch(writing)))
                stack.callback(ticker.cancel)
                taken = mix.take(sources, wanted)
                async with aclosing(taken):
                    await self._lines(taken, wanted, recipes, gate, file, writing)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise StorageError(f"{out}: cannot write: {error.strerror}") from None
        fresh.replace(out)
        self.watch(writing)
        return writing

    async def _lines(
        self,
        taken: AsyncGenerator[tuple[int, Draft]],
        wanted: list[Wanted],
        recipes: list[Recipe],
        gate: Gate | None,
        file: BinaryIO,
        writing: Writing,
    ) -> None:
        seen: set[str] = set()
        async for place, draft in taken:
            name = prompt_id(draft.messages)
            if name in seen or (gate is not None and gate.reason(draft)):
                writing.repeated += 1
                wanted[place].add(1)
                continue
            seen.add(name)
            writing.delivered += 1
            recipe = recipes[place]
            row = draft.row(name_of(recipe), recipe.language, recipe.model)
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    async def _chat(self, recipe: Recipe, stack: AsyncExitStack) -> ChatBackend:
        if not recipe.model:
            if not recipe.steps and not recipe.first_steps:
                return ChatBackend("")  # Rules write its prompts: nobody is asked.
            raise ConfigError(
                f"recipe {name_of(recipe)}: no model; give `model: ...`, which writes the prompts"
            )
        key = repr([getattr(recipe, name) for name in Calling.model_fields])
        if key not in self._backends:

            def paid(answer: Response) -> list[float]:
                self.purse.add_call(recipe.paid, *answer.paid)
                return self.purse.spent().as_list()

            writer = open_chat(recipe)
            writer.folder = self.calls.folder
            chat = Remembered(writer, self.calls, paid, recipe)
            chat.meter = self.purse
            self._backends[key] = await stack.enter_async_context(chat)
        return self._backends[key]


class _Notes:
    """Writes each item that a stage made, once, as a line of a file."""

    def __init__(self, file: BinaryIO, known: set[str]) -> None:
        self._file, self._known = file, known

    def __call__(self, item: Item) -> None:
        if item.id in self._known:
            return
        self._known.add(item.id)
        parent = item.parent.id if item.parent else None
        row = {"id": item.id, "stage": item.stage, "text": item.text, "parent": parent}
        if item.note:
            row["from"] = item.note
        self._file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
