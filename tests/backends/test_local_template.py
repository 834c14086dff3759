"""What local models read of thoughts and tools, and what they refuse by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from chat_templates import CHATML, QWEN
from encodings_of import tokenizer
from gristmill.backends.local_template import Template
from gristmill.backends.local_work import Grading, token_ids
from gristmill.backends.microbatch import Call
from gristmill.errors import BackendError
from gristmill.nemotron import REWARD_TEMPLATE
from gristmill.records import Message, ToolCall

ASK = Message("user", "2 and 3?")
TOOLS = json.dumps(
    [{"type": "function", "function": {"name": "add", "description": "", "parameters": {}}}]
)
CALLING = Message("assistant", "", "ask it", (ToolCall("add", '{"a": 2}', "c1"),))
RESULT = Message("tool", "it is five", tool_call_id="c1", name="add")


def read(template: str, *turns: Message, tools: str = "", answer: bool = True) -> str:
    found = tokenizer(template)
    return found.decode(token_ids("hf:./m", Template(found), turns, tools, answer=answer))


def test_tools_and_what_was_said_through_them_are_written() -> None:
    text = read(QWEN, ASK, CALLING, RESULT, tools=TOOLS)
    for part in ("# Tools", "<tool_call>", "it is five", "ask it"):
        assert part in text
    assert text.endswith("<|im_start|>assistant\n")


def test_earlier_thoughts_are_written_as_the_template_has_it() -> None:
    turns = (ASK, Message("assistant", "five", "2 + 3"), Message("user", "and 4?"))
    assert "<think>\n2 + 3\n</think>\n\nfive" in read("", *turns)
    assert "2 + 3" not in read(QWEN, *turns)


@pytest.mark.parametrize(
    "turns, tools, what",
    [
        ((ASK,), TOOLS, "tools"),
        ((ASK, CALLING, ASK), "", "tool calls"),
    ],
)
@pytest.mark.parametrize("template", ["", CHATML])
def test_what_a_template_would_leave_out_is_refused_by_name(
    template: str, turns: tuple[Message, ...], tools: str, what: str
) -> None:
    with pytest.raises(BackendError, match=f"'hf:./m': its chat template leaves out {what};") as e:
        read(template, *turns, tools=tools)
    assert e.value.kind == "bad_request"


class Length:
    """Grades a text by its length."""

    context: int | None = None
    packs = False
    small = True

    def tokens(self, texts: Sequence[Any]) -> int:
        return sum(map(len, texts))

    def run(self, texts: Sequence[Any]) -> list[list[float]]:
        return [[float(len(text))] for text in texts]


@pytest.mark.parametrize("template", ["", REWARD_TEMPLATE, QWEN])
def test_a_reward_model_reads_no_thought(template: str) -> None:
    work = Grading("hf:./m", tokenizer(template), Length(), (0,), 8)
    calls = [Call((ASK, Message("assistant", "five", thought)), None) for thought in ("", "2 + 3")]  # type: ignore[arg-type]
    for call in calls:
        work.admit(call)
    assert calls[0].job == calls[1].job
