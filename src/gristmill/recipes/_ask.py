"""How a recipe asks its model: for a list, a text, or yes or no; and what it makes of the reply."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from gristmill.lists.choices import parse_yes_no
from gristmill.lists.single import bare
from gristmill.recipes._calls import Shared
from gristmill.recipes._flow import each
from gristmill.recipes._items import Item
from gristmill.recipes._replies import (
    LIST_SCHEMA,
    TRIES,
    refuses,
    says,
    squeezed,
    whole_items,
)
from gristmill.recipes._report import Stage
from gristmill.recipes._request import Request
from gristmill.recipes._templates import shown_of
from gristmill.records import Message, Response

T = TypeVar("T")

AHEAD = 4
"""Items that a stage runs ahead, for each call in flight."""


@dataclass(frozen=True)
class Ask:
    """The model of a recipe, in the `turn`-th time that it begins from its first stage.

    A call that fails is counted and gives nothing; it is never an item. Raises BackendFatal, and
    RunError where nothing but failures comes back.

    depth: how many recipes take their seeds from this one, through each other. scale: prompts that
    one of its own becomes there.
    """

    shared: Shared
    turn: int = 0
    depth: int = 0
    scale: float = 1.0

    def each(
        self,
        source: AsyncGenerator[Any] | Iterable[Any],
        work: Callable[[Any], Awaitable[Sequence[Any]]],
        width: float = 1.0,
    ) -> AsyncGenerator[Any]:
        """What `work` makes of each item, in order, several at once; see `_flow.each`.

        width: prompts that one item will become in the end.
        """
        ahead = AHEAD * self.shared.concurrency
        pace = self.shared.wanted.stage(ahead, width * self.scale, self.depth)
        return each(source, work, pace)

    async def unique(
        self, items: AsyncGenerator[Item], stage: str, *, again: bool = False, per: str = ""
    ) -> AsyncGenerator[Item]:
        """The items, without those of a stage that came before: in this turn, or, for a stage that
        is asked again in each turn, in any.

        per: a stage before; under another item of that, the same text is another item.
        """
        seen = self.shared.seen.setdefault((stage, 0 if again else self.turn), set())
        async with aclosing(items) as found:
            async for item in found:
                if item.stage == stage:
                    # Not before there is one: the report has the stages in the order of the work.
                    counts = self.shared.report.stage(stage)
                    under = item.nearest(per)
                    key = (under.id if under else "", squeezed(item.text))
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
        shown: Iterable[str] = (),
        **values: Any,
    ) -> list[Item]:
        """Up to `count` different items of a stage, from as few calls as it takes.

        A reply with fewer is kept, and asked again only for what is missing. again: each turn asks
        for others; else every turn gets the same. shown: what the request shows, and no item is.
        The template is told what is `known`.
        """
        counts = self.shared.report.stage(stage)
        turn = self.turn if again else 0
        known = self._known(stage, parent) if turn else []
        before = frozenset(map(squeezed, (*known, *shown)))
        asked = request = self.request(template, count=count, known=known, **values)
        have = dict[str, str]()
        for attempt in range(TRIES):
            index = turn * TRIES + attempt
            found = await self.listed(request, counts, index, before | have.keys())
            have |= found or {}
            if found is None or len(have) >= count or (attempt and not found):
                break
            if have:
                more = self.request("_more", count=count - len(have))
                request = replace(more, after=asked, said=_numbered(have.values()))
        texts, who = list(have.values())[:count], values.get("persona", "")
        counts.missing += count - len(texts)
        return [self.made(Item(stage, text, parent, persona=who)) for text in texts]

    def made(self, item: Item) -> Item:
        """An item that is noted as made."""
        self.shared.made(item)
        return item

    def _known(self, stage: str, parent: Item | None) -> list[str]:
        """What earlier turns made of a parent, so that it is not made again."""
        known = self.shared.known.get((stage, parent.id if parent else ""), [])
        return shown_of(known, self.shared.sampling.max_tokens)

    async def listed(
        self, request: Request, counts: Stage, index: int, before: Collection[str]
    ) -> dict[str, str] | None:
        """The items of the `index`-th reply, each by what makes it another one (`squeezed`); None
        where the call failed.

        Every list of a recipe is read here. What repeats the request, an item `before`, or one of
        the same reply is counted and is no item.
        """
        reply = await self.shared.call(request.messages, counts, index, LIST_SCHEMA)
        if reply is None:
            return None
        items, found = whole_items(reply), dict[str, str]()
        counts.unusable += not items
        for text in items:
            if (key := squeezed(text)) in before or key in found:
                counts.repeated += 1
            elif request.echoed(text) or request.gave(text):
                counts.echoed += 1
            else:
                found[key] = text
        return found

    async def text(
        self, stage: str, template: str, *, variant: int = 0, **values: Any
    ) -> str | None:
        """One text, without preface and wrapping; None where the model gave none. Another variant
        is another sample of the same question."""
        request = self.request(template, **values)
        return await self._said(stage, request.messages, variant, request)

    async def answer(
        self, stage: str, messages: tuple[Message, ...], tools: str = ""
    ) -> str | None:
        """The answer to a conversation, as it was said; None where there was none, or a call of
        the tools, which nobody would answer here. tools: as `Prompt.tools`."""
        return await self._said(stage, messages, 0, None, tools)

    async def _said(
        self,
        stage: str,
        messages: tuple[Message, ...],
        variant: int,
        asked: Request | None,
        tools: str = "",
    ) -> str | None:
        """A reply that was not cut off: half a question is no question. asked: what it is to be
        one text for; neither a refusal nor the request is one."""
        counts = self.shared.report.stage(stage)
        for attempt in range(TRIES):
            index = variant * TRIES + attempt
            reply = await self.shared.call(messages, counts, index, tools=tools)
            if reply is None:
                return None
            text = bare(reply.text) if asked else reply.text.strip()
            useless = asked and (refuses(text) or not says(text))
            if not text or reply.tool_calls or reply.finish_reason == "length" or useless:
                counts.unusable += 1
            elif asked and asked.echoed(text):
                counts.echoed += 1
            else:
                counts.items += 1
                return text
        return None

    async def yes_no(self, stage: str, template: str, **values: Any) -> bool | None:
        """A verdict; None where the model gave none in all its tries."""
        return await self.read(stage, template, lambda reply: parse_yes_no(reply.text), **values)

    async def read(
        self, stage: str, template: str, reader: Callable[[Response], T | None], **values: Any
    ) -> T | None:
        """What a reader makes of the reply; None where it makes nothing of any of the tries."""
        counts = self.shared.report.stage(stage)
        messages = (Message("user", self.render(template, **values)),)
        for attempt in range(TRIES):
            reply = await self.shared.call(messages, counts, attempt)
            if reply is None:
                return None
            if (found := reader(reply)) is not None:
                return found
            counts.unusable += 1
        return None

    def persona(self, item: Item) -> str:
        """Whom the prompts of an item come from: the same each time, all in equal shares."""
        people = self.shared.personas
        return people[int(item.id.rpartition(":")[2], 16) % len(people)] if people else ""

    def render(
        self,
        template: str,
        *,
        persona: str = "",
        count: int = 1,
        marked: bool = False,
        **values: Any,
    ) -> str:
        """A template with its values and those that all templates may use. marked: see
        `Templates.marked`."""
        templates = self.shared.templates
        fill = templates.marked if marked else templates.text
        language = self.shared.language
        return fill(template, language=language, persona=persona, count=count, **values)

    def request(self, template: str, **values: Any) -> Request:
        """A template as `render` fills it in, to be asked."""
        marked = partial(self.render, template, marked=True, **values)
        return Request(self.render(template, **values), marked)


def _numbered(items: Iterable[str]) -> str:
    """A list as it should have been, without remarks and thoughts."""
    return "\n".join(f"{number}. {text}" for number, text in enumerate(items, 1))
