"""Where a run's prompts come from: files, recipes, and mixes of recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from gristmill.backends.calling import Calling
from gristmill.errors import ConfigError
from gristmill.intake.places import located
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.languages import detect
from gristmill.parts import Options, build, find_part
from gristmill.recipes import Recipe
from gristmill.recipes.base import Novel

ROOM = "gristmill.recipes"


class PromptRecipe(Options):
    """Prompts that a model writes: `{recipe: open_qa, count: 1000, ...}`.

    All keys beside `recipe` and `weight` are the recipe's own (docs/recipes.md).
    """

    recipe: str
    """The recipe's name, or `my_pkg.mod:Class`."""
    weight: float = Field(default=1.0, gt=0)
    """Share of a mix, beside the others' weights."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The recipe's keys."""

    _KEYS: ClassVar = ("recipe", "weight", "options")

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        own = {k: v for k, v in values.items() if k in ("recipe", "weight")}
        rest = {k: v for k, v in values.items() if k not in cls._KEYS}
        return {**own, "options": {**values.get("options", {}), **rest}}

    @model_validator(mode="after")
    def _opens(self) -> Self:
        try:
            self.open()
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self

    def open(self, default: Calling | None = None) -> Recipe:
        """The recipe, validated. default: how the model is called of a recipe that names none."""
        kind = find_part(ROOM, self.recipe, "recipe")
        if not (isinstance(kind, type) and issubclass(kind, Recipe)):
            raise ConfigError(f"recipe: '{self.recipe}' is not a recipe")
        recipe = build(kind, self.options, "")
        if recipe.model or default is None:
            return recipe
        names = set(Calling.model_fields) - recipe.model_fields_set - {"licence", "price"}
        if default.batch_api:
            # Calls that build on each other would wait for hours each, one after the other.
            names -= {"batch_api", "concurrency"}
        given = {n: getattr(default, n) for n in {*names, "licence", "price"}}
        return recipe.model_copy(update=given)

    def located(self, folder: Path) -> Self:
        """The source with the paths of its recipe starting from a folder."""
        recipe = self.open().located(folder)
        moved = {n: getattr(recipe, n) for n in recipe.model_fields_set}
        options = {n: v.model_dump() if isinstance(v, Options) else v for n, v in moved.items()}
        return self.model_copy(update={"options": options})

    def check(self) -> None:
        """Look at templates and the user's files before anything is spent. Raises InputError."""
        recipe = self.open()
        recipe.open_templates()
        recipe.check()
        if recipe.checked_language:
            detect.check()

    @property
    def parts(self) -> list[PromptRecipe]:
        return [self]

    @property
    def count(self) -> int | None:
        return self.open().count

    @property
    def novelty(self) -> Novel | None:
        """Of several recipes together; one looks after itself."""
        return None

    @property
    def name(self) -> str:
        """For the file of its prompts."""
        return self.recipe.rpartition(":")[2].lower()


class PromptMix(Options):
    """Prompts of several recipes, by weight: `{mix: [{recipe: math, weight: 2}, ...], count: 900}`.

    A recipe that has no more is made up for by the others.
    """

    mix: list[PromptRecipe] = Field(min_length=1)
    """The recipes, each with its weight."""
    count: int | None = Field(default=None, ge=1)
    """Prompts in all; in a run with a `target` it may be left out."""
    novelty: Novel = Novel()
    """When a prompt is too like one of another recipe of the mix, or of the files named there."""

    @field_validator("mix")
    @classmethod
    def _counted_together(cls, mix: list[PromptRecipe]) -> list[PromptRecipe]:
        for part in mix:
            if "count" in part.options:
                raise ValueError(f"{part.recipe}: give the mix a count, and its recipes weights")
        return mix

    def located(self, folder: Path) -> Self:
        """The source with all paths starting from a folder."""
        against = [located(name, folder) for name in self.novelty.against]
        novelty = self.novelty.model_copy(update={"against": against})
        mix = [part.located(folder) for part in self.mix]
        return self.model_copy(update={"mix": mix, "novelty": novelty})

    def check(self) -> None:
        """See PromptRecipe."""
        self.novelty.check()
        for part in self.mix:
            part.check()

    @property
    def parts(self) -> list[PromptRecipe]:
        return self.mix

    @property
    def name(self) -> str:
        """For the file of its prompts."""
        return "mix"


PromptSource = Source | PromptRecipe | PromptMix
"""One entry of `prompts`: files, or what a model writes."""

Written = PromptRecipe | PromptMix
"""A source that a model writes."""


def open_source(entry: Any, where: str) -> PromptSource:
    """A source from its entry in a config. Raises ConfigError."""
    if isinstance(entry, Source | PromptRecipe | PromptMix):
        return entry
    if isinstance(entry, str):
        entry = {"file": entry}
    if isinstance(entry, dict) and "recipe" in entry:
        return build(PromptRecipe, entry, where)
    if isinstance(entry, dict) and "mix" in entry:
        return build(PromptMix, entry, where)
    return build(Source, entry, where)


def check_source(source: PromptSource) -> None:
    """Look at a source before anything is spent. Raises InputError."""
    source.check(PROMPT) if isinstance(source, Source) else source.check()
