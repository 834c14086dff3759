"""Whatever a user's file holds, each row is read or refused with one word and a line."""

from __future__ import annotations

import csv
from contextlib import suppress
from io import BytesIO, StringIO
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from gristmill.bench.items import item_of
from gristmill.errors import DataError
from gristmill.intake.cells import Refused, Unusable
from gristmill.intake.files import count_rows, rows_of
from gristmill.intake.places import KINDS as FILES
from gristmill.intake.places import File
from gristmill.intake.record import KINDS, PROMPT, Record, row_of
from gristmill.intake.source import Source
from gristmill.records import as_dicts
from gristmill.train.examples import examples_of
from shapes import SHAPES
from strange import changed, damaged, fuzzed, near, texts

U, A = {"role": "user", "content": "Q?"}, {"role": "assistant", "content": "Good."}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
ROWS = (
    *(row for row, gives in SHAPES.values() if gives),
    {
        "messages": [
            {"role": "system", "content": "<tools>[{}]</tools> <tool_call>"},
            U,
            {"role": "assistant", "content": "", "tool_calls": [CALL], "weight": 0},
            {"role": "tool", "content": "2", "tool_call_id": "c1", "name": "f"},
            {**A, "reasoning_content": "so"},
        ],
        "tools": [TOOL],
    },
    {"prompt": "Q?", "completion": "Good.", "label": True},
    {"messages": [U, {**A, "label": "correctness:3"}], "correctness": 3},
    {"query": "Q?", "tools": '[{"name": "f"}]', "answers": '[{"name": "f", "arguments": {}}]'},
    {"prompt": "Q?", "key": 1, "instruction_id_list": ["keywords:existence"],
     "kwargs": [{"keywords": ["a"]}]},
    {"prompt": "Q?", "id": 1, "answer": {"value": "3", "aliases": ["three"]}, "category": "c",
     "language": "en", "tests": [{"input": "1", "output": "2"}], "parents": ["a"],
     "constraints": [{"paragraphs": {"count": 3}}]},
    {"prompt": "Q?", "test": "def check(f): pass", "entry_point": "f", "test_setup": ""},
    {"prompt": [U], "chosen": "Good.", "rejected": "Bad.", "chosen_score": 3, "rejected_score": 1},
    {"prompt": "Q?", "chosen": ["a", "b"], "rejected": ["c", "d"], "subset": "x",
     "history": [["a", "b"]]},
)  # fmt: skip


def file_of(data: bytes, kind: str, packed: str = "") -> File:
    return File(f"f{kind}{packed}", f"f{kind}{packed}", kind, packed, lambda: BytesIO(data))


def check_record(record: Record) -> None:
    """All of it can be written again; a prompt reads back as the same."""
    turns = [*record.prompt.messages, *(t for a in record.answers for t in a.turns)]
    orjson.dumps(as_dicts(turns))
    if record.kind != PROMPT:
        for example in examples_of(record):
            assert example.where
        return
    again = orjson.loads(orjson.dumps(row_of(record.prompt)))
    found = Source(file="x.jsonl").record(again, "x:1", [PROMPT])
    for name in ("messages", "answer", "category", "language", "tests", "constraints", "tools"):
        assert getattr(found.prompt, name) == getattr(record.prompt, name)


def read_all(row: dict[str, Any], source: Source) -> None:
    for kind in KINDS:
        try:
            record = source.record(row, "f:1", [kind])
        except Unusable as error:
            assert error.reason.isidentifier() and isinstance(error.detail, str)
            continue
        check_record(record)
        if kind == "item":
            item_of(record, {})


@fuzzed
@given(near(*ROWS))
def test_rows_of_json(raw):
    for _, row, _ in rows_of(file_of(raw.replace(b"\n", b" "), ".jsonl")):
        if isinstance(row, Refused):
            str(row).encode()
        else:
            read_all(row, Source(file="x.jsonl"))


@fuzzed
@given(near(*ROWS), st.sampled_from(sorted(FILES)), st.sampled_from(("", ".gz", ".bz2", ".zst")))
def test_files_that_are_not_what_they_are_called(raw, kind, packed):
    file = file_of(raw, kind, packed)
    try:
        for _, row, read in rows_of(file):
            assert isinstance(row, dict | Refused) and isinstance(read, bytes | dict)
    except DataError as error:
        assert file.place in str(error)


FLAT = tuple({k: str(v) for k, v in row.items()} for row in ROWS)


@fuzzed
@given(changed(*FLAT, by=texts))
def test_cells_of_csv(row):
    table = StringIO(newline="")
    cells = {str(k): str(v) for k, v in row.items()}
    writer = csv.DictWriter(table, list(cells))
    writer.writeheader()
    writer.writerow(cells)
    try:
        for _, found, _ in rows_of(
            file_of(table.getvalue().encode("utf-8", "surrogatepass"), ".csv")
        ):
            if isinstance(found, dict):
                read_all(found, Source(file="x.csv"))
    except DataError as error:
        assert "f.csv" in str(error)


def table_of(row: dict[str, Any]) -> bytes:
    """A header and a line, with nothing in quotes."""
    lines = [",".join(map(str, cells)) for cells in (row, row.values())]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


@fuzzed
@given(damaged(changed(*FLAT, by=texts).map(table_of)))
def test_csv_as_people_write_it(raw):
    for kind in (".csv", ".tsv"):
        try:
            for _, found, _ in rows_of(file_of(raw, kind)):
                if isinstance(found, dict):
                    read_all(found, Source(file="x.csv"))
        except DataError as error:
            assert f"f{kind}" in str(error)


@fuzzed
@given(st.lists(changed(*ROWS), max_size=3), st.integers(0, 20), st.binary(max_size=8))
def test_cells_of_parquet(rows, place, damage):
    try:
        table = pa.Table.from_pylist(rows)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, UnicodeError):
        return  # what Arrow cannot hold is in no Parquet file
    sink = BytesIO()
    try:
        pq.write_table(table, sink)
    except (pa.ArrowException, ValueError):
        return
    whole = sink.getvalue()
    at = len(whole) * place // 20
    for data in (whole, whole[:at] + damage + whole[at + len(damage) :]):
        try:
            for _, row, _ in rows_of(file_of(data, ".parquet")):
                if isinstance(row, dict):
                    read_all(row, Source(file="x.parquet"))
        except DataError as error:
            assert "f.parquet" in str(error)


COLUMNS = {"prompt": "question.text", "response": "a.b.c", "answer": "x"}
NESTED = {"question": {"text": "Q?"}, "a": {"b": {"c": "Good."}}, "x": 3}


@fuzzed
@given(near(NESTED), texts)
def test_columns_of_other_names(raw, name):
    source = Source(file="x.jsonl", columns={**COLUMNS, "category": name})
    for _, row, _ in rows_of(file_of(raw.replace(b"\n", b" "), ".jsonl")):
        if isinstance(row, dict):
            with suppress(Unusable):
                read_all(source.renamed(row), source)


@fuzzed
@given(texts)
def test_built_in_sources(name):
    with suppress(DataError):
        assert count_rows(f"tutor:{name}")
