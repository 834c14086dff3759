"""Thoughts and tool calls: they arrive whole in a run's folder, and a plain run knows none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill import mill
from gristmill.mill import Config, parquet
from gristmill.mill.columns import SCHEMAS
from gristmill.mill.rows import Origin, prompt_text, sft_row
from gristmill.records import Graded, Message, Prompt, Response, Sample
from mills import config, tables, write_prompts
from thinkers import BROKEN, CALL, THOUGHT, graded

JUDGE: list[Any] = [{"reward": {"model": "scripted:thinkers:grade"}}]


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    graded.clear()
    yield


def thinking(folder: Path, prompts: int = 2, **changes: Any) -> Config:
    generate = {"model": "scripted:thinkers:answer", "responses": 5, **changes.pop("generate", {})}
    return config(
        write_prompts(folder, prompts),
        **{"judges": JUDGE, "keep": [], **changes},
        generate=generate,
    )


def by_index(rows: list[dict[str, Any]], prompt: str = "p0") -> dict[int, dict[str, Any]]:
    found = (row for row in rows if row["prompt_id"] == prompt)
    return {int(row["response_id"].rpartition(".")[2]): row for row in found}


def test_each_response_has_its_thought_and_its_calls_in_columns_of_their_own(
    tmp_path: Path,
) -> None:
    mill.run(thinking(tmp_path), tmp_path / "out")
    data = tables(tmp_path / "out")
    scored, rejected = by_index(data["scored"]), by_index(data["rejected"])
    assert [scored[i]["reasoning"] for i in range(4)] == [
        None,
        THOUGHT,
        THOUGHT,
        None,
    ]
    assert [scored[i]["response"] for i in (0, 2)] == ["Question 0? Plain.", ""]
    call = {"id": "call_1", "type": "function",
            "function": {"name": "add", "arguments": {"a": 2, "b": None}}}  # fmt: skip
    assert json.loads(scored[2]["tool_calls"]) == [call]
    broken, whole = json.loads(scored[3]["tool_calls"])
    assert broken["function"]["arguments"] == BROKEN.arguments and whole == call
    # A thought and no answer is nothing, but it was paid for: it can be looked at.
    assert rejected[4]["reason"] == "empty_response" and rejected[4]["reasoning"] == THOUGHT
    assert "tool_calls" not in rejected[4]


def test_what_is_trained_on_has_them_in_its_messages(tmp_path: Path) -> None:
    mill.run(thinking(tmp_path, select={"best": None}), tmp_path / "out")
    data = tables(tmp_path / "out")
    last = {i: row["messages"][-1] for i, row in by_index(data["sft"]).items()}
    assert [last[i]["reasoning_content"] for i in range(4)] == [
        None, THOUGHT, THOUGHT, None
    ]  # fmt: skip
    (call,) = last[2]["tool_calls"]
    assert call["id"] == "call_1" and call["type"] == "function"
    assert call["function"]["name"] == "add"
    arguments = [c["function"]["arguments"] for c in last[3]["tool_calls"]]
    assert list(map(json.loads, arguments)) == [BROKEN.arguments, {"a": 2, "b": None}]
    (pair,) = [row for row in data["preference"] if row["prompt_id"] == "p0"]
    assert pair["chosen"][0]["content"] == "Question 0? One moment."
    assert pair["chosen"][0]["tool_calls"] and pair["rejected"][0]["tool_calls"] is None


def test_a_judge_that_reads_is_shown_calls_and_one_that_compares_texts_says_it_is_not(
    tmp_path: Path,
) -> None:
    asked = thinking(tmp_path, 1, judges=[*JUDGE, {"math": {}}])
    write_prompts(tmp_path, 1, answer="4")
    mill.run(asked, tmp_path / "out")
    call = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": null}}\n</tool_call>'
    broken = call.replace(CALL.arguments, json.dumps(BROKEN.arguments))
    assert set(graded) == {
        *("Question 0? Plain.", "Question 0? Four.", call),
        f"Question 0? One moment.\n{broken}\n{call}",
    }
    row = by_index(tables(tmp_path / "out")["scored"])[2]
    assert row["reward"] == 2.0 and row["kept"]
    read, compared = row["judgements"]
    assert read["reward"] == 2.0 and compared["reward"] is None
    assert "'math' looks at the text of an answer" in compared["detail"]


def test_whether_thoughts_are_trained_on_can_be_changed_at_no_cost(tmp_path: Path) -> None:
    first = mill.run(thinking(tmp_path), tmp_path / "out")
    calls = first.metrics["requests"]["sent"]
    dropped = thinking(tmp_path, generate={"reasoning": "drop"}, select={"best": None})
    again = mill.run(dropped, tmp_path / "out")
    assert again.metrics["requests"]["sent"] == calls and again.metrics["requests"]["sent_now"] == 0
    data = tables(tmp_path / "out")
    for row in data["sft"]:
        assert "reasoning_content" not in row["messages"][-1]
    assert "tool_calls" in data["sft"][0]["messages"][-1], "only the thoughts are left out"
    assert by_index(data["scored"])[1]["reasoning"] == THOUGHT


def test_a_plain_run_has_the_columns_that_it_always_had(tmp_path: Path) -> None:
    plain = thinking(tmp_path, 3, generate={"model": "scripted:thinkers:plain", "responses": 1})
    mill.run(plain, tmp_path / "out")
    for name, schema in SCHEMAS.items():
        file = tmp_path / "out" / "data" / f"{name}.parquet"
        assert pq.read_schema(file).equals(schema)


def test_columns_that_one_late_row_needs_are_null_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = thinking(tmp_path, 7, generate={"model": "scripted:thinkers:plain", "responses": 2})
    mill.run(late, tmp_path / "whole")
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    mill.run(late, tmp_path / "batches")
    assert tables(tmp_path / "whole") == tables(tmp_path / "batches")
    scored = tables(tmp_path / "batches")["scored"]
    assert [row["reasoning"] for row in scored] == [None] * 9 + [THOUGHT] + [None] * 4
    left = {p.name for p in (tmp_path / "batches" / "data").iterdir()}
    assert left == {f"{name}.parquet" for name in SCHEMAS}


def test_endings_that_nobody_knows_are_counted_and_kept(tmp_path: Path) -> None:
    outcome = mill.run(thinking(tmp_path), tmp_path / "out")
    assert outcome.metrics["endings"] == {"eos_of_mine": 2}
    assert outcome.metrics["unused_columns"] == {}
    assert by_index(tables(tmp_path / "out")["scored"])[1]["kept"]


CALLED = (
    Message("user", "2 and 2?"),
    Message("assistant", "", "I ask.", (CALL,), learned=False),
    Message("tool", "4", tool_call_id="call_1", name="add"),
)
TOOLS = '[{"type": "function", "function": {"name": "add"}}]'


def called() -> tuple[Graded, Sample]:
    sample = Sample(0, Response("Four.", "m", reasoning="Done."))
    return Graded(0, Prompt("p", CALLED, tools=TOOLS), (sample,)), sample


def test_a_conversation_with_tools_is_written_whole(tmp_path: Path) -> None:
    with parquet.Writers(tmp_path, ["sft"], Origin(["m"], [], [[]], 0)) as out:
        out.add("sft", sft_row(*called()))
        out.add("sft", sft_row(Graded(1, Prompt("q", CALLED[:1]), ()), called()[1], thoughts=False))
    table = pq.read_table(tmp_path / "sft.parquet")
    assert table.schema.field("tools").type == pa.json_()
    with_tools, without = table.to_pylist()
    asked, call, tool, answer = with_tools["messages"]
    assert with_tools["tools"] == TOOLS and without["tools"] is None
    assert {k for k, v in asked.items() if v is not None} == {"role", "content"}
    assert call["reasoning_content"] == "I ask." and call["weight"] == 0
    assert call["tool_calls"][0]["function"]["arguments"] == CALL.arguments
    assert (tool["tool_call_id"], tool["name"]) == ("call_1", "add")
    assert answer["reasoning_content"] == "Done." and answer["weight"] is None
    assert without["messages"][-1]["reasoning_content"] is None


def test_calls_stand_in_a_prompts_text() -> None:
    assert prompt_text(Prompt("p", CALLED)) == (
        '2 and 2?\n<extra_id_1>Assistant\n<tool_call>\n{"name": "add", "arguments": '
        f"{CALL.arguments}}}\n</tool_call>\n<extra_id_1>Tool\n4"
    )
