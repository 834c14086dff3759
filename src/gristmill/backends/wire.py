"""Messages as OpenAI's wire has them, for endpoints.

A thought of an earlier turn is not sent: templates drop it, and most providers refuse the field.
But a model that thinks and then calls tools goes on from its thought when they have answered, and
some providers refuse a request without it (DeepSeek), others one with it (Groq, Mistral).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from gristmill.backends.decoding import whole
from gristmill.backends.fields import THOUGHT
from gristmill.records import Message


def around(name: str, rest: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """A request's bytes before and after its messages; the closing brace is still missing."""
    head = b'{"model":' + orjson.dumps(name) + b',"messages":'
    return head, b"," + orjson.dumps(rest)[1:-1] if rest else b""


def chat_messages(messages: Sequence[Message], thoughts: bool = True) -> bytes:
    """The JSON of messages with their calls of tools, and what the tools answered. thoughts:
    whether those of turns that call, since the user's last one, are sent."""
    for message in messages:
        if message.tool_calls or message.role == "tool":
            return _dumps(_wired(messages, thoughts))
    return spoken_messages(messages)


def spoken_messages(messages: Iterable[Message]) -> bytes:
    """The JSON of who said what, as reward models read it."""
    return _dumps([{"role": m.role, "content": m.content} for m in messages])


def _wired(messages: Sequence[Message], thoughts: bool) -> list[dict[str, Any]]:
    """Calls and answers that nobody named are numbered, in the form that every provider takes: nine
    letters and digits. An answer without a name belongs to the first call that has none yet."""
    wired = []
    number = 0
    open_calls: list[str] = []
    asked = max((n for n, m in enumerate(messages) if m.role == "user"), default=0)
    for place, message in enumerate(messages):
        said: dict[str, Any] = {"role": message.role, "content": message.content}
        calls = []
        for call in message.tool_calls:
            number += 1
            open_calls.append(name := call.id or f"call{number:05}")
            function = {"name": call.name, "arguments": call.arguments}
            calls.append({"id": name, "type": "function", "function": function})
        if calls:
            said["tool_calls"] = calls
        if thoughts and calls and place > asked and message.reasoning:
            said[THOUGHT] = message.reasoning
        if message.role == "tool":
            name = message.tool_call_id or (open_calls[0] if open_calls else "call00000")
            if name in open_calls:
                open_calls.remove(name)
            said["tool_call_id"] = name
            if message.name:
                said["name"] = message.name
        wired.append(said)
    return wired


def _dumps(messages: list[dict[str, Any]]) -> bytes:
    """JSON. Half a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD."""
    try:
        return orjson.dumps(messages)
    except orjson.JSONEncodeError:
        return orjson.dumps(whole(messages))
