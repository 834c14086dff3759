"""What recipes share that begin with topics: the model's, the user's own, and subtopics of each."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from gristmill.recipes._ask import Ask, squeezed
from gristmill.recipes._items import Item
from gristmill.recipes.base import Recipe

LONGEST = 20
"""Topics asked for in one list, whatever the count: so that the first prompts of a larger job are
those of a smaller one, and it goes on where that ended. Longer lists repeat themselves."""


class Topics(Recipe):
    """Topics and subtopics. Their templates are the recipe's `topics` and `subtopics`."""

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
        for place, topic in enumerate(topics):
            if not topic.strip():
                raise ValueError(f"topic {place + 1} is empty; write it, or take it out")
        return list({squeezed(t): t.strip() for t in reversed(topics)}.values())[::-1]

    @model_validator(mode="after")
    def _some_topic(self) -> Self:
        if self.topics == 0 and not self.own_topics and not self.own_subtopics:
            raise ValueError("there are no topics: give own_topics, or let the model name some")
        return self

    @property
    def width(self) -> int:
        """Subjects that one topic becomes."""
        return self.subtopics + self.combine or 1

    def subjects(self, ask: Ask, per_subject: int, **values: Any) -> AsyncGenerator[Item]:
        """What prompts are written on: subtopics, or topics, in the order of the topics.

        per_subject: prompts that each will become. values: for the templates.
        """
        topics = self._topics(ask, values)
        found = ask.each(
            ask.unique(topics, "topic"),
            partial(self._subtopics, ask, values),
            per_subject * self.width,
        )
        return ask.unique(found, "subtopic")

    async def _topics(self, ask: Ask, values: dict[str, Any]) -> AsyncGenerator[Item]:
        for topic in dict.fromkeys([*self.own_topics, *self.own_subtopics]):
            yield Item("topic", topic, note="own")
        left = self.topics
        if left == 0:
            return

        def batch() -> int:
            return LONGEST if left is None else min(LONGEST, left)

        async for topic in ask.endless("topic", "topics", batch, **values):
            yield topic
            if left is not None:
                left -= 1
                if not left:
                    return

    async def _subtopics(self, ask: Ask, values: dict[str, Any], topic: Item) -> list[Item]:
        own = [Item("subtopic", t, topic, "own") for t in self.own_subtopics.get(topic.text, ())]
        alone = [topic] if self.combine or not (self.subtopics or own) else []
        left = self.subtopics - len(own)
        if left <= 0:
            return [*alone, *own]
        found = await ask.items(*("subtopic", "subtopics", left, topic), topic=topic.text, **values)
        return [*alone, *own, *found]
