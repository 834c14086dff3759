"""Battles out of whatever place the intake knows: files, folders, patterns, the hub, and the web
page's own votes.

Ratings need three short columns of what may be a million rows, so tables stay columns from the
disk to the arrays (`table.py`), and only what is wanted is read. Other files, and those whose texts
matter, are read one record at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gristmill.arena.battles import Battle, Battles
from gristmill.arena.columns import joined
from gristmill.arena.fields import Wanted
from gristmill.arena.loading import TABLES
from gristmill.arena.once import KNOWN_BY, once
from gristmill.arena.passed import Passed
from gristmill.arena.sources import VOTES, Place, named, places_of
from gristmill.arena.table import by_record, read_table
from gristmill.errors import DataError
from gristmill.intake.places import File


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
    from gristmill.arena.records import records

    wanted = Wanted(columns=columns or {})
    for place in places_of(sources)[0]:
        for battle, _ in records(place, wanted, Passed() if passed is None else passed):
            yield battle


def _read_one(place: Place, wanted: Wanted) -> Battles:
    passed = Passed()
    taken_back: tuple[Battle, ...] = ()
    if isinstance(place, File) and place.kind in TABLES and not by_record(place, wanted):
        found = read_table(place, wanted, passed)
    else:
        # Loaded here, for it takes longer than a table of a hundred thousand votes.
        from gristmill.arena.gather import gathered
        from gristmill.arena.records import records

        wanted = replace(wanted, kinds=wanted.kinds | KNOWN_BY)
        found = gathered(named(place), wanted, records(place, wanted, passed))
        if isinstance(place, File) and place.kind in VOTES:
            from gristmill.arena.store import read_withdrawn

            taken_back = tuple(read_withdrawn(Path(place.place)))
    name = place if isinstance(place, str) else place.name
    notes = passed.notes(name) if len(found) else [*passed.notes(name), f"{name}: no battles."]
    return replace(found, notes=tuple(notes), unused=dict(passed.unused), withdrawn=taken_back)
