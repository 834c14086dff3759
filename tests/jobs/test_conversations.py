"""Conversations in OpenAI's and Hermes' forms: what is written is read again as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gristmill as g
from commands import Gristmill
from gristmill.errors import DataError, InputError
from gristmill.intake.record import CONVERSATION, Record
from gristmill.intake.source import Source
from gristmill.jobs.conversations import FORMS
from gristmill.records import Message, ToolCall

TOOLS = json.dumps(
    [{"type": "function", "function": {"name": "add", "description": "{a} and {b}."}}]
).replace(": ", ":").replace(", ", ",")  # fmt: skip
WORDS = (
    st.text(alphabet='ab {}"\\\n\u00e9\U0001f642', min_size=1, max_size=12)
    .map(str.strip)
    .filter(bool)
)
ARGUMENTS = st.dictionaries(WORDS, WORDS | st.integers(-9, 9), max_size=2).map(json.dumps)


@st.composite
def talks(draw: st.DrawFn) -> tuple[Message, ...]:
    """A conversation with steps, several calls at once among them."""
    turns = [Message("system", draw(WORDS))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 2))):
        turns.append(Message("user", draw(WORDS)))
        for _ in range(draw(st.integers(0, 2))):
            names = [f"id {len(turns)} {n}" for n in range(draw(st.integers(1, 3)))]
            calls = tuple(ToolCall("add", draw(ARGUMENTS), name) for name in names)
            text = draw(st.just("") | WORDS)
            turns.append(Message("assistant", text, draw(st.just("") | WORDS), calls))
            turns += (Message("tool", draw(WORDS), tool_call_id=name) for name in names)
        turns.append(Message("assistant", draw(WORDS), draw(st.just("") | WORDS)))
    return tuple(turns)


def read(row: dict[str, Any]) -> Record:
    found = Source(file="x.jsonl").record(row, "x.jsonl:1", (CONVERSATION,))
    assert isinstance(found, Record)
    return found


def plain(turns: tuple[Message, ...], *, thoughts: bool, ids: bool) -> list[Message]:
    """Turns without what a form has no place for; arguments as one JSON."""
    return [
        replace(
            turn,
            reasoning=turn.reasoning if thoughts else "",
            tool_call_id=turn.tool_call_id if ids else "",
            name="",
            tool_calls=tuple(
                ToolCall(c.name, json.dumps(json.loads(c.arguments)), c.id if ids else "")
                for c in turn.tool_calls
            ),
        )
        for turn in turns
    ]


@given(talks(), st.sampled_from(["", TOOLS]))
def test_what_openai_has_is_read_again_but_for_thoughts(
    turns: tuple[Message, ...], tools: str
) -> None:
    row = FORMS["openai"](turns, tools)
    found = read(json.loads(json.dumps(row)))
    how = {"thoughts": False, "ids": True}
    assert plain(found.content.turns, **how) == plain(turns, **how)
    assert found.prompt.tools == tools
    assert all(isinstance(c["function"]["arguments"], str) for m in row["messages"]
               for c in m.get("tool_calls", ()))  # fmt: skip


@given(talks(), st.sampled_from(["", TOOLS]))
def test_what_hermes_has_is_read_again_but_for_ids(turns: tuple[Message, ...], tools: str) -> None:
    found = read(json.loads(json.dumps(FORMS["hermes"](turns, tools))))
    how = {"thoughts": True, "ids": False}
    assert plain(found.content.turns, **how) == plain(turns, **how)
    assert found.prompt.tools == tools


def test_several_answers_of_tools_are_one_turn_of_hermes_and_ids_are_made_for_openai() -> None:
    calls = (ToolCall("add", '{"a": 1}'), ToolCall("add", "{}"))
    turns = (Message("user", "?"), Message("assistant", "", tool_calls=calls),
             Message("tool", "1"), Message("tool", "2"),
             Message("assistant", "So.", learned=False))  # fmt: skip
    *_, said, answered, last = FORMS["hermes"](turns, TOOLS)["conversations"]
    assert said["value"].count("<tool_call>") == answered["value"].count("<tool_response>") == 2
    assert last == {"from": "gpt", "value": "So.", "weight": 0}
    _, made, one, two, last = FORMS["openai"](turns, "")["messages"]
    ids = [call["id"] for call in made["tool_calls"]]
    assert len(set(ids)) == 2 and ids == [one["tool_call_id"], two["tool_call_id"]]
    assert "content" not in made and last["weight"] == 0


def test_of_a_run_its_sft_is_written_and_of_a_file_its_conversations(
    tmp_path: Path, gristmill: Gristmill
) -> None:
    said = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Ho."}]
    rows = [{"messages": said}, {"prompt": "No answer?"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = gristmill(
        "export", tmp_path / "in.jsonl", "--for", "hermes", "--out", tmp_path / "a.jsonl"
    )
    assert done.code == 0 and "1 conversation, 1 left out" in done.out
    assert "in.jsonl:2" in done.out
    values = {
        "prompts": {"file": "tutor:3"},
        "generate": {"model": "scripted:echo", "responses": 1},
    }
    g.run(values, tmp_path / "run", quiet=True)
    done = gristmill("export", tmp_path / "run", "--for", "openai", "--out", tmp_path / "b.jsonl")
    assert done.code == 0 and "3 conversations" in done.out
    first = json.loads((tmp_path / "b.jsonl").read_text().splitlines()[0])
    assert [turn["role"] for turn in first["messages"]] == ["user", "assistant"]
    assert "tools" not in first


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"prompt": "No answer?"}\n')
    with pytest.raises(DataError, match=r"no row is a conversation: in\.jsonl:1: "):
        g.export(file, "openai", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    with pytest.raises(InputError, match="is among what is read"):
        g.export(file, "openai", file)
    with pytest.raises(InputError, match="OpenAI reads"):
        g.export(file, "openai", tmp_path / "out.parquet")
    values = {"prompts": {"file": "tutor:2"}, "generate": {"model": "scripted:echo"}, "export": []}
    g.run({**values, "export": ["scored"]}, tmp_path / "run", quiet=True)
    with pytest.raises(DataError, match="has no data set 'sft'; add it to `export`"):
        g.export(tmp_path / "run", "hermes", tmp_path / "out.jsonl")
