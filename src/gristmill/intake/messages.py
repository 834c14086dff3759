"""Messages and whole conversations, as users' files write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gristmill.errors import DataError
from gristmill.intake.files import BadLine, read_rows
from gristmill.records import Message

ROLES = ("system", "user", "assistant")

_TURN = re.compile(r"\n<extra_id_1>(User|Assistant)\n")
"""How HelpSteer2 puts several turns into one prompt."""


def read_conversations(
    source: str | Path,
) -> Iterator[tuple[dict[str, Any], tuple[Message, ...] | BadLine]]:
    """Each row with its conversation, which ends in the assistant's turn, or what is wrong.

    A row has `messages`, or `prompt` (a text, HelpSteer2's several turns in one text, or a list
    of messages) and `response`.
    """
    for where, row, raw in read_rows(source, "prompt"):
        if isinstance(row, BadLine):
            yield {"line": raw}, row
            continue
        try:
            yield row, _conversation(row)
        except ValueError as error:
            yield row, BadLine(where, "input:bad_conversation", str(error), raw)


def asked(row: dict[str, Any]) -> tuple[Message, ...]:
    """The messages of a prompt's row: `messages`, or `prompt` as a text or a list of messages; the
    last is the user's. Raises ValueError saying what is wrong."""
    if "messages" in row:
        return turns(row["messages"], "messages", "user")
    if "prompt" not in row:
        raise ValueError("neither 'prompt' nor 'messages'")
    text = row["prompt"]
    if isinstance(text, list):
        return turns(text, "prompt", "user")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("'prompt' is empty or not a text")
    return (Message("user", text),)


def asked_in(source: str | Path) -> Iterator[str]:
    """The user's last turn of each prompt in a file; rows that are no prompts are passed over.

    Raises DataError where the file cannot be read, or holds no prompt at all.
    """
    found = False
    for _, row, _ in read_rows(source, None):
        if isinstance(row, BadLine):
            continue
        try:
            text = asked(row)[-1].content
        except ValueError:
            continue
        found = True
        yield text
    if not found:
        raise DataError(f"{source}: no row has 'prompt' or 'messages'")


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
    messages = spread(Message("user", prompt))
    if messages[-1].role != "user":
        raise ValueError("'prompt' ends in the assistant's turn")
    return tuple(messages)


def spread(message: Message) -> list[Message]:
    """The turns that HelpSteer2 puts into one message; the first has the message's role."""
    first, *rest = _TURN.split(message.content)
    later = zip(rest[::2], rest[1::2], strict=True)
    return [Message(message.role, first), *(Message(role.lower(), text) for role, text in later)]


def turns(given: Any, field: str, last: str) -> tuple[Message, ...]:
    """A list of `role`/`content` dictionaries as messages, the last of them by `last`.

    Raises ValueError naming the turn and what is wrong with it.
    """
    if not isinstance(given, list) or not given:
        raise ValueError(f"'{field}' is not a list of messages")
    result = []
    for number, turn in enumerate(given):
        role = turn.get("role") if isinstance(turn, dict) else None
        content = turn.get("content") if isinstance(turn, dict) else None
        if role not in ROLES:
            raise ValueError(f"'{field}[{number}].role' is {role!r}; use {', '.join(ROLES)}")
        if not isinstance(content, str) or (not content.strip() and role != "system"):
            raise ValueError(f"'{field}[{number}].content' is empty or not a text")
        result.append(Message(role, content))
    if result[-1].role != last:
        raise ValueError(f"the last of '{field}' is the {result[-1].role}'s, not the {last}'s")
    return tuple(result)
