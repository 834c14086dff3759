"""Which models, judges, licences, recipes and seeds made the rows of a run."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from gristmill.page.text import plural
from gristmill.report.folder import Run, Table

FIELDS = ("model", "judges", "licences", "recipe", "seed")
MOST = 200
"""Distinct values kept a field; a recipe or a model list is never that long."""

# The ids that the Hub knows without a licence file, of the licences that models come under.
HUB_LICENCES = frozenset(
    """
    apache-2.0 mit bsd-2-clause bsd-3-clause cc0-1.0 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0
    cc-by-sa-4.0 cc-by-nc-4.0 cc-by-nc-sa-4.0 cc-by-nc-nd-4.0 cc-by-nd-4.0 openrail
    bigscience-openrail-m creativeml-openrail-m openrail++ odc-by odbl pddl gpl-2.0 gpl-3.0
    lgpl-2.1 lgpl-3.0 agpl-3.0 mpl-2.0 epl-2.0 isc unlicense wtfpl artistic-2.0 bsl-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 gemma llama2 llama3 llama3.1
    llama3.2 llama3.3 llama4 ms-pl zlib
    """.split()  # noqa: SIM905
)


@dataclass
class Origins:
    """How many rows name each value of each provenance field.

    unlicensed: rows whose provenance names no licence at all.
    """

    rows: int = 0
    unlicensed: int = 0
    values: dict[str, Counter[Any]] = field(
        default_factory=lambda: {name: Counter() for name in FIELDS}
    )

    def names(self, name: str) -> list[str]:
        """The distinct values of a field, most frequent first."""
        ranked = sorted(self.values[name].items(), key=lambda item: (-item[1], str(item[0])))
        return [str(value) for value, _ in ranked]


@dataclass(frozen=True)
class Licence:
    """The card's licence. `id` is the Hub's; `name` says more where the id is `other`."""

    id: str
    name: str | None
    sentence: str


def trace(run: Run) -> Origins:
    """Count the provenance of the rows that are passed on, or of the rejected if none are."""
    found = Origins()
    present = [run.tables[n] for n in ("scored", "sft", "preference") if run.rows(n)]
    for table in present or [run.tables[n] for n in ("rejected",) if run.rows(n)]:
        if "provenance" in table.columns:
            _count(table, found)
            # `scored` holds the rows of all the others: to count them again would be wrong.
            break
    return found


def _count(table: Table, found: Origins) -> None:
    columns = [f"provenance.{name}" for name in FIELDS]
    for batch in table.batches(columns):
        struct = batch.column(0)
        if not pa.types.is_struct(struct.type):
            return
        found.rows += len(struct)
        names = [struct.type.field(i).name for i in range(struct.type.num_fields)]
        # flatten, unlike field, knows that a null struct has no fields.
        fields = dict(zip(names, struct.flatten(), strict=True))
        for name in FIELDS:
            if name in fields:
                _tally(fields[name], found.values[name])
        if "licences" in fields:
            found.unlicensed += _without(fields["licences"])


def _tally(column: pa.Array, counter: Counter[Any]) -> None:
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = column.flatten()
    for each in column.drop_null().value_counts().to_pylist():
        if each["values"] in counter or len(counter) < MOST:
            counter[each["values"]] += each["counts"]


def _without(column: pa.Array) -> int:
    """Rows with no licence, or with one missing among several."""
    if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return column.null_count
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return int((lengths == 0).sum()) + column.flatten().null_count


def combine(origins: Origins) -> Licence:
    """The licence of the whole: the one that all rows share, or `other` with the reason why."""
    names = sorted(origins.names("licences"))
    if not names:
        return Licence(
            "other",
            "not-stated",
            "The rows name no licence: ask for the terms of the models above before you pass "
            "the data on.",
        )
    slugs = sorted({slug(name) for name in names})
    listed = ", ".join(names)
    if origins.unlicensed:
        return Licence(
            "other",
            "-and-".join([*slugs, "not-stated"]),
            f"Known licences: {listed}. {plural(origins.unlicensed, 'row')} made in part by a "
            "model whose licence is not stated; `provenance` says which models made a row.",
        )
    if len(slugs) > 1:
        return Licence(
            "other",
            "-and-".join(slugs),
            f"Several licences meet in this data set: {listed}. The `provenance` of a row says "
            "which apply to it; keep to all of them.",
        )
    if slugs[0] in HUB_LICENCES:
        return Licence(slugs[0], None, f"The licence that the rows name is {listed}.")
    return Licence("other", slugs[0], f"The licence that the rows name is {listed}.")


def slug(name: str) -> str:
    """A licence name as the Hub writes ids: lower case, dashes."""
    return re.sub(r"[^a-z0-9.+]+", "-", name.lower()).strip("-")[:60] or "unnamed"
