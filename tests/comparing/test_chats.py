"""Two chat models side by side."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compared
from gristmill.bench.compare import mcnemar
from gristmill.comparing.ask import likely_tasks
from gristmill.comparing.read import read
from gristmill.comparing.run import compare
from gristmill.comparing.table import lines
from gristmill.comparing.words import verdict, warnings
from gristmill.errors import ConfigError, DataError
from gristmill.nemotron import tiny_path
from local_models import likelihood_by_hand
from servers import FaultyServer

RIGHT, OFTEN = "scripted:compared:right", "scripted:compared:often"


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    compared.asked.clear()
    compared.broken.clear()


def of(a: str, b: str, **asked: Any) -> dict[str, Any]:
    given = {"kind": "chat", "truth": {"truth": {"match": "contains"}}, **asked}
    return compare(a, b, "out", quiet=True, **given).metrics


def said(metrics: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {line.what.strip(): tuple(line[1:]) for line in lines(metrics)}


def test_right_answers_and_equal_texts_by_hand(tmp_path: Path) -> None:
    found = of(RIGHT, OFTEN, data=compared.sums(tmp_path))
    right = found["right"]
    assert [one["mean"] for one in right["models"]] == [1.0, 0.75]
    assert (right["n"], right["only"], right["p"]) == (20, [5, 0], mcnemar(5, 0))
    assert right["difference"]["mean"] == -0.25
    assert found["equal"]["mean"] == 0.75
    assert found["likely"] is None
    assert verdict(found).startswith(f"{OFTEN} is right less often by 25.0 points, on 20 rows")
    assert said(found)["equal texts"][2].startswith("75.0")


def test_a_model_is_equal_to_itself(tmp_path: Path) -> None:
    found = of(OFTEN, OFTEN, data=compared.sums(tmp_path))
    assert found["equal"]["mean"] == 1
    assert (found["right"]["p"], found["right"]["difference"]["mean"]) == (1, 0)


def test_the_judge_math_looks_at_the_final_answer(tmp_path: Path) -> None:
    pytest.importorskip("math_verify")
    found = of(RIGHT, OFTEN, data=compared.sums(tmp_path, 4), truth=None)
    assert [one["mean"] for one in found["right"]["models"]] == [1.0, 0.75]


def test_rows_of_which_nobody_knows_what_is_right(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": f"Double {n}!", "response": "It is so."} for n in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": ""}]))
    found = of(RIGHT, OFTEN, data=path)
    assert found["right"] is None
    told = warnings(found)
    assert "No row's right answer is known: who is right was not measured." in told
    assert any(line.startswith("Rows that could not be used: ") for line in told)
    for name in (RIGHT, OFTEN):
        wanted = "gives no log-probabilities of a given answer: it has no perplexity here."
        assert f"{name} {wanted}" in told
    assert said(found)["perplexity of given answers"] == ("not given by it", "not given by it", "–")
    assert "only agreement was measured" in verdict(found)


def test_failed_calls_are_left_out_and_counted(tmp_path: Path) -> None:
    found = of(RIGHT, OFTEN + "?fail=0.5", data=compared.sums(tmp_path, 40))
    answered = found["models"][1]["answered"]
    assert 5 < answered < 35
    assert found["answers"] == found["right"]["n"] == found["equal"]["n"] == answered
    assert found["models"][1]["failed"] == {"server": 40 - answered}


def test_the_tiny_model_on_the_built_in_rows(tmp_path: Path) -> None:
    found = of("tiny:instruct", "tiny:base", limit=20, kind=None)
    assert found["data"] == ["tutor:500:bench"]
    assert found["right"]["n"] == 18
    a, b = found["likely"]["models"]
    assert a["rows"] == b["rows"] == 20 and a["failed"] == {}
    texts = [turns for _, turns in likely_tasks(read("chat", ["tutor:500:bench"], {}, 20))]
    sizes = np.array([len(turns[-1].content.encode()) for turns in texts])
    totals = []
    for model, name in ((a, "instruct"), (b, "base")):
        each = [likelihood_by_hand(tiny_path(name), turns) for turns in texts]
        totals.append(np.array([one.total for one in each]))
        tokens = sum(one.tokens for one in each)
        assert model["tokens"] == tokens
        assert model["perplexity"] == pytest.approx(math.exp(-totals[-1].sum() / tokens), abs=1e-4)
    bits = (totals[0] - totals[1]) / sizes / math.log(2)
    assert found["likely"]["difference"]["mean"] == pytest.approx(bits.mean(), abs=1e-4)
    assert found["models"][0]["tokens_per_second"] > 0
    assert found["unused_columns"] == {}
    again = of("tiny:instruct", "tiny:base", limit=20, kind=None)
    assert again == found


def test_an_endpoint_says_nothing_of_likelihoods_or_size(tmp_path: Path) -> None:
    with FaultyServer() as server:
        found = of("tiny:instruct", server.chat, limit=10, kind=None)
        told = said(found)
        assert server.requests == 10
    assert told["perplexity of given answers"][1] == "not given by it"
    assert told["weights"] == ("2.3 MB", "unknown", "")


@pytest.mark.parametrize(
    ("truth", "line"),
    [
        ("llm", "truth: 'llm' asks a model; name a judge by rules"),
        ("moth", "truth: unknown part 'moth'; did you mean 'math'"),
        ({"truth": {"match": "same"}}, "truth.truth.match"),
    ],
)
def test_a_truth_that_is_none(truth: Any, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        of(RIGHT, OFTEN, truth=truth)


def test_rows_without_a_prompt_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "plain"}\n')
    with pytest.raises(DataError, match=r"texts\.jsonl: no row can be used; the first, "):
        of(RIGHT, OFTEN, data="texts.jsonl")
