"""Battles out of rows, one at a time, texts included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from gristmill.arena.battles import Battle
from gristmill.arena.fields import (
    CATEGORIES,
    Wanted,
    against_itself,
    found,
    left_out,
    model_of,
    time_of,
    turns_of,
)
from gristmill.arena.loading import TABLES, check_lines
from gristmill.arena.passed import Passed
from gristmill.arena.sources import VOTES, Place
from gristmill.errors import DataError
from gristmill.intake.cells import Refused, Row, Unusable, name_of
from gristmill.intake.fastchat import is_event, vote_of
from gristmill.intake.files import rows_of
from gristmill.intake.outcomes import winner_in
from gristmill.intake.places import File
from gristmill.intake.source import Source, at
from gristmill.intake.votes import conversations_in, first_asked
from gristmill.storage import digest


def records(
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


def battle_of(row: Mapping[str, Any], without_text: Counter[str]) -> Battle:
    """The battle of a row. Raises Unusable, which says which field is wrong.

    A vote needs no text: what is empty, an image or otherwise none is counted by its reason in
    `without_text`, and left out.
    """
    model_a, model_b = model_of(row, "model_a"), model_of(row, "model_b")
    if model_a == model_b:
        raise Unusable("same_model", against_itself(model_a))
    try:
        conversation_a, conversation_b = conversations_in(row)
    except Unusable as error:
        without_text[error.reason] += 1
        conversation_a, conversation_b = (), ()
    turns = turns_of(found(row, "turns"))
    if turns is None:
        turns = sum(m.role == "user" for m in conversation_a) or 1
    prompt = first_asked(found(row, "prompt"))
    if not prompt:
        prompt = next((m.content for m in conversation_a if m.role == "user"), "")
    given = name_of(found(row, "id"), "id")
    said = [[m.role, m.content] for side in (conversation_a, conversation_b) for m in side]
    return Battle(
        id=given or (digest([prompt, said]) if said else ""),
        model_a=model_a,
        model_b=model_b,
        winner=winner_in(row),
        prompt=prompt,
        conversation_a=conversation_a,
        conversation_b=conversation_b,
        judge=name_of(found(row, "judge"), "judge") or "",
        time=time_of(found(row, "time")),
        turns=turns,
        language=name_of(found(row, "language"), "language"),
        categories=tuple(
            dict.fromkeys(tag for name, read in CATEGORIES.items() for tag in read(row.get(name)))
        ),
    )
