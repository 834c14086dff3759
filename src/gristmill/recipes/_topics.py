"""What recipes share that begin with topics: the model's, the user's own, and subtopics of each."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from gristmill.recipes._ask import Ask
from gristmill.recipes._growing import Growing
from gristmill.recipes._items import Item
from gristmill.recipes._replies import squeezed
from gristmill.recipes.base import Recipe

LONGEST = 20
"""Topics asked for in one list, whatever the count: so that the first prompts of a larger job are
those of a smaller one, and it goes on where that ended. Longer lists repeat themselves."""


def different(texts: list[str], what: str) -> list[str]:
    """A config's list without repeated entries, the first ones kept. Raises ValueError where one is
    blank."""
    found: dict[str, str] = {}
    for place, text in enumerate(texts, 1):
        if not text.strip():
            raise ValueError(f"{what} {place} is empty; write it, or take it out")
        found.setdefault(squeezed(text), text.strip())
    return list(found.values())


class Topics(Recipe):
    """Topics and subtopics. Their templates are the recipe's `topics` and `subtopics`."""

    head_stage: ClassVar[str] = ""
    """The stage of `heads`; a variable of that name tells the two templates which one it is."""

    topics: int | None = Field(default=None, ge=0)
    """Topics for the model to think of, beside your own; by default as many as the count needs.
    With 0, your own take their place."""
    own_topics: list[str] = Field(default_factory=list)
    """Topics of your own; they come first."""
    subtopics: int = Field(default=5, ge=0, le=100)
    """Subtopics of each topic; with 0 the prompts are on the topics themselves."""
    own_subtopics: dict[str, list[str]] = Field(default_factory=dict)
    """Subtopics of your own, by topic; they come first, and the topics need not stand elsewhere."""
    combine: bool = False
    """Whether prompts are also written on the topics themselves, and not on subtopics alone."""

    @field_validator("own_topics")
    @classmethod
    def _no_blank_one(cls, topics: list[str]) -> list[str]:
        return different(topics, "topic")

    @model_validator(mode="after")
    def _some_topic(self) -> Self:
        if self.topics == 0 and not self.own_topics and not self.own_subtopics:
            raise ValueError("there are no topics: give own_topics, or let the model name some")
        return self

    @property
    def width(self) -> int:
        """Subjects that one topic becomes."""
        return self.subtopics + self.combine or 1

    @property
    def subject_steps(self) -> float:
        """Calls that one subject takes."""
        lists = 1 / LONGEST + (self.subtopics > 0)
        return lists / self.width

    @property
    def first_steps(self) -> int:
        return super().first_steps + len(self.heads())

    def heads(self) -> list[Item]:
        """What topics are asked for under, each with a list of its own: none, by default."""
        return []

    def subjects(self, ask: Ask, per_subject: int) -> AsyncGenerator[Item]:
        """What prompts are written on: subtopics, or topics, in the order of the topics.

        per_subject: prompts that each will become.
        """
        width = per_subject * self.width
        lists = ask.each(self.heads() or [None], partial(self._begun, ask), width)
        topics = ask.unique(_in_turn(lists), "topic", per=self.head_stage)
        found = ask.each(topics, partial(self._subtopics, ask), width)
        return ask.unique(found, "subtopic", per=self.head_stage)

    async def _begun(self, ask: Ask, head: Item | None) -> list[_Supply]:
        """The topics under one head, the first of them there."""
        supply = _Supply(self.topics)
        for topic in dict.fromkeys([*self.own_topics, *self.own_subtopics]):
            supply.ready.append(Item("topic", topic, head, note="own"))
        told = self._told(head)
        supply.more = Growing(ask, "topic", "topics", supply.batch, head, told)
        await supply.fill()
        return [supply]

    def _told(self, item: Item | None) -> dict[str, Any]:
        """What templates are told of an item's head."""
        head = item.nearest(self.head_stage) if item else None
        return {head.stage: head.text} if head else {}

    async def _subtopics(self, ask: Ask, topic: Item) -> list[Item]:
        own = [Item("subtopic", t, topic, "own") for t in self.own_subtopics.get(topic.text, ())]
        alone = [topic] if self.combine or not (self.subtopics or own) else []
        left = self.subtopics - len(own)
        if left <= 0:
            return [*alone, *own]
        told: dict[str, Any] = {"topic": topic.text, **self._told(topic)}
        found = await ask.items(*("subtopic", "subtopics", left, topic), **told)
        return [*alone, *own, *found]


@dataclass
class _Supply:
    """Topics under one head. left: how many the model may still name; None is without end."""

    left: int | None
    ready: deque[Item] = field(default_factory=deque)
    more: Growing | None = None

    def batch(self) -> int:
        return LONGEST if self.left is None else min(LONGEST, self.left)

    async def fill(self) -> None:
        """Have one ready, if there is one."""
        if self.ready or self.more is None or self.left == 0:
            return
        topic = await self.more.next()
        if topic is None:
            self.more = None
            return
        self.ready.append(topic)
        if self.left is not None:
            self.left -= 1

    async def next(self) -> Item | None:
        await self.fill()
        return self.ready.popleft() if self.ready else None


async def _in_turn(lists: AsyncGenerator[_Supply]) -> AsyncGenerator[Item]:
    """A topic of each head, then a second of each, and so on: few prompts touch many heads."""
    supplies: list[_Supply] = []
    async with aclosing(lists) as begun:
        async for supply in begun:
            supplies.append(supply)
            if (topic := await supply.next()) is not None:
                yield topic
    while supplies:
        for supply in list(supplies):
            if (topic := await supply.next()) is not None:
                yield topic
            else:
                supplies.remove(supply)
