"""A tokenizer's chat template: the text it makes of turns and tools, and what it leaves out.

Templates differ in what they know. One that knows no tools passes them over without a word, so
each is asked once, with a conversation that has what is in question.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from gristmill.intake.calls import identified
from gristmill.records import Message, ToolCall, as_dicts

ASK = Message("user", "a")
# Nine letters and digits: Mistral's templates take no other id.
CALL = ToolCall("probed", '{"place": "b"}', "probe0001")
CALLING = Message("assistant", "", tool_calls=(CALL,))
RESULT = Message("tool", "resulted", tool_call_id=CALL.id, name=CALL.name)
THINKING = Message("assistant", "c", "thought")
PLACE = {"type": "object", "properties": {"place": {"type": "string", "description": "d"}}}
TOOLS = json.dumps(
    [{"type": "function", "function": {"name": "offered", "description": "e", "parameters": PLACE}}]
)


class Template:
    """The chat template of `tokenizer`."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    def text(self, messages: Sequence[Message], tools: str = "", *, answer: bool = False) -> str:
        """The text of a conversation; `answer` leaves the assistant's turn open at the end.

        tools: as `Prompt.tools`. Raises whatever the template does.
        """
        return self.tokenizer.apply_chat_template(
            self._dicts(messages),
            tools=json.loads(tools) if tools else None,
            tokenize=False,
            add_generation_prompt=answer,
        )

    def marked(
        self, messages: Sequence[Message], tools: str = ""
    ) -> tuple[str, list[tuple[int, int]]] | None:
        """The text, and the stretch of each of the assistant's turns in it that the template's
        author marked as generated; None where there is no mark for each."""
        from transformers.utils.chat_template_utils import render_jinja_template

        given = json.loads(tools) if tools else None
        template = self.tokenizer.get_chat_template(None, given)
        if "endgeneration" not in template:
            return None
        # The wrong return type is stated where this comes from.
        rendered: Any = render_jinja_template(
            conversations=[self._dicts(messages)],
            tools=given,
            chat_template=template,
            return_assistant_tokens_mask=True,
            **self.tokenizer.special_tokens_map,
        )
        text, found = rendered[0][0], [(a, b) for a, b in rendered[1][0]]
        each = len(found) == sum(message.role == "assistant" for message in messages)
        return (text, found) if each else None

    def named(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The same with ids of calls that it takes: of two conversations that share turns, both are
        to be named as parts of the longer."""
        calling = any(m.tool_calls or m.role == "tool" for m in messages)
        return identified(messages, _nine) if calling and self._nine_letters else messages

    def left_out(self, messages: Sequence[Message], tools: str = "") -> str:
        """What of the use of tools the template would pass over, in words; empty for nothing."""
        if tools and not self._writes_tools:
            return "tools"
        if any(message.tool_calls for message in messages) and not self._writes_calls:
            return "tool calls"
        if any(len(message.tool_calls) > 1 for message in messages) and not self._writes_several:
            return "all but the first of several tool calls at once"
        if any(message.role == "tool" for message in messages) and not self._writes_results:
            return "what tools answer"
        return ""

    @cached_property
    def writes_thoughts(self) -> bool:
        """Whether it writes the thought of a conversation's last turn."""
        return self._shows(THINKING.reasoning, (ASK, THINKING))

    @cached_property
    def _writes_tools(self) -> bool:
        return self._shows("offered", (ASK,), TOOLS)

    @cached_property
    def _writes_calls(self) -> bool:
        return self._shows(CALL.name, (ASK, CALLING))

    @cached_property
    def _writes_several(self) -> bool:
        other = replace(CALL, name="also", id="probe0002")
        return self._shows(other.name, (ASK, replace(CALLING, tool_calls=(CALL, other))))

    @cached_property
    def _writes_results(self) -> bool:
        return self._shows(RESULT.content, (ASK, CALLING, RESULT))

    def _shows(self, word: str, messages: Sequence[Message], tools: str = "") -> bool:
        try:
            return word in self.text(messages, tools)
        except Exception:  # What it refuses, it does not pass over; it will say so again.
            return True

    def _dicts(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        messages = self.named(messages)
        if self._arguments_as_text and any(message.tool_calls for message in messages):
            return [_with_text(message) for message in messages]
        return as_dicts(messages)

    @cached_property
    def _arguments_as_text(self) -> bool:
        """Whether it takes a call's arguments as text alone (DeepSeek's joins them to its own)."""
        for form, answer in ((as_dicts, False), (lambda turns: [*map(_with_text, turns)], True)):
            try:
                self.tokenizer.apply_chat_template(form((ASK, CALLING)), tokenize=False)
                return answer
            except Exception:  # Any way of refusing that its author chose.
                continue
        return False

    @cached_property
    def _nine_letters(self) -> bool:
        """Whether it takes ids of calls of nine letters and digits alone (Mistral's)."""
        other = replace(CALL, id="call_1")
        turns = (ASK, replace(CALLING, tool_calls=(other,)), replace(RESULT, tool_call_id="call_1"))
        for asked, answer in (((ASK, CALLING, RESULT), False), (turns, True)):
            try:
                self.tokenizer.apply_chat_template(as_dicts(asked), tokenize=False)
            except Exception:  # Any way of refusing that its author chose.
                return answer
        return False


def _nine(name: str) -> bool:
    return len(name) == 9 and name.isascii() and name.isalnum()


def _with_text(message: Message) -> dict[str, Any]:
    (made,) = as_dicts([message])
    for call, given in zip(made.get("tool_calls", ()), message.tool_calls, strict=False):
        call["function"]["arguments"] = given.arguments
    return made


def unthinking(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The same without thoughts: what a reward model reads."""
    return tuple(replace(m, reasoning="") if m.reasoning else m for m in messages)
