"""Battles out of files: JSONL, CSV, Parquet, FastChat's vote log, and the web page's own votes.

Ratings need three short columns of what may be a million rows, so CSV and Parquet stay columns
from the disk to the arrays (`columns.py`), and only what is wanted is read. Other files, and those
whose texts matter, are read one record at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gristmill.arena.battles import Battle, Battles
from gristmill.arena.columns import joined
from gristmill.arena.fastchat import is_event, vote_of
from gristmill.arena.fields import battle_of
from gristmill.arena.gather import Gathered
from gristmill.arena.loading import check_lines
from gristmill.arena.table import has_texts, read_table
from gristmill.errors import DataError
from gristmill.intake.files import BadLine, read_rows
from gristmill.intake.turns import Unusable
from gristmill.page.text import plural

VOTES = (".sqlite", ".db")
LINES = (".jsonl", ".ndjson", ".json")
TABLES = (".csv", ".parquet")


def read(
    sources: Sequence[str | Path], wanted: Iterable[str] = (), covariates: Sequence[str] = ()
) -> Battles:
    """The battles of several files, one after the other.

    wanted: of `id`, `prompt`, `judge`, `time`, `turns`, `language`, `tags` (categories, given or
    found by rules) and `style` (covariates counted in the answers' texts), those that are needed;
    what no file has is left out. covariates: numeric columns, by how much A exceeds B in each.

    Raises DataError naming file, row and value for an outcome that is not known, a missing model,
    a model against itself, a line that cannot be read, and for a file without a battle.
    """
    kinds = frozenset(wanted)
    battles = joined([_read_one(Path(source), kinds, covariates) for source in sources])
    if len(battles.models) < 2:
        raise DataError(f"{sources[0]}: no battles; ratings need at least two models")
    return battles


def read_battles(source: str | Path) -> Iterator[Battle]:
    """Each battle of one file as a record, texts included. Raises DataError."""
    path = Path(source)
    _check(path)
    for battle, _ in _records(path, Counter()):
        yield battle


def _read_one(path: Path, wanted: frozenset[str], covariates: Sequence[str]) -> Battles:
    _check(path)
    if path.suffix.lower() in TABLES and not (wanted & {"tags", "style"} and has_texts(path)):
        found = read_table(path, wanted, covariates)
    else:
        left_out: Counter[str] = Counter()
        gathered = Gathered(path, wanted, covariates)
        for battle, row in _records(path, left_out):
            gathered.add(battle, row)
        found = gathered.battles(
            f"{path.name}: {plural(count, 'event')} of the log left out: {what}."
            for what, count in sorted(left_out.items())
        )
    if not len(found):
        said = "; ".join(found.notes)
        raise DataError(f"{path}: no battles; write one a line{f' ({said})' if said else ''}")
    return found


def _check(path: Path) -> None:
    """Raises DataError for a kind of file that is not known, and for a line that is none."""
    kind = path.suffix.lower()
    if kind not in (*LINES, *TABLES, *VOTES):
        known = ", ".join((*LINES, *TABLES, *VOTES))
        raise DataError(f"{path}: unknown kind of file; use one of {known}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if kind in LINES:
        check_lines(path)


def _records(path: Path, left_out: Counter[str]) -> Iterator[tuple[Battle, Mapping[str, Any]]]:
    """Every battle with its row. left_out: counts events of a log that are no battles."""
    if path.suffix.lower() in VOTES:
        from gristmill.arena.store import read_votes

        yield from ((battle, {}) for battle in read_votes(path))
        return
    for where, row, _ in read_rows(path):
        if isinstance(row, BadLine):
            raise DataError(f"{path.parent / where}: {row.detail}")
        try:
            if is_event(row):
                vote = vote_of(row)
                if vote is None:
                    left_out["no anonymous vote"] += 1
                    continue
                row = vote
            yield battle_of(row), row
        except Unusable as error:
            raise DataError(f"{path.parent / where}: {error.detail}") from None
