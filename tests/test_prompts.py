"""The command `prompts`: what it writes, where, and what it says of what went wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

import writers
from commands import Gristmill

MODEL = ("--model", "scripted:writers:write")


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    writers.forget()
    monkeypatch.chdir(tmp_path)


def rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_it_writes_a_file_and_beside_it_the_work(gristmill: Gristmill) -> None:
    result = gristmill("prompts", "open_qa", *MODEL, "--count", "7", "--out", "new/p.jsonl")
    assert (result.code, result.err) == (0, "")
    assert f"7 prompts in {sum(writers.asked.values())} calls: new/p.jsonl" in result.out
    assert len(rows("new/p.jsonl")) == 7
    report = json.loads(Path("new/p.jsonl.work/report.json").read_text())
    assert (report["wanted"], report["delivered"], report["short"]) == (7, 7, "")
    assert report["spent"]["requests"] == sum(writers.asked.values())
    stages = Counter(item["stage"] for item in rows("new/p.jsonl.work/items.jsonl"))
    assert stages["refined"] == 7 and stages["topic"] >= 1


def test_again_it_asks_nothing_and_with_a_higher_count_only_what_is_missing(
    gristmill: Gristmill,
) -> None:
    command = ("prompts", "open_qa", *MODEL, "--out", "p.jsonl", "--count")
    gristmill(*command, "5")
    few, asked = rows("p.jsonl"), sum(writers.asked.values())
    assert gristmill(*command, "5").code == 0
    assert sum(writers.asked.values()) == asked
    gristmill(*command, "20")
    assert rows("p.jsonl")[:5] == few
    assert max(writers.asked.values()) == 1


def test_keys_are_set_in_yaml(gristmill: Gristmill) -> None:
    settings = ("topics=0", "own_topics=[Rye, Salt]", "subtopics=0", "questions=2")
    given = [part for setting in settings for part in ("--set", setting)]
    result = gristmill("prompts", "open_qa", *MODEL, "--count", "4", "--out", "p.jsonl", *given)
    assert result.code == 0
    assert [row["lineage"][0]["text"] for row in rows("p.jsonl")] == ["Rye", "Rye", "Salt", "Salt"]


def test_a_file_may_hold_a_recipe_or_a_mix_and_a_budget(gristmill: Gristmill) -> None:
    Path("plans").mkdir()
    Path("plans/seeds.jsonl").write_text('{"prompt": "Why is the sky blue?"}\n' * 2)
    mix = [{"recipe": "open_qa", "weight": 2}, {"recipe": "two_turn", "seeds": "seeds.jsonl"}]
    plan = {"mix": mix, "count": 9, "budget": {"requests": 500}}
    Path("plans/plan.yaml").write_text(yaml.safe_dump(plan))
    result = gristmill("prompts", "plans/plan.yaml", *MODEL, "--out", "p.jsonl")
    assert (result.code, result.err) == (0, "")
    assert Counter(row["source"] for row in rows("p.jsonl")) == {
        "recipe:open_qa": 6,
        "recipe:two_turn": 3,
    }
    assert "two_turn: 1 dropped as seed:repeated" in result.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("open_qb", *MODEL, "--count", "3"), "unknown part 'open_qb'; did you mean 'open_qa'"),
        (("open_qa", *MODEL), "open_qa: say how many prompts: count"),
        (("open_qa", "--count", "3"), "recipe open_qa: no model; give `model: ...`"),
        (("open_qa", *MODEL, "--count", "3", "--set", "topics"), "--set topics: write it as KEY"),
        (("open_qa", *MODEL, "--count", "3", "--set", "topicz=1"), "did you mean 'topics'?"),
        (("open_qa", *MODEL, "--count", "3", "--language", "xx"), "unknown language 'xx'"),
        (("closed_qa", *MODEL, "--count", "3"), "documents: missing; add it"),
        (("nowhere.yaml", *MODEL), "nowhere.yaml: no such file"),
        (("plan.yaml", *MODEL), "plan.yaml: expected `recipe: ...` or `mix: [...]`"),
        (("wrong.yaml", *MODEL), "wrong.yaml: budget.request: unknown key; did you mean"),
    ],
)
def test_bad_usage_is_one_line_and_asks_nothing(
    gristmill: Gristmill, arguments: tuple[str, ...], said: str
) -> None:
    Path("plan.yaml").write_text("file: prompts.jsonl\n")
    Path("wrong.yaml").write_text("recipe: open_qa\nbudget: {request: 3}\n")
    result = gristmill("prompts", *arguments, "--out", "p.jsonl")
    assert result.code == 2
    assert said in result.line
    assert not writers.asked
    assert not Path("p.jsonl").exists()


def test_what_rules_alone_write_needs_no_model(gristmill: Gristmill) -> None:
    Path("seeds.jsonl").write_text('{"prompt": "Why is the sky blue?"}\n')
    config = {"recipe": "instructions", "seeds": "seeds.jsonl", "count": 3}
    Path("rules.yaml").write_text(yaml.safe_dump(config))
    assert gristmill("prompts", "rules.yaml", "--out", "p.jsonl").code == 0
    assert len(rows("p.jsonl")) == 3
    result = gristmill("prompts", "rules.yaml", "--set", "later=0.5", "--out", "q.jsonl")
    assert (result.code, "recipe instructions: no model; give" in result.line) == (2, True)


def test_another_kind_of_file_is_refused(gristmill: Gristmill) -> None:
    result = gristmill("prompts", "open_qa", *MODEL, "--count", "3", "--out", "p.parquet")
    assert result.code == 2
    assert "name a .jsonl file" in result.line


def test_fewer_prompts_than_wanted_are_kept_and_it_says_why(gristmill: Gristmill) -> None:
    command = ("prompts", "open_qa", *MODEL, "--count", "50", "--out", "p.jsonl")
    result = gristmill(*command, "--max-requests", "20")
    assert result.code == 3
    assert 0 < len(rows("p.jsonl")) < 50
    assert "fewer than wanted: budget: the budget of 20 requests is spent" in result.out
    assert gristmill(*command, "--max-requests", "500").code == 0
    assert len(rows("p.jsonl")) == 50
    assert max(writers.asked.values()) == 1
