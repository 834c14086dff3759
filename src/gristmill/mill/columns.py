"""The columns of the four data sets: those that every run has, and those that only some rows need.

A thought, tool calls and the like have columns and fields only in a file in which some row has
one. So a plain run's files hold nothing but what everybody reads, and chat templates that ask
whether a message has a field are not told yes by a null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from gristmill.records import ATTRIBUTES

Row = Mapping[str, Any]
"""A value for each column of a schema; `provenance` holds what it is made of (`rows.Made`), absent
columns are null."""

PLAIN = (("role", pa.string()), ("content", pa.string()))
"""What every message has."""

MESSAGES = pa.list_(pa.struct(PLAIN))

PROVENANCE = pa.struct(
    [
        ("model", pa.string()),
        ("judges", pa.list_(pa.string())),
        ("licences", pa.list_(pa.string())),
        ("recipe", pa.string()),
        ("seed", pa.int64()),
        ("parents", pa.list_(pa.string())),
    ]
)
_SIMULATED = pa.field("simulated", pa.string())
"""The model that played the tools, in the provenance of rows of which some were played."""
JUDGEMENTS = pa.list_(
    pa.struct(
        [
            ("judge", pa.string()),
            ("model", pa.string()),
            ("reward", pa.float64()),
            ("detail", pa.string()),
        ]
    )
)
_SCORES = [(name, pa.float32()) for name in ATTRIBUTES] + [("reward", pa.float64())]
_IDS = [("prompt_id", pa.string()), ("response_id", pa.string())]

SCHEMAS = {
    "sft": pa.schema(
        [("messages", MESSAGES), ("reward", pa.float64()), *_IDS, ("provenance", PROVENANCE)]
    ),
    "preference": pa.schema(
        [
            ("prompt", MESSAGES),
            ("chosen", MESSAGES),
            ("rejected", MESSAGES),
            ("chosen_score", pa.float64()),
            ("rejected_score", pa.float64()),
            ("prompt_id", pa.string()),
            ("chosen_id", pa.string()),
            ("rejected_id", pa.string()),
            ("provenance", PROVENANCE),
        ]
    ),
    "scored": pa.schema(
        [
            ("prompt", pa.string()),
            ("response", pa.string()),
            *_SCORES,
            *_IDS,
            ("kept", pa.bool_()),
            ("provenance", PROVENANCE),
            ("judgements", JUDGEMENTS),
        ]
    ),
    "rejected": pa.schema(
        [
            ("reason", pa.string()),
            ("detail", pa.string()),
            *_IDS,
            ("prompt", pa.string()),
            ("response", pa.string()),
            *_SCORES,
            ("source", pa.string()),
            ("provenance", PROVENANCE),
            ("judgements", JUDGEMENTS),
        ]
    ),
}


def message_fields(json: pa.DataType) -> dict[str, pa.DataType]:
    """What messages have where some of a file do, as chat templates read it. json: of what is an
    object to them, a call's arguments."""
    function = pa.struct([("name", pa.string()), ("arguments", json)])
    call = pa.struct([("id", pa.string()), ("type", pa.string()), ("function", function)])
    return {
        "reasoning_content": pa.string(),
        "tool_calls": pa.list_(call),
        "tool_call_id": pa.string(),
        "name": pa.string(),
        "weight": pa.int64(),
    }


MORE = {
    "sft": {"tools": "messages"},
    "preference": {
        "tools": "rejected",
        "chosen_model": "rejected_score",
        "rejected_model": "rejected_score",
    },
    "scored": dict.fromkeys(("reasoning", "tool_calls", "steps"), "response"),
    "rejected": dict.fromkeys(("reasoning", "tool_calls", "steps"), "response"),
}
"""The columns that a data set has where some row does, and the column that they come after."""


def extras(name: str, rows: Iterable[Row]) -> frozenset[str]:
    """The columns, and the fields of messages, that rows of a data set need beside the plain."""
    found = {column for row in rows for column in MORE[name] if column in row}
    lists = [field.name for field in SCHEMAS[name] if field.type == MESSAGES]
    for row in rows if lists else ():
        for column in lists:
            for message in row[column]:
                if len(message) > len(PLAIN):
                    found.update(message)
    return frozenset(found - {field for field, _ in PLAIN})


def schema_of(name: str, more: frozenset[str], json: pa.DataType | None = None) -> pa.Schema:
    """The schema of a data set with `extras`.

    json: in the place of Arrow's JSON, which `datasets` gives back as objects, as templates need
    a call's arguments and tools.
    """
    json = json or (pa.json_() if more else pa.string())
    known = message_fields(json)
    messages = pa.list_(pa.struct([*PLAIN, *((n, t) for n, t in known.items() if n in more)]))
    provenance = pa.struct([*PROVENANCE, *([_SIMULATED] if "simulated" in more else ())])
    kinds = {MESSAGES: messages, PROVENANCE: provenance}
    fields: list[pa.Field] = []
    for field in SCHEMAS[name]:
        fields.append(field.with_type(kinds.get(field.type, field.type)))
        for column, before in MORE[name].items():
            if column in more and before == field.name:
                fields.append(pa.field(column, json if column == "tools" else pa.string()))
    return pa.schema(fields)


def widened(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table with the columns and fields that it lacks, all null."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
