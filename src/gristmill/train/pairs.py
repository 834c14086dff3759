"""Preference pairs in the ways that people's files write them."""

from __future__ import annotations

from typing import Any

from gristmill.records import Message
from gristmill.train.examples import Compared
from gristmill.train.labels import number_of
from gristmill.train.turns import (
    Unusable,
    answered,
    messages_of,
    prompt_of_row,
    text_of,
    with_system,
)

Row = dict[str, Any]
Turns = tuple[Message, ...]

STRONGEST = 3
"""HelpSteer2-Preference's -3 to 3: much, clearly, slightly better, the first or the second."""


def pair(row: Row, where: str) -> Compared:
    """A row with `chosen` and `rejected`: texts, messages, or whole conversations.

    The prompt is `prompt` (text or messages), the turns in `conversations` or `messages`, or
    what the two conversations have in common at the beginning.
    """
    prompt, chosen, rejected = _sides(row)
    strength = _strength(row)
    if strength is not None and strength < 0:
        raise Unusable("bad_strength", f"'preference_strength' is {strength:g}, against the pair")
    return _compared(
        Compared(
            prompt,
            chosen,
            rejected,
            where,
            strength,
            _score(row, "chosen"),
            _score(row, "rejected"),
        )
    )


def numbered_pair(row: Row, where: str) -> Compared:
    """A row with `response_1`, `response_2` and `preference_strength`, negative for the first."""
    prompt = prompt_of_row(row)
    first, second = (
        (Message("assistant", text_of(row, name, "empty_response")),)
        for name in ("response_1", "response_2")
    )
    strength = _strength(row)
    if strength is None:
        raise Unusable("missing_field", "no 'preference_strength'")
    if abs(strength) > STRONGEST:
        raise Unusable("bad_strength", f"'preference_strength' is {strength:g}, outside -3 to 3")
    chosen, rejected = (first, second) if strength < 0 else (second, first)
    return _compared(Compared(prompt, chosen, rejected, where, abs(strength)))


def _compared(found: Compared) -> Compared:
    if _plain(found.chosen) == _plain(found.rejected):
        raise Unusable("identical_pair", "chosen and rejected are the same")
    return found


def _plain(turns: Turns) -> list[tuple[str, list[str]]]:
    return [(turn.role, turn.content.split()) for turn in turns]


def _sides(row: Row) -> tuple[Turns, Turns, Turns]:
    for name in ("chosen", "rejected"):
        if name not in row:
            raise Unusable("missing_field", f"no '{name}' (columns: {', '.join(row)})")
    chosen, rejected = _side(row, "chosen"), _side(row, "rejected")
    if chosen[0].role != "assistant" and rejected[0].role != "assistant":
        # Each begins with the prompt, whether or not a column has it as well.
        return _common(with_system(row, chosen), with_system(row, rejected))
    field = next((name for name in ("prompt", "conversations", "messages") if name in row), None)
    if field is None:
        raise Unusable("missing_field", "no 'prompt', and none at the beginning of both sides")
    return prompt_of_row(row, field), chosen, rejected


def _side(row: Row, field: str) -> Turns:
    given = row[field]
    if isinstance(given, list | dict):
        return answered(messages_of(given, field), field)
    return (Message("assistant", text_of(row, field, "empty_response")),)


def _common(chosen: Turns, rejected: Turns) -> tuple[Turns, Turns, Turns]:
    """(prompt, chosen, rejected) of two whole conversations; each keeps its last turn."""
    if _plain(chosen) == _plain(rejected):
        raise Unusable("identical_pair", "chosen and rejected are the same")
    shared = 0
    most = min(len(chosen), len(rejected)) - 1
    while shared < most and chosen[shared] == rejected[shared]:
        shared += 1
    if all(turn.role != "user" for turn in chosen[:shared]):
        raise Unusable("no_common_prompt", "chosen and rejected answer different prompts")
    return chosen[:shared], chosen[shared:], rejected[shared:]


def _strength(row: Row) -> float | None:
    strength = number_of(row.get("preference_strength"), "preference_strength", "bad_strength")
    if strength == 0:
        raise Unusable("no_preference", "'preference_strength' is 0: neither is better")
    return strength


def _score(row: Row, side: str) -> float | None:
    for name in (f"{side}_score", f"{side}_reward", f"score_{side}"):
        if row.get(name) is not None:
            return number_of(row[name], name, "bad_score")
    return None
