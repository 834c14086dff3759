"""Configs that would be paid for in vain: each is refused before anything is called, with a remedy;
and what names a judge, column or file is checked wherever it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.mill import Config, forecast
from gristmill.parts import parse_yaml
from gristmill.storage import folder_of

REWARD = {"reward": {"model": "scripted:echo"}}
LLM = {"llm": {"model": "scripted:echo"}}
TRUTH: dict[str, Any] = {"truth": {}}


def bound(**bounds: Any) -> dict[str, Any]:
    return {"keep": [{"threshold": bounds}]}


def attempt(folder: Path, changes: dict[str, Any]) -> str:
    """What is said of a config, by the forecast; empty where nothing is wrong with it."""
    rows = [{"prompt": f"{n}?", "answer": "1"} for n in range(3)]
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "known.csv").write_text("text\nHello\n")
    config = {
        "prompts": {"file": "p.jsonl"},
        "generate": {"model": "scripted:echo", "responses": 2},
        "judges": [REWARD],
        **changes,
    }
    try:
        forecast(Config.of(config, folder))
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"judges": [LLM], **bound(correctness=2)}, "keep[0].threshold: correctness: no judge giv"),
        ({"judges": [TRUTH], **bound(helpfulness=2)}, "helpfulness: no judge gives attributes"),
        ({"judges": [], "export": ["sft"], **bound(reward=2)}, "reward: no judge gives one"),
        ({"judges": [TRUTH], **bound(judges={"trth": 1})}, "no judge 'trth'; did you mean 'truth'"),
        ({"judges": [TRUTH], **bound(judges={"truth": 2})}, "judges.truth: min is 2: it is from 0"),
        ({"judges": [TRUTH], **bound(reward=1.5)}, "reward: min is 1.5: it is from 0 to 1"),
        (bound(correctness=4.5), "correctness: min is 4.5: it is from 0 to 4, and nothing could"),
        (bound(verbosity={"max": -1}), "verbosity: max is -1: it is from 0 to 4"),
        ({"keep": [{"turns": {"every": 1}}]}, "keep[0].turns: no judge grades each turn; add"),
        ({"select": {"weights": {"rewrd": 1}}}, "select.weights: no judge 'rewrd'; did you mean"),
        ({"select": {"weights": {"reward": 0}}}, "select.weights: every judge weighs 0"),
        ({"judges": [LLM], "generate": {"model": "scripted:echo", "responses": 1}}, "pointwise"),
        (
            {"generate": {"model": "scripted:echo", "responses": 1}, "export": ["preference"]},
            "export: preference needs two responses",
        ),
        ({"prompts": {"file": "p.jsonl", "columns": {"prompt": "promt"}}}, "no row has the column"),
        ({"prompts": {"file": "p.jsonl", "columns": {"answer": "anser"}}}, "did you mean 'answer'"),
        ({"prompts": {"file": "known.csv"}}, "known.csv"),
        (
            {"keep": [{"decontamination": {"against": "known.csv", "column": "txt"}}]},
            "no text in 'txt'; name one with 'column' (it has: text)",
        ),
        ({"prompts": {"recipe": "open_qa", "count": 1, "personas": "no.txt"}}, "no.txt: cannot"),
        (
            {"prompts": {"recipe": "open_qa", "count": 1, "novelty": {"against": ["no.csv"]}}},
            "no.csv: no such file",
        ),
        ({"seed": 10**23}, "seed: "),
    ],
)
def test_a_config_that_would_be_paid_for_in_vain_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    assert said in attempt(tmp_path, changes)


@pytest.mark.parametrize(
    "changes",
    [
        bound(correctness={"min": -1, "max": 9}),
        {"judges": [REWARD, TRUTH], **bound(correctness=2, judges={"truth": 1}, reward=5)},
        {"judges": [{"llm": {**LLM["llm"], "how": "pointwise"}}], **bound(correctness=2)},
        {"judges": [{"turns": REWARD["reward"]}], "keep": [{"turns": {"every": 1}}]},
        {"select": {"weights": {"scripted:echo": 2}}},
        {"judges": [REWARD, TRUTH], "select": {"weights": {"truth": 0}}},
        {"prompts": {"file": "p.jsonl", "columns": {"id": "answer"}}},
        {"keep": [{"decontamination": {"against": "known.csv", "column": "text"}}]},
    ],
)
def test_what_can_be_kept_is_not_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert attempt(tmp_path, changes) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: 'a' is there already, in line 1; give it once"),
        ("a:\n  b: {c: 1, c: 2}\n", "line 2: 'c' is there already, in line 2"),
        ("a: &x [1, *x]\n", "line 1: 'x' contains itself"),
        ("a: &x {b: *x}\n", "line 1: 'x' contains itself"),
        ("a: " + "[" * 5000, "nested too deeply"),
        (f"a: {'9' * 5000}\n", "a value cannot be read"),
        ("a: 2024-13-45\n", "a value cannot be read"),
        ("a: b: c\n", "line 1: mapping values are not allowed here"),
    ],
)
def test_yaml_that_says_two_things_or_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_yaml(text)
    assert str(caught.value).startswith(said)


def test_yaml_may_repeat_what_is_elsewhere_and_merge() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\nc: [*a, *a]\n"
    assert parse_yaml(text)["b"] == {"x": 3, "y": 2}


@pytest.mark.parametrize("name", ["../../esc", "/tmp/esc", "..", "a/../../b", "/"])
def test_a_name_does_not_lead_out_of_the_folder(name: str) -> None:
    with pytest.raises(InputError, match=r"^name: .* name one with --out"):
        folder_of(None, name)
    assert folder_of("there", name) == Path("there")
