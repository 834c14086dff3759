"""One entry of `generate`: a model that answers, and how it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, SkipValidation, field_validator

from gristmill.backends.calling import Calling
from gristmill.errors import ConfigError
from gristmill.intake.source import Source
from gristmill.mill.examples import Example, open_example


class Generate(Calling):
    """Which model answers, and how it samples."""

    responses: int = Field(default=4, ge=1, le=256)
    """Responses to each prompt. Best-of-n and preference pairs need several."""
    temperature: float = Field(default=0.8, ge=0, le=5)
    """0 is greedy. Below 0.5 the responses to one prompt are too alike to choose from."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus sampling; 1 leaves all tokens in."""
    max_tokens: int = Field(default=512, ge=1)
    """Longest response, in new tokens."""
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), max_length=16)
    """Words that end a response, and are not in it: for a base model, which goes on with the next
    question of its own. Providers take 4, as a rule."""
    system: str | None = None
    """A system message put before every prompt that has none."""
    examples: tuple[SkipValidation[Example], ...] = ()
    """Turns that the model is shown before every prompt, behind the system message, and that no
    judge and no row has: `{prompt: ..., response: ...}`, `{messages: [...]}` or `{file: ...}`, as
    many as are wanted."""
    weight: float | None = Field(default=None, gt=0)
    """Of several entries: the share of the prompts that this one answers, beside the others'
    weights. Without it each entry answers every prompt."""
    reasoning: Literal["keep", "drop"] = "keep"
    """Whether `sft` and `preference` have the thoughts of a reasoning model, as `reasoning_content`
    of its messages. `scored` and `rejected` have them either way, so that it can be changed later
    at no cost."""

    @field_validator("examples", mode="before")
    @classmethod
    def _readable(cls, entries: Any) -> Any:
        if not isinstance(entries, list | tuple):
            raise ValueError("write a list, for instance [{prompt: ..., response: ...}]")
        try:
            return tuple(open_example(one, f"[{i}]") for i, one in enumerate(entries))
        except ConfigError as error:
            raise ValueError(str(error)) from None

    def located(self, folder: Path) -> Self:
        """The same with the paths of its examples starting from a folder."""
        placed = [e.located(folder) if isinstance(e, Source) else e for e in self.examples]
        return self.model_copy(update={"examples": tuple(placed)}) if placed else self
