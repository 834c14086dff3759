"""What every recipe is."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator

from gristmill.backends.calling import Sampled
from gristmill.backends.use import AROUND, Asked, Use, tokens_in
from gristmill.errors import ConfigError
from gristmill.intake.places import located
from gristmill.intake.record import PROMPT
from gristmill.intake.source import Source
from gristmill.languages import Language, language_of
from gristmill.parts import Options, name_of
from gristmill.recipes._items import Draft
from gristmill.recipes._lines import lines_of
from gristmill.recipes._templates import KNOWN_PER_TOKEN, SHARED_VARIABLES, Templates

if TYPE_CHECKING:
    from gristmill.recipes._ask import Ask

PERSONAS = 10
"""People described in one list: a sentence each, so that a reply holds them all."""

FIRST_CALLS = 60
"""Calls that may be made beyond the `patience`: the first prompt needs a list of every stage, and
the stages run ahead."""


class Novel(Options):
    """When a prompt is too like one that is there already."""

    threshold: float = Field(default=0.7, gt=0, le=1)
    """Likeness from which on a prompt is dropped, 1 being equal. Self-instruct's 0.7 of ROUGE-L
    keeps rewordings out and lets other questions of the same form in."""
    method: Literal["rouge", "minhash"] = "rouge"
    """How likeness is measured: the longest common sequence of words, or, for hundreds of
    thousands of prompts, estimated from shared word sequences."""
    against: list[str] = Field(default_factory=list)
    """Files of prompts that you have already: what is like one of theirs is dropped, too."""

    def check(self) -> None:
        """Raises DataError for a file that cannot be read."""
        for file in self.against:
            Source(file=file).check(PROMPT)


class Recipe(Sampled):
    """A validated config with one method. To add one, override `drafts` and name the templates.

    The class of `recipes/my_recipe.py` is called `MyRecipe`; the config names it `my_recipe`, and
    its templates lie beside it in `my_recipe/*.md`. A recipe asks its model through `Ask` alone,
    as a function of what it was told and answered: then it resumes by itself.
    """

    templates_used: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Each template's name and the variables that it may use, beside `language`, `persona` and
    `count`, which all may."""
    paths: ClassVar[tuple[str, ...]] = ()
    """Fields that hold files of the user's; relative to the config's folder."""

    model: str = ""
    """The model that writes the prompts; in a run's config, by default the one that answers."""
    count: int | None = Field(default=None, ge=1)
    """Prompts to write. In a run with a `target` it may be left out: then as many as that takes."""
    language: str = "en"
    """What the prompts are written in: a code or name of any of over 100 languages. Where it is
    given, a prompt in another language is dropped, as far as that can be told (extra `curate`)."""
    personas: int | list[str] | str | None = None
    """Who the prompts come from: so many people for the model to think of, their descriptions, or
    a file of them, one a line. Each item is written as one of them would."""
    templates: str | None = None
    """A folder of your own templates; a file there takes the place of the recipe's of that name."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """1 for variety. At 0 the same question has the same answer, and little new comes."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Nucleus sampling; a little below 1 keeps stray words out of long lists."""
    max_tokens: int = Field(default=1024, ge=1)
    """Longest reply, in tokens; one that is cut off is used as far as it is whole."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    """Of the sampling and of what is drawn; another seed gives other prompts."""
    structured: Literal["auto", "never"] = "auto"
    """Whether lists are asked for with a JSON schema (`response_format`), where the server has
    it. A server that refuses one is asked without."""
    novelty: Novel = Novel()
    """When a prompt is too like an earlier one."""
    patience: float = Field(default=3.0, ge=1, le=1000)
    """When a recipe ends with fewer prompts than were asked for: after so many times the calls that
    they take where every reply can be used, and 60. The forecast reckons with it."""

    @field_validator("language")
    @classmethod
    def _known_language(cls, name: str) -> str:
        try:
            return language_of(name).code
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @property
    def written_in(self) -> Language:
        """The language of the prompts."""
        return language_of(self.language)

    @property
    def checked_language(self) -> str | None:
        """The language that every prompt must be in: the one that was asked for, if one was."""
        return self.language if "language" in self.model_fields_set else None

    def located(self, folder: Path) -> Self:
        """The recipe with its relative paths starting from a folder."""
        places = {
            name: _located(getattr(self, name), folder) for name in (*self.paths, "templates")
        }
        if isinstance(self.personas, str):
            places["personas"] = _located(self.personas, folder)
        against = _located(self.novelty.against, folder)
        places["novelty"] = self.novelty.model_copy(update={"against": against})
        return self.model_copy(update=places)

    def open_templates(self) -> Templates:
        """The templates, checked. Raises ConfigError."""
        folder = Path(self.templates) if self.templates else None
        return Templates(name_of(self), {**SHARED_VARIABLES, **self.templates_used}, folder)

    def check(self) -> None:
        """Look at the user's files before anything is spent. Raises InputError."""
        if isinstance(self.personas, str):
            lines_of(Path(self.personas))
        self.novelty.check()

    def known_texts(self) -> Iterable[str]:
        """Prompts that are there already: what is like one of them is not new."""
        return ()

    @property
    def steps(self) -> float:
        """Calls that one prompt takes where every reply can be used; of a list its share."""
        return 2.0

    @property
    def first_steps(self) -> int:
        """Calls before all prompts."""
        return ceil(self.personas / PERSONAS) if isinstance(self.personas, int) else 0

    @property
    def longest(self) -> Asked:
        """The longest prompt that it may write."""
        return Asked(AROUND + self.max_tokens)

    def most_calls(self, count: int) -> int:
        """Calls that are made at most for so many prompts; retries and failed ones aside."""
        return FIRST_CALLS + ceil(self.patience * (self.first_steps + self.steps * count))

    def may_take(self, count: int) -> Use:
        """What writing so many prompts may take at most."""
        wording = tokens_in(self.open_templates().wording)
        known = tokens_in(" " * (KNOWN_PER_TOKEN * self.max_tokens))
        # A list is asked for again behind what was said of it.
        read = AROUND + wording + known + self.longest.tokens + self.max_tokens
        return Use(1, read, self.max_tokens).times(self.most_calls(count))

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        """The prompts, one at a time, as many as it can make of one turn. Asked again, with
        `ask.turn` one higher, it goes on with others."""
        raise NotImplementedError


def _located(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_located(v, folder) for v in value]
    return located(value, folder) if isinstance(value, str) else value
