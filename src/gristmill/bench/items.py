"""What a judge is asked about: a prompt, and answers of which some are known to be better."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import PurePosixPath

from gristmill.intake.cells import Refused
from gristmill.intake.places import File
from gristmill.intake.record import ITEM, Record
from gristmill.intake.source import Source
from gristmill.intake.turns import Turns
from gristmill.records import prompt_id

EVALUATED = ("filtered", "test", "dataset")
"""Of a folder with several splits, those whose names begin so are evaluated; `dataset` is LLMBar's
data beside its judges' results, which hold the same rows again."""

_ENDING = re.compile(r"(-\d+-of-\d+)?(\.\w+){1,2}$")
"""A file's number among several, its kind and how it is compressed."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a benchmark.

    answers: the turns of each after the prompt, the last the assistant's. The first `right` of
    them are better than all others: one of two in a pair, one of four in RewardBench 2, any number
    in its Ties.
    grid: RM-Bench's form, as many better answers as worse, each in several styles in the same
    order; every better one is compared with every worse one.
    subset: what it is counted under. where: `file:line`.
    """

    id: str
    subset: str
    prompt: Turns
    answers: tuple[Turns, ...]
    where: str
    right: int = 1
    grid: bool = False

    @property
    def key(self) -> str:
        """16 hex digits of what a judge sees: equal questions, equal key, wherever they stand."""
        digest = blake2b(f"{self.right}:{self.grid}".encode(), digest_size=8)
        for turns in (self.prompt, *self.answers):
            digest.update(prompt_id(turns).encode())
        return digest.hexdigest()

    @property
    def lengths(self) -> tuple[int, ...]:
        """Characters of each answer."""
        return tuple([sum([len(turn.content) for turn in turns]) for turns in self.answers])


def items_of(source: Source, unused: Counter[str] | None = None) -> Iterator[Item | Refused]:
    """Every row as an item, or why it is none. Rows that name no subset have their file's name.

    unused: counts columns that nothing used. Raises DataError.
    """
    subsets = subsets_of(source.files(EVALUATED))
    for record in source.records(ITEM, unused=unused, splits=EVALUATED):
        yield record if isinstance(record, Refused) else item_of(record, subsets)


def item_of(record: Record, subsets: dict[str, str]) -> Item:
    """A row as an item; `right` is 0 where nobody says which answer is better. subsets: see
    `subsets_of`."""
    content, about = record.content, record.facts
    return Item(
        about.get("id", record.where),
        about.get("subset") or subsets.get(record.where.rpartition(":")[0], "all"),
        content.prompt,
        tuple([answer.turns for answer in content.answers]),
        record.where,
        content.right,
        content.grid,
    )


def subsets_of(files: Sequence[File]) -> dict[str, str]:
    """What rows of each file are counted under: the file's name without its ending, or its folder's
    where files of several folders have that name (LLMBar's are all `dataset.json`)."""
    folders = defaultdict(set)
    for path in (paths := [PurePosixPath(file.name) for file in files]):
        folders[_stem(path)].add(path.parent)
    return {
        str(path): (len(folders[_stem(path)]) > 1 and path.parent.name) or _stem(path)
        for path in paths
    }


def _stem(path: PurePosixPath) -> str:
    return _ENDING.sub("", path.name)
