"""What a request and an answer look like on Anthropic's wire."""

from __future__ import annotations

import json
from typing import Any

import pytest

from calls import prompt
from gristmill.backends.batch_anthropic import params, read_message
from gristmill.backends.fault import Fault
from gristmill.records import Message, Prompt, Sampling, ToolCall

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    },
}


def sent(asked: Prompt, sampling: Sampling = Sampling(), **extra: Any) -> dict[str, Any]:  # noqa: B008
    return json.loads(params("claude", asked, sampling, extra))


def test_a_plain_request() -> None:
    assert sent(prompt("q")) == {
        "model": "claude",
        "messages": [{"role": "user", "content": "q"}],
        "max_tokens": 512,
        "temperature": 0.8,
    }


def test_fields_of_the_users_own_and_null_leaves_one_out() -> None:
    body = sent(prompt("q"), Sampling(top_p=0.9, stop=("Q:",)), temperature=None, thinking={})
    assert (body["top_p"], body["stop_sequences"], body["thinking"]) == (0.9, ["Q:"], {})
    assert "temperature" not in body


def test_a_schema_is_its_output_format() -> None:
    schema = {"type": "object"}
    body = sent(prompt("q"), Sampling(schema=schema))
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


def test_system_tools_calls_and_what_the_tools_said() -> None:
    call = ToolCall("weather", '{"place": "Ulm"}', "")
    turns = (
        Message("system", "Be brief."),
        Message("user", "Weather?"),
        Message("assistant", "I look.", "a thought", (call,)),
        Message("tool", "rain"),
        Message("assistant", "Rain."),
        Message("user", "Thanks, half \ud83d a pair"),
    )
    body = sent(Prompt("p", turns, tools=json.dumps([WEATHER])))
    assert body["system"] == "Be brief."
    asked, looked, heard, said, thanks = body["messages"]
    assert (asked["content"], said["content"]) == ("Weather?", "Rain.")
    use = {"type": "tool_use", "id": "call00001", "name": "weather", "input": {"place": "Ulm"}}
    assert looked["content"] == [{"type": "text", "text": "I look."}, use]
    result = {"type": "tool_result", "tool_use_id": "call00001", "content": "rain"}
    assert (heard["role"], heard["content"]) == ("user", [result])
    assert thanks["content"] == "Thanks, half \ufffd a pair"
    function = WEATHER["function"]
    assert body["tools"] == [
        {
            "name": "weather",
            "description": "Of a place",
            "input_schema": function["parameters"],  # type: ignore[index]
        }
    ]


def message(*content: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    return {"content": list(content), "stop_reason": stop, "usage": {"output_tokens": 2}}


def test_an_answer_that_calls_a_tool() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"place": "Ulm"}}
    found = read_message(message({"type": "text", "text": "I look."}, use, stop="tool_use"), "m")
    assert (found.text, found.finish_reason) == ("I look.", "tool_calls")
    (call,) = found.tool_calls
    assert (call.name, call.id, json.loads(call.arguments)) == ("weather", "t1", {"place": "Ulm"})


def test_an_answer_of_nothing_is_empty() -> None:
    assert read_message(message(), "m").text == ""


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (message({"type": "text", "text": "I cannot"}, stop="refusal"), "content_filter"),
        ({"content": "no list"}, "bad_reply"),
        (None, "bad_reply"),
        (message({"type": "thinking", "thinking": "Hm"}, stop="max_tokens"), "bad_reply"),
    ],
)
def test_what_is_no_answer(reply: Any, kind: str) -> None:
    with pytest.raises(Fault) as caught:
        read_message(reply, "m")
    assert caught.value.kind == kind
