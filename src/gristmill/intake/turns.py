"""Turns in the ways that people's files write them, as messages."""

from __future__ import annotations

import math
import re
from typing import Any

from gristmill.intake.messages import spread
from gristmill.nemotron.chat import RATE, SYSTEM, TURN
from gristmill.records import Message

SPEAKERS = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
"""What `role` or `from` may say, in any case of letters."""

_TEXT_TURN = re.compile(rf"(?:\A|\n){TURN}(User|Assistant)\n")


class Unusable(Exception):
    """A row that cannot be used. `reason` is one short word, `detail` says it in full."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def text_of(row: dict[str, Any], field: str, blank: str) -> str:
    """A field that has to be a text with something in it; `blank` is the reason if it is not."""
    if field not in row:
        raise Unusable("missing_field", f"no '{field}' (columns: {', '.join(row)})")
    text = row[field]
    if not isinstance(text, str) or not text.strip():
        raise Unusable(blank, f"'{field}' is empty or not a text")
    return text


def number_of(value: Any, name: str, reason: str) -> float | None:
    """A finite number, given as one or as text (CSV has no other); None if it is not given."""
    if value is None or value == "":
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Unusable(reason, f"'{name}' is {value!r:.40}, not a number")
    return number


def messages_of(given: Any, field: str) -> tuple[Message, ...]:
    """A list of `role`/`content` or `from`/`value` dictionaries, or one of them.

    Several turns in one, as HelpSteer2 writes them, are taken apart.
    """
    if isinstance(given, dict):
        given = [given]
    if not isinstance(given, list) or not given:
        raise Unusable("bad_turns", f"'{field}' is not a list of messages")
    found: list[Message] = []
    for number, turn in enumerate(given):
        found.extend(spread(_message(turn, f"{field}[{number}]")))
    return _checked(found, field)


def prompt_of_row(row: dict[str, Any], field: str = "prompt") -> tuple[Message, ...]:
    """A prompt, text or messages, with the row's `system`; it ends with the user's turn."""
    if isinstance(row.get(field), list):
        found = messages_of(row[field], field)
    else:
        text = text_of(row, field, "empty_prompt")
        first, *rest = spread(Message("user", text))
        # A conversation that the assistant began has an empty turn of the user's in front.
        found = _checked([first, *rest] if first.content.strip() else rest, field)
    found = with_system(row, found)
    if found[-1].role != "user":
        raise Unusable("bad_turns", f"'{field}' ends with the {found[-1].role}'s turn")
    return found


def with_system(row: dict[str, Any], found: tuple[Message, ...]) -> tuple[Message, ...]:
    """The turns behind what the row has as `system`, unless they begin with their own."""
    system = row.get("system")
    if not isinstance(system, str) or not system.strip() or found[0].role == "system":
        return found
    return (Message("system", system), *found)


def answered(found: tuple[Message, ...], field: str) -> tuple[Message, ...]:
    """The same; refused where it does not end with the assistant's turn."""
    if found[-1].role != "assistant":
        raise Unusable("no_answer", f"'{field}' ends with the {found[-1].role}'s turn")
    return found


def nemotron_turns(text: str) -> tuple[Message, ...]:
    """The turns of a text in the family's own format, with or without its closing token."""
    body = text.rstrip()
    for closing in (RATE, TURN):
        body = body.removesuffix(closing)
    found = []
    if body.startswith(f"{SYSTEM}System"):
        head, mark, rest = body.partition(TURN)
        system, body = head.removeprefix(f"{SYSTEM}System").strip("\n"), mark + rest
        if system.strip():
            found.append(Message("system", system))
    before, *rest = _TEXT_TURN.split(body)
    if before.strip() or not rest:
        raise Unusable("bad_turns", f"'text' does not begin with {TURN}User or {SYSTEM}System")
    for role, content in zip(rest[::2], rest[1::2], strict=True):
        found.append(Message(role.lower(), content.removesuffix("\n")))
    if any(token in message.content for message in found for token in (SYSTEM, TURN, RATE)):
        raise Unusable("bad_turns", f"'text' has one of {SYSTEM}, {TURN}, {RATE} inside a turn")
    return _checked(found, "text")


def _message(turn: Any, place: str) -> Message:
    if not isinstance(turn, dict):
        raise Unusable("bad_turns", f"'{place}' is not a message with role and content")
    said = turn.get("role") or turn.get("from")
    role = SPEAKERS.get(said.casefold()) if isinstance(said, str) else None
    if role is None:
        raise Unusable("bad_turns", f"'{place}' is by {said!r:.40}; known: {', '.join(SPEAKERS)}")
    content = turn.get("content")
    if content is None:
        content = turn.get("value")
    if not isinstance(content, str):
        raise Unusable("bad_turns", f"'{place}' has no text as content")
    return Message(role, content)


def _checked(found: list[Message], field: str) -> tuple[Message, ...]:
    for number, message in enumerate(found):
        if message.role == "system" and number:
            raise Unusable("bad_turns", f"'{field}' has a system message that is not the first")
        if message.role != "system" and not message.content.strip():
            last = number == len(found) - 1 and message.role == "assistant"
            reason = "empty_response" if last else "empty_turn"
            raise Unusable(reason, f"turn {number + 1} of '{field}' is empty")
    return tuple(found)
