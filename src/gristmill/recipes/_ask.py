"""How a recipe asks its model: for a list, a text, or yes or no; and what it makes of the reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import count as count_up
from typing import Any

from gristmill.backends import ChatBackend
from gristmill.backends.many import HOPELESS, PATIENCE
from gristmill.errors import BackendError, GristmillError, RunError
from gristmill.lists import bare, parse_list, parse_yes_no, strip_thought
from gristmill.recipes._flow import Wanted, each
from gristmill.recipes._items import Item
from gristmill.recipes._report import Report, Stage
from gristmill.recipes._templates import Templates
from gristmill.records import Message, Prompt, Response, Sampling, prompt_id

TRIES = 3
"""Calls for one list or text, before what is missing is given up."""

AHEAD = 4
"""Items that a stage runs ahead, for each call in flight."""

MOST_KNOWN = 200
"""Items of earlier turns that a model is told not to repeat; more would fill its context."""

LIST_SCHEMA = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"type": "string"}}},
    "required": ["items"],
    "additionalProperties": False,
}


class OutOfBudget(GristmillError):
    """The budget allows no further call. The engine ends the recipe with what it has."""


@dataclass
class Shared:
    """What all turns of one recipe share. schema: whether the server can be held to one."""

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
    room: asyncio.Semaphore = field(init=False)
    seen: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    known: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    failed_in_row: int = 0

    def __post_init__(self) -> None:
        self.room = asyncio.Semaphore(self.concurrency)


@dataclass(frozen=True)
class Ask:
    """The model of a recipe, in the `turn`-th time that it begins from its first stage.

    A call that fails is counted and gives nothing; it is never an item. Raises BackendFatal, and
    RunError where nothing but failures comes back.
    """

    shared: Shared
    turn: int = 0

    @property
    def wanted(self) -> int:
        """Prompts that are still wanted."""
        return self.shared.wanted.left

    def each(
        self,
        source: AsyncGenerator[Any] | Iterable[Any],
        work: Callable[[Any], Awaitable[Sequence[Any]]],
        width: float = 1.0,
    ) -> AsyncGenerator[Any]:
        """What `work` makes of each item, in order, several at once; see `_flow.each`.

        width: prompts that one item will become in the end.
        """
        pace = self.shared.wanted.stage(AHEAD * self.shared.concurrency, width)
        return each(source, work, pace)

    async def unique(
        self, items: AsyncGenerator[Item], stage: str, *, again: bool = False
    ) -> AsyncGenerator[Item]:
        """The items, without those of a stage that came before: in this turn, or, for a stage that
        is asked again in each turn, in any."""
        seen = self.shared.seen.setdefault((stage, 0 if again else self.turn), set())
        counts = self.shared.report.stage(stage)
        async with aclosing(items) as found:
            async for item in found:
                if item.stage == stage:
                    key = squeezed(item.text)
                    if key in seen:
                        counts.repeated += 1
                        continue
                    seen.add(key)
                    counts.items += again or not self.turn
                    before = item.parent.id if item.parent else ""
                    self.shared.known.setdefault((stage, before), []).append(item.text)
                yield item

    async def items(
        self,
        stage: str,
        template: str,
        count: int,
        parent: Item | None = None,
        *,
        again: bool = False,
        **values: Any,
    ) -> list[Item]:
        """Up to `count` different items of a stage, from as few calls as it takes.

        A reply with fewer is kept, and asked again only for what is missing. again: each turn asks
        for others; else every turn gets the same. The template is told what is `known`.
        """
        counts = self.shared.report.stage(stage)
        turn = self.turn if again else 0
        known = self._known(stage, parent) if turn else []
        asked = (Message("user", self.render(template, count=count, known=known, **values)),)
        messages, have = asked, dict[str, str]()
        for attempt in range(TRIES):
            reply = await self._call(messages, counts, turn * TRIES + attempt, LIST_SCHEMA)
            if reply is None:
                break
            found = whole_items(reply)
            counts.unusable += not found
            before = len(have)
            for text in found:
                have.setdefault(squeezed(text), text)
            if len(have) >= count or (attempt and len(have) == before):
                break
            messages = asked if not found else (*asked, *self._more(reply, count - len(have)))
        texts = list(have.values())[:count]
        counts.missing += count - len(texts)
        return [self._made(Item(stage, text, parent)) for text in texts]

    async def endless(
        self, stage: str, template: str, batch: Callable[[], int], **values: Any
    ) -> AsyncGenerator[Item]:
        """Items of a first stage, list after list, until the model gives nothing new.

        batch: how many the next list is to have. The template is told what is `known`, the last
        `MOST_KNOWN` of it.
        """
        counts = self.shared.report.stage(stage)
        have: dict[str, str] = {}
        dry = 0
        for attempt in count_up():
            known = list(have.values())[-MOST_KNOWN:]
            text = self.render(template, count=batch(), known=known, **values)
            reply = await self._call((Message("user", text),), counts, attempt, LIST_SCHEMA)
            found = whole_items(reply) if reply else ()
            counts.unusable += reply is not None and not found
            fresh = {k: t for t in found if (k := squeezed(t)) not in have}
            dry = 0 if fresh else dry + 1
            if dry == TRIES:
                return
            have |= fresh
            for text in fresh.values():
                yield self._made(Item(stage, text))

    def _made(self, item: Item) -> Item:
        self.shared.made(item)
        return item

    def _known(self, stage: str, parent: Item | None) -> list[str]:
        """What earlier turns made of a parent, so that it is not made again."""
        return self.shared.known.get((stage, parent.id if parent else ""), [])[-MOST_KNOWN:]

    def _more(self, reply: Response, missing: int) -> tuple[Message, Message]:
        more = self.render("_more", count=missing)
        return Message("assistant", reply.text), Message("user", more)

    async def text(
        self, stage: str, template: str, *, variant: int = 0, **values: Any
    ) -> str | None:
        """One text, without preface and wrapping; None where the model gave none. Another variant
        is another sample of the same question."""
        messages = (Message("user", self.render(template, **values)),)
        return await self.reply(stage, messages, variant=variant)

    async def reply(
        self, stage: str, messages: tuple[Message, ...], *, variant: int = 0, plain: bool = False
    ) -> str | None:
        """The answer to messages as one text. plain: as it was said, but for its thoughts.

        An answer that was cut off is none: half a question is no question.
        """
        counts = self.shared.report.stage(stage)
        for attempt in range(TRIES):
            reply = await self._call(messages, counts, variant * TRIES + attempt)
            if reply is None:
                return None
            text = strip_thought(reply.text).strip() if plain else bare(reply.text)
            if text and reply.finish_reason != "length":
                counts.items += 1
                return text
            counts.unusable += 1
        return None

    async def yes_no(self, stage: str, template: str, **values: Any) -> bool | None:
        """A verdict; None where the model gave none in all its tries."""
        counts = self.shared.report.stage(stage)
        messages = (Message("user", self.render(template, **values)),)
        for attempt in range(TRIES):
            reply = await self._call(messages, counts, attempt)
            if reply is None:
                return None
            if (verdict := parse_yes_no(reply.text)) is not None:
                return verdict
            counts.unusable += 1
        return None

    def persona(self, item: Item) -> str:
        """Whom the prompts of an item come from: the same each time, all in equal shares."""
        people = self.shared.personas
        return people[int(item.id.rpartition(":")[2], 16) % len(people)] if people else ""

    def render(self, template: str, *, persona: str = "", count: int = 1, **values: Any) -> str:
        """A template with its values and those that all templates may use."""
        return self.shared.templates.text(
            template, language=self.shared.language, persona=persona, count=count, **values
        )

    async def _call(
        self,
        messages: tuple[Message, ...],
        counts: Stage,
        index: int,
        schema: dict[str, Any] | None = None,
    ) -> Response | None:
        prompt = Prompt(prompt_id(messages), messages)
        try:
            reply = await self._sampled(prompt, index, schema)
        except BackendError as error:
            if error.kind == "budget":
                raise OutOfBudget(str(error)) from None
            counts.failed[error.kind] += 1
            self._note_failure(error)
            return None
        self.shared.failed_in_row = 0
        counts.calls += 1
        counts.prompt_tokens += reply.prompt_tokens
        counts.completion_tokens += reply.completion_tokens
        return reply

    async def _sampled(self, prompt: Prompt, index: int, schema: dict[str, Any] | None) -> Response:
        shared = self.shared
        async with shared.room:
            if schema is not None and shared.schema:
                structured = replace(shared.sampling, schema=schema)
                try:
                    return await shared.chat.sample(prompt, index, structured)
                except BackendError as error:
                    if error.kind != "bad_request":
                        raise
                reply = await shared.chat.sample(prompt, index, shared.sampling)
                # The same without a schema was answered: it is the schema that was refused.
                shared.schema = False
                return reply
            return await shared.chat.sample(prompt, index, shared.sampling)

    def _note_failure(self, error: BackendError) -> None:
        self.shared.failed_in_row += error.kind not in HOPELESS
        if self.shared.failed_in_row >= PATIENCE:
            raise RunError(
                f"{self.shared.chat.model}: {PATIENCE} calls in a row failed, the last with "
                f"{error.kind}: {error}; put it right and run again: what was answered is kept"
            )


def squeezed(text: str) -> str:
    """What counts as the same item: case and white space aside, and a full stop at its end."""
    return " ".join(text.casefold().split()).rstrip(".")


def whole_items(reply: Response) -> tuple[str, ...]:
    """The items of a reply. Of one that was cut off, the last is left out: it may be half."""
    found = parse_list(reply.text)
    return found[:-1] if reply.finish_reason == "length" else found
