"""Several models in one `generate`: who answers what, whose a row is, and what may change later."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import scripts
from gristmill import mill
from gristmill.errors import CheckpointError, ConfigError, RunError
from gristmill.mill import Config, forecast
from gristmill.mill.generate import Generate
from gristmill.mill.journal import Journal
from gristmill.mill.lineup import Lineup
from gristmill.mill.shard import Shard
from gristmill.mill.shards import run_shard
from mills import config, data_of, prompt, tables, write_prompts

FIRST = {"model": "scripted:scripts:answer", "responses": 2, "licence": "MIT"}
OTHER = {"model": "scripted:scripts:other", "responses": 2, "licence": "Apache-2.0"}
GRADED: list[Any] = [{"reward": {"model": "scripted:scripts:listen"}}]


@pytest.fixture(autouse=True)
def _forget() -> None:
    scripts.forget()


def own(prompts: Path, *entries: dict[str, Any], **changes: Any) -> Config:
    base = {"judges": GRADED, "keep": [{"threshold": {"reward": 4}}], "select": {"best": None}}
    values = config(prompts).model_dump(mode="json", include={"prompts"})
    return Config.of({**values, "generate": list(entries), **base, **changes})


def lineup(*entries: dict[str, Any], seed: int = 0) -> Lineup:
    return Lineup([(f"generate[{i}]", Generate(**one)) for i, one in enumerate(entries)], seed)


def test_each_model_answers_every_prompt_and_each_row_names_its_own(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 12)
    outcome = mill.run(own(prompts, FIRST, OTHER), tmp_path / "out")
    found, said = tables(tmp_path / "out"), {"scripted:scripts:answer": 0, OTHER["model"]: 0}
    assert len(found["scored"]) == 12 * 4 and len(scripts.asked) == 12 * 4
    for row in found["scored"]:
        is_other = row["response"].startswith("other")
        made, number = row["provenance"], int(row["response_id"].rpartition(".")[2])
        assert is_other == (number >= 2) == (made["model"] == OTHER["model"])
        assert made["licences"] == ["Apache-2.0" if is_other else "MIT", None]
        said[made["model"]] += 1
    assert set(said.values()) == {24}
    by = {row["response_id"]: row for row in found["scored"]}
    assert {row["provenance"]["model"] for row in found["sft"]} == set(said)
    sides = Counter[tuple[str, str]]()
    for row in found["preference"]:
        models = [by[row[f"{side}_id"]]["provenance"]["model"] for side in ("chosen", "rejected")]
        assert [row["chosen_model"], row["rejected_model"]] == models
        assert row["provenance"]["model"] == ", ".join(dict.fromkeys(models))
        sides[models[0], models[1]] += 1
    assert any(chosen != rejected for chosen, rejected in sides)
    for entry, one in zip((FIRST, OTHER), outcome.metrics["models"], strict=True):
        rows = [row for row in found["scored"] if row["provenance"]["model"] == entry["model"]]
        assert one["name"] == entry["model"] and one["sampled"] == one["scored"] == 24
        assert one["kept"] == one["sft"] == sum(row["kept"] for row in rows)
        assert one["reward"] == pytest.approx(sum(row["reward"] for row in rows) / 24)
        assert one["chosen"] == sum(n for (name, _), n in sides.items() if name == entry["model"])
        assert one["rejected"] == sum(n for (_, name), n in sides.items() if name == entry["model"])
    kept = outcome.metrics["models"][1]["kept"]
    assert ("  by scripted:scripts:other", f"24, {kept} kept, mean reward") in [
        (name, text.rpartition(" ")[0]) for name, text in outcome.lines
    ]


def test_one_entry_is_written_as_before(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    one = own(prompts, FIRST)
    mill.run(one, tmp_path / "out")
    ran = yaml.safe_load((tmp_path / "out" / "run.yaml").read_text())
    assert ran["generate"]["model"] == ran["identity"]["generate"]["model"] == FIRST["model"]
    assert not {"examples", "weight"} & set(ran["identity"]["generate"])
    assert "chosen_model" not in (tables(tmp_path / "out")["preference"] or [{}])[0]
    several = own(prompts, FIRST, OTHER)
    for values in (one, several):
        assert Config.of(values.model_dump(mode="json")).identity() == values.identity()


WEIGHED = [{**FIRST, "weight": 3}, {**OTHER, "weight": 1, "responses": 1}]


def test_with_weights_each_prompt_goes_to_one_model_and_always_to_the_same(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 80)
    values = own(prompts, *WEIGHED)
    mill.run(values, tmp_path / "out")
    whole = data_of(tmp_path / "out")
    who = {row["prompt_id"]: row["provenance"]["model"] for row in whole["scored"]}
    assert len(who) == 80 and 10 <= Counter(who.values())[OTHER["model"]] <= 30
    assert len(whole["scored"]) == sum(1 if m == OTHER["model"] else 2 for m in who.values())
    lines = prompts.read_text().splitlines()
    prompts.write_text("\n".join(reversed(lines[:40])) + "\n")
    for number in (1, 2, 3):
        run_shard(values, tmp_path / "shards", Shard(number, 3))
    mill.run(values, tmp_path / "shards")
    for row in tables(tmp_path / "shards")["scored"]:
        assert who[row["prompt_id"]] == row["provenance"]["model"]


weights = st.lists(st.floats(0.01, 1000), min_size=1, max_size=5)


@given(weights, st.integers(0, 2**63 - 1), st.lists(st.integers(1, 9), min_size=5, max_size=5))
def test_numbers_belong_to_one_entry_each(weights: list[float], seed: int, many: list[int]) -> None:
    entries = [
        {"model": "m", "responses": n, "weight": w} for n, w in zip(many, weights, strict=False)
    ]
    drawn, every = lineup(*entries, seed=seed), lineup(*({**e, "weight": None} for e in entries))
    assert sum(drawn.shares) == pytest.approx(1) and every.shares == [1]
    assert drawn.owners == every.owners
    for text in map(str, range(20)):
        asked = prompt(text)
        (by,) = {drawn.owners[number] for number in drawn.numbers(asked)}
        assert len(drawn.numbers(asked)) == many[by] and drawn.group(asked) == by
        assert [*every.numbers(asked)] == [*range(len(every.owners))]


def test_shares_are_those_of_the_weights() -> None:
    three = lineup(*({"model": "m", "weight": w} for w in (1, 2, 5)))
    seen = Counter(three.group(prompt(str(n))) for n in range(4000))
    assert [seen[k] / 4000 for k in range(3)] == pytest.approx([1 / 8, 2 / 8, 5 / 8], abs=0.03)


def test_a_model_that_is_added_is_asked_alone(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 20)
    both = own(prompts, FIRST, OTHER)
    mill.run(both, tmp_path / "at once")
    mill.run(own(prompts, FIRST), tmp_path / "out")
    scripts.forget()
    outcome = mill.run(both, tmp_path / "out")
    assert {name.endswith(("/2", "/3")) for name in scripts.asked} == {True}
    assert set(scripts.asked.values()) == {1} and len(scripts.asked) == 40
    assert data_of(tmp_path / "out") == data_of(tmp_path / "at once")
    assert outcome.metrics["requests"]["sent"] == 160
    assert mill.run(both, tmp_path / "out").metrics["requests"]["sent_now"] == 0


def test_one_is_added_to_shards_and_the_older_records_do_not_win(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 20)
    one, both = own(prompts, FIRST), own(prompts, FIRST, OTHER)
    mill.run(both, tmp_path / "at once")
    for number, of in ((1, 2), (2, 2)):
        run_shard(one, tmp_path / "out", Shard(number, of))
    for number, of in ((1, 3), (2, 3), (3, 3)):
        run_shard(both, tmp_path / "out", Shard(number, of))
    scripts.forget()
    mill.run(both, tmp_path / "out")
    assert not scripts.asked
    assert data_of(tmp_path / "out") == data_of(tmp_path / "at once")


def test_a_higher_budget_goes_on_where_it_stopped(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 20)
    stopped = own(prompts, FIRST, OTHER, budget={"requests": 75})
    assert mill.run(stopped, tmp_path / "out").status == "budget"
    mill.run(own(prompts, FIRST, OTHER), tmp_path / "out")
    assert len(scripts.asked) == 80 and set(scripts.asked.values()) == {1}


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([FIRST], "generate: "),
        ([OTHER, FIRST], "generate[0].model: "),
        ([FIRST, OTHER, {**OTHER, "system": "Be brief."}], ""),
        ([{**one, "system": "Be brief."} for one in (FIRST, OTHER)], "generate[0].system: "),
        ([{**one, "weight": 1} for one in (FIRST, OTHER, OTHER)], "generate[2]: None there"),
    ],
)
def test_what_cannot_be_changed_later_is_refused(
    tmp_path: Path, entries: list[dict[str, Any]], said: str
) -> None:
    prompts = write_prompts(tmp_path, 3)
    mill.run(own(prompts, FIRST, OTHER), tmp_path / "out")
    scripts.forget()
    if not said:
        mill.run(own(prompts, *entries), tmp_path / "out")
        assert len(scripts.asked) == 6
        return
    with pytest.raises(CheckpointError, match="another config") as caught:
        mill.run(own(prompts, *entries), tmp_path / "out")
    assert said in str(caught.value) and not scripts.asked


def test_with_one_more_system_message_all_prompts_would_be_others(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 3)
    brief, long = ({**FIRST, "system": said} for said in ("Be brief.", "Be long."))
    mill.run(own(prompts, brief), tmp_path / "out")
    with pytest.raises(CheckpointError, match="generate: "):
        mill.run(own(prompts, brief, long), tmp_path / "out")
    mill.run(own(prompts, brief, {**OTHER, "system": "Be brief."}), tmp_path / "out")
    assert set(scripts.asked.values()) == {1} and len(scripts.asked) == 12


def test_each_has_a_system_message_of_its_own(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 12)
    with prompts.open("a") as file:
        said = [{"role": "system", "content": "Row."}, {"role": "user", "content": "Question 99?"}]
        file.write(json.dumps({"id": "own", "messages": said}) + "\n")
    mill.run(own(prompts, FIRST, {**OTHER, "system": "Be brief."}), tmp_path / "out")
    found = tables(tmp_path / "out")
    for row in (row for row in found["scored"] if row["prompt_id"] != "own"):
        is_other = row["response"].startswith("other")
        assert row["prompt"].startswith("Be brief.\n\n") == is_other
        heard = scripts.judged[row["response"]]
        assert [m["role"] for m in heard] == [
            *(["system"] if is_other else []),
            "user",
            "assistant",
        ]
        if is_other:
            assert scripts.heard[row["response"]] == heard[:-1]
    for row in found["preference"]:
        begins = row["prompt"][0]
        if row["prompt_id"] == "own":
            assert begins["content"] == "Row."
        else:
            assert (begins["role"] == "system") == (row["chosen_model"] == OTHER["model"])
    assert {row["messages"][0]["content"] for row in found["sft"] if row["prompt_id"] == "own"} == {
        "Row."
    }


def test_a_server_that_is_gone_stops_the_run_while_another_answers(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 300)
    scripts.failing.update(f"Question {i}?/{n}" for i in range(300) for n in (2, 3))
    quick = {"concurrency": 4}
    values = own(prompts, {**FIRST, **quick}, {**OTHER, **quick})
    with pytest.raises(RunError, match="all failed with scripted:scripts:other"):
        mill.run(values, tmp_path / "out")
    assert 100 <= sum(name.endswith("/3") for name in scripts.asked) < 150
    scripts.forget()
    outcome = mill.run(values, tmp_path / "out")
    assert outcome.status == "complete" and outcome.metrics["responses"]["sampled"] == 1200
    again = sum(name.endswith(("/0", "/1")) for name in scripts.asked)
    assert again <= 2 * 200 and set(scripts.asked.values()) == {1}


def test_two_of_one_model_are_told_apart(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 2)
    warm = {**FIRST, "temperature": 1.2}
    values = own(prompts, FIRST, warm, OTHER)
    first, second, other = mill.Session(values, Journal(tmp_path)).chats
    assert first is second is not other  # Weights that are here are loaded once.
    metrics = mill.run(own(prompts, FIRST, warm), tmp_path / "out").metrics
    assert metrics["requests"]["sent"] == 16
    names = [f"{FIRST['model']} (generate[{i}])" for i in range(2)]
    assert [one["name"] for one in metrics["models"]] == names
    assert {r["provenance"]["model"] for r in tables(tmp_path / "out")["scored"]} == {
        FIRST["model"]
    }


def test_the_forecast_counts_each_model_at_its_own_price(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 40)
    dear = {**OTHER, "price": {"output": 1000}, "max_tokens": 10, "concurrency": 6}
    free = {**FIRST, "max_tokens": 20, "concurrency": 4}
    both = forecast(own(prompts, free, dear))
    assert both.calls == 40 * 4 * 2 and both.seconds == pytest.approx(320 / 10)
    assert both.completion_tokens == 40 * 2 * (20 + 10)
    assert both.usd == pytest.approx(40 * 2 * 10 / 1000)
    assert both.first[0][0] == (
        "prompt 1, as scripted:scripts:answer and scripted:scripts:other get it"
    )
    values = own(prompts, {**free, "weight": 1}, {**dear, "weight": 1, "responses": 1})
    found = forecast(values)
    outcome = mill.run(values, tmp_path / "out")
    assert outcome.metrics["requests"]["sent"] == found.calls
    by_other = outcome.metrics["models"][1]["sampled"]
    assert found.usd == pytest.approx(by_other * 10 / 1000)


def test_what_it_costs_is_of_who_answered(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 4)
    entries = [{**FIRST, "price": {"output": 1}}, {**OTHER, "price": {"output": 1000}}]
    metrics = mill.run(own(prompts, *entries), tmp_path / "out").metrics
    assert metrics["cost_usd"] > 8 * 0.0005


COMPARED = [{"llm": {"model": "scripted:echo"}}]


@pytest.mark.parametrize(
    ("entries", "changes", "said"),
    [
        ([], {}, "generate: name a model"),
        ([{**FIRST, "modle": "x"}], {}, r"generate\[0\].modle: unknown key; did you mean 'model'"),
        ([FIRST, {**OTHER, "top_p": 2}], {}, r"generate\[1\].top_p: Input should be less"),
        ([FIRST, {**OTHER, "weight": 1}], {}, "1 of 2 entries have a `weight`; give it to all"),
        ([{**FIRST, "weight": 0}], {}, r"generate\[0\].weight: Input should be greater than 0"),
        (
            [FIRST, {"model": "http://h:1/v1#m", "price": {"input": 1}}],
            {"budget": {"usd": 1}},
            r"there is no generate\[1\].price.output",
        ),
        (
            [{**FIRST, "responses": 1, "weight": 1}, {**OTHER, "responses": 1, "weight": 1}],
            {"judges": COMPARED, "keep": []},
            "generate.responses is 1",
        ),
    ],
)
def test_errors_name_the_entry(
    tmp_path: Path, entries: list[dict[str, Any]], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        own(write_prompts(tmp_path, 1), *entries, **changes)


def test_one_response_each_is_two_to_compare(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path, 1)
    single = [{**FIRST, "responses": 1}, {**OTHER, "responses": 1}]
    own(prompts, *single, judges=COMPARED, keep=[], export=["preference"])
