"""The rows of files that filters compare with by meaning: embedded before a run begins.

The judge that embeds the samples embeds these, too, and each vector is kept under the content of
its text: resuming, deciding anew and another threshold pay for nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gristmill.backends import loop
from gristmill.backends.base import Backend
from gristmill.backends.embedding import Embedded
from gristmill.backends.kept import Kept
from gristmill.backends.many import Failed, Progress, Work, call_all
from gristmill.errors import RunError
from gristmill.filters.base import Filter
from gristmill.judges.embedding import Embedding
from gristmill.mill.budget import Purse, prices
from gristmill.mill.config import Config
from gristmill.mill.journal import Journal
from gristmill.similarity.vectors import pack, unpack

Row = tuple[str, str]
"""Where a row stands, and its text."""


def compared(config: Config) -> Iterator[tuple[int, Embedding, Filter]]:
    """The filters that compare with embedded rows, each with the judge that embeds them and its
    place among the judges."""
    judges = config.open_judges()
    for part in config.open_filters():
        if (judge := part.embedder(judges)) is not None:
            assert isinstance(judge, Embedding)
            yield judges.index(judge), judge, part


def embed_rows(config: Config, journal: Journal, watch: Callable[[Progress], None]) -> None:
    """Embed what is not known yet of the rows that filters compare with.

    Raises RunError at the first row of which there is no embedding: what it says would be missed
    in silence. What was embedded by then is kept.
    """
    purse = Purse(config.budget, journal.spent, judging=prices(config.open_judges()))
    try:
        for number, judge, part in compared(config):
            # Counted first: a file may be far larger than memory.
            missing = sum(1 for _ in _missing(part, judge, journal.vectors))
            progress = Progress("", judge.model, 1, 1, missing)
            work = _work(number, judge, journal.vectors, purse)
            rows = _missing(part, judge, journal.vectors)
            loop.run(call_all(work, rows, progress, watch))
    finally:
        journal.add_spent(purse.spent())
        journal.spent = purse.spent()


def _missing(part: Filter, judge: Embedding, known: Kept) -> Iterator[Row]:
    return (row for row in part.rows() if judge.key(row[1]) not in known)


def _work(number: int, judge: Embedding, known: Kept, purse: Purse) -> Work[Row, Embedded]:
    def opened() -> Backend:
        backend = judge.open()
        backend.meter = purse
        return backend

    async def ask(backend: Backend, row: Row) -> Embedded:
        return await judge.embed(backend, row[1])

    def keep(row: Row, found: Embedded | Failed) -> int:
        if isinstance(found, Failed):
            raise RunError(
                f"{row[0]}: no embedding by '{judge.model}', which the run's are to be compared "
                f"with: {found.detail}; put that right and run again: what is embedded is kept"
            )
        known.add(judge.key(row[1]), {"vector": pack("", found.vector)})
        purse.add_judging(number, found.tokens)
        return found.tokens

    return Work(opened, judge.concurrency, ask, keep)


def opened_filters(config: Config, journal: Journal) -> list[Filter]:
    """The filters with nothing seen yet, told of the rows that they compare with."""
    judges, filters = config.open_judges(), config.open_filters()
    for part in filters:
        if (judge := part.embedder(judges)) is not None:
            assert isinstance(judge, Embedding)
            part.told(partial(_vector, journal.vectors, judge))
    return filters


def _vector(known: Kept, judge: Embedding, text: str) -> np.ndarray:
    found = known.get(judge.key(text))
    if found is None:
        raise RunError(
            "a file of `against` was changed while the mill was at work; run again: what is "
            "finished is kept"
        )
    return unpack(found["vector"])
