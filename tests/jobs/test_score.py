"""Grading alone: it goes on where it was, and overwrites nothing that people gave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

import graders
from gristmill.errors import ConfigError, RunError
from gristmill.jobs.score import Scored, score
from gristmill.records import ATTRIBUTES

MODEL = "scripted:graders:noting"
ROWS = [{"prompt": f"Q{n}?", "response": f"answer {n}", "n": n} for n in range(100)]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(rows: list[dict[str, Any]], name: str = "in.jsonl") -> Path:
    Path(name).write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return Path(name)


def read(name: str | Path) -> list[dict[str, Any]]:
    path = Path(name)
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.parametrize("out", ["out.jsonl", "out.parquet"])
def test_after_kill_9_only_what_was_in_flight_is_asked_again(place: Path, out: str) -> None:
    write(ROWS)
    graders.DIES_AT.write_text("40")
    code = f"from gristmill import score; score('in.jsonl', '{MODEL}', '{out}', concurrency=2)"
    path = os.pathsep.join([str(Path(graders.__file__).parent), *sys.path])
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path})
    assert killed.returncode == -9
    assert not Path(out).exists()
    graders.DIES_AT.unlink()
    before = graders.asked()
    done = score("in.jsonl", MODEL, out, concurrency=2, quiet=True)
    assert done == Scored(Path(out), 100, 0, 0)
    again = set(before) & set(graders.asked()[len(before) :])
    assert len(again) <= 8  # four tasks are under way for each call in flight
    rows = read(out)
    assert [row["n"] for row in rows] == list(range(100))
    assert all(row["reward"] == len(row["response"]) for row in rows)


def test_what_is_scored_costs_no_call_and_another_model_all_of_them() -> None:
    write([*ROWS, *ROWS])
    for _ in range(2):
        assert score("in.jsonl", MODEL, "out.jsonl", quiet=True).rows == 200
        assert len(graders.asked()) == 100  # equal rows are asked about once
    score("in.jsonl", MODEL, "out.jsonl", quiet=True, weights={"helpfulness": 1.0})
    assert len(graders.asked()) == 200


def test_what_failed_is_tried_again() -> None:
    write(ROWS)
    with pytest.raises(RunError, match="calls in a row failed"):
        score("in.jsonl", "scripted:echo?fail=1", "out.jsonl", quiet=True)
    score("in.jsonl", "scripted:echo?fail=0.5", "out.jsonl", quiet=True)
    failed = [row["n"] for row in read("out.jsonl") if row["error"]]
    assert failed
    seen = []
    score(
        "in.jsonl",
        "scripted:echo?fail=0.5",
        "out.jsonl",
        watch=lambda p: seen.append((p.done, p.total, p.failed.total())),
    )
    assert seen[0][0] >= 100 - len(failed)
    assert seen[-1][:2] == (100 - seen[-1][2], 100)


def test_labels_of_people_stay_however_often_a_file_is_scored() -> None:
    labels = dict.fromkeys(ATTRIBUTES, 4)
    write([{**ROWS[0], **labels}, {**ROWS[1], "reward": "theirs"}, {"helpfulness": 1}])
    before = Path("in.jsonl")
    for name, prefix in (
        ("a.jsonl", ""),
        ("b.parquet", "2_"),
        ("c.jsonl", "3_"),
        ("d.jsonl", "4_"),
    ):
        score(before, "scripted:echo", name, quiet=True)
        rows, given = read(name), read(before)
        for number, row in enumerate(rows):
            for column in (*ATTRIBUTES, "reward"):
                was = given[number].get(column)
                assert row.get(f"given_{prefix}{column}") == was
        assert [row.get("given_helpfulness") for row in rows] == [4, None, 1]
        assert [row.get("given_reward") for row in rows] == [None, "theirs", None]
        before = Path(name)


def test_a_setting_that_is_none_of_the_model_is_named() -> None:
    write(ROWS)
    with pytest.raises(ConfigError, match=r"score\.concurency: unknown key; did you mean"):
        score("in.jsonl", MODEL, "out.jsonl", concurency=3)


def test_it_says_how_far_it_is_unless_it_is_to_be_quiet(capsys: Any) -> None:
    write(ROWS)
    score("in.jsonl", MODEL, "out.jsonl")
    assert f"{MODEL}: 100 of 100" in capsys.readouterr().out
    score("in.jsonl", MODEL, "quiet.jsonl", quiet=True)
    assert capsys.readouterr().out == ""
