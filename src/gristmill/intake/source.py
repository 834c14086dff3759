"""A source of rows that a config or a command names, and the records it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from gristmill.errors import DataError
from gristmill.intake import facts
from gristmill.intake.builtin import PREFIX
from gristmill.intake.cells import Refused, Row, Unusable, refused
from gristmill.intake.files import Found, count_rows, header_of, read_rows
from gristmill.intake.forms import FORMS, Form, recognise
from gristmill.intake.hub import HUB
from gristmill.intake.places import File, files_of, kind_of, located, on_hub
from gristmill.intake.reading import Unpaired, record_of, unused_of
from gristmill.intake.record import PROMPT, Record, check_kinds
from gristmill.parts import Options, nearest

COLUMNS = sorted(
    {name for form in FORMS.values() for name in form.columns}
    | {*facts.OF_PROMPT, *facts.OF_TRAINING, *facts.THOUGHT}
)
"""What `columns` may give another name: every column that some form, or any row, may have."""

LOOKED_AT = 10_000
"""Rows of a file in which a column that is named has to stand, if it is in all of them."""

UNFOUND = ("missing_field", "no_label", "unknown_format", "wrong_kind")
"""Reasons that a column named in vain may be behind."""


def known_names(names: dict[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The same mapping; raises ValueError for a name of ours that there is not."""
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
            raise ValueError(f"unknown name '{name}'; {hint}")
    return names


