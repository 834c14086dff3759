"""Where training data comes from: rows of any source, as examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import Field, field_validator

from gristmill.errors import DataError
from gristmill.intake.cells import Refused, Row
from gristmill.intake.labels import Scale, scaled
from gristmill.intake.source import Source, at, known_names
from gristmill.page.text import plural
from gristmill.records import ATTRIBUTES
from gristmill.train.examples import KIND_OF, Example, examples_of


class TrainingSource(Source):
    """One source of examples."""

    weight: float = Field(default=1.0, gt=0)
    """How often each row is seen in an epoch: 2 is twice, 0.5 a random half."""
    labels: dict[str, Scale] = Field(default_factory=dict)
    """Where each attribute's label is, `{helpfulness: {column: scores.overall, range: [1, 5]}}`.
    Attributes that are not named here are then masked."""

    @field_validator("labels")
    @classmethod
    def _known_labels(cls, names: dict[str, Any]) -> dict[str, Any]:
        return known_names(names, ATTRIBUTES)

    @property
    def named(self) -> list[str]:
        return [*super().named, *(scale.column for scale in self.labels.values())]

    def renamed(self, row: Row) -> Row:
        if self.labels:
            given = {
                n: scaled(at(row, s.column), s.column, s.range) for n, s in self.labels.items()
            }
            row = {name: value for name, value in row.items() if name not in ATTRIBUTES} | given
        return super().renamed(row)


def read(
    source: TrainingSource, wanted: tuple[type, ...], unused: Counter[str] | None = None
) -> Iterator[Example | Refused]:
    """Every row of a source in order: its examples of the `wanted` kinds, or why it gives none.

    unused: counts columns that nothing used.
    Raises DataError where the source cannot be read, is empty, or gives not one example;
    MissingExtra where `datasets` is needed and absent.
    """
    refused: Counter[str] = Counter()
    first: Refused | None = None
    used = 0
    for found in source.records(*(KIND_OF[kind] for kind in wanted), unused=unused):
        if isinstance(found, Refused):
            first = first or found
            refused[found.reason] += 1
            yield found
        else:
            used += 1
            yield from examples_of(found)
    if first is None and not used:
        raise DataError(f"{source.file}: the file is empty; write one row a line")
    if first is not None and not used:
        counts = ", ".join(f"{n} {reason}" for reason, n in refused.most_common())
        raise DataError(
            f"{source.file}: none of {plural(refused.total(), 'row')} can be used ({counts}); "
            f"the first, {first}"
        )
