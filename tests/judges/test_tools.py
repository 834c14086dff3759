"""The judge of calls: what it takes for right, and what it says is wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill import mill, rewards
from gristmill.errors import BackendError
from gristmill.intake.calls import expected_of, tools_of
from gristmill.judges._calls import same, unmatched
from gristmill.mill import Config
from gristmill.parts import open_part
from gristmill.records import Message, Prompt, Response, ToolCall, Verdict

pytest.importorskip("jsonschema")

WEATHER = {
    "name": "weather",
    "parameters": {
        "type": "dict",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        },
        "required": ["city"],
    },
}
OSLO = {"name": "weather", "arguments": {"city": "Oslo"}}
ROME = {"weather": {"city": ["Rome", "Roma"], "days": [3], "unit": ["C", ""]}}
Call = tuple[str, Any]


def judged(calls: list[Call], expected: Any = None, tools: Any = WEATHER) -> Verdict:
    judge = open_part("gristmill.judges", "tools", "judges[0]")
    prompt = Prompt(
        "p", (Message("user", "?"),), tools=tools_of(tools, "tools"),
        calls=expected_of(expected, "calls"),
    )  # fmt: skip
    made = tuple(ToolCall(n, a if isinstance(a, str) else json.dumps(a)) for n, a in calls)

    async def ask() -> Verdict:
        async with judge.open() as backend:
            return await judge.judge(backend, prompt, Response("", "m", tool_calls=made))

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([("weather", {"city": "oslo "})], [OSLO]),
        ([("weather", {"city": "Oslo", "unit": "C"})], [OSLO]),  # the default
        ([("weather", {"city": "Oslo", "days": None})], [OSLO]),  # left out, as many say it
        ([("weather", {"city": "Roma", "days": 3.0})], [ROME]),
        ([("weather", {"city": "Rome", "days": 3}), ("weather", {"city": "Oslo"})], [OSLO, ROME]),
        ([("weather", '{"city": "Oslo"}')], None),
        ([], []),
    ],
)
def test_what_is_expected_is_right(calls: list[Call], expected: Any) -> None:
    assert judged(calls, expected).reward == 1.0


@pytest.mark.parametrize(
    ("calls", "expected", "why"),
    [
        ([("weather", {"city": "Bergen"})], [OSLO], "'city' is 'Bergen'; expected weather("),
        ([("weather", {"city": "Oslo", "unit": "F"})], [OSLO], "'unit' was not expected"),
        ([("weather", {"city": "Rome"})], [ROME], "'days' is missing"),
        ([("weather", {"city": "Rome", "days": "3"})], [ROME], "'days': '3' is not of type 'integ"),
        ([("weather", {"days": 3})], None, "'city' is a required property"),
        ([("weather", {"city": "Oslo", "hour": 1})], None, "'hour' was unexpected"),
        ([("weather", {"city": "Oslo", "unit": "K"})], None, "'K' is not one of"),
        ([("weather", {"city": ["Oslo"]})], None, "is not of type 'string'"),
        ([("weather", "{city: Oslo")], None, "not JSON"),
        ([("weather", "[1]")], None, "no object"),
        ([("forecast", {})], None, "there is no tool 'forecast'"),
        ([], [OSLO], "no call; expected weather("),
        ([("weather", {"city": "Oslo"})], [], "1 call, and none expected"),
        ([("weather", {"city": "Oslo"})] * 2, [OSLO], "2 calls, and 1 expected"),
    ],
)
def test_what_is_wrong_is_said(calls: list[Call], expected: Any, why: str) -> None:
    said = judged(calls, expected)
    assert said.reward == 0.0 and why in said.detail


def test_nothing_expected_and_nothing_called_is_no_say() -> None:
    assert judged([]).reward is None
    assert judged([("anything", {"x": 1})], tools=None).reward is None
    assert judged([("weather", {"city": "Oslo"})], [OSLO], tools=None).reward == 1.0


def test_an_expected_value_is_right_whatever_the_schema_says() -> None:
    wanted = [{"name": "weather", "arguments": {"city": "Oslo", "days": "three"}}]
    assert judged([("weather", {"city": "Oslo", "days": "three"})], wanted).reward == 1.0


def test_a_schema_that_is_none_or_leads_elsewhere_is_the_rows_fault() -> None:
    for parameters, why in (
        ({"type": "object", "required": ["x"], "properties": 3}, "weather: 'properties': 3 is not"),
        ({"properties": {"x": {"$ref": "http://127.0.0.1:9/x.json"}}}, "http"),
    ):
        with pytest.raises(BackendError, match=why) as raised:
            judged([("weather", {"x": 1})], tools={"name": "weather", "parameters": parameters})
        assert raised.value.kind == "bad_truth"


def test_a_pattern_is_not_run() -> None:
    slow = {"type": "string", "pattern": "^(a+)+$"}
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"x": slow}}}
    assert judged([("f", {"x": "a" * 40 + "!"})], tools=tool).reward == 1.0


@pytest.mark.parametrize(
    ("value", "expected", "equal"),
    [
        (5, 5.0, True), ("5", 5, True), ("5.0", "5", True), (True, 1, False), ("1.5", "15", False),
        ("-5", "5", False), ("April 1, 2024", "april 1 2024", True), ("New-York", "new york", True),
        ([1, 2], [2, 1], False), ({"a": [1]}, {"a": [1.0]}, True), ({"a": 1}, {}, False),
        (None, None, True), (None, 0, False), ("", None, False), ("it's", 'it"s', True),
    ],
)  # fmt: skip
def test_values_are_equal_by_the_stated_rules(value: Any, expected: Any, equal: bool) -> None:
    assert same(value, expected) is equal and same(expected, value) is equal


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_the_matching_is_a_largest_one(fits: set[tuple[int, int]]) -> None:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    left = unmatched(range(6), range(6), lambda call, wanted: (call, wanted) in fits)
    table = csr_array([[int((c, w) in fits) for c in range(6)] for w in range(6)])
    assert len(left) == sum(maximum_bipartite_matching(table, perm_type="column") < 0)


def test_a_run_judges_calls_without_a_text_and_a_corrected_row_anew(tmp_path: Path) -> None:
    """The rows are a table's, which fills in the arguments of all other calls."""
    rows = [
        {"prompt": "Oslo?", "tools": [WEATHER], "calls": [OSLO]},
        {"prompt": "Thanks!", "tools": [WEATHER], "calls": []},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    values = {
        "name": "calls",
        "prompts": {"file": str(tmp_path / "rows.parquet")},
        "generate": {"model": "scripted:scripts:calls", "responses": 1},
        "judges": ["tools"],
        "keep": [{"threshold": {"judges": {"tools": 1}}}],
    }
    ran = mill.run(Config.of(values), tmp_path / "run")
    assert ran.metrics["responses"]["kept"] == 1
    rejected = pq.read_table(tmp_path / "run" / "data" / "rejected.parquet").to_pylist()
    (row,) = [r for r in rejected if r["prompt_id"]]
    assert row["reason"].startswith("threshold")
    rows[1]["calls"] = [OSLO]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert mill.run(Config.of(values), tmp_path / "run").metrics["responses"]["kept"] == 2


def test_it_is_a_reward_of_trainers() -> None:
    (reward,) = rewards.functions("tools")
    call = {"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    said = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    asked = [[{"role": "user", "content": "Oslo?"}]] * 2
    columns = {"tools": [[WEATHER]] * 2, "calls": [json.dumps([OSLO]), "[]"]}
    assert reward(prompts=asked, completions=[said, said], **columns) == [1.0, 0.0]
