"""The rows of a comparison: answers to be graded, or prompts to be answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from gristmill.bench.boards import spelt
from gristmill.bench.items import EVALUATED, Item, item_of, subsets_of
from gristmill.comparing.sides import REWARD
from gristmill.errors import DataError
from gristmill.intake.cells import Refused
from gristmill.intake.reading import answer_columns
from gristmill.intake.record import CONVERSATION, ITEM, PROMPT, Record
from gristmill.intake.source import Source
from gristmill.intake.turns import Turns
from gristmill.parts import build
from gristmill.records import ATTRIBUTES, Prompt, prompt_id

SOURCES = {REWARD: ("tutor:800:bench", "tutor:800:held-out:rated"), "chat": ("tutor:500:bench",)}
"""What is read where no data is named: pairs of which the better answer is known, and several
answers to each prompt; or questions of which the right answer is known, with one to each."""


class Asked(NamedTuple):
    """A prompt for two chat models. answer: the turns of a given answer to it, if there is one."""

    where: str
    prompt: Prompt
    answer: Turns | None

    @property
    def key(self) -> str:
        """Equal prompts, equal key."""
        return prompt_id(self.prompt.messages, self.prompt.tools)


@dataclass
class Rows:
    """What was read. items: for reward models, `right` being 0 where nobody says which answer is
    better; asked: for chat models."""

    data: tuple[str, ...]
    limit: int | None
    items: list[Item] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    unused: Counter[str] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return len(self.items) + len(self.asked)


def read(kind: str, data: Sequence[str] | None, columns: dict[str, str], limit: int | None) -> Rows:
    """Every row of the sources; `limit` of each at most. Raises DataError where none is fit."""
    rows = Rows(tuple(data or SOURCES[kind]), limit)
    used: set[str] = set()
    for name in rows.data:
        values: dict[str, Any] = {"file": name, "columns": columns, "limit": limit}
        source = build(Source, values, "--data")
        wanted = (ITEM, CONVERSATION) if kind == REWARD else (PROMPT,)
        subsets = subsets_of(source.files(EVALUATED)) if kind == REWARD else {}
        for record in source.records(*wanted, unused=rows.unused, splits=EVALUATED):
            if isinstance(record, Refused):
                rows.refused.append(record)
            elif kind == REWARD:
                item = item_of(record, subsets)
                rows.items.append(replace(item, subset=spelt(item.subset)))
            else:
                rows.asked.append(_asked(record))
                used.update(answer_columns(record.form))
    # People's labels: how near a model is to them is another question.
    for name in {*used, *ATTRIBUTES}:
        rows.unused.pop(name, None)
    if not rows.count:
        first = f"; the first, {rows.refused[0]}" if rows.refused else ""
        raise DataError(f"{', '.join(rows.data)}: no row can be used{first}")
    return rows


def _asked(record: Record) -> Asked:
    content = record.content
    # Of several answers of which nobody says that they are good, none is one to be found likely.
    good = content.answers and (content.right > 0 or len(content.answers) == 1)
    return Asked(record.where, record.prompt, content.answers[0].turns if good else None)


def answers_of(item: Item) -> Iterator[tuple[str, Turns, Turns]]:
    """The answers of an item: key, prompt and turns. Equal ones have equal keys."""
    for turns in item.answers:
        yield prompt_id((*item.prompt, *turns)), item.prompt, turns
