"""Judges that would have nothing to say are told before anything is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import scripts
from gristmill import mill
from gristmill.errors import DataError, MissingExtra
from mills import config, settings, tables, write_prompts

ASKING = {"generate": {"model": "scripted:scripts:answer"}}


@pytest.mark.parametrize(
    ("judge", "fact"),
    [("truth", "answer"), ("math", "answer"), ("format", "constraints"), ("code", "tests")],
)
def test_a_judge_that_could_say_nothing_of_any_prompt_is_an_error(
    tmp_path: Path, judge: str, fact: str
) -> None:
    scripts.asked.clear()
    ours = config(write_prompts(tmp_path, 5), judges=[judge], keep=[], **ASKING)
    with pytest.raises(DataError, match=f"judges.{judge}: no prompt has '{fact}'"):
        mill.run(ours, tmp_path / "run")
    with pytest.raises(DataError, match=f"judges.{judge}: no prompt has '{fact}'"):
        mill.forecast(ours)
    assert not scripts.asked and not (tmp_path / "run").exists()


def test_a_row_that_would_have_it_and_is_put_aside_is_named(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 2)
    with prompts.open("a") as out:
        out.write(json.dumps({"prompt": "Shout!", "constraints": [{"shouting": {}}]}) + "\n")
    with pytest.raises(DataError, match=r"put aside, the first: prompts.jsonl:3: .*shouting"):
        mill.forecast(config(prompts, judges=["format"], keep=[], **ASKING))


@pytest.mark.parametrize("beside", [{"answer": "7"}, {"ground_truth": 7}])
def test_where_some_have_it_the_run_begins(tmp_path: Path, beside: dict[str, Any]) -> None:
    ours = config(write_prompts(tmp_path, 5, **beside), judges=["truth"], keep=[], **ASKING)
    assert mill.run(ours, tmp_path / "run").metrics["prompts"]["finished"] == 5


def test_what_a_late_prompt_needs_installed_is_told_before_one_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise MissingExtra("telling languages apart", "curate")

    monkeypatch.setattr("gristmill.languages.detect._builder", absent)
    scripts.asked.clear()
    path = tmp_path / "p.jsonl"
    demands: list[dict[str, Any]] = [{"no_commas": {}}, {"language": {"language": "de"}}]
    rows = [{"prompt": f"{i}?", "constraints": [demands[i == 3]]} for i in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ours = config(path, judges=["format"], keep=[], **ASKING)
    with pytest.raises(MissingExtra, match="curate"):
        mill.run(ours, tmp_path / "run")
    assert not scripts.asked and not (tmp_path / "run").exists()


def test_what_lies_beyond_the_limit_counts(tmp_path: Path) -> None:
    ours = config(write_prompts(tmp_path, 5, answer="7"), judges=["truth"], keep=[], **ASKING)
    assert mill.run(ours, tmp_path / "run", limit=3).metrics["prompts"]["finished"] == 3


def test_a_column_of_another_name_is_named(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"prompt": "What is 3 plus 4?", "solution_text": "7"}) + "\n")
    plain = config(path, judges=["truth"], keep=[], **ASKING)
    with pytest.raises(DataError, match=r"name it \(columns: \{answer: yours\}\)"):
        mill.run(plain, tmp_path / "run")
    named = {"file": str(path), "columns": {"answer": "solution_text"}}
    ours = mill.Config.of(settings(path, judges=["truth"], keep=[], **ASKING) | {"prompts": named})
    assert mill.run(ours, tmp_path / "run").metrics["prompts"]["finished"] == 1


@pytest.mark.parametrize("killed", [False, True])
def test_a_corrected_answer_is_judged_anew_without_a_call(tmp_path: Path, killed: bool) -> None:
    prompts, out = tmp_path / "sums.jsonl", tmp_path / "out"

    def ask(answers: list[str]) -> dict[str, float]:
        rows = [{"id": f"{n}", "prompt": f"Sum {n}?", "answer": a} for n, a in enumerate(answers)]
        prompts.write_text("".join(json.dumps(row) + "\n" for row in rows))
        replies = [{"prompt": row["prompt"], "response": "It is 4."} for row in rows]
        (tmp_path / "replies.jsonl").write_text("".join(json.dumps(r) + "\n" for r in replies))
        made = config(
            prompts,
            generate={"model": f"scripted:{tmp_path}/replies.jsonl", "responses": 1},
            judges=[{"reward": {"model": "scripted:echo"}}, {"math": {}}],
            keep=[],
        )
        found = mill.run(made, out)
        sent.append(found.metrics["requests"]["sent"])
        rows = tables(out)["scored"]
        return {row["prompt_id"]: row["judgements"][1]["reward"] for row in rows}

    sent: list[int] = []
    assert ask(["4", "5", "4"]) == {"0": 1, "1": 0, "2": 1}
    if killed:
        journal = out / "checkpoint" / "finished.jsonl"
        journal.write_bytes(b"".join(journal.read_bytes().splitlines(True)[:2]))
    assert ask(["4", "4", "7"]) == {"0": 1, "1": 1, "2": 0}
    assert ask(["4", "4", "7"]) == {"0": 1, "1": 1, "2": 0}
    assert sent[0] == sent[1] - 2 * killed == sent[2] - 2 * killed
