"""Battles out of tables (CSV, TSV, Parquet, Arrow) without a Python object for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.arena.battles import UNNAMED, Battles, Names
from gristmill.arena.fields import (
    ALIASES,
    CATEGORIES,
    COUNTS,
    MILLISECONDS,
    SIDES,
    Wanted,
    against_itself,
    listed,
    model_of,
    time_of,
    turns_of,
)
from gristmill.arena.loading import columns_of, given_back, load
from gristmill.arena.once import KNOWN_BY
from gristmill.arena.passed import Passed
from gristmill.errors import DataError
from gristmill.intake.cells import Unusable, name_of, number_of, switch_of
from gristmill.intake.outcomes import ONE_HOT, OUTCOMES, RESPONSES, TEXTS, winner_in
from gristmill.intake.places import File
from gristmill.page.text import one_line


def by_record(file: File, wanted: Wanted) -> bool:
    """Whether a table has to be read a record at a time: for the texts in which categories and
    style are found, or for columns within columns."""
    header = columns_of(file)
    named = {ours for ours, theirs in wanted.columns.items() if theirs in header}
    if any("." in theirs and theirs not in header for theirs in wanted.columns.values()):
        return True
    texts = {*TEXTS, *RESPONSES, "prompt"} & {*header, *named}
    return bool(texts and wanted.kinds & {"tags", "style"})


def read_table(file: File, wanted: Wanted, passed: Passed) -> Battles:
    """The battles of a table. Raises DataError."""
    header = columns_of(file)
    if unfound := [theirs for theirs in wanted.columns.values() if theirs not in header]:
        raise DataError(f"{file.place}: no column '{unfound[0]}' (columns: {listed(header)})")
    # Ours: the file's.
    there = {name: name for name in header} | dict(wanted.columns)
    hot = "winner" not in there and ONE_HOT.keys() <= there.keys()
    winners = tuple(ONE_HOT) if hot else ("winner",)
    if absent := [n for n in (*SIDES, *winners, *wanted.covariates) if n not in there]:
        raise DataError(f"{file.place}: no column '{absent[0]}' (columns: {listed(header)})")
    facts = {
        kind: name
        for kind, names in ALIASES.items()
        if (name := next((n for n in names if n in there), None))
    }
    # With both, a vote that stands there twice is known; by its time then, too.
    told = KNOWN_BY if {"id", "judge"} <= facts.keys() else frozenset()
    facts = {kind: name for kind, name in facts.items() if kind in wanted.kinds | told}
    tags = [name for name in CATEGORIES if name in there and "tags" in wanted.kinds]
    counts = [name for name in COUNTS if name in there]
    ours = (*SIDES, *winners, *facts.values(), *tags, *counts, *wanted.covariates)
    ours = tuple(dict.fromkeys(ours))
    theirs = [there[name] for name in ours]
    if twice := next((name for name in theirs if header.count(name) > 1), None):
        raise DataError(f"{file.place}: column '{one_line(twice)}' is there twice; leave one out")
    with given_back():
        numbers = (*wanted.covariates, *([facts["time"]] if "time" in facts else ()))
        plain = [there[name] for name in numbers]
        loaded = load(file, theirs, plain).select(theirs).rename_columns(list(ours))
        unused = (name for name in header if name not in wanted.used)
        passed.unused.update(dict.fromkeys(unused, loaded.num_rows))
        try:
            table = _Table(loaded, counts, passed)
            return table.battles(facts, tags, wanted.covariates, hot=hot)
        except Unusable as error:
            raise DataError(f"{file.place}: {error.detail}") from None


class _Table:
    """The rows of a table that count, under our names."""

    def __init__(self, table: pa.Table, counts: Sequence[str], passed: Passed) -> None:
        self._table = table
        self._rows = np.arange(table.num_rows)
        for name in counts:
            kept = self._lookup(self._names(name), COUNTS[name], True).astype(bool)
            if not kept.all():
                passed.left_out[name] += int((~kept).sum())
                self._table, self._rows = self._table.filter(pa.array(kept)), self._rows[kept]

    def battles(
        self, facts: dict[str, str], tags: Sequence[str], covariates: Sequence[str], *, hot: bool
    ) -> Battles:
        """All columns. facts: of each kind, the name of its column. Raises Unusable."""
        sides = [self._side(side) for side in SIDES]
        models = sorted({*sides[0].names, *sides[1].names})
        place = {name: i for i, name in enumerate(models)}
        a, b = (np.array([place[n] for n in s.names], dtype=np.int32)[s.codes] for s in sides)
        self._refuse(a == b, lambda row: against_itself(models[a[row]]))
        found: dict[str, Any] = {"names": {}}
        for kind, column in facts.items():
            if kind == "time":
                times = self._times(column)
                found[kind] = None if np.isnan(times).all() else times
            elif kind == "turns":
                found[kind] = self._lookup(self._names(column), turns_of, 1).astype(np.int32)
            else:
                read = _first_asked if kind == "prompt" else partial(name_of, field=kind)
                if (texts := self._texts(self._names(column), read)).names:
                    found["names"][kind] = texts
        found["tags"] = self._tags(tags)
        found["covariates"] = {name: self._numbers(name) for name in covariates}
        outcome = self._one_hot() if hot else self._outcomes()
        return Battles(models=models, a=a, b=b, outcome=outcome, **found)

    def _outcomes(self) -> np.ndarray:
        said = self._names("winner")
        codes = np.full(len(said.names) + 1, UNNAMED, dtype=np.int8)
        for number, name in enumerate(said.names):
            try:
                codes[number] = OUTCOMES.index(winner_in({"winner": name}))
            except Unusable:
                continue
        outcome = codes[said.codes]

        def problem(row: int) -> str:
            try:
                winner_in({"winner": said.names[code] if (code := said.codes[row]) >= 0 else None})
            except Unusable as error:
                return error.detail
            raise AssertionError

        self._refuse(outcome == UNNAMED, problem)
        return outcome

    def _one_hot(self) -> np.ndarray:
        each = [
            self._lookup(self._names(name), partial(switch_of, name=name), False) > 0
            for name in ONE_HOT
        ]
        said = np.sum(each, axis=0)

        def problem(row: int) -> str:
            return f"{', '.join(ONE_HOT)}: {said[row]} of them are 1, not one"

        self._refuse(said != 1, problem)
        places = np.array([OUTCOMES.index(outcome) for outcome in ONE_HOT.values()], dtype=np.int8)
        return places[np.argmax(each, axis=0)]

    def _names(self, column: str) -> Names:
        """A column as codes and its distinct values, whatever these are."""
        values = self._table.column(column)
        if pa.types.is_struct(values.type) and column == "dedup_tag":
            chunks = [chunk.field("sampled") for chunk in values.chunks]
            values = pa.chunked_array(chunks, values.type.field("sampled").type)
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

    def _each(self, said: Names, read: Callable[[Any], Any]) -> list[Any]:
        """What each distinct value says. Raises Unusable, naming the first row of a bad one."""
        found = []
        for number, name in enumerate(said.names):
            try:
                found.append(read(name))
            except Unusable as error:
                self._refuse(said.codes == number, lambda _, error=error: error.detail)
        return found

    def _side(self, side: str) -> Names:
        said = self._names(side)
        self._refuse(said.codes == UNNAMED, lambda _: f"'{side}' names no model")
        return Names(said.codes, self._each(said, lambda name: model_of({side: name}, side)))

    def _texts(self, said: Names, read: Callable[[Any], str | None]) -> Names:
        """The column as texts; an empty one is none."""
        place: dict[str, int] = {}
        each = self._each(said, read)
        seats = [place.setdefault(t, len(place)) if t else UNNAMED for t in each]
        return Names(np.array([*seats, UNNAMED], dtype=np.int32)[said.codes], list(place))

    def _lookup(
        self, said: Names, read: Callable[[Any], float | None], default: float
    ) -> np.ndarray:
        """Each row's value, each distinct one being read once."""
        values = [default if value is None else value for value in self._each(said, read)]
        return np.array([*values, default], dtype=np.float64)[said.codes]

    def _times(self, column: str) -> np.ndarray:
        """Seconds; all at once where a column holds numbers or dates, as nearly every one does."""
        values = self._table.column(column)
        try:
            if pa.types.is_timestamp(values.type):
                whole = values.cast(pa.timestamp("us", values.type.tz), safe=False)
                seconds = whole.cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy() / 1e6
            else:
                seconds = values.cast(pa.float64()).to_numpy()
        except pa.ArrowException:
            return self._lookup(self._names(column), time_of, np.nan)
        bad = ~values.is_null().to_numpy() & ~np.isfinite(seconds)
        self._refuse(bad, lambda row: f"'{column}' is {seconds[row]}, no time")
        return np.where(seconds >= MILLISECONDS, seconds / 1000, seconds)

    def _tags(self, columns: Sequence[str]) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for column in columns:
            said = self._names(column)
            rows = [*self._each(said, CATEGORIES[column]), ()]
            for tag in {tag for row in rows for tag in row}:
                has = np.array([tag in row for row in rows], dtype=bool)[said.codes]
                found[tag] = found.get(tag, False) | has
        return dict(sorted(found.items()))

    def _numbers(self, name: str) -> np.ndarray:
        column = self._table.column(name)
        try:
            values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowException:
            values = np.array([self._number(r, v, name) for r, v in enumerate(column.to_pylist())])
        self._refuse(~np.isfinite(values), lambda row: f"'{name}' is {values[row]}, not a number")
        return values

    def _number(self, row: int, value: Any, name: str) -> float:
        try:
            number = number_of(value, name, "bad_covariate")
            detail = f"no number in '{name}'"
        except Unusable as error:
            number, detail = None, error.detail
        if number is None:
            raise Unusable("bad_covariate", f"row {self._rows[row] + 1}: {detail}")
        return number

    def _refuse(self, bad: np.ndarray, said: Callable[[int], str]) -> None:
        """Raises Unusable for the first row that is bad."""
        if bad.any():
            row = int(bad.argmax())
            raise Unusable("bad_row", f"row {self._rows[row] + 1}: {said(row)}")


def _first_asked(given: Any) -> str:
    from gristmill.intake.votes import first_asked

    return first_asked(given)


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
