"""One reader of an assistant's message: replies as servers and providers really give them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.intake.cells import Unusable
from gristmill.intake.message import Said, answer_of, read_messages
from gristmill.records import Message, ToolCall

CALL = {
    "id": "chatcmpl-tool-1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
}
WEATHER = ToolCall("get_weather", '{"city": "Oslo"}', "chatcmpl-tool-1")
NULLS = {"refusal": None, "annotations": None, "audio": None, "function_call": None}

REPLIES = {
    # vLLM with a reasoning parser: `reasoning`, before 0.11 `reasoning_content`, for a while both.
    "vllm": ({"content": "\n\nIt is 4.", "reasoning": "\nTwo and two.\n", "tool_calls": [],
              **NULLS}, ("\n\nIt is 4.", "Two and two.", ())),
    "vllm both": ({"content": "4", "reasoning": "hm", "reasoning_content": "hm", "tool_calls": []},
                  ("4", "hm", ())),
    "vllm calls": ({"content": None, "reasoning_content": None, "tool_calls": [CALL], **NULLS},
                   ("", "", (WEATHER,))),
    # No parser: DeepSeek R1's template opened the thought; Qwen3 opens it itself.
    "no parser": ({"content": "Okay, so\n</think>\n\nIt is 4."}, ("It is 4.", "Okay, so", ())),
    "qwen": ({"content": "<think>\nOkay\n</think>\n\nIt is 4."}, ("It is 4.", "Okay", ())),
    "qwen off": ({"content": "<think>\n\n</think>\n\nIt is 4."}, ("It is 4.", "", ())),
    "hermes": ({"content": '<think>\nhm\n</think>\n\n<tool_call>\n{"name": "get_weather", '
                           '"arguments": {"city": "Oslo"}}\n</tool_call>'},
               ("", "hm", (ToolCall("get_weather", '{"city":"Oslo"}'),))),
    "hermes, cut": ({"content": 'Let me see.\n<tool_call>\n{"name": "f", "arguments": {}}'},
                    ("Let me see.", "", (ToolCall("f", "{}"),))),
    "sglang": ({"content": "4", "reasoning_content": "hm", "tool_calls": None}, ("4", "hm", ())),
    "llama.cpp": ({"role": "assistant", "reasoning_content": "hm", "content": "4"},
                  ("4", "hm", ())),
    "tgi": ({"role": "assistant", "content": "4"}, ("4", "", ())),
    "tgi calls": ({"tool_calls": [{"id": "0", "type": "function", "function": {
                       "description": None, "name": "f", "arguments": {"a": 1}}}]},
                  ("", "", (ToolCall("f", '{"a":1}', "0"),))),
    "ollama": ({"content": "4", "thinking": "hm"}, ("4", "hm", ())),
    "deepseek": ({"content": "4", "reasoning_content": "hm"}, ("4", "hm", ())),
    "openrouter": ({"content": "4", "refusal": None, "reasoning": "hm", "reasoning_details": [
                       {"type": "reasoning.text", "text": "hm", "format": None, "index": 0}]},
                   ("4", "hm", ())),
    "openrouter details": ({"content": "4", "reasoning": None, "reasoning_details": [
                               {"type": "reasoning.summary", "summary": "h"},
                               {"type": "reasoning.text", "text": "m"},
                               {"type": "reasoning.encrypted", "data": "AAAA"}]},
                           ("4", "hm", ())),
    "magistral": ({"content": [
                       {"type": "thinking", "thinking": [{"type": "text", "text": "h"},
                                                         {"type": "text", "text": "m"}]},
                       {"type": "text", "text": "4"}]}, ("4", "hm", ())),
    "magistral in text": ({"content": "[THINK]hm[/THINK]4"}, ("4", "hm", ())),
    "anthropic": ({"content": [{"type": "thinking", "thinking": "hm", "signature": "x"},
                               {"type": "redacted_thinking", "data": "x"},
                               {"type": "text", "text": "4"},
                               {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
                  ("4", "hm", (ToolCall("f", '{"a":1}', "t1"),))),
    "litellm": ({"content": "4", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
                ("4", "hm", ())),
    "gpt-oss": ({"content": "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>"
                            "final<|message|>4<|return|>"}, ("4", "hm", ())),
    "gpt-oss, tokens left out": ({"content": 'analysisWe need "4".assistantfinal4'},
                                 ("4", 'We need "4".', ())),
    "gpt-oss json": ({"content": "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
                                 "<|channel|>final <|constrain|>json<|message|>{}"},
                     ("{}", "hm", ())),
    "gpt-oss calls": ({"content": "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
                                  "<|channel|>commentary to=functions.get_weather <|constrain|>json"
                                  '<|message|>{"city": "Oslo"}<|call|>'},
                      ("", "hm", (ToolCall("get_weather", '{"city":"Oslo"}'),))),
    "kimi": ({"content": "◁think▷hm◁/think▷4"}, ("4", "hm", ())),
    "kimi calls": ({"content": "", "reasoning_content": "hm", "tool_calls": [
                        {**CALL, "id": "functions.get_weather:0", "index": 0}]},
                   ("", "hm", (ToolCall("get_weather", '{"city": "Oslo"}',
                                        "functions.get_weather:0"),))),
    "nim": ({"content": "hm\n</think>\n\n4", "reasoning_content": None}, ("4", "hm", ())),
    "command": ({"content": "<|START_THINKING|>hm<|END_THINKING|>4"}, ("4", "hm", ())),
    "gemma 4": ({"content": "<|channel>thought\nhm\n<channel|>4"}, ("4", "hm", ())),
    "gemma 4, no thought": ({"content": "<|channel>thought\n<channel|>4"}, ("4", "", ())),
    "openai refusal": ({"content": None, "refusal": "I can't."}, ("I can't.", "", ())),
    "old openai": ({"content": None, "function_call": {"name": "f", "arguments": "{}"}},
                   ("", "", (ToolCall("f", "{}"),))),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_taken_apart(name: str) -> None:
    message, parts = REPLIES[name]
    assert answer_of(message, "reply") == Said(*parts, ended=True)


@pytest.mark.parametrize(
    "content",
    [
        "Hermes writes:\n```\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>",
        "A call stands in <tool_call> and </tool_call>.",
        "Qwen thinks between `<think>` and `</think>`.",
        "analysis of the final assistant",
        "  indented <b>text</b>\n",
    ],
)  # fmt: skip
def test_what_only_speaks_of_thoughts_and_calls_is_left_alone(content: str) -> None:
    assert answer_of({"content": content}, "reply") == Said(content, "", (), ended=True)


def test_what_ends_within_its_thought() -> None:
    for content in ("<think>hm", "[THINK]hm", "<|channel|>analysis<|message|>hm"):
        assert answer_of({"content": content}, "reply") == Said("", "hm", (), ended=False)


@pytest.mark.parametrize("content", [None, 7, [{"type": "image_url", "image_url": {}}], []])
def test_what_has_no_text(content: Any) -> None:
    with pytest.raises(Unusable):
        answer_of({"content": content}, "reply")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
FIELDS = ("content", "reasoning", "reasoning_details", "tool_calls", "function_call", "refusal")


@given(message=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_no_message_makes_it_crash(message: dict[str, Any]) -> None:
    try:
        said = answer_of(message, "reply")
    except Unusable:
        return
    assert isinstance(said.text, str)
    assert isinstance(said.reasoning, str)


def test_a_turn_is_read_as_a_reply_is() -> None:
    message, (text, reasoning, calls) = REPLIES["anthropic"]
    assert read_messages({"role": "assistant", **message}, "turn") == [
        Message("assistant", text, reasoning, calls)
    ]
