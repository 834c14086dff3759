"""Battles out of whatever place the intake knows: files, folders, patterns, the hub, and the web
page's own votes.

Ratings need three short columns of what may be a million rows, so tables stay columns from the
disk to the arrays (`table.py`), and only what is wanted is read. Other files, and those whose texts
matter, are read one record at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from gristmill.arena.battles import Battle, Battles
from gristmill.arena.columns import joined
from gristmill.arena.fields import Wanted, battle_of, left_out
from gristmill.arena.gather import Gathered
from gristmill.arena.loading import TABLES, check_lines
from gristmill.arena.once import KNOWN_BY, once
from gristmill.arena.passed import Passed
from gristmill.arena.table import by_record, read_table
from gristmill.errors import DataError
from gristmill.intake.builtin import PREFIX
from gristmill.intake.cells import Refused, Row, Unusable
from gristmill.intake.fastchat import is_event, vote_of
from gristmill.intake.files import rows_of
from gristmill.intake.hub import HUB
from gristmill.intake.places import KINDS, File, files_of
from gristmill.intake.source import Source, at

VOTES = (".sqlite", ".db")
Place = File | str
"""A file, or the name of rows that are in none."""


def read(
    sources: Sequence[str | Path],
    wanted: Iterable[str] = (),
    covariates: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
) -> Battles:
    """The battles of several sources, one after the other, each vote once (see `once.once`).

    wanted: of `id`, `prompt`, `judge`, `time`, `turns`, `language`, `tags` (categories, given or
    found by rules) and `style` (covariates counted in the answers' texts), those that are needed;
    what no file has is left out. covariates: numeric columns, by how much A exceeds B in each.
    columns: the files' names for ours.

    Raises DataError naming file, row and value for an outcome that is not known, a missing model,
    a model against itself, a line that cannot be read, and where there is no battle.
    """
    kinds = frozenset(wanted)
    places, twice = places_of(sources)
    # Files are compared by what only that needs.
    ask = Wanted(kinds | KNOWN_BY, tuple(covariates), columns or {})
    alone = Wanted(kinds, ask.covariates, ask.columns)
    parts = [_read_one(p, ask if len(places) > 1 else alone) for p in places]
    found = once(joined([p for p in parts if len(p)] or parts), [len(p) for p in parts if len(p)])
    notes = [*twice, *(n for p in parts if not len(p) for n in p.notes), *found.notes]
    if len(found.models) < 2:
        said = f" ({'; '.join(notes)})" if notes else ""
        raise DataError(f"{sources[0]}: no battles; write one a line, of two models at least{said}")
    return replace(
        found,
        names={key: names for key, names in found.names.items() if key in kinds},
        time=found.time if "time" in kinds else None,
        notes=tuple(notes),
    )


def read_battles(
    sources: Sequence[str | Path],
    columns: Mapping[str, str] | None = None,
    passed: Passed | None = None,
) -> Iterator[Battle]:
    """Each battle of several sources as a record, texts included. passed: counts what is left out.

    Raises DataError.
    """
    wanted = Wanted(columns=columns or {})
    for place in places_of(sources)[0]:
        for battle, _ in _records(place, wanted, Passed() if passed is None else passed):
            yield battle


def places_of(sources: Sequence[str | Path]) -> tuple[list[Place], list[str]]:
    """What is behind the names, each file once, and a note on each that was named twice."""
    found: dict[str, Place] = {}
    notes = []
    for source in map(str, sources):
        hosted = source.startswith((HUB, PREFIX))
        for place in [source] if hosted else files_of(source, kinds=(*KINDS, *VOTES)):
            if (name := named(place)) in found:
                notes.append(f"{name} is named twice and was read once.")
            found.setdefault(name, place)
    return list(found.values()), notes


def named(place: Place) -> str:
    """A place as an error names it."""
    return place if isinstance(place, str) else place.place


def _read_one(place: Place, wanted: Wanted) -> Battles:
    passed = Passed()
    if isinstance(place, File) and place.kind in TABLES and not by_record(place, wanted):
        found = read_table(place, wanted, passed)
    else:
        wanted = replace(wanted, kinds=wanted.kinds | KNOWN_BY)
        gathered = Gathered(named(place), wanted)
        for battle, row in _records(place, wanted, passed):
            gathered.add(battle, row)
        found = gathered.battles()
    name = place if isinstance(place, str) else place.name
    notes = passed.notes(name) if len(found) else [*passed.notes(name), f"{name}: no battles."]
    return replace(found, notes=tuple(notes), unused=dict(passed.unused))


def _records(
    place: Place, wanted: Wanted, passed: Passed
) -> Iterator[tuple[Battle, Mapping[str, Any]]]:
    """Every battle with its row, under our names."""
    if isinstance(place, File) and place.kind in VOTES:
        from gristmill.arena.store import read_votes

        yield from ((battle, {}) for battle in read_votes(Path(place.place)))
        return
    for where, row in _rows(place):
        try:
            if is_event(row):
                row = vote_of(row)
            else:
                passed.unused.update(_unused(tuple(row), wanted.used))
                given = ((ours, at(row, theirs)) for ours, theirs in wanted.columns.items())
                row = row | {ours: value for ours, value in given if value is not None}
            if reason := left_out(row):
                passed.left_out[reason] += 1
                continue
            yield battle_of(row, passed.without_text), row
        except Unusable as error:
            if error.reason == "no_vote":
                passed.left_out[error.reason] += 1
                continue
            absent = [path for path in wanted.columns.values() if at(row, path) is None]
            missing = f"; the row has no {', '.join(absent)}" if absent else ""
            raise DataError(f"{where}: {error.detail}{missing}") from None


def _rows(place: Place) -> Iterator[tuple[str, Row]]:
    """(`place:line`, row). Raises DataError for a line that is no row."""
    if isinstance(place, File) and place.kind not in TABLES:
        check_lines(place)
    found = Source(file=place).rows() if isinstance(place, str) else rows_of(place)
    for where, row, _ in found:
        if isinstance(place, File):
            where = f"{place.place}:{where.rpartition(':')[2]}"
        if isinstance(row, Refused):
            raise DataError(f"{where}: {row.detail}")
        yield where, row


@lru_cache(4096)
def _unused(columns: tuple[str, ...], used: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in columns if name not in used)
