"""Pairs of responses, one of them better, in the ways that people's files write them."""

from __future__ import annotations

from typing import Any

from gristmill.intake.turns import (
    Unusable,
    answered,
    messages_of,
    number_of,
    prompt_of_row,
    text_of,
    with_system,
)
from gristmill.records import Message

Row = dict[str, Any]
Turns = tuple[Message, ...]

STRONGEST = 3
"""HelpSteer2-Preference's -3 to 3: much, clearly, slightly better, the first or the second."""


def sides(row: Row) -> tuple[Turns, Turns, Turns]:
    """(prompt, chosen, rejected) of a row with `chosen` and `rejected`: texts, messages, or whole
    conversations.

    The prompt is `prompt` (text or messages), the turns in `conversations` or `messages`, or
    what the two conversations have in common at the beginning.
    """
    for name in ("chosen", "rejected"):
        if name not in row:
            raise Unusable("missing_field", f"no '{name}' (columns: {', '.join(row)})")
    chosen, rejected = side(row, "chosen"), side(row, "rejected")
    if chosen[0].role != "assistant" and rejected[0].role != "assistant":
        # Each begins with the prompt, whether or not a column has it as well.
        return _common(with_system(row, chosen), with_system(row, rejected))
    if chosen[0].role != rejected[0].role:
        raise Unusable("bad_turns", "one of 'chosen' and 'rejected' holds the prompt, one does not")
    field = next((name for name in ("prompt", "conversations", "messages") if name in row), None)
    if field is None:
        raise Unusable("missing_field", "no 'prompt', and none at the beginning of both sides")
    return prompt_of_row(row, field), chosen, rejected


def side(row: Row, field: str) -> Turns:
    """The turns of one response: a text, a message, or messages that end with the assistant's."""
    given = row[field]
    if isinstance(given, list | dict):
        return answered(messages_of(given, field), field)
    return (Message("assistant", text_of(row, field, "empty_response")),)


def _common(chosen: Turns, rejected: Turns) -> tuple[Turns, Turns, Turns]:
    """(prompt, chosen, rejected) of two whole conversations; each keeps its last turn."""
    check_differ(chosen, rejected)
    shared = 0
    most = min(len(chosen), len(rejected)) - 1
    while shared < most and chosen[shared] == rejected[shared]:
        shared += 1
    if all(turn.role != "user" for turn in chosen[:shared]):
        raise Unusable("no_common_prompt", "chosen and rejected answer different prompts")
    return chosen[:shared], chosen[shared:], rejected[shared:]


def numbered_sides(row: Row) -> tuple[Turns, Turns, Turns, float]:
    """(prompt, better, worse, strength above 0) of a row with `response_1`, `response_2` and
    `preference_strength`, negative for the first."""
    prompt = prompt_of_row(row)
    first, second = (
        (Message("assistant", text_of(row, name, "empty_response")),)
        for name in ("response_1", "response_2")
    )
    strength = strength_of(row)
    if strength is None:
        raise Unusable("missing_field", "no 'preference_strength'")
    if abs(strength) > STRONGEST:
        raise Unusable("bad_strength", f"'preference_strength' is {strength:g}, outside -3 to 3")
    chosen, rejected = (first, second) if strength < 0 else (second, first)
    return prompt, chosen, rejected, abs(strength)


def check_differ(chosen: Turns, rejected: Turns) -> None:
    """Raises Unusable where both say the same, white space aside."""
    if _plain(chosen) == _plain(rejected):
        raise Unusable("identical_pair", "chosen and rejected are the same")


def _plain(turns: Turns) -> list[tuple[str, list[str]]]:
    return [(turn.role, turn.content.split()) for turn in turns]


def strength_of(row: Row) -> float | None:
    """The row's `preference_strength`, None where it has none; 0 is no preference: Unusable."""
    strength = number_of(row.get("preference_strength"), "preference_strength", "bad_strength")
    if strength == 0:
        raise Unusable("no_preference", "'preference_strength' is 0: neither is better")
    return strength
