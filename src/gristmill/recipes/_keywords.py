"""What recipes share that can begin with keywords: a file of them, of which not all are good."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from gristmill.intake.places import located
from gristmill.recipes._ask import Ask
from gristmill.recipes._items import Item
from gristmill.recipes._lines import lines_of
from gristmill.recipes._topics import Topics, different


class _Judged(NamedTuple):
    """A keyword, and what the model says of it; None where it said neither yes nor no."""

    keyword: str
    fits: bool | None


class Keywords(Topics):
    """Topics, or keywords in their place, each asked about first: is it of this field at all?"""

    classifier: ClassVar[str] = ""
    """The template that asks so; it is told the `keyword`."""
    domain: ClassVar[str] = ""
    """The field in a word, for the report."""
    keyword_heads: ClassVar[bool] = False
    """Whether prompts are written on each keyword under every head."""

    keywords: list[str] | str | None = None
    """Terms to write on: a list, or a text file of them, one a line. They take the place of
    topics, unless `topics`, `own_topics` or `own_subtopics` are given too; then they come first."""
    classify: bool = True
    """Whether the model is asked of each keyword if it belongs to the field, and those of which it
    does not say yes are dropped and counted. Lists drawn from web pages need it."""
    topics: int | None = Field(default=None, ge=0)
    """Topics for the model to think of, under each level or language, beside your own; by default
    as many as the count needs, and none where there are keywords."""

    @field_validator("keywords")
    @classmethod
    def _no_blank_keyword(cls, given: list[str] | str | None) -> list[str] | str | None:
        if not isinstance(given, list):
            return given
        if not given:
            raise ValueError("the list is empty; name some keywords, or leave it out")
        return different(given, "keyword")

    @model_validator(mode="after")
    def _some_topic(self) -> Self:
        none = self.topics == 0 and not self.own_topics and not self.own_subtopics
        if none and self.keywords is None:
            raise ValueError("there are no topics: give own_topics or keywords, or no topics: 0")
        return self

    @property
    def first_steps(self) -> int:
        return super().first_steps + (len(self._terms()) if self.classify else 0)

    def located(self, folder: Path) -> Self:
        moved = super().located(folder)
        if isinstance(self.keywords, str):
            return moved.model_copy(update={"keywords": located(self.keywords, folder)})
        return moved

    def check(self) -> None:
        super().check()
        self._terms()

    def subjects(self, ask: Ask, per_subject: int) -> AsyncGenerator[Item]:
        """What prompts are written on: keywords, then subtopics. See `Topics.subjects`."""
        if self.keywords is None:
            return super().subjects(ask, per_subject)
        terms = self._terms()
        heads = len(self.heads()) if self.keyword_heads else 1
        judged = ask.each(terms, partial(self._judge, ask), per_subject * heads)
        kept = self._kept(ask, judged)
        if self.topics is None and not self.own_topics and not self.own_subtopics:
            return kept
        return _chained(kept, super().subjects(ask, per_subject))

    def _terms(self) -> list[str]:
        if self.keywords is None:
            return []
        if isinstance(self.keywords, list):
            return self.keywords
        return different(lines_of(Path(self.keywords)), "keyword")

    async def _judge(self, ask: Ask, keyword: str) -> list[_Judged]:
        if not self.classify:
            return [_Judged(keyword, True)]
        return [_Judged(keyword, await ask.yes_no("keyword", self.classifier, keyword=keyword))]

    async def _kept(self, ask: Ask, judged: AsyncGenerator[_Judged]) -> AsyncGenerator[Item]:
        """The keywords that fit. Counted here, where they come in order, and not as they are
        judged: how far that runs ahead is chance."""
        heads = (self.heads() if self.keyword_heads else []) or [None]
        async with aclosing(judged) as found:
            async for keyword, fits in found:
                if fits:
                    for head in heads:
                        yield Item("keyword", keyword, head, self._origin())
                elif not ask.turn:
                    reason = "keyword:unclear" if fits is None else f"keyword:not_{self.domain}"
                    ask.shared.report.dropped[reason] += 1

    def _origin(self) -> str:
        return Path(self.keywords).name if isinstance(self.keywords, str) else "own"


async def _chained(*parts: AsyncGenerator[Item]) -> AsyncGenerator[Item]:
    for part in parts:
        async with aclosing(part) as items:
            async for item in items:
                yield item
