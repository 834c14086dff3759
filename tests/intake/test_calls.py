"""Tools and calls of them, in the ways that people's files and servers write them."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from gristmill.intake.calls import (
    calls_of,
    tools_of,
    written_calls,
    written_responses,
    written_tools,
)
from gristmill.intake.cells import Unusable
from gristmill.records import ToolCall

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
BARE = {"name": "f", "description": "D.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": BARE}


@pytest.mark.parametrize(
    "given",
    [
        [TOOL],
        [BARE],
        TOOL,
        json.dumps([TOOL]),
        json.dumps(BARE),
        [json.dumps(BARE)],
        [{"name": "f", "description": "D.", "input_schema": SCHEMA}],
        [{"name": "f", "description": "D.", "parameters": json.dumps(SCHEMA)}],
        # As a table holds it whose other rows have more.
        [{"type": "function", "function": {**BARE, "strict": None}, "x": None}],
    ],
)
def test_the_ways_to_write_a_tool(given: Any) -> None:
    assert orjson.loads(tools_of(given, "tools")) == [TOOL]


@pytest.mark.parametrize("given", [None, [], "", " ", "[]", "null"])
def test_no_tools(given: Any) -> None:
    assert tools_of(given, "tools") == ""


@pytest.mark.parametrize(
    ("given", "reason", "detail"),
    [
        ("not JSON", "bad_json", "'tools' is not JSON"),
        (7, "bad_tools", "'tools' is int, not a list of tools"),
        ([7], "bad_tools", "'tools[0]' is no tool with a name"),
        ([TOOL, {"type": "function", "function": {"name": 3}}], "bad_tools", "'tools[1]'"),
    ],
)
def test_what_is_no_tool(given: Any, reason: str, detail: str) -> None:
    with pytest.raises(Unusable) as caught:
        tools_of(given, "tools")
    assert caught.value.reason == reason and detail in caught.value.detail


@pytest.mark.parametrize(
    ("given", "arguments", "name"),
    [
        ([{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}],
         '{"x": 1}', "c"),
        ([{"function": {"name": "f", "arguments": {"x": 1}}}], '{"x":1}', ""),
        ({"name": "f", "arguments": {"x": 1, "y": None}}, '{"x":1}', ""),
        ([{"type": "tool_use", "id": "c", "name": "f", "input": {"x": 1}}], '{"x":1}', "c"),
        ('{"name": "f", "parameters": {"x": 1}}', '{"x":1}', ""),
        ([{"name": "f"}], "{}", ""),
        ([{"name": "f", "arguments": ""}], "{}", ""),
    ],
)  # fmt: skip
def test_the_ways_to_write_a_call(given: Any, arguments: str, name: str) -> None:
    assert calls_of(given, "calls") == (ToolCall("f", arguments, name),)


def test_what_is_no_call() -> None:
    for given, reason in (([{"x": 1}], "bad_calls"), (7, "bad_calls"), ("f(1)", "bad_json")):
        with pytest.raises(Unusable) as caught:
            calls_of(given, "calls")
        assert caught.value.reason == reason


def test_calls_written_into_a_text() -> None:
    text = 'Let me see.\n<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call>'
    assert written_calls(text) == ("Let me see.", (ToolCall("f", '{"x":1}'),))
    two = '<tool_call>{"name": "f"}</tool_call>\n<tool_call>{"name": "g"}</tool_call>'
    assert written_calls(two) == ("", (ToolCall("f"), ToolCall("g")))
    for plain in ("What is <tool_call>?", "<tool_call>not JSON</tool_call>", "No call."):
        assert written_calls(plain) == (plain, ())


def test_what_tools_answered() -> None:
    two = "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>"
    assert written_responses(two) == ["1", "2"]
    assert written_responses("plain") == ["plain"]


@pytest.mark.parametrize(
    ("system", "rest"),
    [
        ("Functions are in <tools></tools>:\n<tools>{tools}</tools>\n<tool_call>x</tool_call>", ""),
        ("Be brief.\n\n# Tools\n\nYou may call.\n\n<tools>{tools}</tools>\n<tool_call></tool_call>",
         "Be brief."),
        ("Be brief.\n\nUse <tools> {tools} </tools> by <tool_call></tool_call>\n\nBe kind.",
         "Be brief.\n\nBe kind."),
    ],
)  # fmt: skip
def test_tools_written_into_a_system_message(system: str, rest: str) -> None:
    for written in (json.dumps([TOOL]), f"\n{json.dumps(TOOL)}\n"):
        found = written_tools(system.replace("{tools}", written))
        assert found is not None
        tools, more = found
        assert (orjson.loads(tools_of(tools, "<tools>")), more) == ([TOOL], rest)


@pytest.mark.parametrize(
    "system",
    ["Be brief.", "<tools>[]</tools>", "<tool_call> and <tools>", "<tools>{x}</tools> <tool_call>"],
)
def test_other_system_messages_list_no_tools(system: str) -> None:
    assert written_tools(system) is None


def test_a_long_run_of_blanks_is_read_in_one_go() -> None:
    from gristmill.intake.calls import written_calls, written_responses

    blanks = " " * 400_000
    # Were each blank looked at for each other one, this would take minutes.
    assert written_calls(f"{blanks}y<tool_call>{{}}")[1] == ()
    assert written_responses(f"{blanks}<tool_response>a</tool_response>") == ["a"]
    assert written_responses(f"{blanks}<think>") == [f"{blanks}<think>"]
