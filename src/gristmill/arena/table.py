"""Battles out of CSV and Parquet without a Python object for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.arena.battles import OUTCOMES, UNNAMED, Battles, Names
from gristmill.arena.fields import (
    ALIASES,
    MILLISECONDS,
    SIDES,
    TEXTS,
    against_itself,
    categories_of,
    listed,
    model_of,
    prompt_of,
    text_of,
    time_of,
    turns_of,
    winner_of,
)
from gristmill.arena.loading import columns_of, given_back, load
from gristmill.errors import DataError
from gristmill.intake.turns import Unusable, number_of
from gristmill.page.text import one_line


def has_texts(path: Path) -> bool:
    """Whether a table has the conversations, or the prompts, that categories are found in."""
    return not {*TEXTS, "prompt"}.isdisjoint(columns_of(path))


def read_table(path: Path, wanted: frozenset[str], covariates: Sequence[str]) -> Battles:
    """The battles of a CSV or Parquet file; `wanted` and `covariates` as in `read.read`."""
    header = columns_of(path)
    if absent := [name for name in (*SIDES, *covariates) if name not in header]:
        raise DataError(f"{path}: no column '{absent[0]}' (columns: {listed(header)})")
    kinds = {"categories" if kind == "tags" else kind for kind in wanted}
    columns = {
        kind: name
        for kind, names in ALIASES.items()
        if kind in kinds and (name := next((n for n in names if n in header), None))
    }
    needed = (*SIDES, *columns.values(), *covariates)
    if twice := next((name for name in needed if header.count(name) > 1), None):
        raise DataError(f"{path}: column '{one_line(twice)}' is there twice; leave one out")
    with given_back():
        plain = [*covariates, *(columns[k] for k in ("time",) if k in columns)]
        table = load(path, [*needed], plain)
        try:
            return _battles(table, columns, covariates)
        except Unusable as error:
            raise DataError(f"{path}: {error.detail}") from None


def _battles(table: pa.Table, columns: dict[str, str], covariates: Sequence[str]) -> Battles:
    sides = [_sides(table, side) for side in ("model_a", "model_b")]
    models = sorted({*sides[0].names, *sides[1].names})
    place = {name: i for i, name in enumerate(models)}
    a, b = (np.array([place[n] for n in s.names], dtype=np.int32)[s.codes] for s in sides)
    _refuse(a == b, lambda row: against_itself(models[a[row]]))
    found: dict[str, Any] = {"names": {}, "tags": {}, "covariates": {}}
    for kind, column in columns.items():
        if kind == "time":
            times = _times(table, column)
            found[kind] = None if np.isnan(times).all() else times
            continue
        said = _names(table, column)
        if kind == "turns":
            found[kind] = _lookup(said, turns_of, 1).astype(np.int32)
        elif kind == "categories":
            found["tags"] = _tags(said)
        else:
            read = prompt_of if kind == "prompt" else partial(text_of, name=kind)
            if (texts := _texts(said, read)).names:
                found["names"][kind] = texts
    for name in covariates:
        found["covariates"][name] = _numbers(table, name)
    return Battles(models=models, a=a, b=b, outcome=_outcomes(table), **found)


def _outcomes(table: pa.Table) -> np.ndarray:
    said = _names(table, "winner")
    codes = np.full(len(said.names) + 1, UNNAMED, dtype=np.int8)
    for number, name in enumerate(said.names):
        try:
            codes[number] = OUTCOMES.index(winner_of(name))
        except Unusable:
            continue
    outcome = codes[said.codes]

    def problem(row: int) -> str:
        try:
            winner_of(said.names[code] if (code := said.codes[row]) >= 0 else None)
        except Unusable as error:
            return error.detail
        raise AssertionError

    _refuse(outcome == UNNAMED, problem)
    return outcome


def _names(table: pa.Table, column: str) -> Names:
    """A column as codes and its distinct values, whatever these are."""
    values = table.column(column)
    if pa.types.is_dictionary(values.type) and not pa.types.is_string(values.type.value_type):
        values = values.cast(values.type.value_type)
    if not pa.types.is_dictionary(values.type):
        try:
            values = values.dictionary_encode()
        except pa.ArrowException:  # Lists have no dictionary.
            return _listed(values)
    whole = values.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # No rows at all.
        return Names(np.empty(0, dtype=np.int32), [])
    try:
        names = whole.dictionary.to_pylist()
    except UnicodeDecodeError as error:
        said = f"column '{column}' is not UTF-8 ({error.object[:40]!r})"
        raise Unusable("bad_encoding", said) from None
    codes = _codes(whole.indices)
    # A dictionary may hold values that no row has.
    used = np.bincount(codes + 1, minlength=len(names) + 1)[1:] > 0
    if not used.all():
        codes = np.append(np.cumsum(used) - 1, UNNAMED).astype(np.int32)[codes]
        names = [name for name, there in zip(names, used, strict=True) if there]
    return Names(codes, names)


def _codes(indices: pa.Array) -> np.ndarray:
    """The places in a dictionary, `UNNAMED` for null."""
    if not indices.null_count:
        # Any other way loads pandas where it is installed, which takes longer than the rest.
        return np.from_dlpack(indices).astype(np.int32, copy=False)
    return indices.fill_null(UNNAMED).to_numpy().astype(np.int32, copy=False)


def _listed(values: pa.ChunkedArray) -> Names:
    place: dict[str, int] = {}
    rows = values.to_pylist()
    codes = [UNNAMED if v is None else place.setdefault(repr(v), len(place)) for v in rows]
    _, first = np.unique(codes, return_index=True)
    names = [rows[at] for at in first if rows[at] is not None]
    return Names(np.array(codes, dtype=np.int32), names)


def _each(said: Names, read: Callable[[Any], Any]) -> list[Any]:
    """What each distinct value says. Raises Unusable, naming the first row of a bad one."""
    found = []
    for number, name in enumerate(said.names):
        try:
            found.append(read(name))
        except Unusable as error:
            row = int(np.flatnonzero(said.codes == number)[0])
            raise Unusable(error.reason, f"row {row + 1}: {error.detail}") from None
    return found


def _sides(table: pa.Table, side: str) -> Names:
    said = _names(table, side)
    _refuse(said.codes == UNNAMED, lambda _: f"'{side}' names no model")
    return Names(said.codes, _each(said, lambda name: model_of({side: name}, side)))


def _texts(said: Names, read: Callable[[Any], str | None]) -> Names:
    """The column as texts; an empty one is none."""
    place: dict[str, int] = {}
    seats = [place.setdefault(t, len(place)) if t else UNNAMED for t in _each(said, read)]
    return Names(np.array([*seats, UNNAMED], dtype=np.int32)[said.codes], list(place))


def _lookup(said: Names, read: Callable[[Any], float | None], default: float) -> np.ndarray:
    """Each row's value, each distinct one being read once."""
    values = [default if value is None else value for value in _each(said, read)]
    return np.array([*values, default], dtype=np.float64)[said.codes]


