"""The calls of one recipe: counted, held to what may be expected, ended when nothing comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from gristmill.backends import ChatBackend
from gristmill.backends.many import HOPELESS, PATIENCE
from gristmill.errors import BackendError, GristmillError, RunError
from gristmill.page.text import plural
from gristmill.recipes._flow import Wanted
from gristmill.recipes._items import Item
from gristmill.recipes._report import Report, Stage
from gristmill.recipes._templates import Templates
from gristmill.records import Message, Prompt, Response, Sampling, prompt_id

DROUGHT = 1000
"""Answered calls without one new prompt, after which no more is expected of a model."""

RUNNING = 64
"""Calls more, for each in flight: so many may run ahead of a prompt that is waited for, since a
recipe has up to five stages, each `AHEAD` ahead, and a call up to three tries."""


class Ended(GristmillError):
    """No further call may be made. The engine ends the recipe with what it has."""


@dataclass
class Shared:
    """What all turns of one recipe share.

    schema: whether the server can be held to one. room: for calls in flight, shared with a recipe
    that this one takes its seeds from. accepted: what was delivered, in order. seeds: what that
    other recipe's turns share, and what its prompts must pass.
    """

    chat: ChatBackend
    templates: Templates
    sampling: Sampling
    report: Report
    wanted: Wanted
    concurrency: int
    language: str
    personas: tuple[str, ...]
    schema: bool
    made: Callable[[Item], None]
    room: asyncio.Semaphore
    seen: dict[tuple[str, int], set[tuple[str, str]]] = field(default_factory=dict)
    known: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    seeds: tuple[Shared, Any] | None = None
    failed_in_row: int = 0

    async def call(
        self,
        messages: tuple[Message, ...],
        counts: Stage,
        index: int,
        schema: dict[str, Any] | None = None,
        tools: str = "",
    ) -> Response | None:
        """The `index`-th reply to messages, counted; None where the call failed. schema: of the
        reply, where the server can be held to one. tools: that it may call, as `Prompt.tools`.
        Raises as `Ask` says."""
        prompt = Prompt(prompt_id(messages, tools), messages, tools=tools)
        self._expect_something()
        try:
            reply = await self._sampled(prompt, index, schema)
        except BackendError as error:
            if error.kind == "budget":
                raise Ended(f"budget: {error}") from None
            counts.failed[error.kind] += 1
            self.report.said = self.report.said or str(error)
            self._note_failure(error)
            return None
        self.failed_in_row = 0
        self.wanted.quiet += 1
        counts.calls += 1
        counts.prompt_tokens += reply.prompt_tokens
        counts.completion_tokens += reply.completion_tokens
        return reply

    def _expect_something(self) -> None:
        """Raises Ended where the model has said nothing new for too long, as one may that names new
        topics for ever, and writes the same on each; and where all calls are made that may be."""
        wanted = self.wanted
        quiet = wanted.quiet
        if quiet >= DROUGHT + RUNNING * self.concurrency:
            raise Ended(f"the model brought nothing new in the last {plural(quiet, 'call')}")
        if wanted.calls_left is not None:
            if wanted.calls_left <= 0:
                calls = self.report.calls
                raise Ended(f"all calls are made that `patience` allows, {calls:,} were answered")
            wanted.calls_left -= 1

    async def _sampled(self, prompt: Prompt, index: int, schema: dict[str, Any] | None) -> Response:
        async with self.room:
            held = schema is not None and self.schema
            sampling = replace(self.sampling, schema=schema) if held else self.sampling
            return await self.chat.sample(prompt, index, sampling)

    def _note_failure(self, error: BackendError) -> None:
        self.failed_in_row += error.kind not in HOPELESS
        if self.failed_in_row >= PATIENCE:
            raise RunError(
                f"{self.chat.model}: {PATIENCE} calls in a row failed, the last with "
                f"{error.kind}: {error}; put it right and run again: what was answered is kept"
            )
