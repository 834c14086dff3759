"""Data sets that are cut into parts: the same rows, for every reader in the house."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gristmill
from gristmill.errors import StorageError
from gristmill.flywheel.answers import texts
from gristmill.mill import feed, parquet
from gristmill.mill.rows import Origin
from gristmill.records import Message, Prompt, Sample
from gristmill.report import write_card, write_report
from gristmill.report.folder import open_run
from gristmill.storage.tables import parts_of, place_of, read_table
from mills import TABLES, write_prompts
from mills import settings as mill_settings

ORIGIN = Origin(["m"], ["j"], [["MIT"]], 0)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 4)
    monkeypatch.setattr(parquet, "PART_ROWS", 8)


def row_of(number: int, beside: set[str]) -> dict[str, Any]:
    turns: list[dict[str, Any]] = [
        {"role": "user", "content": f"Q{number}"},
        {"role": "assistant", "content": f"A{number}"},
    ]
    if "reasoning_content" in beside:
        turns[1]["reasoning_content"] = f"T{number}"
    if "weight" in beside:
        turns[0]["weight"] = 0
    prompt = Prompt(f"p{number}", (Message("user", f"Q{number}"),), source="f.jsonl")
    found = {"messages": turns, "prompt_id": prompt.id, "provenance": (prompt, (Sample(0),))}
    return found | ({"tools": "[]"} if "tools" in beside else {})


EXTRAS = st.sets(st.sampled_from(["reasoning_content", "weight", "tools"]))


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.one_of(st.just(set()), EXTRAS), max_size=30),
    batch=st.integers(1, 5),
    size=st.integers(1, 12),
)
def test_parts_hold_the_rows_of_one_file_in_one_schema(
    rows: list[set[str]], batch: int, size: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        found = {}
        for most in (size, 1_000):
            folder = Path(name) / str(most)
            folder.mkdir()
            patched.setattr(parquet, "PART_ROWS", most)
            patched.setattr(parquet, "BATCH_ROWS", batch)
            with parquet.Writers(folder, ["sft"], ORIGIN) as out:
                for number, beside in enumerate(rows):
                    out.add("sft", row_of(number, beside))
            assert out.written == {"sft": len(rows)}
            found[most] = parts_of(folder / "sft.parquet")
        whole = found[1_000][0]
        assert found[1_000] == [Path(name) / "1000" / "sft.parquet"]
        for part in found[size]:
            assert pq.read_schema(part).equals(pq.read_schema(whole))
        in_parts = read_table(Path(name) / str(size) / "sft.parquet")
        assert in_parts.to_pylist() == pq.read_table(whole).to_pylist()
        # A part ends with the batch that fills it, and none is empty beside others.
        full = -(-size // batch) * batch
        expected = [full] * (len(rows) // full) + [len(rows) % full] * (len(rows) % full > 0)
        assert [pq.read_metadata(part).num_rows for part in found[size]] == (expected or [0])


def run(folder: Path, **changes: Any) -> gristmill.Outcome:
    values = mill_settings(write_prompts(folder, 30), **changes)
    return gristmill.run(values, folder / "out", quiet=True)


def rows_of(outcome: gristmill.Outcome) -> dict[str, list[dict[str, Any]]]:
    return {name: outcome.table(name).to_pylist() for name in TABLES}


def test_a_run_goes_from_one_file_to_parts_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "out" / "data"
    whole = rows_of(run(tmp_path))
    said = texts(tmp_path / "out")
    files = {name: f"{name}.parquet" for name in TABLES}
    assert sorted(p.name for p in data.iterdir()) == sorted(files.values())
    monkeypatch.setattr(parquet, "BATCH_ROWS", 4)
    monkeypatch.setattr(parquet, "PART_ROWS", 8)
    outcome = run(tmp_path)
    assert rows_of(outcome) == whole and len(whole["scored"]) == 60
    assert texts(tmp_path / "out") == said
    assert sorted(p.name for p in data.iterdir()) == sorted(TABLES)
    assert len(parts_of(data / "scored.parquet")) == 8
    # Another filter, in one file again where that is enough; and a data set less.
    changed = run(tmp_path, keep=[{"threshold": {"correctness": 3.9}}], export=["sft", "scored"])
    assert 0 < len(changed.table("sft")) <= 8
    assert sorted(p.name for p in data.iterdir()) == ["rejected", "scored", "sft.parquet"]
    monkeypatch.undo()
    assert rows_of(run(tmp_path)) == whole
    assert sorted(p.name for p in data.iterdir()) == sorted(files.values())


def test_the_pages_of_parts_are_those_of_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path)
    folder = tmp_path / "out"

    def pages() -> tuple[str, str]:
        return write_card(folder).read_text(), write_report(folder).read_text()

    whole = {name: open_run(folder).tables[name] for name in TABLES}
    card, page = pages()
    monkeypatch.setattr(parquet, "BATCH_ROWS", 4)
    monkeypatch.setattr(parquet, "PART_ROWS", 8)
    metrics = (folder / "metrics.json").read_bytes()
    run(tmp_path)
    (folder / "metrics.json").write_bytes(metrics)
    for name, table in open_run(folder).tables.items():
        assert (table.rows, table.columns) == (whole[name].rows, whole[name].columns)
        assert len(table.parts) > 1 and sum(table.group_sizes()) == table.rows
    card_of_parts, page_of_parts = pages()
    for name in TABLES:
        assert f"path: data/{name}/part-*.parquet" in card_of_parts
        card_of_parts = card_of_parts.replace(f"data/{name}/part-*.parquet", f"data/{name}.parquet")
    assert card_of_parts == card
    for name in TABLES:
        page_of_parts = page_of_parts.replace(f"data/{name}<", f"data/{name}.parquet<")
    assert _without_times(page_of_parts) == _without_times(page)


def _without_times(page: str) -> list[str]:
    return [line for line in page.splitlines() if "last started" not in line]


@pytest.mark.usefixtures("small_parts")
def test_what_reads_files_reads_parts_by_the_files_name(tmp_path: Path) -> None:
    outcome = run(tmp_path)
    data = outcome.folder / "data"
    graded = tmp_path / "graded.jsonl"
    done = gristmill.score(data / "scored.parquet", "scripted:echo", graded)
    assert done.rows == len(graded.read_text().splitlines()) == 60
    again = {**mill_settings(data / "sft.parquet"), "name": "again"}
    second = gristmill.run(again, tmp_path / "again", quiet=True)
    assert second.metrics["prompts"]["finished"] == len(outcome.table("sft"))
    assert place_of(data / "sft.parquet") == data / "sft"


@pytest.mark.usefixtures("small_parts")
def test_the_library_datasets_loads_parts(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    outcome = run(tmp_path)
    cache = str(tmp_path / "cache")
    for name in TABLES:
        whole = outcome.table(name).to_pylist()
        by_card = datasets.load_dataset(str(outcome.folder), name, split="train", cache_dir=cache)
        assert by_card.to_list() == whole
        pattern = str(outcome.folder / "data" / name / "*.parquet")
        by_name = datasets.load_dataset(
            "parquet", data_files=pattern, split="train", cache_dir=cache
        )
        assert by_name.to_list() == whole


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How far each reading of the input came, after a look at its first row."""
    found: list[int] = []
    real = feed.keyed_prompts

    def counted(*args: Any) -> Iterator[Any]:
        found.append(0)
        for item in real(*args):
            found[-1] += 1
            yield item

    monkeypatch.setattr(feed, "keyed_prompts", counted)
    return found


