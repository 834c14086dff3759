"""Where training data comes from: a file, the tutor world, or a hub's data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from gristmill.errors import DataError
from gristmill.intake import files
from gristmill.intake.files import BadLine, read_rows
from gristmill.intake.hub import HUB, read_hub
from gristmill.intake.turns import Unusable
from gristmill.parts import Options
from gristmill.records import ATTRIBUTES
from gristmill.train.examples import Example, Refused
from gristmill.train.formats import Format, examples_of
from gristmill.train.labels import scaled

COLUMNS = (
    "prompt", "response", "system", "messages", "conversations", "text", "label", *ATTRIBUTES,
    "chosen", "rejected", "response_1", "response_2", "preference_strength",
    "chosen_score", "rejected_score",
)  # fmt: skip
"""What `columns` may give another name: every column that some format reads."""


UNFOUND = ("missing_field", "no_label", "unknown_format", "wrong_kind")
"""Reasons that a column named in vain may be behind."""


class Scale(Options):
    """A label in a column of another name, or on another scale."""

    column: str
    """The file's name for it; dots lead into nested columns: `scores.overall`."""
    range: tuple[float, float] = (0, 4)
    """Worst and best of the file's scale, brought to 0 to 4 in a straight line."""

    @field_validator("range")
    @classmethod
    def _some_range(cls, ends: tuple[float, float]) -> tuple[float, float]:
        if ends[0] == ends[1]:
            raise ValueError("both ends are the same")
        return ends


class Source(Options):
    """One source of examples."""

    file: str
    """JSONL, JSON, Parquet or CSV, a relative path from the config's folder; `tutor:4000:rated`
    and the other built-in ones; or `hf:org/name`, through the `datasets` library, and
    `hf:org/name/folder` for a part of it: `hf:nvidia/HelpSteer2/preference`."""
    split: str = "train"
    """Which split of an `hf:` data set."""
    format: Literal["auto", Format] = "auto"
    """What a row is; by default its columns show it."""
    weight: float = Field(default=1.0, gt=0)
    """How often each row is seen in an epoch: 2 is twice, 0.5 a random half."""
    limit: int | None = Field(default=None, ge=1)
    """Read so many rows, the first ones."""
    columns: dict[str, str] = Field(default_factory=dict)
    """The file's names for our columns, `{response: system_output}`; dots lead into nested ones."""
    labels: dict[str, Scale] = Field(default_factory=dict)
    """Where each attribute's label is, `{helpfulness: {column: scores.overall, range: [1, 5]}}`.
    Attributes that are not named here are then masked."""

    @field_validator("columns", "labels")
    @classmethod
    def _known(cls, names: dict[str, Any], info: Any) -> dict[str, Any]:
        known = COLUMNS if info.field_name == "columns" else ATTRIBUTES
        for name in names:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
                raise ValueError(f"unknown name '{name}'; {hint}")
        return names

    @model_validator(mode="after")
    def _split_of_a_hub(self) -> Source:
        if "split" in self.model_fields_set and not self.file.startswith(HUB):
            raise ValueError("split: only an `hf:` data set has splits; leave it out")
        return self

    def located(self, folder: Path) -> Source:
        """The same with a relative path starting from `folder`."""
        rest = self.file.removeprefix(HUB)
        if rest == self.file:
            place = files.located(self.file, folder)
        else:
            place = f"{HUB}{folder / rest}" if rest.startswith(".") else self.file
        return self.model_copy(update={"file": place})


def read(source: Source, wanted: tuple[type, ...]) -> Iterator[Example | Refused]:
    """Every row of a source in order: its examples of the `wanted` kinds, or why it gives none.

    Raises DataError where the source cannot be read, is empty, or gives not one example;
    MissingExtra where `datasets` is needed and absent.
    """
    refused: Counter[str] = Counter()
    first: Refused | None = None
    rows = 0
    for where, row in _rows(source):
        if rows == source.limit:
            break
        rows += 1
        found = _examples(source, row, where, wanted)
        if isinstance(found, Refused):
            first = first or found
            refused[found.reason] += 1
            yield found
        else:
            yield from found
    if first is None and not rows:
        raise DataError(f"{source.file}: the file is empty; write one row a line")
    if first is not None and refused.total() == rows:
        counts = ", ".join(f"{n} {reason}" for reason, n in refused.most_common())
        raise DataError(
            f"{source.file}: none of {rows} rows can be used ({counts}); "
            f"the first, {first.where}: {first.reason}: {first.detail}"
        )


def _examples(
    source: Source, row: dict[str, Any] | BadLine, where: str, wanted: tuple[type, ...]
) -> list[Example] | Refused:
    if isinstance(row, BadLine):
        return Refused(where, row.reason.removeprefix("input:"), row.detail)
    named = None if source.format == "auto" else source.format
    if not source.columns and not source.labels:
        return examples_of(row, where, wanted, named)
    try:
        found = examples_of(_renamed(source, row), where, wanted, named)
    except Unusable as error:
        found = Refused(where, error.reason, error.detail)
    asked = [*source.columns.values(), *(scale.column for scale in source.labels.values())]
    absent = [column for column in asked if _at(row, column) is None]
    if isinstance(found, Refused) and found.reason in UNFOUND and absent:
        # What the config asks for in vain is the likely cause, whatever came of it.
        there = f"; the row has no {', '.join(absent)} (columns: {', '.join(row)})"
        found = Refused(where, found.reason, found.detail + there)
    return found


def _renamed(source: Source, row: dict[str, Any]) -> dict[str, Any]:
    """The row under our names; Unusable where a label is none."""
    given = {ours: _at(row, theirs) for ours, theirs in source.columns.items()}
    if source.labels:
        row = {name: value for name, value in row.items() if name not in ATTRIBUTES} | {
            name: scaled(_at(row, scale.column), scale.column, scale.range)
            for name, scale in source.labels.items()
        }
    return row | {ours: value for ours, value in given.items() if value is not None}


def _at(row: dict[str, Any], path: str) -> Any:
    """The value of a column, dots leading into nested ones; None where there is none."""
    if path in row:
        return row[path]
    value: Any = row
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _rows(source: Source) -> Iterator[tuple[str, dict[str, Any] | BadLine]]:
    if source.file.startswith(HUB):
        yield from read_hub(source.file, source.split)
    else:
        for where, row, _ in read_rows(source.file):
            yield where, row
