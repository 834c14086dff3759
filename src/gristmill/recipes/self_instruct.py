"""New tasks in the manner of the user's own: some of them are shown, and more are asked for.

As in Self-Instruct (Wang et al. 2023, arXiv:2212.10560): eight examples a call, some of them the
model's own earlier ones; what is too like a task that is there is dropped.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from random import Random
from typing import ClassVar, NamedTuple, Self

from pydantic import Field

from gristmill.backends.use import Use
from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._seeds import SeedFile, count_seeds, longest_of, read_seeds, transcript
from gristmill.recipes.base import Recipe
from gristmill.records import Message

CALLS = 128
"""Calls of a turn. The examples of a turn come from the seeds and from the turns before it, never
from what happened to be finished earlier in the same one."""


LONGEST = 1500
"""Characters of a seed that is shown: eight such fit a context of 4,096 tokens, with room for the
reply. Longer ones are shown where there are no others."""


class Example(NamedTuple):
    """A task that is shown, and where it comes from."""

    text: str
    where: str


class Drawn(NamedTuple):
    """The examples of one call: as one item, and each."""

    item: Item
    shown: list[str]


class SelfInstruct(Recipe):
    """Tasks from seed tasks, each new to the seeds and to each other."""

    templates_used: ClassVar = {"tasks": frozenset({"examples", "known"})}

    seeds: SeedFile
    """A file of tasks, self-instruct's or in any form that a run reads (docs/data.md), or
    `{file: ..., columns: {...}}`. Repeated ones are passed over and counted."""
    examples: int = Field(default=8, ge=1, le=50)
    """Tasks shown in each call, drawn anew."""
    own: int = Field(default=2, ge=0, le=50)
    """How many of those are the model's own, once it has some; the paper's 2 of 8."""
    tasks: int = Field(default=8, ge=1, le=100)
    """Tasks asked for in each call."""

    def located(self, folder: Path) -> Self:
        moved = super().located(folder)
        return moved.model_copy(update={"seeds": self.seeds.located(folder)})

    def check(self) -> None:
        super().check()
        read_seeds(self.seeds)

    @property
    def steps(self) -> float:
        # Half of what is written is like what is there, for any model.
        return 2 / self.tasks

    def may_take(self, count: int) -> Use:
        use = super().may_take(count)
        seed = longest_of(read_seeds(self.seeds)).tokens
        shown = self.examples * max(seed, self.max_tokens if self.own else 0)
        return use._replace(read=use.read + use.calls * shown)

    def known_texts(self) -> Iterable[str]:
        return (draft.asked for draft in read_seeds(self.seeds))

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        tasks = ask.each(self._drawn(ask), partial(self._tasks, ask), self.tasks)
        return _finished(ask.unique(tasks, "task", again=True))

    def _drawn(self, ask: Ask) -> list[Drawn]:
        """The examples of each call of a turn."""
        given = count_seeds(ask, self.seeds)
        seeds = [Example(transcript(draft.messages), draft.item.note) for draft in given]
        seeds = [seed for seed in seeds if len(seed.text) <= LONGEST] or seeds
        own = [Example(text, f"task {n}") for n, text in enumerate(ask.shared.accepted, 1)]
        random = Random(f"{self.seed}:{ask.turn}")
        return [self._some(random, seeds, own) for _ in range(CALLS)]

    def _some(self, random: Random, seeds: list[Example], own: list[Example]) -> Drawn:
        number = min(self.own, self.examples - 1, len(own))
        drawn = random.sample(seeds, min(self.examples - number, len(seeds)))
        drawn += random.sample(own, number)
        random.shuffle(drawn)
        text = "\n\n".join(f"{n}. {example.text}" for n, example in enumerate(drawn, 1))
        item = Item("examples", text, note=", ".join(example.where for example in drawn))
        return Drawn(item, [example.text for example in drawn])

    async def _tasks(self, ask: Ask, drawn: Drawn) -> list[Item]:
        item, shown = drawn
        told = {"examples": item.text, "persona": ask.persona(item)}
        return await ask.items("task", "tasks", self.tasks, item, again=True, shown=shown, **told)


async def _finished(tasks: AsyncGenerator[Item]) -> AsyncGenerator[Draft]:
    async with aclosing(tasks) as found:
        async for task in found:
            yield Draft((Message("user", task.text),), task)
