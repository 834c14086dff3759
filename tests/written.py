"""Prompts that a recipe writes with a scripted model, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any, NamedTuple

from gristmill.backends.scripted import ScriptedChat
from gristmill.parts import name_of, open_part
from gristmill.recipes import Recipe, Report, Wanted
from gristmill.recipes._engine import synthesize
from messy import Messy

ROOM = "gristmill.recipes"


class Written(NamedTuple):
    """rows: the prompts as lines of a file."""

    rows: list[dict[str, Any]]
    report: Report

    @property
    def prompts(self) -> list[str]:
        return [row.get("prompt") or row["messages"][-1]["content"] for row in self.rows]


def recipe_of(name: str, **options: Any) -> Recipe:
    """A recipe as a config would name it."""
    return open_part(ROOM, {name: options}, "prompts")


def write(
    recipe: Recipe,
    count: int,
    model: Callable[..., Any] | None = None,
    latency: float | tuple[float, float] = 0.0,
) -> Written:
    """The first `count` prompts of a recipe, after its check."""
    recipe.open_templates()
    recipe.check()
    report = Report(name_of(recipe))
    chat = ScriptedChat(model or Messy(), latency=latency)
    return asyncio.run(_write(recipe, count, chat, report))


async def _write(recipe: Recipe, count: int, chat: ScriptedChat, report: Report) -> Written:
    rows = []
    async with aclosing(synthesize(recipe, chat, Wanted(count), report)) as drafts:
        async for draft in drafts:
            rows.append(draft.row(name_of(recipe), recipe.language))
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks were left behind: {left}"
    return Written(rows, report)
