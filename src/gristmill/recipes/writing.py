"""Writing tasks: topics, kinds of text for each, tasks on each pair, and each task refined.

As Nemotron-4 340B's prompts were made (Nvidia 2024, arXiv:2406.11704, section 3.2.1).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from random import Random
from typing import Any, ClassVar

from pydantic import Field, field_validator

from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._refine import Refining
from gristmill.recipes._topics import Topics, different

KINDS = (
    "advertisement", "apology", "biography", "blog post", "book review", "cover letter",
    "dialogue", "diary entry", "email", "essay", "fable", "FAQ", "film scene", "instructions",
    "invitation", "job description", "letter of complaint", "limerick", "meeting notes",
    "news report", "obituary", "opinion piece", "podcast script", "poem", "press release",
    "product description", "recipe", "report", "short story", "slogan", "social media post",
    "song lyrics", "speech", "summary for children", "travel guide", "wedding toast",
)  # fmt: skip


class Writing(Topics, Refining):
    """Tasks to write something: a speech, a letter, a poem about the topic."""

    templates_used: ClassVar = {
        "topics": frozenset({"known"}),
        "subtopics": frozenset({"topic", "known"}),
        "tasks": frozenset({"topic", "kind", "known"}),
        "refined": frozenset({"topic", "kind", "draft"}),
    }

    subtopics: int = Field(default=0, ge=0, le=100)
    """Subtopics of each topic; by default tasks are on the topics themselves, which leaves the
    writer more room."""
    kinds: list[str] = Field(default=list(KINDS), min_length=1)
    """Kinds of text, by their English names; 36 by default, from advertisement to wedding toast."""
    kinds_each: int = Field(default=4, ge=1)
    """Kinds for each topic, drawn in turn so that all come up equally often; as many as there are
    kinds combines every topic with every kind."""
    tasks: int = Field(default=1, ge=1, le=100)
    """Tasks on each topic and kind."""

    @field_validator("kinds")
    @classmethod
    def _no_blank_kind(cls, kinds: list[str]) -> list[str]:
        return different(kinds, "kind")

    @property
    def steps(self) -> float:
        each = min(self.kinds_each, len(self.kinds))
        return self.refined_steps((1 + self.subject_steps / each) / self.tasks)

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        each = min(self.kinds_each, len(self.kinds))
        subjects = self.subjects(ask, each * self.tasks * self.variants)
        pairs = self._with_kinds(ask, subjects, each)
        tasks = ask.each(pairs, partial(self._tasks, ask), self.tasks * self.variants)
        return self.refined(ask, ask.unique(tasks, "task", again=True))

    def told(self, draft: Item) -> dict[str, Any]:
        return _pair(draft)

    def facts(self, item: Item) -> dict[str, Any]:
        return {"kind": _pair(item)["kind"]}

    async def _with_kinds(
        self, ask: Ask, subjects: AsyncGenerator[Item], each: int
    ) -> AsyncGenerator[Item]:
        # Shuffled, so that neighbours in the list do not always come together.
        kinds = Random(self.seed).sample(self.kinds, len(self.kinds))
        place = ask.turn * each
        async with aclosing(subjects) as found:
            async for subject in found:
                for step in range(each):
                    yield Item("kind", kinds[(place + step) % len(kinds)], subject)
                place += each

    async def _tasks(self, ask: Ask, pair: Item) -> list[Item]:
        told = {**_pair(pair), "persona": ask.persona(pair)}
        return await ask.items("task", "tasks", self.tasks, pair, again=True, **told)


def _pair(item: Item) -> dict[str, Any]:
    """Topic and kind of an item."""
    kind = item.nearest("kind")
    assert kind is not None and kind.parent is not None
    return {"topic": kind.parent.text, "kind": kind.text}
