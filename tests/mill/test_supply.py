"""Runs whose prompts a model writes: how many, at what price, and what a second run repeats."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import scripts
from gristmill import mill
from gristmill.errors import ConfigError, DataError
from gristmill.mill import Config, forecast
from mills import tables
from writers import asked, forget

WRITER = {"model": "scripted:writers:write"}
ANSWERS = {"model": "scripted:scripts:answer", "responses": 2, "concurrency": 8}
GRADED: list[Any] = [{"reward": {"model": "scripted:scripts:grade"}}]


@pytest.fixture(autouse=True)
def _forget_writers() -> None:
    forget()


def own(prompts: Any, **changes: Any) -> Config:
    values = {"prompts": prompts, "generate": ANSWERS, "judges": GRADED, **changes}
    return Config.of(values)


def open_qa(**options: Any) -> dict[str, Any]:
    return {"recipe": "open_qa", **WRITER, **options}


def written(folder: Path) -> list[dict[str, Any]]:
    (file,) = sorted((folder / "prompts").glob("0-*.jsonl"))
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_prompts_are_written_then_answered_and_every_row_says_by_what(tmp_path: Path) -> None:
    outcome = mill.run(own(open_qa(count=12)), tmp_path / "run")
    assert outcome.status == "complete"
    assert outcome.metrics["prompts"]["finished"] == 12
    (source,) = outcome.metrics["recipes"]
    assert (source["wanted"], source["delivered"], source["short"]) == (12, 12, "")
    rows = {row["prompt_id"]: row for row in tables(tmp_path / "run")["sft"]}
    items = {
        item["id"]: item
        for line in (tmp_path / "run/prompts/items.jsonl").read_text().splitlines()
        if (item := json.loads(line))
    }
    for prompt in written(tmp_path / "run"):
        assert [item["stage"] for item in prompt["lineage"]] == [
            *("topic", "subtopic", "question", "refined")
        ]
        provenance = rows[prompt["id"]]["provenance"]
        assert provenance["recipe"] == "recipe:open_qa"
        assert provenance["parents"] == prompt["parents"]
        before = None
        for name in prompt["parents"]:
            assert items[name]["parent"] == before
            before = name


def test_a_row_has_the_licence_of_whoever_wrote_its_prompt(tmp_path: Path) -> None:
    answers = {**ANSWERS, "licence": "Apache-2.0"}
    judges = [{"reward": {"model": "scripted:scripts:grade", "licence": "MIT"}}]
    for licence, run in (("CC-BY-4.0", "known"), (None, "unknown")):
        prompts = open_qa(count=3, **({"licence": licence} if licence else {}))
        mill.run(own(prompts, generate=answers, judges=judges), tmp_path / run)
        rows = tables(tmp_path / run)["sft"]
        # What is not known stays unknown.
        assert {tuple(r["provenance"]["licences"]) for r in rows} == {
            ("Apache-2.0", "MIT", licence)
        }
    assert {row["written_by"] for row in written(tmp_path / "known")} == {WRITER["model"]}


def test_the_model_that_answers_also_writes_where_no_other_is_named(tmp_path: Path) -> None:
    generate = {**ANSWERS, "model": "scripted:writers:write"}
    outcome = mill.run(own({"recipe": "open_qa", "count": 5}, generate=generate), tmp_path / "run")
    assert outcome.metrics["recipes"][0]["delivered"] == 5


def test_a_second_run_repeats_no_call_and_a_larger_one_only_adds(tmp_path: Path) -> None:
    mill.run(own(open_qa(count=10)), tmp_path / "run")
    few = written(tmp_path / "run")
    before, answered = Counter(asked), Counter(scripts.asked)
    mill.run(own(open_qa(count=10)), tmp_path / "run")
    assert (asked, scripts.asked) == (before, answered)
    mill.run(own(open_qa(count=25)), tmp_path / "run")
    assert written(tmp_path / "run")[:10] == few
    assert max(asked.values()) == 1
    assert max(scripts.asked.values()) == 1


def test_with_a_target_as_many_prompts_are_written_as_it_takes(tmp_path: Path) -> None:
    graded = {"judges": [{"reward": {"model": "scripted:echo"}}]}
    ours = own(open_qa(), keep=[{"threshold": {"correctness": 3.3}}], target=20, **graded)
    outcome = mill.run(ours, tmp_path / "run")
    assert outcome.status == "target"
    assert outcome.metrics["rows"]["sft"] == 20
    assert 22 < outcome.metrics["recipes"][0]["delivered"] < 500
    assert max(asked.values()) == 1
    assert max(scripts.asked.values()) == 1
    before = sum(asked.values())
    assert mill.run(ours, tmp_path / "run").status == "target"
    assert sum(asked.values()) == before


def test_recipes_without_a_count_share_the_target(tmp_path: Path) -> None:
    ours = own([open_qa(), open_qa(own_topics=["Rye"], topics=0, seed=1)], target=20)
    outcome = mill.run(ours, tmp_path / "run")
    assert outcome.status == "target"
    assert [source["delivered"] for source in outcome.metrics["recipes"]] == [11, 11]


def test_a_run_that_accepts_nothing_does_not_write_for_ever(tmp_path: Path) -> None:
    outcome = mill.run(
        own(open_qa(), keep=[{"threshold": {"reward": 100}}], target=20), tmp_path / "run"
    )
    assert outcome.status == "out_of_prompts"
    assert outcome.metrics["recipes"][0]["delivered"] == 22


def test_a_recipe_that_runs_dry_ends_the_run_and_says_so(tmp_path: Path) -> None:
    dry = open_qa(own_topics=["Bread"], topics=0, subtopics=2, questions=3)
    dry["model"] = "scripted:writers:dull"
    keep = [{"threshold": {"reward": 100}}]
    outcome = mill.run(own(dry, keep=keep, target=20), tmp_path / "run")
    assert outcome.status == "out_of_prompts"
    assert "brought" in outcome.detail and "open_qa" in outcome.detail


def test_a_model_that_writes_nonsense_fails_the_run_and_says_so(tmp_path: Path) -> None:
    outcome = mill.run(own(open_qa(count=5, model="scripted:writers:mute")), tmp_path / "run")
    assert outcome.status == "failed"
    assert "0 of 5 prompts" in outcome.detail


def test_the_budget_counts_what_the_recipe_asks(tmp_path: Path) -> None:
    ours = own(open_qa(count=50), budget={"requests": 30})
    outcome = mill.run(ours, tmp_path / "run")
    assert outcome.status == "budget"
    assert outcome.metrics["requests"]["sent"] == sum(asked.values()) <= 30
    assert "budget" in outcome.metrics["recipes"][0]["short"]
    outcome = mill.run(own(open_qa(count=50), budget={"requests": 1000}), tmp_path / "run")
    assert outcome.status == "complete"
    assert max(asked.values()) == 1
    requests = sum(asked.values()) + sum(scripts.asked.values()) + sum(scripts.graded.values())
    assert outcome.metrics["requests"]["sent"] == requests


@pytest.mark.parametrize(("limit", "said"), [({"tokens": 600}, "tokens"), ({"usd": 0.001}, "usd")])
def test_tokens_and_dollars_bound_the_writing_too(
    tmp_path: Path, limit: dict[str, float], said: str
) -> None:
    priced = open_qa(count=50, price={"input": 1, "output": 3})
    outcome = mill.run(own(priced, budget=limit), tmp_path / "run")
    assert outcome.status == "budget"
    assert f"budget.{said}" in outcome.detail


def test_recipes_mix_by_weight_and_stand_beside_files(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"prompt": "Mine?"}\n')
    mix = {
        "mix": [
            {**open_qa(), "weight": 3},
            {**open_qa(own_topics=["Rye"], topics=0, seed=1), "weight": 1},
        ],
        "count": 20,
    }
    outcome = mill.run(own([{"file": str(tmp_path / "mine.jsonl")}, mix]), tmp_path / "run")
    assert outcome.metrics["prompts"]["finished"] == 21
    file = tmp_path / "run/prompts/1-mix.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    rye = [line["lineage"][0]["text"] == "Rye" for line in lines]
    assert sum(rye) == 5
    # Evenly from the beginning to the end: in each four, one.
    assert [sum(rye[i : i + 4]) for i in range(0, 20, 4)] == [1] * 5


def test_where_one_recipe_has_no_more_the_others_make_up_for_it(tmp_path: Path) -> None:
    dry = open_qa(own_topics=["Bread"], topics=0, subtopics=1, questions=2)
    mix = {"mix": [{**dry, "model": "scripted:writers:dull"}, open_qa()], "count": 30}
    outcome = mill.run(own(mix), tmp_path / "run")
    (source,) = outcome.metrics["recipes"]
    assert source["delivered"] == 30
    assert source["recipes"][0]["delivered"] < 15
    assert source["recipes"][0]["stopped"]


def test_what_two_recipes_of_a_mix_both_write_is_taken_once_and_made_up_for(
    tmp_path: Path,
) -> None:
    outcome = mill.run(own({"mix": [open_qa(), open_qa()], "count": 20}), tmp_path / "run")
    (source,) = outcome.metrics["recipes"]
    assert source["delivered"] == 20
    assert source["repeated"] > 5
    assert len({row["prompt"] for row in written(tmp_path / "run")}) == 20
    assert max(asked.values()) <= 2


def test_a_forecast_counts_what_is_still_to_be_written(tmp_path: Path) -> None:
    f = forecast(own(open_qa(count=12)))
    assert (f.prompts, f.written) == (12, 12)
    assert f.calls == 12 * 2 * 2 + f.writing
    # A refinement each, and its share of the lists before it.
    assert 12 < f.writing < 12 * 10
    assert forecast(own(open_qa(), target=100)).written == 110
    assert not asked


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({"recipe": "open_qb", "count": 1}, r"prompts: .*unknown part 'open_qb'.*'open_qa'"),
        ({"recipe": "open_qa", "topicz": 1}, r"topicz: unknown key; did you mean 'topics'"),
        ({"recipe": "open_qa"}, r"open_qa: give it a count, or the run a target"),
        ({"mix": []}, r"mix"),
        ({"mix": [{"recipe": "open_qa", "count": 3}]}, r"give the mix a count"),
        ({"recipe": "open_qa", "count": 3, "topics": 0}, r"there are no topics"),
        ({"recipe": "open_qa", "count": 3, "own_topics": ["a", " "]}, r"topic 2 is empty"),
        ({"recipe": "open_qa", "count": 3, "language": "klingon"}, r"unknown language 'klingon'"),
    ],
)
def test_a_wrong_source_is_named(tmp_path: Path, prompts: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mill.run(own(prompts), tmp_path / "run")
    assert not asked


def test_templates_are_checked_before_anything_is_asked(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    template = folder / "questions.md"
    template.write_text("Write {{ count }} questions\nabout {{ topick }}.\n")
    with pytest.raises(ConfigError, match=r"questions.md: line 2: unknown variable 'topick'"):
        mill.run(own(open_qa(count=3, templates=str(folder))), tmp_path / "run")
    template.write_text("Write {{ count }} numbered {% if %}")
    with pytest.raises(ConfigError, match=r"questions.md: line 1"):
        mill.run(own(open_qa(count=3, templates=str(folder))), tmp_path / "run")
    template.write_bytes("Schreibe {{ count }} Fragen über".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"questions.md: not UTF-8"):
        mill.run(own(open_qa(count=3, templates=str(folder))), tmp_path / "run")
    assert not asked
    template.write_text("Write {{ count }} odd questions about {{ topic }} as a numbered list.\n")
    mill.run(own(open_qa(count=3, templates=str(folder))), tmp_path / "run")
    assert any("odd questions" in text for text in asked)


def test_what_you_have_already_is_not_written_again(tmp_path: Path) -> None:
    mill.run(own(open_qa(count=10)), tmp_path / "one")
    mine = tmp_path / "mine.jsonl"
    rows = written(tmp_path / "one")[:4]
    mine.write_text("".join(json.dumps({"prompt": row["prompt"]}) + "\n" for row in rows))
    outcome = mill.run(own(open_qa(count=10, novelty={"against": [str(mine)]})), tmp_path / "two")
    assert outcome.metrics["recipes"][0]["recipes"][0]["dropped"] == {"not_new": 4}
    texts = {row["prompt"] for row in written(tmp_path / "two")}
    assert len(texts) == 10
    assert not texts & {row["prompt"] for row in rows}
    missing = open_qa(count=1, novelty={"against": [str(tmp_path / "none.jsonl")]})
    with pytest.raises(DataError, match=r"none.jsonl: no such file"):
        mill.run(own(missing), tmp_path / "three")
