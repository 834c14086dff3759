"""The main job on the shipped weights, and what it says of the truth."""

from __future__ import annotations

import io
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from gristmill import tutor
from gristmill.jobs.quickstart import QUESTIONS, quickstart, truth
from gristmill.mill import Config, forecast

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("quick") / "start"
    console = Console(file=io.StringIO(), width=100, highlight=False)
    quickstart(out, console)
    assert isinstance(console.file, io.StringIO)
    return out, console.file.getvalue()


@pytest.mark.slow
def test_grading_makes_the_data_truer(made: tuple[Path, str]) -> None:
    out, said = made
    metrics = orjson.loads((out / "metrics.json").read_bytes())
    found = metrics["truth"]
    assert found == truth(out) and "judges" in metrics
    assert 0.5 <= found["right_before"] <= 0.75
    assert found["right_after"] >= found["right_before"] + 0.1
    assert f"{found['right_before']:.0%}" in said
    assert f"{found['right_after']:.0%}" in said


@pytest.mark.slow
def test_the_questions_are_held_out_and_all_there(made: tuple[Path, str]) -> None:
    out, _ = made
    rows = [orjson.loads(line) for line in (out / "prompts.jsonl").read_bytes().splitlines()]
    assert len(rows) == QUESTIONS
    questions = [tutor.parse_question(row["prompt"]) for row in rows]
    assert all(q is not None and q.held_out for q in questions)
    assert [q.answer for q in questions if q] == [row["answer"] for row in rows]


@pytest.mark.slow
def test_every_answer_is_in_one_place(made: tuple[Path, str]) -> None:
    out, _ = made
    scored = pq.read_table(out / "data/scored.parquet").to_pylist()
    rejected = pq.read_table(out / "data/rejected.parquet")["response_id"].to_pylist()
    ids = {row["response_id"] for row in scored} | set(rejected)
    assert len(ids) == 4 * QUESTIONS
    assert {row["response_id"] for row in scored if not row["kept"]} <= set(rejected)
    assert (out / "report.html").stat().st_size > 10_000


def test_the_examples_are_valid_configs() -> None:
    # Those of trainings are read by tests/train/test_examples.py.
    files = [f for f in sorted(ROOT.glob("examples/*.yaml")) if "\ngenerate:" in f.read_text()]
    assert files
    for file in files:
        config = Config.load(file)
        assert config.name == file.stem
        if config.generate[0].model.startswith("tiny:"):
            assert forecast(config).prompts > 0
