"""Whatever a file of votes holds is read as battles, or refused with its place."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from gristmill.arena.read import read, read_battles
from gristmill.errors import DataError
from shapes import SHAPES
from strange import changed, damaged, fuzzed, near, plain, texts

U, A = {"role": "user", "content": "Q?"}, {"role": "assistant", "content": "A."}
BATTLE = {
    "id": "i", "model_a": "a", "model_b": "b", "winner": "tie", "judge": "j", "tstamp": 1.5,
    "turn": 1, "language": "en", "categories": ["math"], "anony": True, "margin": 2,
    "conversation_a": [U, A], "conversation_b": [U, A], "is_code": False,
    "category_tag": {"math_v0.1": {"math": True}}, "dedup_tag": {"sampled": True},
}  # fmt: skip
ROWS = (
    BATTLE,
    {**BATTLE, "winner": "model_a", "tstamp": "2024-05-01T10:00:00"},
    *(SHAPES[name][0] for name in ("arena 55k", "arena 33k", "FastChat's log")),
)
CELLS = tuple({name: str(value) for name, value in row.items()} for row in ROWS)
WANTED = ("id", "prompt", "judge", "time", "turns", "language", "tags", "style")


@pytest.fixture(scope="module")
def place():
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def tried(path: Path) -> None:
    for wanted, covariates in ((WANTED, ()), ((), ()), (("time", "tags"), ("margin",))):
        try:
            found = read([path], wanted, covariates)
        except DataError as error:
            assert path.name in str(error)
            continue
        assert len(found.models) >= 2 and (found.a != found.b).all()
        assert found.time is None or not np.isinf(found.time).any()
        assert all(isinstance(note, str) for note in found.notes)
    try:
        for battle in read_battles([path]):
            battle.as_row()
    except DataError as error:
        assert path.name in str(error)


@fuzzed
@given(near(*ROWS), near(BATTLE))
def test_lines_of_votes(place, one, other):
    path = place / "votes.jsonl"
    path.write_bytes(one.replace(b"\n", b" ") + b"\n" + other)
    tried(path)


def table_of(row: dict[str, Any]) -> bytes:
    quoted = ('"' + str(cell).replace('"', '""') + '"' for cell in row.values())
    lines = [",".join(map(str, row)), ",".join(quoted)]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


@fuzzed
@given(damaged(changed(*CELLS, by=texts).map(table_of)))
def test_tables_of_votes(place, raw):
    for kind in ("csv", "tsv"):
        path = place / f"votes.{kind}"
        path.write_bytes(raw)
        tried(path)


@fuzzed
@given(changed(*ROWS, by=plain), changed(BATTLE, by=plain))
def test_parquet_of_votes(place, one, other):
    sink = BytesIO()
    try:
        pq.write_table(pa.Table.from_pylist([one, other]), sink)
    except (pa.ArrowException, TypeError, ValueError, OverflowError, UnicodeError):
        return  # what Arrow cannot hold is in no Parquet file
    path = place / "votes.parquet"
    path.write_bytes(sink.getvalue())
    tried(path)
