"""Whole conversations from a user's file: prompts that already have their responses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gristmill.mill.source import BadLine, read_rows, turns
from gristmill.records import Message

_TURN = re.compile(r"\n<extra_id_1>(User|Assistant)\n")
"""How HelpSteer2 puts several turns into one prompt."""


def read_conversations(
    path: Path,
) -> Iterator[tuple[dict[str, Any], tuple[Message, ...] | BadLine]]:
    """Each row with its conversation, which ends in the assistant's turn, or what is wrong.

    A row has `messages`, or `prompt` (a text, HelpSteer2's several turns in one text, or a list
    of messages) and `response`.
    """
    for number, row, raw in read_rows(path):
        where = f"{path.name}:{number}"
        if isinstance(row, BadLine):
            yield {"line": raw}, row
            continue
        try:
            yield row, _conversation(row)
        except ValueError as error:
            yield row, BadLine(where, "input:bad_conversation", str(error), raw)


def _conversation(row: dict[str, Any]) -> tuple[Message, ...]:
    if "messages" in row:
        return turns(row["messages"], "messages", "assistant")
    if "prompt" not in row or "response" not in row:
        raise ValueError("neither 'messages' nor 'prompt' and 'response'")
    response = row["response"]
    if not isinstance(response, str) or not response.strip():
        raise ValueError("'response' is empty or not a text")
    prompt = row["prompt"]
    before = turns(prompt, "prompt", "user") if isinstance(prompt, list) else split_turns(prompt)
    return (*before, Message("assistant", response))


def split_turns(prompt: Any) -> tuple[Message, ...]:
    """The turns of a HelpSteer2 prompt; a plain text is one turn of the user.

    Raises ValueError where it is no text, is empty, or does not end in the user's turn.
    """
    if not isinstance(prompt, str) or not prompt.strip():
        raise ValueError("'prompt' is empty or not a text")
    first, *rest = _TURN.split(prompt)
    messages = [Message("user", first)]
    for role, content in zip(rest[::2], rest[1::2], strict=True):
        messages.append(Message(role.lower(), content))
    if messages[-1].role != "user":
        raise ValueError("'prompt' ends in the assistant's turn")
    return tuple(messages)
