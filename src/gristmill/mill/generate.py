"""One entry of `generate`: a model that answers, and how it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SkipValidation, field_validator

from gristmill.backends.calling import Sampled
from gristmill.errors import ConfigError
from gristmill.intake.source import Source
from gristmill.mill.examples import Example, open_example
from gristmill.tools.simulated import Simulated, Simulator
from gristmill.tools.toolbox import AnySource, open_source


class Generate(Sampled):
    """Which model answers, and how it samples."""

    responses: int = Field(default=4, ge=1, le=256)
    """Responses to each prompt. Best-of-n and preference pairs need several."""
    temperature: float = Field(default=0.8, ge=0, le=5)
    """0 is greedy. Below 0.5 the responses to one prompt are too alike to choose from."""
    top_p: float = Field(default=1.0, gt=0, le=1)
    """Nucleus sampling; 1 leaves all tokens in."""
    max_tokens: int = Field(default=512, ge=1)
    """Longest response, in new tokens."""
    system: str | None = None
    """A system message put before every prompt that has none."""
    examples: tuple[SkipValidation[Example], ...] = ()
    """Turns that the model is shown before every prompt, behind the system message, and that no
    judge and no row has: `{prompt: ..., response: ...}`, `{messages: [...]}` or `{file: ...}`, as
    many as are wanted."""
    tools: tuple[SkipValidation[AnySource], ...] = ()
    """What the model may call while it answers, one source or a list: `{python: my_pkg.tools}`,
    `{file: tools.py}`, `{mcp: {command: [...]}}`, `{simulate: {model: ...}}` (docs/tools.md). Where
    a prompt brings tools of its own, these are offered in their place."""
    max_steps: int = Field(default=8, ge=1, le=1000)
    """Turns in which the model may call tools; one that would call in a further one is put aside
    as `max_steps`."""
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

    @field_validator("tools", mode="before")
    @classmethod
    def _openable(cls, entries: Any) -> Any:
        entries = [entries] if isinstance(entries, dict) else entries
        if not isinstance(entries, list | tuple):
            raise ValueError("write a list, for instance [{python: my_pkg.tools}]")
        try:
            return tuple(open_source(one, f"[{i}]") for i, one in enumerate(entries))
        except ConfigError as error:
            raise ValueError(str(error)) from None

    @property
    def players(self) -> list[Simulator]:
        """The models that play tools."""
        return [source.simulate for source in self.tools if isinstance(source, Simulated)]

    def located(self, folder: Path) -> Self:
        """The same with the paths of its examples and tools starting from a folder."""
        examples = [e.located(folder) if isinstance(e, Source) else e for e in self.examples]
        tools = [source.located(folder) for source in self.tools]
        moved = {"examples": tuple(examples), "tools": tuple(tools)}
        return self.model_copy(update={k: v for k, v in moved.items() if v})
