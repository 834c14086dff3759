"""What every source of tools is: its settings, the tools that it has, and who answers a call."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import Field

from gristmill.parts import Options
from gristmill.records import Message


class ToolError(Exception):
    """Why a call came to nothing, in words for the model that made it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of a tool. tool: in OpenAI's form. before: the turns of the conversation until
    then, the one that calls last."""

    tool: dict[str, Any]
    arguments: dict[str, Any]
    before: Sequence[Message]

    @property
    def name(self) -> str:
        return self.tool["function"]["name"]


class Answers(AbstractAsyncContextManager["Answers"]):
    """Who answers the calls of a source's tools; opened before the first, closed after the last."""

    async def answer(self, asked: Asked) -> str:
        """What the tool says. Raises ToolError, or any Exception, which the model is told; and
        BackendError where the answer itself is to be asked for again later."""
        raise NotImplementedError

    async def __aexit__(self, *exc_info: object) -> None:
        return None


class ToolSource(Options):
    """One entry of `tools`. To add a kind, override `listed` and `open`."""

    only: tuple[str, ...] = ()
    """Of its tools these alone; by default all."""
    timeout: float = Field(default=30.0, gt=0, lt=1e6, strict=True)
    """Seconds that one call may take; the model is told of one that took longer."""
    max_result_kib: int = Field(default=64, ge=1, le=16384, strict=True)
    """Kibibytes of what one call answers; the rest is cut off, and the model is told so."""
    at_once: int = Field(default=16, ge=1, le=1024, strict=True)
    """Calls that are answered at once; more wait, which is no part of their `timeout`."""

    @property
    def simulated_by(self) -> str:
        """The model that plays the tools; empty where they are real."""
        return ""

    def located(self, folder: Path) -> Self:
        """The same with relative paths starting from a folder."""
        return self

    def listed(self) -> list[dict[str, Any]]:
        """Its tools in OpenAI's form. Raises InputError."""
        raise NotImplementedError

    def open(self) -> Answers:
        """Who answers, not yet entered. Raises InputError."""
        raise NotImplementedError
