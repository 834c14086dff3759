"""Two reward models side by side: figures that can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import kendalltau

import compared
from gristmill.comparing.run import compare
from gristmill.comparing.table import lines
from gristmill.comparing.words import verdict, warnings
from gristmill.errors import ConfigError, RunError
from servers import FaultyServer

UP, HALF, SCALAR = (f"scripted:compared:{name}" for name in ("up", "half", "scalar"))


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    compared.asked.clear()
    compared.broken.clear()


def of(a: str, b: str, **asked: Any) -> dict[str, Any]:
    return compare(a, b, "out", kind="reward", quiet=True, **asked).metrics


def said(metrics: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {line.what.strip(): tuple(line[1:]) for line in lines(metrics)}


def test_a_model_agrees_with_itself(tmp_path: Path) -> None:
    found = of(UP, UP, data=compared.pairs(tmp_path))
    assert found["accuracy"]["paired"]["p"] == 1
    assert found["accuracy"]["paired"]["difference"]["mean"] == 0
    assert found["verdicts"]["mean"] == found["ranks"]["mean"] == 1
    assert found["reward"]["r"] == pytest.approx(1)
    assert found["reward"]["gap"]["mean"] == 0
    assert (
        verdict(found)
        == "scripted:compared:up prefers the better answer as often as the other, on 20 rows."
    )
    # Each side is asked on its own: a server may answer the same question in two ways.
    assert compared.asked["up"] == 2 * 40


def test_verdicts_accuracy_and_attributes_by_hand(tmp_path: Path) -> None:
    found = of(UP, HALF, data=compared.pairs(tmp_path))
    # `half` takes 5 for 0: wrong where the better answer is 5, right where the worse one is.
    (up, half), paired = found["accuracy"]["models"], found["accuracy"]["paired"]
    assert (up["accuracy"]["accuracy"], half["accuracy"]["accuracy"]) == (1.0, 0.95)
    assert (paired["only_first"], paired["only_second"], paired["p"]) == (0, 1, 1.0)
    assert paired["difference"]["mean"] == pytest.approx(-0.05)
    assert found["verdicts"] | {"low": 0, "high": 0} == {
        "mean": 0.95, "low": 0, "high": 0, "pairs": 20, "differ": 1, "prompts": 20,
    }  # fmt: skip
    assert found["ranks"]["mean"] == pytest.approx((19 - 1) / 20)
    coherence = found["attributes"]["coherence"]
    assert coherence["r"] is None and coherence["gap"]["mean"] == pytest.approx(0.5)
    # Two of the answers have a 5, and half a point less for it.
    correctness = found["attributes"]["correctness"]
    assert correctness["shift"]["mean"] == pytest.approx(0.5 - 2 * 0.5 / 40)
    assert found["answers"] == 40


def test_taus_are_those_of_a_prompt_over_all_its_rows(tmp_path: Path) -> None:
    numbers = [3, 1, 5, 9, 4, 4]
    rows = [{"prompt": "Q?", "response": f"say {n}", "helpfulness": 1} for n in numbers]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = of(UP, HALF, data=path)
    unique = [3, 1, 5, 9, 4]
    wanted = kendalltau(unique, [0 if n == 5 else n for n in unique]).statistic
    assert found["ranks"]["mean"] == pytest.approx(wanted)
    assert (found["ranks"]["n"], found["ranks"]["answers"]) == (1, 5)
    assert found["accuracy"] is None
    assert "No row says which answer is better: who is right was not measured." in warnings(found)
    assert found["unused_columns"] == {}


def test_five_attributes_against_a_scalar_have_ranks_and_no_differences(tmp_path: Path) -> None:
    found = of(UP, SCALAR, data=compared.pairs(tmp_path))
    assert found["forms"] == ["attributes", "scalar"]
    assert found["attributes"] == {}
    assert found["verdicts"]["mean"] == 1
    assert found["reward"]["r"] == pytest.approx(1, abs=1e-6)
    assert found["reward"]["gap"]["mean"] is None
    (line,) = [one for one in warnings(found) if "one scalar" in one]
    assert "up gives five attributes and" in line


def test_what_one_cannot_grade_is_left_out_of_both_and_tried_again(tmp_path: Path) -> None:
    compared.broken.append("1")
    data = compared.pairs(tmp_path)
    found = of(UP, HALF + "?fail=0", data=data)
    lost = [sum(one["failed"].values()) for one in found["models"]]
    assert lost[0] == lost[1] > 0
    for one in found["accuracy"]["models"]:
        assert one["accuracy"]["judged"] == found["accuracy"]["items"] < 20
    assert said(found)["calls that failed"][2] == "left out of all figures"
    assert any("22 calls failed (timeout 22)" in line for line in warnings(found))
    before = compared.asked["up"]
    compared.broken.clear()
    again = of(UP, HALF + "?fail=0", data=data)
    assert again["models"][0]["failed"] == {}
    assert compared.asked["up"] - before == lost[0]
    assert again["accuracy"]["items"] == 20


def test_half_of_the_calls_fail_and_the_rest_counts(tmp_path: Path) -> None:
    found = of(UP, HALF + "?fail=0.5", data=compared.pairs(tmp_path, 60))
    assert 30 < found["models"][1]["answered"] < 90
    assert found["answers"] == found["models"][1]["answered"]
    lines_ = (tmp_path / "out/rows.jsonl").read_text().splitlines()
    assert len(lines_) == 60
    assert sum(json.loads(line)["b"] is None for line in lines_) > 10


def test_an_endpoint_that_fails_half_of_its_calls(tmp_path: Path) -> None:
    data = compared.pairs(tmp_path, 30)
    with FaultyServer(faults=("500", "broken"), share=0.5, repeat=99) as server:
        found = of("tiny:reward", server.reward, data=data, retries=0)
        lost = sum(found["models"][1]["failed"].values())
        assert 15 < lost < 45
        assert found["answers"] == 60 - lost
        assert found["accuracy"]["items"] == found["verdicts"]["pairs"] > 0
        assert found["models"][0]["failed"] == {}
        server.faults = ()
        again = of("tiny:reward", server.reward, data=data, retries=0)
        assert server.requests == 60 + lost
    assert again["accuracy"]["items"] == 30


def test_a_model_that_never_answers_is_an_error_that_says_why(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none of 40 questions has an answer; server: "):
        of(UP, HALF + "?fail=1", data=compared.pairs(tmp_path))


def test_the_same_again_costs_no_call(tmp_path: Path) -> None:
    data = compared.pairs(tmp_path)
    first = of(UP, HALF, data=data)
    compared.asked.clear()
    assert of(UP, HALF, data=data) == first
    assert not compared.asked


@pytest.mark.parametrize(
    ("a", "b", "kind", "line"),
    [
        ("tiny:reward", "tiny:instruct", None, "a reward model and 'tiny:instruct' a chat model"),
        ("tiny:instruct", "tiny:reward", None, "compare two of one kind"),
        ("tiny:reward", "tiny:reward", "chat", "is a reward model: leave --kind chat out"),
        (UP, HALF, None, "is here to say what it is: add --kind reward or --kind chat"),
        (UP, HALF, "judge", "unknown kind 'judge'"),
        ("tiny:rewrad", UP, None, "unknown tiny model 'rewrad'"),
    ],
)  # fmt: skip
def test_models_that_do_not_go_together_are_named(
    a: str, b: str, kind: str | None, line: str
) -> None:
    with pytest.raises(ConfigError, match=line):
        compare(a, b, "out", kind=kind, quiet=True)
    assert not Path("out").exists()


def test_the_board_is_that_of_rewardbench(tmp_path: Path) -> None:
    from gristmill import rewardbench

    found = of("tiny:reward", UP, data="tutor:60:bench")
    bench = rewardbench("tiny:reward", data="tutor:60:bench", out="bench", quiet=True).metrics
    assert found["accuracy"]["benchmark"] == "Tutor world"
    assert found["accuracy"]["models"][0]["score"] == bench["judges"][0]["score"]
    assert found["models"][0]["weight_bytes"] == 3_164_640
    assert found["models"][1]["weight_bytes"] is None
    assert said(found)["weights"] == ("3.2 MB", "unknown", "")


def test_a_yaml_holds_the_settings_of_one_side(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"model: '{UP}'\nweights: {{coherence: 1}}\n")
    found = of("mine.yaml", UP, data=compared.pairs(tmp_path))
    assert [one["name"] for one in found["models"]] == ["mine", UP]
    assert found["accuracy"]["models"][0]["accuracy"]["accuracy"] == 0
