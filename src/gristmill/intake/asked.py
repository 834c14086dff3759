"""What the columns of a row ask, and what answers it in one of them."""

from __future__ import annotations

from typing import Any

from gristmill.intake.cells import Row, Unusable, text_of
from gristmill.intake.facts import SYSTEM
from gristmill.intake.message import is_bare
from gristmill.intake.turns import (
    Turns,
    answer_in,
    answered,
    asked,
    checked,
    hh_turns,
    is_plain,
    listed,
    messages_of,
    spoken,
    with_system,
)
from gristmill.records import Message

TURNS = ("messages", "conversations", "conversation")
"""Columns that hold a whole conversation, the first that is there."""
QUESTIONS = ("question", "problem", "query")
"""Columns that hold a prompt under another name."""
ASKS = ("prompt", *TURNS, "instruction", *QUESTIONS, "input")
"""Columns that hold a prompt, the first that is there."""
REPLIES = ("response", "completion", "output")
"""Columns that hold an answer, the first that is there."""
MORE = ("input", "context", "instances", "history")
"""Columns that say more of what is asked."""
_MORE = frozenset((*MORE, *SYSTEM))


def field_of(row: Row, names: tuple[str, ...]) -> str | None:
    """The first of several columns that a row has."""
    for name in names:
        if name in row:
            return name
    return None


def turns_field(row: Row) -> str:
    """The column of a row's turns; `messages` where it has none."""
    return field_of(row, TURNS) or TURNS[0]


def system_of(row: Row) -> Any:
    """The row's system message; None where it has none."""
    for name in SYSTEM:
        if row.get(name):
            return row[name]
    return None


def prompt_in(row: Row, field: str) -> Turns:
    """What a column asks, text or messages, behind the row's history and system message."""
    given = row.get(field)
    if is_plain(given) and _MORE.isdisjoint(row):
        return (Message("user", given),)
    found = listed(given, field)
    if found is None:
        text = text_of(row, field, "empty_prompt")
        found = spoken(f"{text}{_material(row, field, text)}", field)
    if "history" in row:
        found = checked([*_history(row), *found], field)
    return asked(with_system(system_of(row), found), field)


def _material(row: Row, field: str, text: str) -> str:
    """What an instruction is to be carried out on: Alpaca's `input`, Dolly's `context`, or the
    first of self-instruct's instances."""
    if field not in ("instruction", "prompt"):
        return ""
    given = row.get("input")
    if field == "instruction" or row.get("instruction") == text:
        first = first_instance(row)
        given = given or row.get("context") or (first and first.get("input"))
    said = given.strip() if isinstance(given, str) else ""
    return f"\n\n{said}" if said and said not in text else ""


def first_instance(row: Row) -> Row | None:
    """The first of self-instruct's instances of a task."""
    instances = row.get("instances")
    first = instances[0] if isinstance(instances, list) and instances else None
    return first if isinstance(first, dict) else None


def _history(row: Row) -> list[Message]:
    """LLaMA-Factory's `history`: what was said before, a list of questions with their answers."""
    given = row.get("history") or []
    said = []
    for pair in given if isinstance(given, list) else [given]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Unusable("bad_turns", "'history' is not a list of questions with their answers")
        for role, text in zip(("user", "assistant"), pair, strict=True):
            said += messages_of({"role": role, "content": text}, "history")
    return said


def reply_in(given: Any, field: str) -> Turns:
    """An answer: a text, a message, or messages that end with the assistant's. field: its name."""
    if is_bare(given):
        return (Message("assistant", given),)
    if (found := listed(given, field)) is not None:
        return answered(found, field)
    text = text_of({field: given}, field, "empty_response")
    if text.startswith("\n\nHuman:"):
        return answered(hh_turns(text, field), field)
    return answer_in(text, field)
