"""Turns in the ways that people's files write them, as messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeGuard

import orjson

from gristmill.foreign import read_json
from gristmill.intake.cells import Unusable
from gristmill.intake.message import answer_of, read_messages
from gristmill.nemotron.chat import RATE, SYSTEM, TURN
from gristmill.records import Message

Turns = tuple[Message, ...]

_SPREAD = re.compile(rf"\n{TURN}(User|Assistant)\n")
"""How HelpSteer2 puts several turns into one prompt."""
_TEXT_TURN = re.compile(rf"(?:\A|\n){TURN}(User|Assistant)\n")
_HH = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")
"""How HH-RLHF writes a conversation."""


def messages_of(given: Any, field: str) -> Turns:
    """A list of `role`/`content` or `from`/`value` dictionaries, one of them, or its JSON.

    Several turns in one, as HelpSteer2 writes them, are taken apart.
    """
    if isinstance(given, str) and given.lstrip()[:1] == "[":
        with suppress(orjson.JSONDecodeError):
            given = read_json(given)
    if isinstance(given, Mapping):
        given = [given]
    if not isinstance(given, list) or not given:
        raise Unusable("bad_turns", f"'{field}' is not a list of messages")
    found: list[Message] = []
    for number, turn in enumerate(given):
        for message in read_messages(turn, f"{field}[{number}]"):
            found += spread(message) if TURN in message.content else [message]
    return checked(found, field)


def listed(given: Any, field: str) -> Turns | None:
    """The turns in a cell that holds messages, or their JSON (CSV has no other); None for a text
    that is one."""
    if isinstance(given, str) and given.lstrip()[:1] == "[":
        with suppress(orjson.JSONDecodeError):
            found = read_json(given)
            if isinstance(found, list) and found and all(map(_is_message, found)):
                return messages_of(found, field)
    return messages_of(given, field) if isinstance(given, list | Mapping) else None


def _is_message(turn: Any) -> bool:
    return isinstance(turn, dict) and bool(turn.keys() & {"role", "from"})


def is_plain(given: Any) -> TypeGuard[str]:
    """Whether a cell holds one turn of text, as nearly every row does: none of the forms in which a
    text holds several begins so."""
    if not isinstance(given, str) or not given or TURN in given:
        return False
    return given[0] != "[" and not given[0].isspace() and not given.startswith("Human:")


def answer_in(text: str, field: str) -> Turns:
    """The assistant's turn in a text; several where HelpSteer2 has put them into it."""
    said = answer_of({"content": text}, field)
    message = Message("assistant", said.text, said.reasoning, said.calls)
    return checked(spread(message) if TURN in said.text else [message], field)


def spoken(text: str, field: str) -> Turns:
    """The turns of a text: one of the user's, or several as HelpSteer2 or HH-RLHF write them."""
    if text.startswith(("\n\nHuman:", "Human:")) and "\n\nAssistant:" in text:
        return hh_turns(text, field)
    if TURN not in text:
        return (Message("user", text),)
    first, *rest = spread(Message("user", text))
    # A conversation that the assistant began has an empty turn of the user's in front.
    return checked([first, *rest] if first.content.strip() else rest, field)


def hh_turns(text: str, field: str) -> Turns:
    """The turns of a text in HH-RLHF's form; without an empty last one, where it asks for it."""
    before, *rest = _HH.split(text)
    if before.strip() or not rest:
        raise Unusable("bad_turns", f"'{field}' does not begin with Human: or Assistant:")
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    if len(pairs) > 1 and pairs[-1][0] == "Assistant" and not pairs[-1][1].strip():
        pairs.pop()
    roles = {"Human": "user", "Assistant": "assistant"}
    return checked([Message(roles[who], said.strip()) for who, said in pairs], field)


def spread(message: Message) -> list[Message]:
    """The turns that HelpSteer2 puts into one message; the first has the message's role."""
    first, *rest = _SPREAD.split(message.content)
    if not rest:
        return [message]
    later = zip(rest[::2], rest[1::2], strict=True)
    return [Message(message.role, first), *(Message(role.lower(), text) for role, text in later)]


def nemotron_turns(text: str) -> Turns:
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
    return checked(found, "text")


def with_system(system: Any, found: Turns) -> Turns:
    """The turns behind a system message, unless it is blank or they begin with the same.

    Raises Unusable where they begin with another that is not blank.
    """
    if not isinstance(system, str) or not system.strip():
        return found
    if not found or found[0].role != "system":
        return (Message("system", system), *found)
    if not found[0].content.strip():
        return (Message("system", system), *found[1:])
    if found[0].content.split() != system.split():
        raise Unusable(
            "two_systems", "the row's system message is not the one its turns begin with"
        )
    return found


def asked(found: Turns, field: str) -> Turns:
    """The same; refused where it does not end with the user's turn, or with a tool's."""
    if found[-1].role not in ("user", "tool"):
        raise Unusable("bad_turns", f"'{field}' ends with the {found[-1].role}'s turn")
    return found


def answered(found: Turns, field: str) -> Turns:
    """The same; refused where it does not end with the assistant's turn."""
    if found[-1].role != "assistant":
        raise Unusable("no_answer", f"'{field}' ends with the {found[-1].role}'s turn")
    return found


def checked(found: list[Message], field: str) -> Turns:
    """The turns; refused where one is blank, or a system message is not the first."""
    for number, message in enumerate(found):
        if message.role == "system" and number:
            raise Unusable("bad_turns", f"'{field}' has a system message that is not the first")
        if message.role in ("system", "tool") or message.tool_calls or message.content.strip():
            continue
        last = number == len(found) - 1 and message.role == "assistant"
        reason = "empty_response" if last else "empty_turn"
        raise Unusable(reason, f"turn {number + 1} of '{field}' is empty")
    return tuple(found)
