"""Programming tasks in any of over 60 languages, for beginners to experts, from topics or keywords.

As Nemotron-4 340B's prompts were made (Nvidia 2024, arXiv:2406.11704, section 3.2.1), there for
Python alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, partial
from importlib.resources import files
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._keywords import Keywords
from gristmill.recipes._refine import Refining

Level = Literal["beginner", "intermediate", "advanced"]


@dataclass(frozen=True, slots=True)
class Programming:
    """A programming language: its key in configs and categories, and its name in prompts."""

    key: str
    name: str


class Coding(Keywords, Refining):
    """Tasks whose answer is a program, or part of one, in a programming language."""

    templates_used: ClassVar = {
        "is_programming": frozenset({"keyword"}),
        "topics": frozenset({"programming_language", "known"}),
        "subtopics": frozenset({"programming_language", "topic", "known"}),
        "tasks": frozenset({"programming_language", "level", "topic", "known"}),
        "refined": frozenset({"programming_language", "level", "topic", "draft"}),
    }
    head_stage: ClassVar[str] = "programming_language"
    classifier: ClassVar[str] = "is_programming"
    domain: ClassVar[str] = "programming"
    keyword_heads: ClassVar[bool] = True

    languages: list[str] = Field(default=["python"], min_length=1)
    """Programming languages (`language` is the natural one), each with topics of its own: one
    name, several, or `all` of the 66 known. `c#`, `csharp` and `C Sharp` are one."""
    levels: list[Level] = Field(default=["beginner", "intermediate", "advanced"], min_length=1)
    """For whom; there are tasks for each of them on every subtopic."""
    tasks: int = Field(default=2, ge=1, le=100)
    """Tasks on each subtopic or keyword, for each level."""

    @field_validator("languages", mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return given
        if [name.strip().casefold() for name in names] == ["all"]:
            return list(programming_languages())
        return list(dict.fromkeys(programming_language(name).key for name in names))

    @field_validator("levels")
    @classmethod
    def _once(cls, levels: list[Level]) -> list[Level]:
        return list(dict.fromkeys(levels))

    @property
    def steps(self) -> float:
        return self.refined_steps((1 + self.subject_steps / len(self.levels)) / self.tasks)

    def heads(self) -> list[Item]:
        return [Item(self.head_stage, programming_language(key).name) for key in self.languages]

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        width = self.tasks * self.variants
        subjects = self._by_level(self.subjects(ask, len(self.levels) * width))
        tasks = ask.each(subjects, partial(self._tasks, ask), width)
        return self.refined(ask, ask.unique(tasks, "task", again=True, per=self.head_stage))

    def told(self, draft: Item) -> dict[str, Any]:
        return _told(draft)

    def facts(self, item: Item) -> dict[str, Any]:
        return {"category": f"coding:{self.among(item)}", "level": _told(item)["level"]}

    def among(self, item: Item) -> str:
        # The same task in another language is another task.
        return programming_language(_told(item)[self.head_stage]).key

    async def _by_level(self, subjects: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
        async with aclosing(subjects) as found:
            async for subject in found:
                for level in self.levels:
                    yield Item("level", level, subject)

    async def _tasks(self, ask: Ask, level: Item) -> list[Item]:
        told = {**_told(level), "persona": ask.persona(level)}
        return await ask.items("task", "tasks", self.tasks, level, again=True, **told)


def _told(item: Item) -> dict[str, Any]:
    level, head = item.nearest("level"), item.nearest(Coding.head_stage)
    assert level is not None and level.parent is not None and head is not None
    return {Coding.head_stage: head.text, "level": level.text, "topic": level.parent.text}


@cache
def programming_languages() -> dict[str, Programming]:
    """Those known, by key, in the order of the table."""
    return {language.key: language for language, _ in _table()}


def programming_language(name: str) -> Programming:
    """The language of a name, in any case. Raises ValueError naming the nearest."""
    known = _names()
    found = known.get(_plain(name))
    if found:
        return found
    near = get_close_matches(_plain(name), known, n=1, cutoff=0.5)
    hint = f"did you mean '{known[near[0]].key}'?" if near else f"known: {', '.join(_keys())}"
    raise ValueError(f"unknown programming language '{name}'; {hint}")


def _keys() -> list[str]:
    return list(programming_languages())


@cache
def _names() -> dict[str, Programming]:
    found: dict[str, Programming] = {}
    for language, also in _table():
        for name in (language.key, language.name, *also):
            before = found.setdefault(_plain(name), language)
            assert before is language, f"{name} is both {before.name} and {language.name}"
    return found


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())


@cache
def _table() -> list[tuple[Programming, tuple[str, ...]]]:
    text = files("gristmill.recipes").joinpath("coding/languages.txt").read_text(encoding="utf-8")
    rows = []
    for line in text.splitlines():
        key, name, also = (part.strip() for part in line.split("|"))
        rows.append((Programming(key, name), tuple(a for a in also.split(", ") if a)))
    return rows
