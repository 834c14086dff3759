"""What recipes share that begin with prompts: those of a file, or what another recipe writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

import orjson
from pydantic import BeforeValidator, field_validator

from gristmill.backends.use import Asked, tokens_of
from gristmill.errors import ConfigError, DataError
from gristmill.intake.cells import Refused
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.parts import Options, build, open_part
from gristmill.recipes._ask import Ask, squeezed
from gristmill.recipes._engine import Gate, shared_by
from gristmill.recipes._items import Draft, Item
from gristmill.recipes.base import Recipe
from gristmill.records import Message

INHERITED = ("language", "templates", "seed")
"""What a recipe of seeds has from the one around it, where it does not say otherwise."""

SeedFile = Annotated[Source, BeforeValidator(lambda v: {"file": v} if isinstance(v, str) else v)]
"""A file of seeds, by its name alone or with its columns."""

FACTS = ("category", "language", "answer", "tools")
"""What a seed's row may say beside its text."""


class Seeded(Recipe):
    """Makes prompts from prompts: `seed_drafts` has them."""

    seeds: str | dict[str, Any]
    """A file of prompts in any form that a run reads (docs/data.md), `{file: ...}` with more, or
    another recipe that writes them, `{open_qa: {topics: 20}}`, with the same model. Repeated
    prompts and lines without one are passed over and counted."""

    @field_validator("seeds")
    @classmethod
    def _opens(cls, given: str | dict[str, Any]) -> str | dict[str, Any]:
        try:
            if _source(given) is not None:
                return given
            recipe = _opened(given)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        for name in ("model", "count"):
            if name in recipe.model_fields_set:
                raise ValueError(f"leave out '{name}' there: the recipe around it says so")
        return given

    @property
    def seed_recipe(self) -> Recipe | None:
        """The recipe that writes the seeds, if one does."""
        if _source(self.seeds) is not None:
            return None
        recipe = _opened(self.seeds)
        names = (set(INHERITED) & self.model_fields_set) - recipe.model_fields_set
        given = {name: getattr(self, name) for name in names}
        return recipe.model_copy(update=given)

    @property
    def steps(self) -> float:
        recipe = self.seed_recipe
        return self.own_steps + (recipe.steps if recipe else 0.0)

    @property
    def own_steps(self) -> float:
        """Calls that it takes to make a prompt of a seed."""
        raise NotImplementedError

    @property
    def first_steps(self) -> int:
        recipe = self.seed_recipe
        return super().first_steps + (recipe.first_steps if recipe else 0)

    @cached_property
    def seed_longest(self) -> Asked:
        """The longest seed."""
        if (recipe := self.seed_recipe) is not None:
            return recipe.longest
        source = _source(self.seeds)
        assert source is not None
        return longest_of(read_seeds(source))

    def located(self, folder: Path) -> Self:
        moved = super().located(folder)
        if (source := _source(self.seeds)) is not None:
            placed = source.located(folder).model_dump(exclude_unset=True)
            return moved.model_copy(update={"seeds": placed})
        recipe = _opened(self.seeds).located(folder)
        # What is None was not said: it may still come from the recipe around.
        said = ((n, getattr(recipe, n)) for n in recipe.model_fields_set)
        values = {n: v for n, v in said if v is not None}
        plain = {n: v.model_dump() if isinstance(v, Options) else v for n, v in values.items()}
        return moved.model_copy(update={"seeds": {next(iter(self.seeds)): plain}})

    def check(self) -> None:
        super().check()
        if (source := _source(self.seeds)) is not None:
            read_seeds(source)
        elif (recipe := self.seed_recipe) is not None:
            recipe.open_templates()
            recipe.check()

    async def seed_drafts(self, ask: Ask, width: float = 1.0) -> AsyncGenerator[Draft]:
        """The seeds: a file's in its order, the same in each turn; another recipe's as it writes
        them, in each turn others. width: prompts that one seed becomes."""
        recipe = self.seed_recipe
        if recipe is None:
            source = _source(self.seeds)
            assert source is not None
            for draft in count_seeds(ask, source):
                yield draft
            return
        written = _written(recipe, ask, width)
        async with aclosing(written) as drafts:
            async for draft in drafts:
                yield draft