class Source(Options):
    """Rows, wherever they are."""

    file: str
    """JSONL, JSON, CSV, TSV, Parquet or Arrow, compressed or not, a relative path from the config's
    folder; a folder or a pattern; `-` for standard input; `s3://...` and the like; `hf:org/name`,
    through the `datasets` library, and `hf:org/name/folder` for a part of it; or a built-in source,
    `tutor:4000` (docs/data.md)."""
    split: str | None = None
    """Which split of an `hf:` data set, or which of a folder's splits."""
    format: Literal["auto"] | str = "auto"
    """What a row is; by default its columns show it."""
    limit: int | None = Field(default=None, ge=1)
    """Read so many rows, the first ones."""
    columns: dict[str, str] = Field(default_factory=dict)
    """The file's names for our columns, `{response: system_output}`; dots lead into nested ones."""

    @field_validator("columns")
    @classmethod
    def _known(cls, names: dict[str, str]) -> dict[str, str]:
        return known_names(names, COLUMNS)

    @field_validator("format")
    @classmethod
    def _known_form(cls, name: str) -> str:
        if name != "auto":
            known_names({name: None}, list(FORMS))
        return name

    @model_validator(mode="after")
    def _split_of_something(self) -> Self:
        if self.split is not None and kind_of(self.file)[0]:
            raise ValueError("split: only an `hf:` data set or a folder has splits; leave it out")
        return self

    def located(self, folder: Path) -> Self:
        """The same with a relative path starting from `folder`."""
        return self.model_copy(update={"file": located(self.file, folder)})

    def check(self, *wanted: str) -> None:
        """Raises DataError where the source cannot be read or is empty, or where a table's header
        shows that no row of it can give what is wanted."""
        if next(iter(self.rows()), None) is None:
            raise DataError(f"{self.file}: the file is empty; write one row a line")
        self._check_columns()
        if not wanted:
            return
        for file in self.files():
            header = header_of(file)
            if header is None:
                return
            try:
                row = dict.fromkeys(header, "") | dict.fromkeys(self.columns, "")
                form = self.form(row)
                check_kinds(form.name, form.gives, wanted, header)
            except Unusable as error:
                if error.reason == "unknown_format":
                    raise DataError(f"{file.place}: line 1: {error.detail}") from None

    def _check_columns(self) -> None:
        """Raises DataError where one of `columns` is in no row; of a file of more than `LOOKED_AT`
        it is not known."""
        missing, seen = dict(self.columns), dict[str, None]()
        rows = read_rows(self.file, split=self.split) if missing else ()
        for number, (_, row, _) in enumerate(rows):
            if not isinstance(row, Refused):
                seen |= dict.fromkeys(map(str, row))
                missing = {k: v for k, v in missing.items() if at(row, v) is None}
            if not missing or number == LOOKED_AT:
                return
        for ours, theirs in missing.items():
            raise DataError(
                f"{self.file}: no row has the column '{theirs}', which `columns` names for "
                f"'{ours}'; {nearest(theirs, list(seen))}"
            )

    def count(self) -> int | None:
        """How many rows there are; None where counting would mean parsing."""
        rows = count_rows(self.file)
        return rows if rows is None or self.limit is None else min(rows, self.limit)

    def files(self, splits: Sequence[str] = ()) -> list[File]:
        """The files that are read, none of a built-in source or of one on the hub. splits: those
        that are meant where none is named, see `places.files_of`. Raises DataError."""
        if on_hub(self.file) or self.file.startswith(PREFIX):
            return []
        return files_of(self.file, [self.split] if self.split else splits)

    def rows(self, splits: Sequence[str] = ()) -> Iterator[Found]:
        """Every row under our names (see `files.read_rows`), as far as the limit."""
        unnamed = not splits and ":" not in self.file.removeprefix(HUB)
        split = self.split or ("train" if unnamed else None)
        splits = [self.split] if self.split else splits
        named = self.named
        found = islice(read_rows(self.file, split=split, splits=splits), self.limit)
        if not named:
            yield from found
            return
        for where, row, read in found:
            try:
                yield where, row if isinstance(row, Refused) else self.renamed(row), read
            except Unusable as error:
                yield where, refused(where, error, read), read

    def records(
        self, *wanted: str, unused: Counter[str] | None = None, splits: Sequence[str] = ()
    ) -> Iterator[Record | Refused]:
        """Every row as a record that gives the first of the `wanted` kinds that it can, or why it
        gives none. unused: counts columns that nothing used. splits: see `files`.

        Rows that say of one answer whether it is good (KTO) are paired by their prompts where
        pairs are wanted; what finds no partner is refused at the end. Raises DataError.
        """
        single = Unpaired()
        mapped = tuple(path.partition(".")[0] for path in self.named)
        for where, row, read in self.rows(splits):
            if isinstance(row, Refused):
                yield row
                continue
            try:
                found = self.record(row, where, wanted)
            except Unusable as error:
                yield refused(where, self._explained(error, row), read)
                continue
            if unused is not None and (
                names := unused_of(tuple(row), found.form, found.kind, mapped)
            ):
                unused.update(names)
            if found.form != "unpaired" or found.kind == PROMPT:
                yield found
                continue
            try:
                if (pair := single.pair(found)) is not None:
                    yield pair
            except Unusable as error:
                yield refused(where, error, read)
        yield from single.left()

    def record(self, row: Row, where: str, wanted: Sequence[str]) -> Record:
        """What one row says, as the first of the `wanted` kinds that it gives. Raises Unusable."""
        form = self.form(row)
        if ("chosen" in row) != ("rejected" in row) and not {*wanted} & {*form.gives}:
            # A pair of which one side is missing: that is what is wrong with it.
            form = FORMS["preference"]
        return record_of(row, where, form, wanted)

    def form(self, row: Row) -> Form:
        """The form of a row: as the source says, or as its columns show. Raises Unusable."""
        if self.format == "auto":
            return recognise(row)
        form = FORMS[self.format]
        form.check(row)
        return form

    @property
    def named(self) -> list[str]:
        """The file's own columns that are named here."""
        return list(self.columns.values())

    def _explained(self, error: Unusable, row: Row) -> Unusable:
        absent = [name for name in self.named if name not in row and at(row, name) is None]
        if error.reason in UNFOUND and absent:
            # What the config asks for in vain is the likely cause, whatever came of it.
            missing = f"the row has no {', '.join(absent)} (columns: {', '.join(row)})"
            return Unusable(error.reason, f"{error.detail}; {missing}")
        return error

    def renamed(self, row: Row) -> Row:
        """The row under our names. Raises Unusable where a value there cannot be one."""
        given = {ours: at(row, theirs) for ours, theirs in self.columns.items()}
        return row | {ours: value for ours, value in given.items() if value is not None}


def at(row: Row, path: str) -> Any:
    """The value of a column, dots leading into nested ones; None where there is none."""
    if path in row:
        return row[path]
    value: Any = row
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value
