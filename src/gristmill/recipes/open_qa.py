"""Open questions: topics, subtopics of each, questions on each, and each question refined.

As Nemotron-4 340B's prompts were made (Nvidia 2024, arXiv:2406.11704, section 3.2.1).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from typing import ClassVar

from pydantic import Field

from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._refine import Refining
from gristmill.recipes._topics import Topics


class OpenQa(Topics, Refining):
    """Questions that need no document: an explanation, a comparison, advice, a plan."""

    templates_used: ClassVar = {
        "topics": frozenset({"known"}),
        "subtopics": frozenset({"topic", "known"}),
        "questions": frozenset({"topic", "known"}),
        "refined": frozenset({"topic", "draft"}),
    }

    questions: int = Field(default=5, ge=1, le=100)
    """Questions on each subtopic."""

    @property
    def steps(self) -> float:
        return self.refined_steps((1 + self.subject_steps) / self.questions)

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        subjects = self.subjects(ask, self.questions * self.variants)
        questions = ask.each(
            subjects, partial(self._questions, ask), self.questions * self.variants
        )
        return self.refined(ask, ask.unique(questions, "question", again=True))

    async def _questions(self, ask: Ask, subject: Item) -> list[Item]:
        return await ask.items(
            *("question", "questions", self.questions, subject),
            again=True,
            topic=subject.text,
            persona=ask.persona(subject),
        )