def test_what_is_all_there_is_decided_in_one_reading(tmp_path: Path, readings: list[int]) -> None:
    whole = rows_of(run(tmp_path))
    assert readings == [1, 30, 30]
    readings.clear()
    changed = run(tmp_path, keep=[{"dedup": {}}])
    assert readings == [1, 30] and len(changed.table("sft")) == 30
    # A filter that needs all scores before the first decision has them in a reading of its own.
    run(tmp_path, keep=[{"threshold": {"reward": {"min_quantile": 0.5}}}])
    assert readings == [1, 30, 1, 30, 30]
    assert rows_of(run(tmp_path)) == whole


@pytest.mark.parametrize("grown", [33, 20])
def test_an_input_that_is_another_by_now_is_made_up_for(
    tmp_path: Path, readings: list[int], grown: int
) -> None:
    run(tmp_path)
    readings.clear()
    write_prompts(tmp_path, grown)
    values = mill_settings(tmp_path / "prompts.jsonl")
    found = rows_of(gristmill.run(values, tmp_path / "out", quiet=True))
    assert readings == ([1, 31, 33, 33] if grown == 33 else [1, 20])
    fresh = gristmill.run(values, tmp_path / "fresh", quiet=True)
    assert found == rows_of(fresh)
    assert sorted(p.name for p in (tmp_path / "out" / "data").iterdir()) == sorted(
        f"{name}.parquet" for name in TABLES
    )


def test_a_limit_holds_where_all_is_there(tmp_path: Path, readings: list[int]) -> None:
    run(tmp_path)
    readings.clear()
    values = mill_settings(tmp_path / "prompts.jsonl")
    outcome = gristmill.run(values, tmp_path / "out", limit=10, quiet=True)
    assert readings == [1, 10] and outcome.metrics["prompts"]["finished"] == 10


@pytest.mark.parametrize("out", ["s3://bucket/run", "memory://run", "gs://b/deep/er"])
def test_an_object_store_is_no_folder_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    values = mill_settings(write_prompts(tmp_path, 3))
    with pytest.raises(StorageError, match=f"^{re.escape(out)}: a run needs a folder"):
        gristmill.run(values, out, quiet=True)
    assert [p.name for p in tmp_path.iterdir()] == ["prompts.jsonl"]