async def _written(recipe: Recipe, ask: Ask, width: float) -> AsyncGenerator[Draft]:
    """What a recipe writes for another one, whose Ask is given, that is new."""
    shared = ask.shared
    if shared.seeds is None:
        inner = await shared_by(recipe, shared.chat, shared.wanted, shared.report, shared.made)
        inner.room, inner.concurrency = shared.room, shared.concurrency
        shared.seeds = inner, Gate(recipe.novelty, recipe.known_texts(), recipe.checked_language)
    inner, gate = shared.seeds
    within = Ask(inner, ask.turn, ask.depth + 1, ask.scale * width)
    async with aclosing(recipe.drafts(within)) as drafts:
        async for draft in drafts:
            if reason := gate.reason(draft):
                shared.report.dropped[f"seed:{reason}"] += 1
                continue
            inner.accepted.append(draft.asked)
            yield draft


def count_seeds(ask: Ask, source: Source) -> list[Draft]:
    """The prompts of a file; what was passed over is counted in the report, once."""
    dropped: Counter[str] = Counter()
    found = read_seeds(source, dropped)
    if not ask.turn:
        ask.shared.report.dropped.update(dropped)
    return found


def read_seeds(source: Source, dropped: Counter[str] | None = None) -> list[Draft]:
    """The different prompts of a file, in its order.

    dropped: gets what was passed over, by reason. Raises DataError where the file cannot be read
    or has no prompt at all, naming the first line and what it lacks.
    """
    found: list[Draft] = []
    seen: set[str] = set()
    dropped = Counter() if dropped is None else dropped
    first = ""
    for row in source.records(PROMPT):
        if isinstance(row, Refused):
            dropped["seed:no_prompt"] += 1
            first = first or str(row)
            continue
        text = transcript(row.prompt.messages)
        if (key := squeezed(text)) in seen:
            dropped["seed:repeated"] += 1
            continue
        seen.add(key)
        facts = {name: value for name in FACTS if (value := getattr(row.prompt, name))}
        if "tools" in facts:
            facts["tools"] = orjson.loads(facts["tools"])
        found.append(Draft(row.prompt.messages, Item("seed", text, note=row.where), facts))
    if not found:
        raise DataError(f"{source.file}: there is no prompt in it ({first or 'it is empty'})")
    return found


def longest_of(seeds: Sequence[Draft]) -> Asked:
    """The most that one of several prompts has of tokens, and of turns."""
    turns = (sum(m.role == "assistant" for m in seed.messages) for seed in seeds)
    return Asked(max(tokens_of(seed.messages) for seed in seeds), max(turns))


def transcript(messages: Iterable[Message]) -> str:
    """Messages as one text: a single one of the user's as it is, else each with who said it."""
    turns = list(messages)
    if len(turns) == 1 and turns[0].role == "user":
        return turns[0].content
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in turns)


def _opened(given: str | dict[str, Any]) -> Recipe:
    assert isinstance(given, dict)  # A text is a file's name: see `_source`.
    try:
        recipe = open_part("gristmill.recipes", given, "")
    except ConfigError as error:
        raise ConfigError(str(error).removeprefix(": ").removeprefix(".")) from None
    if not isinstance(recipe, Recipe):
        raise ConfigError(f"'{next(iter(given))}' is not a recipe")
    return recipe


def _source(given: str | dict[str, Any]) -> Source | None:
    """The file that seeds name; None where they name a recipe. Raises ConfigError."""
    if isinstance(given, str):
        return Source(file=given)
    return build(Source, given, "seeds") if "file" in given else None
