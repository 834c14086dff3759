"""Battles out of CSV and Parquet without a Python object for each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pv
import pyarrow.parquet as pq

from gristmill.arena.battles import OUTCOMES, UNNAMED, Battles, Names
from gristmill.arena.fields import (
    ALIASES,
    MILLISECONDS,
    MISSING,
    SIDES,
    TEXTS,
    categories_of,
    text_of,
    time_of,
    turns_of,
    winner_of,
)
from gristmill.errors import DataError
from gristmill.intake.turns import Unusable, number_of

LONGEST_LINE = 8 << 20
"""Bytes of one line. A longer one is no battle, but a file without line ends or a mistake."""
BLOCK = 1 << 20
"""Bytes of a CSV file that are parsed at once, as long as no row is longer."""
_NAME = pa.dictionary(pa.int32(), pa.string())


def has_texts(path: Path) -> bool:
    """Whether a table has the conversations, or the prompts, that categories are found in."""
    return not {*TEXTS, "prompt"}.isdisjoint(_header(path))


def read_table(path: Path, wanted: frozenset[str], covariates: Sequence[str]) -> Battles:
    """The battles of a CSV or Parquet file; `wanted` and `covariates` as in `read.read`."""
    header = _header(path)
    if absent := [name for name in (*SIDES, *covariates) if name not in header]:
        shown = ", ".join(header[:20])
        raise DataError(f"{path}: no column '{absent[0]}' (columns: {shown})")
    kinds = {"categories" if kind == "tags" else kind for kind in wanted}
    columns = {
        kind: name
        for kind, names in ALIASES.items()
        if kind in kinds and (name := next((n for n in names if n in header), None))
    }
    with _given_back():
        plain = [*covariates, *(columns[k] for k in ("time",) if k in columns)]
        table = _load(path, [*SIDES, *columns.values(), *covariates], plain)
        try:
            return _battles(table, columns, covariates)
        except Unusable as error:
            raise DataError(f"{path}: {error.detail}") from None


def _header(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_schema(path).names
        with path.open(encoding="utf-8-sig", newline="") as file:
            import csv

            return next(csv.reader([file.readline()]), [])
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read it: {_brief(error)}") from None


def _load(path: Path, columns: list[str], plain: Sequence[str]) -> pa.Table:
    """Some columns of a file, all but the `plain` ones as names with a dictionary."""
    columns = list(dict.fromkeys(columns))
    try:
        if path.suffix.lower() == ".parquet":
            names = [c for c in columns if c not in plain]
            return pq.read_table(path, columns=columns, read_dictionary=names)
        try:
            return _load_csv(path, columns, plain, BLOCK)
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error):
                raise
            check_lines(path)
            return _load_csv(path, columns, plain, LONGEST_LINE)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot read it: {_brief(error)}") from None


def _load_csv(path: Path, columns: list[str], plain: Sequence[str], block: int) -> pa.Table:
    return pv.read_csv(
        path,
        # With threads it is no faster, and holds several blocks at once.
        read_options=pv.ReadOptions(block_size=block, use_threads=False),
        parse_options=pv.ParseOptions(newlines_in_values=True),
        convert_options=pv.ConvertOptions(
            include_columns=columns,
            column_types={c: pa.string() if c in plain else _NAME for c in columns},
            strings_can_be_null=False,
        ),
    )


@contextmanager
def _given_back() -> Iterator[None]:
    """Arrow's own allocators keep what was freed, which here is most of what was used."""
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(pool)


def check_lines(path: Path) -> None:
    """Raises DataError where a line is longer than `LONGEST_LINE`."""
    number = size = 0
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                ends = block.count(b"\n")
                size += block.find(b"\n") if ends else len(block)
                if size > LONGEST_LINE:
                    raise DataError(
                        f"{path}: line {number + 1} is longer than {LONGEST_LINE >> 20} MB; write "
                        "one battle a line"
                    )
                if ends:
                    number += ends
                    size = len(block) - block.rfind(b"\n") - 1
    except OSError as error:
        raise DataError(f"{path}: cannot read it: {error.strerror}") from None


def _brief(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split())[:200]


