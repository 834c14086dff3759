"""The tutor's tools: exact, small, and enough to answer every question that takes one."""

from __future__ import annotations

import json
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill import mill
from gristmill.mill import Config
from gristmill.tutor import questions, tools
from gristmill.tutor.tools import calculate, calendar, calls, convert
from gristmill.tutor.world import DAYS, MONTHS

EXAMPLES = Path(__file__).parents[2] / "examples"

SUMS = st.recursive(
    st.integers(0, 999).map(str),
    lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda t: f"({' '.join(t)})"),
    max_leaves=8,
)


@given(SUMS)
def test_sums_are_exact(expression: str) -> None:
    assert calculate(expression) == eval(expression)


@given(st.integers(-999, 999), st.integers(1, 999))
def test_quotients_are_whole_where_they_are(a: int, b: int) -> None:
    found = calculate(f"{a}/{b}")
    assert found == float(Fraction(a, b)) and isinstance(found, int) == (a % b == 0)


@given(st.text(alphabet="0123456789+-*/(). ", max_size=210) | st.text(max_size=20))
def test_whatever_is_asked_is_a_number_or_an_error_that_says_why(expression: str) -> None:
    try:
        assert isinstance(calculate(expression), int | float)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("9**9", "cannot be worked out"), ("7//2", "cannot"), ("(1", "cannot"), ("5(3)", "cannot"),
        ("9" * 201, "more than 200"), ("1/0", "divides by zero"),
        ("__import__('os')", "has more in it than"), ("", "has more in it than"),
        ("1e9", "has more in it than"),
    ],
)  # fmt: skip
def test_what_is_no_sum_is_told(expression: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        calculate(expression)


def test_days_and_months_go_round() -> None:
    assert calendar("Monday", 9) == "Wednesday" and calendar(" january ", -1) == "December"
    assert all(calendar(name, 84) == name for name in (*DAYS, *MONTHS))
    with pytest.raises(ValueError, match="no day or month is called 'Mon'"):
        calendar("Mon", 1)


def test_units_become_the_next_smaller_ones() -> None:
    assert convert(3, "weeks") == {"amount": 21, "unit": "days"}
    with pytest.raises(ValueError, match="unknown unit 'miles'; known: hours"):
        convert(1, "miles")  # type: ignore[arg-type]


def test_the_calls_of_a_question_give_its_answer() -> None:
    seen = Counter[int]()
    for question in questions(800, 3, held_out=False):
        made = calls(question)
        seen[len(made)] += 1
        given: Any = None
        for name, arguments in made:
            if given is not None:
                assert str(given["amount"]) in arguments["expression"]
            given = getattr(tools, name)(**arguments)
        assert not made or str(given) == question.answer
    assert min(seen[0], seen[1], seen[2]) > 40


def test_a_scripted_caller_is_right_but_where_it_slips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jsonschema")
    monkeypatch.chdir(EXAMPLES)
    monkeypatch.delitem(sys.modules, "careless", raising=False)
    mill.run(Config.load("careless.yaml"), tmp_path / "out")
    sys.modules.pop("careless", None)
    data = tmp_path / "out" / "data"
    rejected = pq.read_table(data / "rejected.parquet").to_pylist()
    reasons = Counter(row["reason"] for row in rejected)
    assert reasons.keys() == {"threshold:truth", "tool_calls:contradicts", "tool_calls:arguments",
                              "tool_calls:invented"}  # fmt: skip
    # A guess calls nothing. Of other wrong numbers the filter sees those that nobody gave.
    missed = [r for r in rejected if r["reason"] == "threshold:truth" and r["steps"]]
    assert len(missed) < reasons["tool_calls:contradicts"]
    for row in rejected:
        judged = {j["judge"]: j["reward"] for j in row["judgements"]}
        assert row["reason"] != "tool_calls:contradicts" or judged == {"truth": 0.0}
    steps = Counter[int]()
    for row in pq.read_table(data / "sft.parquet").to_pylist():
        turns = row["messages"]
        steps[sum(turn["role"] == "tool" for turn in turns)] += 1
        assert len(json.loads(row["tools"])) == 3 and turns[-1]["role"] == "assistant"
    assert min(steps[0], steps[1], steps[2]) > 10
