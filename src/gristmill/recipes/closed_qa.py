"""Instructions on the user's documents: each prompt holds a text and what is to be done with it.

As Nemotron-4 340B's closed questions were made (Nvidia 2024, arXiv:2406.11704, section 3.2.1).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from functools import cached_property, partial
from random import Random
from typing import Any, ClassVar, NamedTuple

from pydantic import Field, field_validator

from gristmill.backends.use import Asked, tokens_in
from gristmill.recipes._ask import Ask
from gristmill.recipes._chunks import chunks
from gristmill.recipes._documents import Documents
from gristmill.recipes._items import Draft, Item
from gristmill.recipes._topics import different
from gristmill.recipes.base import Recipe
from gristmill.records import Message
from gristmill.similarity.novelty import Novelty

KINDS = (
    "a question about a fact in the text",
    "a question that needs two or more places of the text to be answered",
    "a question about why or how something is as the text says",
    "a summary, with a length or a reader named",
    "an extraction of certain details, with a form named for them",
    "a rewriting of the text or of a part of it, with a style or reader named",
    "a classification of something in the text, with the classes named",
    "a statement, of which is to be said whether it is true or false by the text",
)

JOINS = tuple(f"join_{number}" for number in range(1, 9))
"""Templates that make one prompt of a document and an instruction."""


class Part(NamedTuple):
    """A part of a document, and the document's title."""

    item: Item
    title: str


class ClosedQa(Recipe):
    """Questions and tasks whose answer is in a document of yours, which the prompt holds."""

    templates_used: ClassVar = {
        "instructions": frozenset({"document", "title", "kinds", "known"}),
        **{name: frozenset({"document", "title", "instruction"}) for name in JOINS},
    }
    paths: ClassVar = ("documents",)

    documents: list[str] = Field(min_length=1)
    """Files, folders or patterns (`docs/**/*.md`): .txt and .md are one document each, .jsonl,
    .json, .parquet and .csv have one in each row. Of folders all such files are taken, at any
    depth. Must be UTF-8."""
    column: str = "text"
    """The column of the text, in files of rows; a column `title` is used, too, where there is
    one."""
    chunk: int = Field(default=6000, ge=200)
    """Longest part of a document in one prompt, in characters; longer documents are cut at the ends
    of paragraphs. 6,000 are 1,500 tokens of English and 2,000 to 2,500 of most languages in Latin
    script: with the instruction and an answer of 1,024 they fit 4,096 tokens of context. Take
    2,000 for Chinese, Japanese or Thai."""
    instructions: int = Field(default=3, ge=1, le=100)
    """Instructions for each part of a document."""
    kinds: list[str] = Field(default=list(KINDS), min_length=1)
    """What the instructions ask for, as English phrases; each part gets as many of them as it has
    instructions, in turn. By default eight, from facts to true or false."""

    @field_validator("documents", mode="before")
    @classmethod
    def _one_is_a_list(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @field_validator("documents")
    @classmethod
    def _no_blank_place(cls, given: list[str]) -> list[str]:
        return different(given, "place")

    @field_validator("kinds")
    @classmethod
    def _no_blank_kind(cls, given: list[str]) -> list[str]:
        return different(given, "kind")

    @property
    def steps(self) -> float:
        return 1 / self.instructions

    @property
    def longest(self) -> Asked:
        return Asked(super().longest.tokens + self._longest_part)

    @cached_property
    def _longest_part(self) -> int:
        return max((tokens_in(p.item.text) for p in self._parts(Counter())), default=0)

    def check(self) -> None:
        super().check()
        self._documents.check()

    def drafts(self, ask: Ask) -> AsyncGenerator[Draft]:
        dropped: Counter[str] = Counter()
        if not ask.turn and (others := self._documents.others()):
            ask.shared.report.dropped["document:unknown_kind"] = others
        parts = self._counted(ask, self._parts(dropped), dropped)
        return ask.each(parts, partial(self._instructions, ask), self.instructions)

    @property
    def _documents(self) -> Documents:
        return Documents(self.documents, self.column)

    def _parts(self, dropped: Counter[str]) -> Iterator[Part]:
        for document in self._documents.read(dropped):
            texts = chunks(document.text, self.chunk)
            for number, text in enumerate(texts, 1):
                of = f", part {number} of {len(texts)}" if len(texts) > 1 else ""
                yield Part(Item("document", text, note=document.where + of), document.title)

    async def _counted(
        self, ask: Ask, parts: Iterator[Part], dropped: Counter[str]
    ) -> AsyncGenerator[Part]:
        """The parts, each text once; what was passed over is in the report when all were read."""
        seen: set[str] = set()
        stage = ask.shared.report.stage("document")
        for part in parts:
            # The same chapter may lie in two documents.
            if part.item.id in seen:
                stage.repeated += not ask.turn
                continue
            seen.add(part.item.id)
            stage.items += not ask.turn
            yield part
        if not ask.turn:
            ask.shared.report.dropped.update(dropped)

    async def _instructions(self, ask: Ask, part: Part) -> list[Draft]:
        item, title = part
        found = await ask.items(
            *("instruction", "instructions", self.instructions, item),
            again=True,
            document=item.text,
            title=title,
            kinds=self._kinds_of(item, ask.turn),
            persona=ask.persona(item),
        )
        return [self._joined(ask, part, each) for each in self._new(ask, item, found)]

    def _kinds_of(self, item: Item, turn: int) -> list[str]:
        """So many kinds as instructions, or all; a further turn goes on with others."""
        many = min(self.instructions, len(self.kinds))
        kinds = Random(f"{self.seed}:{item.id}").sample(self.kinds, len(self.kinds))
        return [kinds[(turn * many + step) % len(kinds)] for step in range(many)]

    def _new(self, ask: Ask, part: Item, found: list[Item]) -> list[Item]:
        """The instructions that are unlike the earlier ones on the same part: only among these can
        one repeat another, and with their document all would be alike."""
        stage = ask.shared.report.stage("instruction")
        known = ask.shared.known.setdefault(("instruction", part.id), [])
        others = Novelty(self.novelty.threshold, self.novelty.method)
        for text in known:
            others.add(text)
        fresh: list[Item] = []
        for item in found:
            if others.seen(item.text) is not None:
                stage.repeated += 1
                continue
            others.add(item.text)
            fresh.append(item)
        stage.items += len(fresh)
        known.extend(item.text for item in fresh)
        return fresh

    def _joined(self, ask: Ask, part: Part, instruction: Item) -> Draft:
        join = JOINS[int(instruction.id.rpartition(":")[2], 16) % len(JOINS)]
        text = ask.render(
            join, document=part.item.text, title=part.title, instruction=instruction.text
        )
        return Draft((Message("user", text),), instruction, among=None)
