"""A run's data sets as JSON lines: the same rows, whole or not at all, never those of before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

import gristmill as g
from commands import Gristmill
from gristmill.errors import CheckpointError, DataError, InputError
from gristmill.jobs.jsonl import write_jsonl
from gristmill.mill import parquet
from gristmill.storage.tables import read_table
from mills import settings, write_prompts

NAMES = ("sft", "preference", "scored", "rejected")


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return settings(write_prompts(tmp_path, 20, answer='Zwölf 🙂\u2028\n"x"'))


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def written(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.jsonl*")}


@pytest.mark.parametrize("most", [10**6, 8])
def test_the_rows_are_those_of_parquet_also_of_parts(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", most)
    monkeypatch.setattr(parquet, "BATCH_ROWS", 4)
    g.run(config, tmp_path / "run", quiet=True, export="jsonl")
    data = tmp_path / "run/data"
    assert (data / "scored").is_dir() == (most == 8)
    for name in NAMES:
        rows = lines(data / f"{name}.jsonl")
        assert rows and rows == read_table(data / f"{name}.parquet").to_pylist()
    # The card names the Parquet files alone.
    assert "sft.jsonl" not in (tmp_path / "run/README.md").read_text()


def test_calls_and_tools_are_objects_and_what_a_message_lacks_is_not_there(
    tmp_path: Path,
) -> None:
    said = [
        {"role": "user", "content": "1 and 2?"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": [1]}}},
            {"type": "function", "function": {"name": "add", "arguments": "{broken"}}]},
        {"role": "tool", "content": '{"is": 3}', "tool_call_id": "c1", "name": "add"},
        {"role": "user", "content": "So?"},
    ]  # fmt: skip
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
    rows = ({"messages": said, "tools": tools}, {"prompt": "Hello?"})
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {
        "prompts": {"file": str(tmp_path / "p.jsonl")},
        "generate": {"model": "scripted:echo", "responses": 1},
    }
    g.run({**values, "export": ["sft"]}, tmp_path / "run", quiet=True)
    g.export(tmp_path / "run", "jsonl", tmp_path / "out")
    first, second = lines(tmp_path / "out/sft.jsonl")
    assert first["messages"][:4] == said and first["tools"] == tools
    assert second["messages"][0] == {"role": "user", "content": "Hello?"}
    assert second["tools"] is None
    loaded = datasets.load_dataset(
        "json", data_files=str(tmp_path / "out/sft.jsonl"), split="train",
        cache_dir=str(tmp_path / "cache"),
    )  # fmt: skip
    assert loaded[0]["messages"] == first["messages"] and loaded[0]["tools"] == tools


def test_others_read_them(config: dict[str, Any], tmp_path: Path) -> None:
    g.run(config, tmp_path / "run", quiet=True)
    done = g.export(tmp_path / "run", "jsonl", tmp_path / "new/out")
    assert (written(done.out), written(tmp_path / "run/data")) == (
        {f"{name}.jsonl" for name in NAMES},
        set(),
    )
    rows = lines(done.out / "preference.jsonl")
    loaded = datasets.load_dataset(
        "json",
        data_files=str(done.out / "preference.jsonl"),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert loaded.to_list() == rows
    assert len(pd.read_json(done.out / "preference.jsonl", lines=True)) == len(rows)
    assert done.rows == sum(len(lines(done.out / f"{name}.jsonl")) for name in NAMES)


def test_a_run_that_decides_anew_leaves_none_of_before(
    config: dict[str, Any], tmp_path: Path, gristmill: Gristmill
) -> None:
    Path("c.yaml").write_text(json.dumps(config))
    data = Path("out/data")
    assert gristmill("run", "c.yaml", "--out", "out", "--export", "jsonl").code == 0
    assert len(written(data)) == 4
    (data / "mine.jsonl").write_text("{}")
    few = ("run", "c.yaml", "--out", "out", "--quiet", "--set", "export=[sft]")
    assert gristmill(*few, "--export", "jsonl").code == 0
    assert written(data) == {"sft.jsonl", "rejected.jsonl", "mine.jsonl"}
    assert gristmill(*few, "--set", "target=2").code == 0
    assert written(data) == {"mine.jsonl"}
    assert "rows: out/data" in gristmill("export", "out", "--for", "jsonl").out
    assert len(lines(data / "sft.jsonl")) == 2


def test_shards_decide_with_it(config: dict[str, Any], gristmill: Gristmill) -> None:
    Path("c.yaml").write_text(json.dumps(config))
    assert gristmill("run", "c.yaml", "--out", "o", "--shards", "2", "--export", "jsonl").code == 0
    assert len(written(Path("o/data"))) == 4
    refused = gristmill("run", "c.yaml", "--out", "p", "--shard", "1/2", "--export", "jsonl")
    assert (refused.code, "a shard writes no data" in refused.line) == (2, True)


def test_what_is_no_run_or_no_folder_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--export csv: a run writes `jsonl`"):
        g.run(config, tmp_path / "run", export="csv")
    assert not (tmp_path / "run").exists()
    g.run(config, tmp_path / "run", quiet=True)
    with pytest.raises(InputError, match="name a folder with --out"):
        g.export(tmp_path / "run", "jsonl", tmp_path / "x.jsonl")
    with pytest.raises(InputError, match="--out: missing"):
        g.export(tmp_path / "run", "trl")
    with pytest.raises(DataError, match="no such folder"):
        g.export(tmp_path / "nowhere", "jsonl")
    training = tmp_path / "training"
    training.mkdir()
    (training / "run.yaml").write_text("kind: sft\n")
    (training / "metrics.json").write_text("{}")
    with pytest.raises(DataError, match="has no data sets"):
        g.export(training, "jsonl")
    (tmp_path / "own/data").mkdir(parents=True)
    (tmp_path / "own/data/sft.jsonl").write_text("{}")
    with pytest.raises(CheckpointError, match=r"sft\.jsonl is there already"):
        g.run(config, tmp_path / "own", quiet=True)


def test_what_cannot_be_read_whole_leaves_what_was_there(
    config: dict[str, Any], tmp_path: Path
) -> None:
    g.run(config, tmp_path / "run", quiet=True, export="jsonl")
    data = tmp_path / "run/data"
    before = (data / "scored.jsonl").read_bytes()
    table = bytearray((data / "scored.parquet").read_bytes())
    table[8:400] = bytes(392)
    (data / "scored.parquet").write_bytes(table)
    with pytest.raises(DataError, match="cannot be read"):
        write_jsonl(tmp_path / "run")
    assert (data / "scored.jsonl").read_bytes() == before
    assert not list(data.glob("*.new"))