def _times(table: pa.Table, column: str) -> np.ndarray:
    """Seconds; all at once where a column holds numbers or dates, as nearly every one does."""
    values = table.column(column)
    try:
        if pa.types.is_timestamp(values.type):
            whole = values.cast(pa.timestamp("us", values.type.tz), safe=False).cast(pa.int64())
            seconds = whole.cast(pa.float64(), safe=False).to_numpy() / 1e6
        else:
            seconds = values.cast(pa.float64()).to_numpy()
    except pa.ArrowException:
        return _lookup(_names(table, column), time_of, np.nan)
    given = ~values.is_null().to_numpy()
    _refuse(given & ~np.isfinite(seconds), lambda row: f"'{column}' is {seconds[row]}, no time")
    return np.where(seconds >= MILLISECONDS, seconds / 1000, seconds)


def _tags(said: Names) -> dict[str, np.ndarray]:
    rows = [*_each(said, categories_of), ()]
    kinds = sorted({tag for row in rows for tag in row})
    return {k: np.array([k in row for row in rows], dtype=bool)[said.codes] for k in kinds}


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name)
    try:
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        values = np.array([_number(row, v, name) for row, v in enumerate(column.to_pylist(), 1)])
    _refuse(~np.isfinite(values), lambda row: f"'{name}' is {values[row]}, not a number")
    return values


def _number(row: int, value: Any, name: str) -> float:
    try:
        number = number_of(value, name, "bad_covariate")
    except Unusable as error:
        raise Unusable(error.reason, f"row {row}: {error.detail}") from None
    if number is None:
        raise Unusable("bad_covariate", f"row {row}: no number in '{name}'")
    return number


def _refuse(bad: np.ndarray, said: Any) -> None:
    """Raises Unusable for the first row that is bad."""
    if bad.any():
        row = int(bad.argmax())
        raise Unusable("bad_row", f"row {row + 1}: {said(row)}")