def _battles(table: pa.Table, columns: dict[str, str], covariates: Sequence[str]) -> Battles:
    sides = [_names(table, side) for side in ("model_a", "model_b")]
    for side, name in zip(sides, ("model_a", "model_b"), strict=True):
        bad = np.array([n.strip().casefold() in MISSING for n in side.names] + [True])
        _refuse(bad[side.codes], lambda _, n=name: f"'{n}' names no model")
    models = sorted({*sides[0].names, *sides[1].names})
    place = {name: i for i, name in enumerate(models)}
    a, b = (np.array([place[n] for n in s.names], dtype=np.int32)[s.codes] for s in sides)
    _refuse(a == b, lambda row: f"'{models[a[row]]}' fights against itself")
    found: dict[str, Any] = {"names": {}, "tags": {}, "covariates": {}}
    for kind, column in columns.items():
        if kind == "time":
            times = _times(table, column)
            found[kind] = None if np.isnan(times).all() else times
            continue
        said = _names(table, column, as_text=kind in ("id", "prompt", "judge", "language"))
        if kind == "turns":
            found[kind] = _lookup(said, turns_of, 1).astype(np.int32)
        elif kind == "categories":
            found["tags"] = _tags(said)
        elif said.names:
            found["names"][kind] = said
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


def _names(table: pa.Table, column: str, *, as_text: bool = False) -> Names:
    """A column as codes and names. as_text: whole numbers are names too."""
    values = table.column(column)
    if pa.types.is_dictionary(values.type) and not pa.types.is_string(values.type.value_type):
        values = values.cast(values.type.value_type)
    if pa.types.is_integer(values.type) and as_text:
        values = values.cast(pa.string())
    if not pa.types.is_dictionary(values.type):
        try:
            values = values.dictionary_encode()
        except pa.ArrowException:  # Lists have no dictionary.
            return _listed(values)
    whole = values.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # No rows at all.
        return Names(np.empty(0, dtype=np.int32), [])
    names = whole.dictionary.to_pylist()
    codes = whole.indices.fill_null(UNNAMED).to_numpy().astype(np.int32, copy=False)
    if column in ("model_a", "model_b", "winner") and any(not isinstance(n, str) for n in names):
        kind = whole.dictionary.type
        raise Unusable("bad_column", f"column '{column}' holds {kind}, not names")
    if as_text:
        names = [text_of(n) or "" for n in names]
        if "" in names:
            codes = np.where(codes == names.index(""), UNNAMED, codes)
    return Names(codes, names)


def _listed(values: pa.ChunkedArray) -> Names:
    place: dict[Any, int] = {}
    rows = (None if v is None else tuple(v) for v in values.to_pylist())
    codes = [UNNAMED if v is None else place.setdefault(v, len(place)) for v in rows]
    return Names(np.array(codes, dtype=np.int32), list(place))


def _lookup(said: Names, read: Any, default: float) -> np.ndarray:
    """Each row's value, each distinct one being read once."""
    values = np.full(len(said.names) + 1, default)
    for number, name in enumerate(said.names):
        try:
            value = read(name)
        except Unusable as error:
            row = int(np.flatnonzero(said.codes == number)[0])
            raise Unusable(error.reason, f"row {row + 1}: {error.detail}") from None
        values[number] = default if value is None else value
    return values[said.codes]


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
    rows = [categories_of(name) for name in said.names] + [()]
    kinds = sorted({tag for row in rows for tag in row})
    return {k: np.array([k in row for row in rows], dtype=bool)[said.codes] for k in kinds}


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    column = table.column(name)
    try:
        values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        for row, value in enumerate(column.to_pylist(), 1):
            try:
                number_of(value, name, "bad_covariate")
            except Unusable as error:
                raise Unusable(error.reason, f"row {row}: {error.detail}") from None
        raise Unusable("bad_covariate", f"column '{name}' is not of numbers") from None
    _refuse(~np.isfinite(values), lambda row: f"'{name}' is {values[row]}, not a number")
    return values


def _refuse(bad: np.ndarray, said: Any) -> None:
    """Raises Unusable for the first row that is bad."""
    if bad.any():
        row = int(bad.argmax())
        raise Unusable("bad_row", f"row {row + 1}: {said(row)}")
