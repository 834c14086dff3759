"""The tutor's own judge: right or wrong, and the world's five labels."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow.parquet as pq
import pytest

import gristmill
from gristmill.judges.tutor import Tutor
from gristmill.records import ATTRIBUTES, Message, Prompt, Response, Verdict
from gristmill.tutor import helpsteer2_rows, parse_question


def judged(asked: str, said: str) -> Verdict:
    judge = Tutor()
    prompt = Prompt("p", (Message("user", asked),))
    return asyncio.run(judge.judge(judge.open(), prompt, Response(said, "m")))


@pytest.mark.parametrize("row", list(helpsteer2_rows(40, 9)), ids=lambda row: row["prompt"][:20])
def test_its_attributes_are_those_of_rated_rows(row: dict[str, Any]) -> None:
    found = judged(row["prompt"], row["response"])
    if parse_question(row["prompt"]) is None:
        assert (found.reward, found.attributes) == (None, None)
    else:
        assert found.attributes == tuple(row[name] for name in ATTRIBUTES)
        assert found.reward == (row["correctness"] == 4)


def test_it_says_what_is_false() -> None:
    false = judged("What is 47 plus 38?", "40 plus 30 is 70. 7 plus 8 is 14. The answer is 85.")
    assert (false.reward, false.detail) == (0.0, "false: 7 plus 8 is 14")
    assert judged("What is 47 plus 38?", "85.").detail == "answer: 85"


def test_a_run_with_it_rates_and_filters(tmp_path: Any) -> None:
    config = {
        "prompts": {"file": "tutor:6"},
        "generate": {"model": "tiny:instruct", "responses": 2, "max_tokens": 60},
        "judges": ["tutor"],
        "keep": [{"threshold": {"correctness": 4}}],
    }
    outcome = gristmill.run(config, tmp_path / "out", quiet=True)
    rows = pq.read_table(outcome.folder / "data" / "scored.parquet").to_pylist()
    assert len(rows) == 12
    assert all(row["kept"] == (row["reward"] == 1) == (row["correctness"] == 4) for row in rows)
