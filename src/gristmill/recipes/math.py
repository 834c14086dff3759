"""Mathematics: topics of each school level, subtopics, problems, and problems for beginners.

From topics, or from keywords of which the model first says whether they are mathematics at all; as
Nemotron-4 340B's prompts were made (Nvidia 2024, arXiv:2406.11704, section 3.2.1).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._keywords import Keywords
from gristmill.recipes._refine import Refining
from gristmill.recipes._topics import different

LEVELS = (
    "elementary school", "middle school", "high school", "first-year university",
    "advanced undergraduate", "graduate school",
)  # fmt: skip

STAGES = {"problems": "problem", "beginner": "beginner_problem"}
"""The stage that a template's problems belong to."""


class Math(Keywords, Refining):
    """Problems of mathematics that have one answer, or ask for a proof."""

    templates_used: ClassVar = {
        "is_math": frozenset({"keyword"}),
        "topics": frozenset({"level", "known"}),
        "subtopics": frozenset({"level", "topic", "known"}),
        "problems": frozenset({"level", "topic", "known"}),
        "beginner": frozenset({"level", "topic", "known"}),
        "refined": frozenset({"level", "topic", "draft"}),
    }
    head_stage: ClassVar[str] = "level"
    classifier: ClassVar[str] = "is_math"
    domain: ClassVar[str] = "math"

    levels: list[str] = Field(default=list(LEVELS), min_length=1)
    """School levels; each has topics of its own. By default six, from elementary to graduate
    school. Keywords have none."""
    problems: int = Field(default=3, ge=0, le=100)
    """Problems on each subtopic or keyword."""
    beginner: int = Field(default=2, ge=0, le=100)
    """Problems on it for someone who is just beginning with it."""
    refinements: int = Field(default=0, ge=0, le=10)
    """Rewritings of each problem that become prompts; 0, as the rewriting of a sound problem may
    make it an unsound one."""

    @field_validator("levels")
    @classmethod
    def _no_blank_level(cls, levels: list[str]) -> list[str]:
        return different(levels, "level")

    @model_validator(mode="after")
    def _some_problem(self) -> Self:
        if not self.problems + self.beginner:
            raise ValueError("problems and beginner are both 0: nothing would be written")
        return self

    @property
    def steps(self) -> float:
        lists = bool(self.problems) + bool(self.beginner)
        return self.refined_steps((lists + self.subject_steps) / (self.problems + self.beginner))

    def heads(self) -> list[Item]:
        return [Item("level", level) for level in self.levels]

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        per_subject = (self.problems + self.beginner) * self.variants
        units = self._units(self.subjects(ask, per_subject))
        # The larger of the two: then no more is begun than is wanted.
        width = max(self.problems, self.beginner) * self.variants
        problems = ask.each(units, partial(self._problems, ask), width)
        for stage in STAGES.values():
            problems = ask.unique(problems, stage, again=True)
        return self.refined(ask, problems)

    def told(self, draft: Item) -> dict[str, Any]:
        assert draft.parent is not None
        return _told(draft.parent)

    def facts(self, item: Item) -> dict[str, Any]:
        level = item.nearest("level")
        return {"level": level.text if level else None}

    async def _units(self, subjects: AsyncGenerator[Item]) -> AsyncGenerator[tuple[Item, str, int]]:
        async with aclosing(subjects) as found:
            async for subject in found:
                for template, count in (("problems", self.problems), ("beginner", self.beginner)):
                    if count:
                        yield subject, template, count

    async def _problems(self, ask: Ask, unit: tuple[Item, str, int]) -> list[Item]:
        subject, template, count = unit
        told = {**_told(subject), "persona": ask.persona(subject)}
        return await ask.items(STAGES[template], template, count, subject, again=True, **told)


def _told(subject: Item) -> dict[str, Any]:
    level = subject.nearest("level")
    return {"topic": subject.text, "level": level.text if level else ""}
